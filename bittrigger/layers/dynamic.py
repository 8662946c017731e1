"""Dynamic activation quantizers: the power-of-two step follows from the largest value of each event or token.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.layers.keras_types import Tensor

__all__ = ["MAX_BITS", "CodeRange", "DynamicQuantizer", "quantize_dynamic"]

MAX_BITS = 16

LEAST_RANGE_LOG2 = -80
MAX_RANGE_LOG2 = 80
"""Ranges for which each step is a normal float32 whatever the number of bits."""

_MANTISSA_BITS = 23
_BIAS = 127


class CodeRange:
    """The codes of an activation quantizer of `bits` bits, the sign included if `signed`."""

    bits: int
    signed: bool

    @property
    def lo(self) -> int:
        """The lowest code."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """The highest code."""
        return (1 << (self.bits - self.signed)) - 1


@dataclass(frozen=True)
class DynamicQuantizer(CodeRange):
    """The settings of an activation quantizer with a step of its own for each vector: block floating point.

    A vector is what lies along the last axis: an event, or each token of it. Its range is the least power of two `R` for
    which all its values lie in `[-R, R)` if signed, in `[0, R)` if not, negative values taken for zeros; but no less than
    `2**least` and no more than `2**most`. Its step is `R / 2**(bits - 1)` if signed, `R / 2**bits` if not. Each value becomes
    `clip(round(x / step), lo, hi) * step`, rounded half to even: what rounds up to `hi + 1` is clipped, and so is what lies
    beyond `2**most`. A vector of zeros stays one. Unsigned is a ReLU as well.

    So the integers of a vector are shifted right by the bits that its largest one has too many: in firmware the maximum
    is an OR of magnitude bits, and the scale a shift, of `most - least` places at the most.

    Attributes:
        bits: width of a code, sign included, 2 to 16.
        signed: whether there are negative codes.
        least: log2 of the least range, -80 to 80; None is -80.
        most: log2 of the greatest range, -80 to 80, not below `least`; None is 80.

    Raises:
        ConfigError: an option is out of range.

    Source: the absmax scale for each token of BitNet b1.58, arXiv:2402.17764, with a power of two in the place of
    `127 / max|x|`.
    """

    bits: int = 8
    signed: bool = True
    least: int | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 2 <= self.bits <= MAX_BITS:
            raise ConfigError(f"activation quantizer: {self.bits} bits; allowed are 2 to {MAX_BITS}")
        if not LEAST_RANGE_LOG2 <= self.lowest_range <= self.highest_range <= MAX_RANGE_LOG2:
            raise ConfigError(
                f"activation quantizer: least {self.least} and most {self.most}; allowed are {LEAST_RANGE_LOG2} to "
                f"{MAX_RANGE_LOG2}, the least not above the most"
            )

    @property
    def lowest_range(self) -> int:
        """Log2 of the least range."""
        return LEAST_RANGE_LOG2 if self.least is None else self.least

    @property
    def highest_range(self) -> int:
        """Log2 of the greatest range."""
        return MAX_RANGE_LOG2 if self.most is None else self.most

    def config(self) -> dict[str, Any]:
        """Return the settings for Keras' serialisation."""
        return {"dynamic": True, **asdict(self)}


def quantize_dynamic(x: Tensor, settings: DynamicQuantizer) -> Tensor:
    """Return `x` on the grid of each vector, float32, exact to the last bit.

    The gradient is straight through: 1, or 0 where an unsigned quantizer makes a negative value zero.

    Args:
        x: `(..., n)` float32; each vector along the last axis has a step of its own.
        settings: bits and sign.
    """
    step = _step(x, settings)
    codes = tf.clip_by_value(tf.round(x / step), float(settings.lo), float(settings.hi))
    passed = x if settings.signed else tf.nn.relu(x)
    # Exactly the value on the grid: the bracket is zero.
    return tf.stop_gradient(codes * step) + (passed - tf.stop_gradient(passed))


def _step(x: Tensor, settings: DynamicQuantizer) -> Tensor:
    """Return the step of each vector, `(..., 1)`, made from the exponent bits of its largest value."""
    magnitude = tf.bitcast(tf.abs(x), tf.int32)
    # A negative power of two fits where its positive twin does not: the float before it has the exponent that counts.
    below = magnitude - 1 if settings.signed else tf.zeros_like(magnitude)
    peak = tf.reduce_max(tf.where(x < 0, below, magnitude), axis=-1, keepdims=True)
    needed = tf.bitwise.right_shift(peak, _MANTISSA_BITS) - (_BIAS - 1)
    range_log2 = tf.clip_by_value(needed, settings.lowest_range, settings.highest_range)
    step_log2 = range_log2 - (settings.bits - settings.signed)
    return tf.bitcast(tf.bitwise.left_shift(step_log2 + _BIAS, _MANTISSA_BITS), tf.float32)
