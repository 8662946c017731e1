"""Types for what is within a recurrent layer of Keras: that of QKeras which rounds its gates, activations and states.

Of ``fixed<12,4>``, which has 8 bits behind the point, sigmoids are ``quantized_sigmoid(8)``, tanh is ``quantized_tanh(9)``, both
of the real functions, and states are ``quantized_bits(12,3)``: all are rounded half to even, and saturate. A type with modes of
its own, as hls4ml has them, is that of all of these. What goes into the functions may have a type too: the sums, and the carry of
an LSTM.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.frontend.attributes import BIDIRECTIONAL
from bittrigger.frontend.elementwise.typed_function import TypedFunction
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import FLOAT32_BITS
from bittrigger.settings.declared import CELL

_KINDS = ("SimpleRNN", "LSTM", "GRU")
_KEPT = ("name", "units", "use_bias", "return_sequences", "go_backwards", "reset_after", "batch_input_shape")
_PLACES, _WHOLE = 16, 7
_AS_IT_IS = f"quantized_bits({_PLACES + _WHOLE + 1},{_WHOLE},alpha=1)"
"""Weights that have been rounded stay what they are; a QGRU takes another kernel where it has none."""


def is_recurrent(layer: Any) -> bool:
    """Whether types within it may be declared: a recurrent layer of Keras with tanh and sigmoid, or two in a Bidirectional."""
    if type(layer).__name__ in BIDIRECTIONAL:
        return all(map(is_recurrent, (layer.forward_layer, layer.backward_layer)))
    functions = [getattr(layer, key, None) for key in ("activation", "recurrent_activation")]
    names = [getattr(function, "__name__", "") for function in functions if function is not None]
    return type(layer).__name__ in _KINDS and names[0] == "tanh" and names[-1] in ("tanh", "sigmoid")


def check(layer: Any, name: str, kind: Cast) -> None:
    """Refuse a type that the layer of QKeras cannot have, or a layer that has no such one.

    Raises:
        ConfigError: if it is one.
    """
    if not is_recurrent(layer):
        raise ConfigError(
            f"setting 'layer_precision' names {name!r}, and layer {layer.name!r} is a {type(layer).__name__}; allowed are "
            f"{', '.join(_KINDS)} of Keras with tanh and sigmoid, and Bidirectionals of these; write {layer.name!r} for what it "
            "delivers"
        )
    fixed = kind.fixed
    if not (fixed.signed and fixed.integer >= 1 and fixed.frac >= 1 and fixed.width <= FLOAT32_BITS):
        raise ConfigError(
            f"setting 'layer_precision' gives {name!r} the type {kind}; allowed within a recurrent layer are signed types of up "
            f"to {FLOAT32_BITS} bits, some on either side of the point; take fixed<12,4>"
        )


def check_arrays(layer: Any) -> None:
    """Refuse weights that have not been rounded.

    Raises:
        ConfigError: if there are some.
    """
    scaled = np.concatenate([np.ravel(array) for array in layer.get_weights()]).astype(np.float64) * 2.0**_PLACES
    if not ((scaled == np.rint(scaled)) & (np.abs(scaled) < 2.0 ** (_PLACES + _WHOLE))).all():
        raise ConfigError(
            f"setting 'layer_precision' names '{layer.name}{CELL}', and layer {layer.name!r} has weights of no type; allowed are "
            f"types of up to {_WHOLE} bits before the point and {_PLACES} behind it; give them one with --weight-precision, for "
            "example 'fixed<8,2>'"
        )


def typed(layer: dict[str, Any], kind: Cast, operand: Cast | None) -> dict[str, Any]:
    """The layer of QKeras in the place of that of Keras, or two of them in a Bidirectional, of its configuration.

    Args:
        kind: the type of gates, activations and states.
        operand: that of what goes into functions, if it has one.
    """
    config = layer["config"]
    if layer["class_name"] in BIDIRECTIONAL:
        inner = {
            key: typed(config[key], kind, operand) for key in ("layer", "backward_layer") if config.get(key) is not None
        }
        return {**layer, "config": {**config, **inner}}
    own = {key: config[key] for key in _KEPT if key in config} | _functions(kind, operand)
    if layer["class_name"] == "SimpleRNN":
        del own["recurrent_activation"]
    own |= dict.fromkeys(("kernel_quantizer", "recurrent_quantizer", "bias_quantizer"), _AS_IT_IS)
    kept: dict[str, Any] = {key: layer[key] for key in ("name", "inbound_nodes") if key in layer}
    return {**kept, "class_name": f"Q{layer['class_name']}", "config": own}


def _functions(kind: Cast, operand: Cast | None) -> dict[str, Any]:
    frac, fixed = kind.frac, kind.fixed
    if not kind.has_default_modes:
        tanh = sigmoid = str(kind)
    elif operand is not None:
        tanh, sigmoid = f"fixed<{frac + 1},1>", f"ufixed<{frac},0>"
    else:
        return {
            "activation": f"quantized_tanh({frac + 1},use_real_tanh=True)",
            "recurrent_activation": f"quantized_sigmoid({frac},use_real_sigmoid=True)",
            "state_quantizer": f"quantized_bits({fixed.width},{fixed.integer - 1},alpha=1)",
        }
    into = None if operand is None else str(operand)
    return {
        "activation": _entry("tanh", tanh, into),
        "recurrent_activation": _entry("sigmoid", sigmoid, into),
        "state_quantizer": _entry("linear", str(kind), None),
    }


def _entry(function: str, result: str, operand: str | None) -> Mapping[str, Any]:
    """A typed function in a configuration."""
    return {"class_name": TypedFunction.__name__, "config": TypedFunction(function, result, operand).get_config()}
