"""A function of Keras between two types: what goes into it is assigned to the one, what comes out of it to the other."""

from __future__ import annotations

from typing import Any

from bittrigger.ir.casts import Cast, parse_cast
from bittrigger.ir.fixed import Overflow, Rounding

FUNCTIONS = ("tanh", "sigmoid", "linear")


class TypedFunction:
    """``result(function(operand(x)))``, a callable that QKeras' layers take for a quantiser.

    Assignments are exact for what float32 holds: they are computed in double precision.

    Args:
        function: of ``FUNCTIONS``.
        result: a type with modes.
        operand: the same, or None where every bit goes in.
    """

    def __init__(self, function: str, result: str, operand: str | None = None) -> None:
        self.function, self.result, self.operand = function, result, operand

    def __call__(self, values: Any) -> Any:
        """The results, in the precision of ``values``."""
        import tensorflow as tf

        if self.operand is not None:
            values = _assigned(values, parse_cast(self.operand))
        found = getattr(tf.keras.activations, self.function)(values)
        if found.dtype == tf.float64 and self.function != "linear":  # which stays below 1
            found = tf.where(tf.abs(found) >= 1.0, tf.math.nextafter(found, tf.zeros_like(found)), found)
        return _assigned(found, parse_cast(self.result))

    def __str__(self) -> str:
        return f"{self.function} in {self.result}"

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"function": self.function, "result": self.result, "operand": self.operand}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TypedFunction:
        """The function of ``config``."""
        return cls(**config)


def _assigned(values: Any, kind: Cast) -> Any:
    """``values`` of TensorFlow in the type ``kind``, and in their own precision."""
    import tensorflow as tf

    codes = _rounded(tf.cast(values, tf.float64) * 2.0**kind.frac, kind.rounding)
    if kind.overflow is Overflow.WRAP:
        lowest = float(kind.fixed.interval.lo)
        codes = tf.math.floormod(codes - lowest, 2.0**kind.fixed.width) + lowest
    else:
        codes = tf.clip_by_value(codes, float(kind.limits.lo), float(kind.limits.hi))
    return tf.cast(codes * 2.0**-kind.frac, values.dtype)


def _rounded(values: Any, mode: Rounding) -> Any:
    import tensorflow as tf

    magnitude, sign = tf.abs(values), tf.sign(values)
    return {
        Rounding.TRN: lambda: tf.floor(values),
        Rounding.TRN_ZERO: lambda: tf.floor(magnitude) * sign,
        Rounding.RND: lambda: tf.floor(values + 0.5),
        Rounding.RND_ZERO: lambda: tf.math.ceil(magnitude - 0.5) * sign,
        Rounding.RND_MIN_INF: lambda: tf.math.ceil(values - 0.5),
        Rounding.RND_INF: lambda: tf.floor(magnitude + 0.5) * sign,
        Rounding.RND_CONV: lambda: tf.round(values),
    }[mode]()
