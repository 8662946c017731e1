"""Bit layers replaced by stock QKeras layers of the same bits. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import qkeras

from bittrigger.errors import UnsupportedModelError
from bittrigger.layers.activations import BitActivation
from bittrigger.layers.bit_linear import BitConv1D, BitConv2D, BitLinear
from bittrigger.layers.bithep import BitHepLinear
from bittrigger.layers.keras_types import Layer, Model, Quantizer, Tensor
from bittrigger.layers.names import TRAINING_ONLY
from bittrigger.layers.pointwise import is_pointwise
from bittrigger.layers.quantizers import absmean_binary, absmean_ternary
from bittrigger.layers.rebuild import Copy, copied, rebuild, unused_name
from bittrigger.layers.tables import BitTable

__all__ = ["stock_kernel_quantizer", "stock_layers", "with_windows"]

BIT_LAYERS = (BitLinear, BitActivation, BitTable, BitConv1D, BitConv2D, BitHepLinear)


def stock_layers(model: Model, *, keep_activations: bool = False) -> Model:
    """Return `model` with each bit layer replaced by stock QKeras layers, or `model` itself if it has none.

    A BitLinear becomes a QActivation, if it has an input quantizer, and a QDense of the same name, whose latent weights are those
    values that the quantizers deliver; so does a convolution of one tap, and any other becomes a QConv1D or QConv2D. The
    other layers are copied with their weights. Where the inputs of a quantizer lie within 2^24 of its steps, the outputs are
    those of `model` on every bit.
    A dynamic quantizer has no stock twin: it stays, as a BitActivation; so does a BitTable.

    Args:
        model: a built Sequential or Functional model; each layer is used once.
        keep_activations: whether static quantizers stay in BitActivations too, as they do keep to their grids beyond 2^24 steps.

    Raises:
        UnsupportedModelError: the model is another one, a layer is for training only, or a bias quantizer is absent.
    """
    if not any(isinstance(layer, BIT_LAYERS) for layer in model.layers):
        return model
    names = {layer.name for layer in model.layers}
    return rebuild(model, lambda layer: _copy(layer, names, keep=keep_activations))


def stock_kernel_quantizer(quantizer: absmean_ternary | absmean_binary, kernel: Tensor) -> Quantizer:
    """Return the stock quantizer that leaves the quantised values of `kernel` as they are."""
    _, scale = quantizer.codes_and_scale(kernel)
    alpha = float(scale.numpy())
    if isinstance(quantizer, absmean_binary):
        return qkeras.binary(alpha=alpha)
    return qkeras.ternary(alpha=alpha, threshold=alpha / 2)


def _copy(layer: Layer, names: set[str], *, keep: bool) -> Copy:
    """What stands in the place of `layer`, to be called as it was."""
    match layer:
        case BitLinear():
            return _bit_linear(layer, layer.units, names, keep=keep)
        case BitConv1D() | BitConv2D():
            return _bit_linear(layer, layer.filters, names, keep=keep)
        case BitActivation():
            return _activation(layer, layer.name, keep=keep)
        case BitHepLinear():
            kind = type(layer).__name__
            raise UnsupportedModelError(f"layer {layer.name!r}: {kind} is for training only, {TRAINING_ONLY[kind]}")
        case _:
            return copied(layer)


def _activation(layer: Layer, name: str, *, keep: bool) -> Copy:
    """What quantises the inputs of `layer`; a dynamic quantizer has no stock twin and stays in a layer of ours."""
    stock = layer.stock_input()
    found: Copy
    if stock is None or keep:
        found = BitActivation(layer.quantizer_now() or layer.input_quantizer, name=name)
    else:
        found = qkeras.QActivation(stock, name=name)
    return found


def _bit_linear(layer: Layer, units: int, names: set[str], *, keep: bool) -> Copy:
    """A QDense in the place of a BitLinear, or of a convolution that treats each position alone; a QConv in that of others."""
    if layer.use_bias and layer.bias_quantizer_internal is None:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: its bias has no quantizer, so that its bits have no grid; allowed are quantizers such as "
            "quantized_bits(12,3,alpha=1); set bias_quantizer, or use_bias=False"
        )
    quantise = None
    if layer.input_quantizer is not None:
        quantise = _activation(layer, unused_name(f"{layer.name}_input", names), keep=keep)
    bias_quantizer = layer.bias_quantizer_internal
    dense = _plain(layer)(
        units,
        name=layer.name,
        use_bias=layer.use_bias,
        kernel_initializer="zeros",
        bias_initializer="zeros",
        kernel_quantizer=stock_kernel_quantizer(layer.kernel_quantizer_internal, layer.kernel),
        bias_quantizer=type(bias_quantizer).from_config(bias_quantizer.get_config()) if layer.use_bias else None,
    )

    def apply(inputs: Tensor) -> Tensor:
        result = dense(inputs if quantise is None else quantise(inputs))
        values = [layer.kernel_quantizer_internal(layer.kernel).numpy().reshape(dense.kernel.shape)]
        if layer.use_bias:
            values.append(bias_quantizer(layer.bias).numpy())
        dense.set_weights(values)
        _check(layer, dense, values)
        return result

    return apply


def _plain(layer: Layer) -> Callable[..., Layer]:
    """The class of QKeras that computes what `layer` does, with its windows."""
    if isinstance(layer, BitLinear) or is_pointwise(layer):
        kind: Callable[..., Layer] = qkeras.QDense
        return kind
    return with_windows(qkeras.QConv1D if isinstance(layer, BitConv1D) else qkeras.QConv2D, layer)


def with_windows(kind: Callable[..., Layer], layer: Layer) -> Callable[..., Layer]:
    """Return the class `kind` of a convolution with the windows of `layer`."""
    return partial(
        kind,
        kernel_size=layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        data_format=layer.data_format,
        dilation_rate=layer.dilation_rate,
        groups=layer.groups,
    )


def _check(layer: Layer, dense: Layer, values: list[Any]) -> None:
    """Compare what the quantizers of both layers make of the weights, with no tolerance."""
    quantizers = dense.get_quantizers()
    for part, quantizer, value in zip(("kernel", "bias"), quantizers, values, strict=False):
        if not np.array_equal(quantizer(value).numpy(), value):
            raise UnsupportedModelError(
                f"layer {layer.name!r}: {quantizer} does not reproduce its {part}; expected values on its grid; use "
                "quantized_bits(12,3,alpha=1) for a bias"
            )
