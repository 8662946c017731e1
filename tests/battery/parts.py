"""What the cases are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bittrigger.frontend.keras_model.quiet import mend_qkeras, quiet_tensorflow

with quiet_tensorflow():
    import tensorflow as tf
    from qkeras import (  # noqa: F401 - for the cases
        QGRU,
        QLSTM,
        QActivation,
        QAdaptiveActivation,
        QAveragePooling2D,
        QBatchNormalization,
        QConv1D,
        QConv2D,
        QConv2DBatchnorm,
        QDense,
        QDepthwiseConv2D,
        QDepthwiseConv2DBatchnorm,
        QGlobalAveragePooling2D,
        QMobileNetSeparableConv2D,
        QSeparableConv1D,
        QSeparableConv2D,
        QSimpleRNN,
        quantized_bits,
        quantized_relu,
    )

mend_qkeras()

L = tf.keras.layers
BITS = "quantized_bits(8,3,alpha=1)"
RELU = "quantized_relu(6,3)"
TERNARY = "ternary(alpha=1)"


@dataclass(frozen=True)
class Case:
    """One small model.

    Attributes:
        make: builds it.
        settings: of ``bittrigger.settings.Settings``, besides the defaults.
    """

    make: Callable[[], tf.keras.Model]
    settings: Mapping[str, object] = field(default_factory=dict)


Cases = dict[str, Case]


def port(shape, quantizer=BITS, name="x"):
    """An input and what its quantiser makes of it."""
    tensor = tf.keras.Input(shape, name=name)
    return tensor, act(quantizer, name=f"{name}_q")(tensor)


def act(quantizer=RELU, name=None):
    return QActivation(quantizer, name=name)


def dense(units, kernel=TERNARY, bias=BITS, **settings):
    return QDense(units, kernel_quantizer=kernel, bias_quantizer=bias, **settings)


def chain(tensor, *layers):
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def of(shape, *layers, quantizer=BITS, **settings):
    """A case of layers one behind the other, each made by a function."""

    def make():
        tensor, quantised = port(shape, quantizer)
        return tf.keras.Model(tensor, chain(quantised, *(layer() for layer in layers)))

    return Case(make, settings)


def between(shape, *layers, behind=BITS, **settings):
    """A case of layers with a quantiser behind them."""
    return of(shape, *layers, lambda: act(behind), **settings)


def behind_dense(*layers, **settings):
    """A case of layers behind a QDense."""
    return of((8,), lambda: dense(4), *layers, **settings)


def two(function, second=BITS, shapes=((8,), (8,)), **settings):
    """A case of a function of two quantised inputs."""

    def make():
        (x, a), (y, b) = port(shapes[0]), port(shapes[1], second, "y")
        return tf.keras.Model([x, y], function(a, b))

    return Case(make, settings)


def bare(shape, function, dtype="float32", **settings):
    """A case of a function of an input without quantiser."""

    def make():
        tensor = tf.keras.Input(shape, name="x", dtype=dtype)
        return tf.keras.Model(tensor, function(tensor))

    return Case(make, settings)


def function(shape, body, **settings):
    """A case of a function of a quantised input."""

    def make():
        tensor, quantised = port(shape)
        return tf.keras.Model(tensor, body(quantised))

    return Case(make, settings)
