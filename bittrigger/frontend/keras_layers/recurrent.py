"""Recurrent layers of Keras and QKeras: their kernels behind the quantisers, their functions and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.flat.calls import Call
from bittrigger.frontend.keras_layers.weights import described, quantized

Facts = dict[str, Any]
Describe = Callable[[str, Any], Facts]

MAX_STEPS = 256
"""Most steps: each is built as hardware of its own."""


def recurrent(call: Call, describe: Describe) -> Facts:
    """The cell of a recurrent layer.

    Args:
        call: one use of it.
        describe: makes the plain description of an activation or quantiser.

    Raises:
        UnsupportedModelError: if it is called with states, or has too many steps.
    """
    layer, cell, steps = call.layer, call.layer.cell, call.own_input_shape[0]
    if len(call.inputs) > 1:
        raise UnsupportedModelError(
            f"layer {call.name!r}: it is called with initial states; allowed is one sequence, with states that begin at 0; "
            "call it with that alone"
        )
    if call.lead:
        raise UnsupportedModelError(
            f"layer {call.name!r}: it stands within a TimeDistributed; allowed are recurrent layers outside of it; use it on "
            "each sequence by itself"
        )
    if steps > MAX_STEPS:
        raise UnsupportedModelError(
            f"layer {call.name!r}: its sequences have {steps} steps, each of which becomes hardware of its own; allowed are up "
            f"to {MAX_STEPS}; use shorter sequences"
        )
    kind = call.class_name.removeprefix("Q")
    quantizers = {
        part: getattr(cell, f"{part}_quantizer_internal", None) for part in ("kernel", "recurrent", "bias", "state")
    }
    # QKeras takes the other kernel where this one has no quantiser.
    mistaken = call.class_name == "QGRU" and quantizers["recurrent"] is None
    again = cell.kernel if mistaken else cell.recurrent_kernel
    kernel = quantized(call.name, "kernel", quantizers["kernel"], cell.kernel)
    zeros = np.zeros((2, kernel.shape[1]) if getattr(cell, "reset_after", False) else kernel.shape[1], np.float32)
    return {
        attributes.KIND: "recurrent",
        attributes.KERNEL: kernel,
        attributes.RECURRENT_KERNEL: quantized(call.name, "recurrent kernel", quantizers["recurrent"], again),
        attributes.BIAS: quantized(call.name, "bias", quantizers["bias"], cell.bias) if cell.use_bias else zeros,
        attributes.QUANTIZER: " and ".join(described(quantizers[part]) for part in ("kernel", "recurrent")),
        attributes.SHAPE: list(call.own_shape),
        attributes.CELL: {
            "kind": kind,
            "activation": describe(call.name, cell.activation),
            "gate": None if kind == "SimpleRNN" else describe(call.name, cell.recurrent_activation),
            "state": None if quantizers["state"] is None else describe(call.name, quantizers["state"]),
            "reset_after": bool(getattr(cell, "reset_after", False)),
            "known_as": _known_as(call),
            "sequences": bool(layer.return_sequences),
            "backwards": bool(layer.go_backwards),
        },
    }


def _known_as(call: Call) -> str:
    """The name of the layer that types within it are declared for: that of a Bidirectional around it."""
    side = next((side for side in ("forward", "backward") if call.layer.name.startswith(f"{side}_")), None)
    return call.name if side is None else call.name.removesuffix(f"_{side}")
