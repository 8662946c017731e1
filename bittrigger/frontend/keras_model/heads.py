"""Float layers at the outputs, quantised on request: another model."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import WRAPPERS
from bittrigger.frontend.keras_model.copies import copy_of
from bittrigger.frontend.kernels import Float32Array

_WITH_KERNEL = {
    **dict.fromkeys(
        ("Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose"), "kernel"
    ),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), "depthwise_kernel"),
}
"""Layers with a float kernel, and its name."""
_ENDINGS = ("Activation", "Softmax", "Flatten", "Reshape")


def with_heads(model: Any, bits: int) -> tuple[Any, list[str]]:
    """A copy of ``model`` with float kernels at its outputs on a grid of ``bits`` bits, and the names of these layers.

    The step of each output is the least power of two with which no weight of it is clipped; biases stay as they are.

    Raises:
        UnsupportedModelError: if there is no such layer.
    """
    names = [layer.name for layer in heads_of(model)]
    if not names:
        raise UnsupportedModelError(
            f"model {model.name!r}: --head-bits {bits}, and no layer at an output has a float kernel; allowed are "
            f"{', '.join(_WITH_KERNEL)} right before an output; leave --head-bits out"
        )
    made = copy_of(model)
    for name in names:
        layer = bare(made.get_layer(name))
        kernel = getattr(layer, _WITH_KERNEL[type(layer).__name__])
        kernel.assign(on_grid(np.asarray(kernel, dtype=np.float32), bits))
    return made, names


def heads_of(model: Any) -> list[Any]:
    """Layers with a float kernel behind which there is nothing but endings."""
    found = {}
    for tensor in model.outputs:
        layer = tensor.node.layer
        while type(layer).__name__ in _ENDINGS and not isinstance(layer.input, list):
            source = layer.input.node.layer
            if source is layer:
                break
            layer = source
        if type(bare(layer)).__name__ in _WITH_KERNEL:
            found[layer.name] = layer
    return list(found.values())


def bare(layer: Any) -> Any:
    """A layer without the wrappers around it."""
    while type(layer).__name__ in WRAPPERS:
        layer = layer.layer
    return layer


def on_grid(kernel: Float32Array, bits: int) -> Float32Array:
    """``kernel`` rounded to signed codes of ``bits`` bits, with a power of two for each output, its last axis."""
    largest = (1 << (bits - 1)) - 1
    peak = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0).astype(np.float64)
    places = np.where(peak > 0, np.ceil(np.log2(np.where(peak > 0, peak, 1) / largest)), 0).astype(np.int64)
    codes = np.clip(np.rint(np.ldexp(kernel.astype(np.float64), -places)), -largest, largest)
    return np.ldexp(codes, places).astype(np.float32)
