"""Bit layers replaced by stock QKeras layers of the same bits. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import qkeras
import tensorflow as tf

from bittrigger.errors import UnsupportedModelError
from bittrigger.keras_allowed import TRAINING_ONLY
from bittrigger.train.activations import BitActivation
from bittrigger.train.bithep import BitHepLinear
from bittrigger.train.keras_types import Layer, Model, Option, Quantizer, Tensor
from bittrigger.train.layers import BitConv1D, BitConv2D, BitLinear
from bittrigger.train.quantizers import absmean_binary, absmean_ternary

__all__ = ["stock_kernel_quantizer", "stock_layers"]

BIT_LAYERS = (BitLinear, BitActivation, BitConv1D, BitConv2D, BitHepLinear)


def stock_layers(model: Model) -> Model:
    """Return `model` with each bit layer replaced by stock QKeras layers, or `model` itself if it has none.

    A BitLinear becomes a QActivation, if it has an input quantizer, and a QDense of the same name, whose latent weights
    are those values that the quantizers deliver. The other layers are copied with their weights. Where the inputs of
    a quantizer lie within 2^24 of its steps, the outputs are those of `model` on every bit.

    Args:
        model: a built Sequential or Functional model; each layer is used once.

    Raises:
        UnsupportedModelError: the model is another one, a layer is for training only, or a bias quantizer is absent.
    """
    if not any(isinstance(layer, BIT_LAYERS) for layer in model.layers):
        return model
    if not getattr(model, "_is_graph_network", False):
        raise UnsupportedModelError(
            f"model {model.name!r}: class {type(model).__name__} has no graph of layers; allowed are Sequential and "
            "Functional models with an Input; call the layers on a tf.keras.Input and make a tf.keras.Model of it"
        )
    names = {layer.name for layer in model.layers}
    inputs = [tf.keras.Input(t.shape[1:], dtype=t.dtype, name=_input_name(t)) for t in model.inputs]
    tensors: dict[int, Tensor] = dict(zip(map(id, model.inputs), inputs, strict=True))
    copies: dict[str, Callable[..., Tensor]] = {}
    # Keras keeps the calls of a functional model in this order; it has no public name for it.
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            args, kwargs = tf.nest.map_structure(lambda t: tensors.get(id(t), t), (node.call_args, node.call_kwargs))
            apply = copies.setdefault(node.layer.name, _copy(node.layer, names))
            tf.nest.map_structure(
                lambda old, new: tensors.__setitem__(id(old), new), node.outputs, apply(*args, **kwargs)
            )
    outputs = [tensors[id(t)] for t in model.outputs]
    return tf.keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)


def stock_kernel_quantizer(quantizer: absmean_ternary | absmean_binary, kernel: Tensor) -> Quantizer:
    """Return the stock quantizer that leaves the quantised values of `kernel` as they are."""
    _, scale = quantizer.codes_and_scale(kernel)
    alpha = float(scale.numpy())
    if isinstance(quantizer, absmean_binary):
        return qkeras.binary(alpha=alpha)
    return qkeras.ternary(alpha=alpha, threshold=alpha / 2)


def _input_name(tensor: Tensor) -> str:
    return str(tensor.node.layer.name)


def _copy(layer: Layer, names: set[str]) -> Callable[..., Tensor]:
    """What stands in the place of `layer`, to be called as it was."""
    match layer:
        case BitLinear():
            return _bit_linear(layer, names)
        case BitActivation():
            return qkeras.QActivation(layer.stock_input(), name=layer.name)  # type: ignore[no-any-return]
        case BitConv1D() | BitConv2D() | BitHepLinear():
            kind = type(layer).__name__
            raise UnsupportedModelError(f"layer {layer.name!r}: {kind} is for training only, {TRAINING_ONLY[kind]}")
        case _:
            return _with_weights(layer)


def _with_weights(layer: Layer) -> Callable[..., Tensor]:
    """A copy of a layer, which takes over its weights at its first call."""
    copy = type(layer).from_config(layer.get_config())

    def apply(*args: Option, **kwargs: Option) -> Tensor:
        built = copy.built
        result = copy(*args, **kwargs)
        if not built and layer.weights:
            copy.set_weights(layer.get_weights())
        return result

    return apply


def _bit_linear(layer: Layer, names: set[str]) -> Callable[..., Tensor]:
    if layer.use_bias and layer.bias_quantizer_internal is None:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: its bias has no quantizer, so that its bits have no grid; allowed are quantizers such as "
            "quantized_bits(12,3,alpha=1); set bias_quantizer, or use_bias=False"
        )
    front = layer.stock_input()
    quantise = qkeras.QActivation(front, name=_unused(f"{layer.name}_input", names)) if front is not None else None
    bias_quantizer = layer.bias_quantizer_internal
    dense = qkeras.QDense(
        layer.units,
        name=layer.name,
        use_bias=layer.use_bias,
        kernel_initializer="zeros",
        bias_initializer="zeros",
        kernel_quantizer=stock_kernel_quantizer(layer.kernel_quantizer_internal, layer.kernel),
        bias_quantizer=type(bias_quantizer).from_config(bias_quantizer.get_config()) if layer.use_bias else None,
    )

    def apply(inputs: Tensor) -> Tensor:
        result = dense(inputs if quantise is None else quantise(inputs))
        values = [layer.kernel_quantizer_internal(layer.kernel).numpy()]
        if layer.use_bias:
            values.append(bias_quantizer(layer.bias).numpy())
        dense.set_weights(values)
        _check(layer, dense, values)
        return result

    return apply


def _check(layer: Layer, dense: Layer, values: list[Any]) -> None:
    """Compare what the quantizers of both layers make of the weights, with no tolerance."""
    quantizers = dense.get_quantizers()
    for part, quantizer, value in zip(("kernel", "bias"), quantizers, values, strict=False):
        if not np.array_equal(quantizer(value).numpy(), value):
            raise UnsupportedModelError(
                f"layer {layer.name!r}: {quantizer} does not reproduce its {part}; expected values on its grid; use "
                "quantized_bits(12,3,alpha=1) for a bias"
            )


def _unused(name: str, names: set[str]) -> str:
    """A name of a layer that is not in `names` yet; it is added."""
    while name in names:
        name += "_"
    names.add(name)
    return name
