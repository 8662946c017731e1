"""A Keras model in double precision with the very parameters of its float32, which stand behind quantisers and normalisations.

It differs from the definition of the model only where a double rounds, at the 53rd bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.frontend.elementwise.double import doubles
from bittrigger.frontend.elementwise.functions import function_from_spec
from bittrigger.frontend.keras_layers.weights import factor_and_offset
from bittrigger.frontend.keras_model.copies import copy_of
from bittrigger.frontend.keras_model.heads import bare
from bittrigger.frontend.keras_model.parse import without_bit_layers
from bittrigger.frontend.kernels import Float32Array, factor_kernel
from bittrigger.ir.fixed import FloatArray

_WEIGHTS = {
    "kernel": "kernel",
    "depthwise": "depthwise_kernel",
    "pointwise": "pointwise_kernel",
    "bias": "bias",
}
"""The quantiser of a layer, and the variable that it quantises."""

_RELU = "quantized_relu"
_NORMALISATIONS = ("BatchNormalization", "QBatchNormalization")
_NORMALISATION_KEYS = ("name", "trainable", "dtype", "axis", "epsilon")


@contextmanager
def in_double(model: Any) -> Iterator[Any]:
    """The model in double precision, inside the block; Keras computes in double precision there."""
    model = without_bit_layers(model)
    arrays = [_parameters(layer) for layer in leaves(model)]
    with doubles():
        double = copy_of(model, _doubled, weights=False)
        for values, twin in zip(arrays, leaves(double), strict=True):
            _set(twin, values)
        yield double


def leaves(model: Any) -> Iterator[Any]:
    """The layers of a model that compute something, those within models and wrappers included."""
    for layer in model.layers:
        inner = bare(layer)
        if hasattr(inner, "layers"):
            yield from leaves(inner)
        else:
            yield inner


def _doubled(config: Any) -> Any:
    """``config`` with every layer in float64, and normalisations that are a factor and an offset."""
    if isinstance(config, list):
        return [_doubled(item) for item in config]
    if isinstance(config, tuple):
        return tuple(_doubled(item) for item in config)
    if not isinstance(config, Mapping):
        return config
    made: dict[str, Any] = {
        key: "float64" if key == "dtype" and value == "float32" else _doubled(value) for key, value in config.items()
    }
    if made.get("class_name") in _NORMALISATIONS and "config" in made:
        kept = {key: value for key, value in made["config"].items() if key in _NORMALISATION_KEYS}
        made |= {"class_name": "BatchNormalization", "config": kept}
        made.pop("registered_name", None)
        made.pop("module", None)
    return made


@dataclass(frozen=True, eq=False)
class _Parameters:
    """What a layer computes with: all its variables, or those of a normalisation; and those behind quantisers, by name."""

    variables: list[FloatArray]
    quantised: dict[str, FloatArray]


def _parameters(layer: Any) -> _Parameters:
    if type(layer).__name__ in _NORMALISATIONS:
        factor, offset = (array.astype(np.float64) for array in factor_and_offset(layer.name, layer))
        # factor and offset as float32 computes them, over a variance of which the square root is 1
        return _Parameters([factor, offset, np.zeros_like(factor), np.full_like(factor, 1 - layer.epsilon)], {})
    quantised = {}
    for what, variable in _WEIGHTS.items():
        quantizer = getattr(layer, f"{what}_quantizer_internal", None)
        if quantizer is not None and getattr(layer, variable, None) is not None:
            values = np.asarray(quantizer(getattr(layer, variable)), dtype=np.float32)
            scale = getattr(quantizer, "scale", None)
            quantised[what] = values.astype(np.float64) if what == "bias" else _definition(layer.name, values, scale)
    return _Parameters([np.asarray(weight, dtype=np.float64) for weight in layer.get_weights()], quantised)


def _set(twin: Any, values: _Parameters) -> None:
    """Give a layer its parameters; what was quantised is quantised no more, and a quantised ReLU reads every bit of a double."""
    for place in ("quantizer", "activation"):
        relu = getattr(twin, place, None)
        if type(relu).__name__ == _RELU:
            setattr(twin, place, _relu_of_doubles(twin.name, relu))
    twin.set_weights(values.variables)
    for what, array in values.quantised.items():
        getattr(twin, _WEIGHTS[what]).assign(array)
        setattr(twin, f"{what}_quantizer", None)
        setattr(twin, f"{what}_quantizer_internal", None)


def _relu_of_doubles(layer: str, relu: Any) -> Callable[[Any], Any]:
    """The definition of a quantised ReLU, which QKeras casts to float32 first; itself where it is no lines on a grid."""
    import tensorflow as tf

    function = function_from_spec(layer, {"module": "qkeras", "class_name": _RELU, "config": relu.get_config()})
    grid, slope = function.grid, 1.0 if function.plain else function.slope
    if grid is None or slope is None:
        return relu  # type: ignore[no-any-return]
    unit = 2.0**grid.frac

    def rounded(values: Any) -> Any:
        codes = unit * tf.where(values < 0, slope * values, values)
        return tf.round(tf.clip_by_value(codes, float(grid.lo), float(grid.hi))) / unit

    return rounded


def _definition(layer: str, values: Float32Array, scale: Any) -> FloatArray:
    """Quantised weights as integers times a scale, exactly."""
    flat = values.reshape(-1, values.shape[-1])
    if not flat.any():
        return values.astype(np.float64)
    known = None
    if scale is not None and not isinstance(scale, str):
        known = np.broadcast_to(np.asarray(scale, dtype=np.float32), values.shape).reshape(flat.shape)
    found = factor_kernel(layer, flat, "", known)
    factor = 2.0**-found.frac if found.scale is None else found.scale.astype(np.float64)
    return np.asarray(found.values * factor, dtype=np.float64).reshape(values.shape)
