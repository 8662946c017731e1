"""A network whose dense layers have kernels of chosen widths: ternary for some, a few bits for the others.

It computes what the original one does, but for its quantizers, and `bittrigger convert` takes it. Importing this module
imports TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import qkeras
import tensorflow as tf

from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.layers.activations import BitActivation, StaticQuantizer
from bittrigger.layers.bit_linear import BitLinear
from bittrigger.layers.keras_types import Layer, Model, Tensor
from bittrigger.layers.rebuild import Copy, copied, producer, rebuild, unused_name
from bittrigger.train.calibration import calibrate

__all__ = ["KERNEL_BITS", "TERNARY", "Kernels", "dense_layers", "make_mixed", "output_function"]

TERNARY = 0
"""Stands for a ternary kernel among widths in bits."""

KERNEL_BITS = range(4, 9)
"""Widths of kernels that are not ternary."""

Kernels = Mapping[str, int]
"""For each dense layer the bits of its kernel, or `TERNARY`."""

BIAS_BITS = 12
OUTPUT_BITS = 12
"""Of a quantizer behind a normalisation at an output, whose bits would be on no grid."""

_DENSE = ("Dense", "QDense", "BitLinear")
_SUMS = ("Add", "Subtract", "GlobalAveragePooling1D")
_OF_SIGNALS = ("Dot", "Multiply", "Rescaling")
_ON_CODES = (*_SUMS, *_OF_SIGNALS, "Concatenate")
"""Layers whose operands must be on a grid, those of attention among them."""

_MOVES = ("Flatten", "Reshape", "Dropout", "Concatenate")
_PROBABILITIES = ("softmax", "sigmoid")

Events = npt.NDArray[np.floating[Any]]


def dense_layers(model: Model) -> tuple[str, ...]:
    """Return the names of the layers whose kernels can be chosen, in the order of the model.

    Raises:
        UnsupportedModelError: there is none.
    """
    names = tuple(layer.name for layer in model.layers if type(layer).__name__ in _DENSE)
    if not names:
        kinds = sorted({type(layer).__name__ for layer in model.layers})
        raise UnsupportedModelError(
            f"model {model.name!r}: it has nothing to quantise, its layers are {', '.join(kinds)}; expected at least one of "
            f"{', '.join(_DENSE)}"
        )
    return names


def output_function(model: Model) -> str | None:
    """Return "softmax" or "sigmoid" if that is what the output of a model is made by, else None."""
    layer = producer(model.outputs[0])
    name = (
        "softmax" if type(layer).__name__ == "Softmax" else getattr(getattr(layer, "activation", None), "__name__", "")
    )
    return name if name in _PROBABILITIES else None


def make_mixed(model: Model, kernels: Kernels, x: Events, *, activation_bits: int = 8) -> Model:
    """Return a copy of `model` with quantised kernels, activations and biases, calibrated on `x`, not yet trained.

    A dense layer becomes BitLinear if its kernel is to be ternary, else QDense with `quantized_bits(n, k, alpha=1)`, where
    `k` is 0 or the least that holds the kernel; a ternary one that is to be ternary stays as it is. Its inputs get a
    quantizer, unless it has one or one stands before it; the quantizer is unsigned if no event has a negative value
    there, and its range is that of least error. So do the operands of Add, Subtract, Concatenate and
    GlobalAveragePooling1D, and a normalisation at the output. The other layers, BatchNormalization among them, are kept. A
    softmax or sigmoid at the output is left out: the copy delivers logits.

    Args:
        model: Sequential or Functional, with one input and one output.
        kernels: a width for each of `dense_layers(model)`.
        x: events `(n, ...)`, some thousand.
        activation_bits: width of the new activation quantizers, 2 to 16.

    Raises:
        ConfigError: a width is missing or out of range, or a layer is unknown.
        UnsupportedModelError: the model is of another kind, or a kernel would be all zeros.
    """
    check_kernels(model, kernels)
    signs = _Signs(model, x)
    maker = _Maker(kernels, activation_bits, signs, {layer.name for layer in model.layers}, producer(model.outputs[0]))
    made = rebuild(model, maker.copy)
    if not _on_grid(made.outputs[0]):
        quantizer = StaticQuantizer(OUTPUT_BITS, signed=signs.has_negative(model.outputs[0]))
        output = BitActivation(quantizer, name=unused_name("output", maker.names))(made.outputs[0])
        made = tf.keras.Model(made.inputs, output, name=model.name)
    if any(isinstance(layer, BitLinear | BitActivation) and layer.input_quantizer for layer in made.layers):
        calibrate(made, x, keep=maker.kept)
    return made


def check_kernels(model: Model, kernels: Kernels) -> None:
    """Refuse kernels that are not one allowed width for each dense layer.

    Raises:
        ConfigError: they are not.
    """
    names = dense_layers(model)
    for name, bits in kernels.items():
        if name not in names:
            raise ConfigError(
                f"layer {name!r}: model {model.name!r} has no such dense layer; allowed are {', '.join(names)}"
            )
        if bits != TERNARY and bits not in KERNEL_BITS:
            raise ConfigError(
                f"layer {name!r}: a kernel of {bits} bits; allowed are ternary, and {KERNEL_BITS[0]} to {KERNEL_BITS[-1]} bits"
            )
    missing = [name for name in names if name not in kernels]
    if missing:
        raise ConfigError(
            f"layer {missing[0]!r}: no kernel is chosen for it; expected one for each of {', '.join(names)}"
        )


@dataclass
class _Signs:
    """Whether a tensor of the original model is negative for some event; each is computed when it is asked for."""

    model: Model
    x: Events

    def has_negative(self, tensor: Tensor) -> bool:
        """Whether any value of `tensor` is below zero."""
        values = tf.keras.Model(self.model.inputs, tensor)(self.x, training=False)
        return bool(np.min(values) < 0)


@dataclass
class _Maker:
    """Makes the layers of the copy."""

    kernels: Kernels
    activation_bits: int
    signs: _Signs
    names: set[str]
    last: Layer
    kept: set[str] = field(default_factory=set)
    """Names of layers whose quantizer is that of the original, so that its range stays."""

    def copy(self, layer: Layer) -> Copy:
        """What stands in the place of `layer`."""
        kind = type(layer).__name__
        if kind in _DENSE:
            return self._dense(layer)
        if kind in _ON_CODES:
            return self._on_codes(layer)
        if layer is self.last and (kind == "Softmax" or _function(layer) in _PROBABILITIES):
            return lambda tensor: tensor
        return copied(layer)

    def _quantizer(self, old: Tensor) -> StaticQuantizer:
        return StaticQuantizer(self.activation_bits, signed=self.signs.has_negative(old))

    def _dense(self, layer: Layer) -> Copy:
        if len(layer.inbound_nodes) > 1:
            raise UnsupportedModelError(
                f"layer {layer.name!r}: it is used {len(layer.inbound_nodes)} times; allowed is one use, for only that "
                "converts; give each use a layer of its own"
            )
        bits = self.kernels[layer.name]

        def apply(tensor: Tensor) -> Tensor:
            own = layer.quantizer_now() if isinstance(layer, BitLinear) else None
            if own:
                self.kept.add(layer.name)
            if bits == TERNARY and not _is_ternary(layer):
                quantizer = own or (None if _is_quantised(tensor) else self._quantizer(layer.input))
                dense = BitLinear(**_shape(layer), input_quantizer=quantizer)
                weights = _values(layer)
            elif bits == TERNARY:
                tensor = tensor if own else self._quantised(layer.input, tensor)
                dense = _same(layer)
                weights = layer.get_weights()
            else:
                tensor = self._quantised(layer.input, tensor, own)
                dense = _few_bits(layer, bits)
                weights = _values(layer)
            result = dense(tensor)
            dense.set_weights([*weights, *dense.get_weights()[len(weights) :]])
            _check_kernel(layer, dense)
            return self._activation(layer, result)

        return apply

    def _activation(self, layer: Layer, tensor: Tensor) -> Tensor:
        """The activation argument of a dense layer as a layer of its own."""
        name = _function(layer)
        if name == "linear" or (layer is self.last and name in _PROBABILITIES):
            return tensor
        if hasattr(layer.activation, "get_config"):
            front = type(layer.activation).from_config(layer.activation.get_config())
            return qkeras.QActivation(front, name=unused_name(f"{layer.name}_activation", self.names))(tensor)
        return tf.keras.layers.Activation(name, name=unused_name(f"{layer.name}_{name}", self.names))(tensor)

    def _on_codes(self, layer: Layer) -> Copy:
        """A copy of a layer, with quantizers before it where none stand."""
        copy = copied(layer)

        def apply(operands: Any) -> Tensor:  # noqa: ANN401 - a tensor or a list of them
            return copy(tf.nest.map_structure(self._quantised, layer.input, operands))

        return apply

    def _quantised(self, old: Tensor, new: Tensor, quantizer: StaticQuantizer | None = None) -> Tensor:
        """A tensor of the copy on a grid, given the one of the original that it stands for."""
        if quantizer is None and _is_quantised(new):
            return new
        name = unused_name(f"{producer(old).name}_code", self.names)
        if quantizer is not None:
            self.kept.add(name)
        return BitActivation(quantizer or self._quantizer(old), name=name)(new)


def _shape(layer: Layer) -> dict[str, Any]:
    """The options that a layer and its replacement share."""
    return {
        "units": layer.units,
        "name": layer.name,
        "use_bias": layer.use_bias,
        "bias_quantizer": f"quantized_bits({BIAS_BITS},{_integer(layer.bias, 3)},alpha=1)" if layer.use_bias else None,
    }


def _is_ternary(layer: Layer) -> bool:
    return type(getattr(layer, "kernel_quantizer_internal", None)).__name__ in ("absmean_ternary", "ternary")


def _values(layer: Layer) -> list[npt.NDArray[np.float32]]:
    """Kernel and bias as the original computes with them, their quantizers applied."""
    quantizers = [getattr(layer, f"{part}_quantizer_internal", None) for part in ("kernel", "bias")]
    weights = layer.get_weights()[: 1 + layer.use_bias]
    return [
        values if quantizer is None else np.asarray(quantizer(tf.constant(values)))
        for quantizer, values in zip(quantizers, weights, strict=False)
    ]


def _same(layer: Layer) -> Layer:
    """A copy of a ternary layer without its activation argument, whose weights are still to be set."""
    config = layer.get_config()
    return type(layer).from_config({**config, **({"activation": "linear"} if "activation" in config else {})})


def _few_bits(layer: Layer, bits: int) -> Layer:
    return qkeras.QDense(
        **_shape(layer), kernel_quantizer=f"quantized_bits({bits},{_integer(layer.kernel, 0)},alpha=1)"
    )


def _integer(weights: Tensor, least: int) -> int:
    """The integer bits of a range that holds the weights, at least `least`."""
    peak = float(np.abs(np.asarray(weights)).max(initial=0.0))
    return max(least, math.ceil(math.log2(peak)) if peak > 0 else 0)


def _check_kernel(layer: Layer, dense: Layer) -> None:
    values = dense.kernel_quantizer_internal(dense.kernel).numpy()
    if not values.any():
        peak = float(np.abs(np.asarray(layer.kernel)).max(initial=0.0))
        raise UnsupportedModelError(
            f"layer {layer.name!r}: {dense.kernel_quantizer_internal} makes all of its weights zero, the largest is {peak:.3g}; "
            "allowed is a kernel with at least one other weight; make it ternary, whose scale follows the weights, or use "
            f"more bits, up to {KERNEL_BITS[-1]}"
        )


def _function(layer: Layer) -> str:
    """The name of the function that a layer applies; "" for a quantizer or none."""
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))


def _is_quantised(tensor: Tensor) -> bool:
    """Whether a quantizer of activations made a tensor, so that it is on a grid of few bits."""
    layer = producer(tensor)
    match type(layer).__name__:
        case "BitActivation" | "BitTable":
            return True
        case "QActivation":
            return hasattr(layer.quantizer, "bits")
        case kind if kind in _MOVES:
            return all(_is_quantised(source) for source in _sources(layer))
        case _:
            return False


def _on_grid(tensor: Tensor) -> bool:
    """Whether the values of an output lie on a grid: those of a dense layer do, those of a normalisation do not."""
    layer = producer(tensor)
    kind = type(layer).__name__
    if kind in (*_DENSE, *_SUMS) or _is_quantised(tensor):
        return True
    plain = kind in (*_MOVES, "ReLU") or (kind == "Activation" and _function(layer) in ("linear", "relu"))
    return plain and all(_on_grid(source) for source in _sources(layer))


def _sources(layer: Layer) -> list[Tensor]:
    return layer.input if isinstance(layer.input, list) else [layer.input]
