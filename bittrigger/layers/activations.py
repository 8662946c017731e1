"""Activation quantizers in layers, and the static ones: a fixed number of bits and one power-of-two step for all events.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import qkeras
import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.layers.dynamic import MAX_BITS, CodeRange, DynamicQuantizer, quantize_dynamic
from bittrigger.layers.keras_types import Layer, Option, Quantizer, Tensor
from bittrigger.layers.widths import add_width, at_width, width_of

__all__ = ["BitActivation", "InputQuantizer", "StaticQuantizer", "quantize", "quantizer_of", "stock_quantizer"]

MAX_INTEGER = 15

_LN2 = math.log(2.0)


@dataclass(frozen=True)
class StaticQuantizer(CodeRange):
    """The settings of an activation quantizer: `clip(round(x / step), lo, hi) * step`, the same step for every event.

    Signed values span `[-2**integer, 2**integer)` in steps of `2**(integer - bits + 1)`, unsigned ones
    `[0, 2**integer)` in steps of `2**(integer - bits)`, which is a ReLU as well. Rounding is half to even.

    Attributes:
        bits: width of a code, sign included, 2 to 16; unsigned 1 to 16, and a code of one bit says yes or no.
        signed: whether there are negative codes.
        integer: log2 of the range at the start, 0 (the least that QKeras computes) to 15; `calibrate` and training change it.
        learned: whether training changes the range, by the straight-through estimator of the step.
        learned_bits: whether training changes the width as well, from `bits` down to 2; see `bittrigger.layers.widths`.

    Raises:
        ConfigError: an option is out of range.
    """

    bits: int = 8
    signed: bool = True
    integer: int = 2
    learned: bool = False
    learned_bits: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        least = 2 if self.signed or self.learned_bits else 1
        if not least <= self.bits <= MAX_BITS:
            raise ConfigError(f"activation quantizer: {self.bits} bits; allowed are {least} to {MAX_BITS}")
        if not 0 <= self.integer <= MAX_INTEGER:
            raise ConfigError(f"activation quantizer: integer {self.integer}; allowed are 0 to {MAX_INTEGER}")


InputQuantizer = StaticQuantizer | DynamicQuantizer

_NUMBER_OR_NONE = (int, type(None))
_OPTION_TYPES = {
    "signed": (bool,),
    "learned": (bool,),
    "learned_bits": (bool,),
    "least": _NUMBER_OR_NONE,
    "most": _NUMBER_OR_NONE,
}


def quantizer_of(setting: object) -> InputQuantizer:
    """Return the settings that a layer was given: themselves, a number of bits (static), or a dictionary of them.

    Raises:
        ConfigError: it is something else, or out of range.
    """
    if isinstance(setting, InputQuantizer):
        return setting
    if isinstance(setting, int) and not isinstance(setting, bool):
        return StaticQuantizer(bits=setting)
    if isinstance(setting, dict):
        options = {key: value for key, value in setting.items() if key != "dynamic"}
        kind = DynamicQuantizer if setting.get("dynamic") is True else StaticQuantizer
        names = {field.name for field in fields(kind)}
        well_typed = all(type(value) in _OPTION_TYPES.get(key, (int,)) for key, value in options.items())
        if set(options) <= names and well_typed and setting.get("dynamic", True) is True:
            return kind(**options)
    raise ConfigError(
        f"activation quantizer {setting!r}; allowed are StaticQuantizer(...), DynamicQuantizer(...), a number of bits, or a "
        "dictionary of bits, signed, integer, learned and learned_bits, or of dynamic=True, bits, signed, least and most"
    )


def quantize(x: Tensor, range_log2: Tensor, settings: StaticQuantizer, width_bits: Tensor | None = None) -> Tensor:
    """Return `x` on its grid, float32, exact to the last bit.

    The gradient with respect to `x` is 1 within the range and 0 beyond it. That of the step is the one of LSQ, scaled
    by `1 / sqrt(size of an event * highest code)`.

    Args:
        x: `(events, ...)`.
        range_log2: scalar; rounded to a whole number from 0 to 15.
        settings: bits and sign.
        width_bits: scalar, the width if it is learned; None for that of the settings.

    Source: Learned Step Size Quantization, arXiv:1902.08153, equations 2 to 5.
    """
    features = math.prod(size or 1 for size in x.shape[1:])
    step = step_of(range_log2, settings, 1 / math.sqrt(features * settings.hi))
    lo, hi = float(settings.lo), float(settings.hi)
    if width_bits is not None:
        step, lo, hi = at_width(width_bits, settings, step)
    clipped = tf.clip_by_value(x / step, lo, hi)
    rounded = tf.round(clipped)
    # Exactly `rounded`: the bracket is zero.
    codes = tf.stop_gradient(rounded) + (clipped - tf.stop_gradient(clipped))
    return codes * step


def step_of(range_log2: Tensor, settings: StaticQuantizer, gradient_scale: float = 1.0) -> Tensor:
    """Return the step, a power of two made from its bits, with a gradient for `range_log2`."""
    within = tf.clip_by_value(tf.cast(range_log2, tf.float32), 0.0, float(MAX_INTEGER))
    exponent = tf.cast(tf.round(within), tf.int32) - (settings.bits - settings.signed)
    value = tf.bitcast((exponent + 127) * (1 << 23), tf.float32)
    return value * (1.0 + (_LN2 * gradient_scale) * (within - tf.stop_gradient(within)))


def range_log2_of(weight: Tensor) -> int:
    """Return the whole number that a layer rounds its range weight to."""
    return int(np.clip(np.rint(np.float32(weight)), 0, MAX_INTEGER))


def stock_quantizer(settings: StaticQuantizer, integer: int) -> Quantizer:
    """Return the QKeras quantizer of the same grid."""
    if settings.signed:
        return qkeras.quantized_bits(settings.bits, integer, alpha=1)
    return qkeras.quantized_relu(settings.bits, integer)


class QuantizedInput:
    """What layers with an activation quantizer share: the weights of a static one, its range and width, and what they mean."""

    input_quantizer: InputQuantizer | None
    range_log2: Any = None
    width_bits: Any = None
    observer: Callable[[Any, Tensor], None] | None = None
    """Called with the layer and its inputs before a static quantizer sees them, outside of graphs; for `calibrate`."""

    def add_range(self, layer: Layer) -> None:
        """Create the weights of a static quantizer: its range, and a learned width.

        Raises:
            ConfigError: the layer computes in another type than float32.
        """
        if layer.compute_dtype != "float32":
            raise ConfigError(
                f"layer {layer.name!r}: it computes in {layer.compute_dtype}; allowed is float32, in which its sums are exact; "
                "leave dtype and policy at their defaults"
            )
        if isinstance(self.input_quantizer, StaticQuantizer):
            self.range_log2 = layer.add_weight(
                name="range_log2",
                shape=(),
                dtype="float32",
                initializer=tf.keras.initializers.Constant(float(self.input_quantizer.integer)),
                trainable=self.input_quantizer.learned,
            )
            if self.input_quantizer.learned_bits:
                self.width_bits = add_width(layer, self.input_quantizer)

    def quantize_input(self, inputs: Tensor) -> Tensor:
        """Return the inputs as the quantizer makes them, or as they are if there is none."""
        if self.input_quantizer is None:
            return inputs
        if isinstance(self.input_quantizer, DynamicQuantizer):
            return quantize_dynamic(inputs, self.input_quantizer)
        if self.observer is not None and tf.executing_eagerly():
            self.observer(self, inputs)
        return quantize(inputs, self.range_log2, self.input_quantizer, self.width_bits)

    def quantizer_now(self) -> StaticQuantizer | None:
        """Return the settings with the width and the range of now; None if there is no static quantizer."""
        settings = self.input_quantizer
        if not isinstance(settings, StaticQuantizer):
            return None
        if self.range_log2 is None:
            return settings
        bits = settings.bits if self.width_bits is None else width_of(self.width_bits, settings)
        return replace(settings, bits=bits, integer=range_log2_of(self.range_log2))

    def stock_input(self) -> Quantizer | None:
        """Return the QKeras quantizer of the same grid, with the width and range of now; None if no static one is there."""
        settings = self.quantizer_now()
        return None if settings is None else stock_quantizer(settings, settings.integer)

    def input_config(self) -> dict[str, Any] | None:
        """Return the settings for Keras' serialisation."""
        match self.input_quantizer:
            case DynamicQuantizer():
                return self.input_quantizer.config()
            case StaticQuantizer():
                return asdict(self.input_quantizer)
            case None:
                return None


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class BitActivation(QuantizedInput, tf.keras.layers.Layer):  # type: ignore[misc]
    """An activation quantizer with a power-of-two step as a layer; unsigned it is a ReLU as well.

    Args:
        quantizer: a `StaticQuantizer`, a `DynamicQuantizer`, or a number of bits, which is static.

    Raises:
        ConfigError: the quantizer is none of these, or out of range.
    """

    def __init__(self, quantizer: InputQuantizer | int | dict[str, Any] = 8, **kwargs: Option) -> None:
        super().__init__(**kwargs)
        self.input_quantizer = quantizer_of(quantizer)

    def build(self, input_shape: Option) -> None:
        """Create the weight that holds the range."""
        self.add_range(self)
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the inputs on the grid, same shape."""
        return self.quantize_input(inputs)

    def get_config(self) -> dict[str, Any]:
        """Return the options for Keras' serialisation."""
        return {**super().get_config(), "quantizer": self.input_config()}
