"""Functions and layers of Keras, and operators of TensorFlow: the very callable, so that tabulating it is what Keras computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.functions.function import Function
from bittrigger.frontend.elementwise.grids import Spec
from bittrigger.frontend.kernels import Float32Array
from bittrigger.ir.fixed import FloatArray

SMOOTH_FUNCTIONS = ("sigmoid", "elu", "selu", "softsign", "softplus", "swish", "gelu", "exponential", "mish", "silu")
"""Functions of Keras whose vector and scalar code may differ by a rounding."""

KERAS_FUNCTIONS = ("linear", "relu", "tanh", "hard_sigmoid", *SMOOTH_FUNCTIONS)
KERAS_LAYERS = ("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU")
RATIONAL = ("math.abs", "math.negative", "nn.relu", "nn.relu6", "clip_by_value")
"""Operators of TensorFlow whose results need no more bits than their arguments."""

EVEN = (
    "math.abs",
    "math.negative",
    "math.square",
    "nn.relu",
    "nn.relu6",
    "clip_by_value",
    "math.add",
    "math.subtract",
    "math.multiply",
)
"""Operators of TensorFlow whose result is the same wherever a value stands in its batch."""

SQUARE = "square"
"""What a layer Multiply does to a tensor and itself."""


def of_keras(name: str, config: Spec) -> Function | None:
    """A function or a layer of Keras; None if it is none that is known."""
    if name in KERAS_FUNCTIONS:
        is_relu = name == "relu"
        called = calls(_keras_function(name))
        return Function(name, *called, is_relu=is_relu, varies=name in SMOOTH_FUNCTIONS, rational=is_relu)
    if name in KERAS_LAYERS:
        called, slope = calls(_keras_layer(name, config)), _slope_of(name, config)
        return Function(f"{name}()", *called, varies=name == "ELU", rational=name != "ELU", slope=slope)
    if name == SQUARE:
        return Function("square", lambda values: np.multiply(values, values, dtype=np.float32), np.square)
    return None


def of_tensorflow(name: str, config: Spec) -> Function:
    """An operator of TensorFlow with its constants."""
    called, slope = calls(_operator(name, config)), _slope_of(name, config)
    is_relu, rational = name == "nn.relu", name in RATIONAL
    return Function(f"tf.{name}", *called, is_relu=is_relu, varies=name not in EVEN, rational=rational, slope=slope)


def _slope_of(name: str, config: Spec) -> float | None:
    """The slope below zero of a function that is bent there alone."""
    match name:
        case "LeakyReLU":
            return float(config["alpha"])
        case "ReLU" if config["max_value"] is None and not config["threshold"]:
            return float(config["negative_slope"])
        case "nn.leaky_relu" if config["arguments"] == [[0, None]] and not config["named"]:
            return float(config["options"].get("alpha", 0.2))
    return None


def _keras_function(name: str) -> Any:
    import tensorflow as tf

    return getattr(tf.keras.activations, name)


def _keras_layer(name: str, config: Spec) -> Any:
    import tensorflow as tf

    return getattr(tf.keras.layers, name).from_config(dict(config))


def _operator(name: str, config: Spec) -> Any:
    """An operator of TensorFlow with its constants, as a function of its tensor."""
    import tensorflow as tf

    function = tf
    for part in name.split("."):
        function = getattr(function, part)

    def apply(values: Any) -> Any:
        given = [values if place is not None else constant for place, constant in config["arguments"]]
        return function(*given, **config["options"], **dict.fromkeys(config["named"], values))

    return apply


def calls(
    function: Callable[[Any], Any],
) -> tuple[Callable[[Float32Array], Float32Array], Callable[[FloatArray], FloatArray]]:
    """``function`` of tensors on arrays of single and of double precision."""
    import tensorflow as tf

    def single(values: Float32Array) -> Float32Array:
        return np.asarray(function(tf.constant(values, dtype=tf.float32)), dtype=np.float32)

    def double(values: FloatArray) -> FloatArray:
        try:
            return np.asarray(function(tf.constant(values, dtype=tf.float64)), dtype=np.float64)
        except (TypeError, tf.errors.InvalidArgumentError) as error:
            raise UnsupportedModelError(
                f"function {function}: it computes in float32 alone, and these results lie on no grid of integers; allowed is a "
                "quantised activation behind it; put a QActivation there"
            ) from error

    return single, double
