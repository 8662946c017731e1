"""Readers of the layers in the proxy models that HGQ writes, so that HGQ itself need not be installed.

Written from what these layers compute: values are scaled, rounded and limited as ``ap_fixed`` does it, each code with a type of
its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bittrigger.frontend.attributes import HGQ_PACKAGE

MAX_ENTRIES = 1 << 20
"""Most entries of the tables of a layer."""


def _power(exponent: Any, dtype: Any) -> Any:
    """Two to the power of small integers, exactly: the bits of a float32."""
    import tensorflow as tf

    bits = tf.bitwise.left_shift(tf.cast(exponent, tf.int32) + 127, 23)
    return tf.cast(tf.bitcast(bits, tf.float32), dtype)


def _rounded(values: Any, mode: str) -> Any:  # noqa: PLR0911 - one return a mode
    import tensorflow as tf

    magnitude, sign = tf.abs(values), tf.sign(values)
    match mode:
        case "TRN":
            return tf.floor(values)
        case "RND":
            return tf.floor(values + 0.5)
        case "RND_CONV":
            return tf.round(values)
        case "TRN_ZERO":
            return tf.floor(magnitude) * sign
        case "RND_ZERO":
            return -tf.floor(0.5 - magnitude) * sign
        case "RND_MIN_INF":
            return -tf.floor(0.5 - values)
        case "RND_INF":
            return tf.floor(magnitude + 0.5) * sign
    raise ValueError(f"rounding mode {mode!r}")


def _limited(values: Any, signed: Any, bits: Any, mode: str) -> Any:
    import tensorflow as tf

    high = _power(bits - signed, values.dtype) - 1
    low = -tf.cast(signed, values.dtype) * (high + (0 if mode == "SAT_SYM" else 1))
    if mode == "WRAP":
        return tf.math.floormod(values - low, high - low + 1) + low
    if mode in ("SAT", "SAT_SYM"):
        return tf.clip_by_value(values, low, high)
    raise ValueError(f"overflow mode {mode!r}")


def _channel_lut() -> Any:
    """The tables that stand for the small networks of HGQ2."""
    import tensorflow as tf

    class ChannelLUT(tf.keras.layers.Layer):  # type: ignore[misc]
        """For each code the entry of its own table, whose number it is."""

        def __init__(self, entries: int, size: int, left_open: int = 0, **options: Any) -> None:
            super().__init__(**options)
            self.entries, self.size, self.left_open = int(entries), int(size), int(left_open)
            if not 0 < self.entries * self.size <= MAX_ENTRIES:
                raise ValueError(f"{entries} entries of {size} tables; allowed are {MAX_ENTRIES:,} together")
            self.table = self.add_weight("table", (self.entries, self.size), "float32", "zeros", trainable=False)

        def call(self, values: Any) -> Any:
            places = tf.transpose(tf.reshape(tf.cast(tf.round(values), tf.int32), (-1, self.size)))
            found = tf.transpose(tf.gather(tf.transpose(self.table), places, batch_dims=1))
            return tf.cast(tf.reshape(found, tf.shape(values)), values.dtype)

        def get_config(self) -> dict[str, Any]:
            own = {"entries": self.entries, "size": self.size, "left_open": self.left_open}
            return {**super().get_config(), **own}

    return ChannelLUT


@cache
def hgq_layers() -> dict[str, Any]:
    """The classes under the names that files have for them."""
    import tensorflow as tf

    class FixedPointQuantizer(tf.keras.layers.Layer):  # type: ignore[misc]
        """Each code in a type of its own: ``bits`` wide, ``integers`` of them before the point, the sign included."""

        def __init__(self, shape: Any, RND: str = "TRN", SAT: str = "WRAP", **options: Any) -> None:  # noqa: N803
            self.overrides, self.fusible = options.pop("overrides", None), options.pop("fusible", None)
            super().__init__(**{**options, "trainable": False})
            self.RND, self.SAT, self.own_shape = RND, SAT, tuple(shape)
            self.keep_negative, self.bits, self.integers = (
                self.add_weight(name, self.own_shape, "int8", "zeros", trainable=False)
                for name in ("keep_negative", "bits", "integers")
            )

        def call(self, values: Any) -> Any:
            signed, bits, integers = (
                tf.cast(part, tf.int32) for part in (self.keep_negative, self.bits, self.integers)
            )
            scale = _power(bits - integers, values.dtype)
            codes = _limited(_rounded(values * scale, self.RND), signed, bits, self.SAT)
            return codes / scale * tf.cast(bits != 0, values.dtype)

        def get_config(self) -> dict[str, Any]:
            own = {"RND": self.RND, "SAT": self.SAT, "shape": self.own_shape}
            return {**super().get_config(), **own, "overrides": self.overrides, "fusible": self.fusible}

    class UnaryLUT(tf.keras.layers.Layer):  # type: ignore[misc]
        """The entry of a table whose number is the code of the operand, as an unsigned number."""

        def __init__(self, kif_in: Any, kif_out: Any, **options: Any) -> None:
            super().__init__(**options)
            self.kif_in, self.kif_out, self.scale = tuple(kif_in), tuple(kif_out), float(np.ldexp(1.0, kif_in[-1]))
            self.table = self.add_weight("table", (1 << sum(self.kif_in),), "float32", "zeros", trainable=False)

        def call(self, values: Any) -> Any:
            codes = tf.cast(tf.round(values * self.scale), tf.int32)
            return tf.cast(tf.gather(self.table, tf.math.floormod(codes, 1 << sum(self.kif_in))), values.dtype)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "kif_in": self.kif_in, "kif_out": self.kif_out}

    made = (FixedPointQuantizer, UnaryLUT, _channel_lut())
    return {f"{package}{kind.__name__}": kind for kind in made for package in ("", HGQ_PACKAGE)}
