"""The types of HGQ2's quantisers, and weights that are rounded and limited to them as HGQ2 does it, in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Json = Any

OVERFLOWS = ("WRAP", "SAT", "SAT_SYM")
ROUNDINGS = ("TRN", "RND", "RND_CONV", "TRN_ZERO", "RND_ZERO", "RND_MIN_INF", "RND_INF")

MAX_BITS = 64
"""Most bits of a number, and most of them before or behind the point."""


@dataclass(frozen=True, eq=False)
class Types:
    """A type for each number.

    Attributes:
        signs: whether it has one, 0 or 1.
        integers: its bits before the point, the sign not counted.
        fractions: its bits behind the point.
        rounding: one of ``ROUNDINGS``.
        overflow: one of ``OVERFLOWS``.
        free: whether nothing limits it: a weight that would wrap has bits enough.
    """

    signs: Array
    integers: Array
    fractions: Array
    rounding: str
    overflow: str
    free: bool

    @property
    def bits(self) -> Array:
        """All bits of each number; 0 where it is always zero."""
        return np.maximum(self.signs + self.integers + self.fractions, 0)


def read_types(conf: Json, arrays: list[Array]) -> Types:
    """The types of a quantiser.

    Args:
        conf: its configuration, as JSON that may be hostile.
        arrays: its variables, in order.

    Raises:
        ValueError: if it is of another kind, or the arrays do not fit.
    """
    settings = conf.get("config") if isinstance(conf, dict) else None
    if not isinstance(settings, dict) or settings.get("q_type") not in ("kif", "kbi"):
        raise ValueError(f"it is {str(settings or conf)[:60]}; allowed are q_type 'kif' and 'kbi'")
    rounding, overflow = (str(settings.get(mode)).upper() for mode in ("round_mode", "overflow_mode"))
    rounding = rounding.removeprefix("S_")
    odd = [key for key in ("scaler", "affine", "bw_mapper") if settings.get(key) is not None]
    if odd or rounding not in ROUNDINGS or overflow not in OVERFLOWS:
        raise ValueError(
            f"it has {', '.join(odd) or f'{rounding[:20]} and {overflow[:20]}'}; allowed are {', '.join(ROUNDINGS)} and "
            f"{', '.join(OVERFLOWS)} without scaler, affine and bw_mapper"
        )
    wraps, by_bits = overflow == "WRAP", settings["q_type"] == "kbi"
    first, second, third = _whole_numbers([array for array in arrays if array.shape], wraps=wraps)
    # Those that are trained come first: all bits or those behind the point, and where it saturates those before the point.
    signs, integers = (second, third) if wraps else (third, second if by_bits else first)
    trained = first if wraps or by_bits else second
    free = wraps and bool(settings.get("trainable")) and bool(settings.get("is_weight"))
    free = free and (not by_bits or rounding == "RND")
    made = Types(signs, integers, trained - integers if by_bits else trained, rounding, overflow, free)
    if made.bits.max(initial=0) > MAX_BITS:
        raise ValueError(f"it has more than {MAX_BITS} bits; allowed are so many")
    return made


def _whole_numbers(arrays: list[Array], *, wraps: bool) -> tuple[Array, Array, Array]:
    kinds = ["f", "u", "f"] if wraps else ["f", "f", "u"]
    if [array.dtype.kind for array in arrays] != kinds or len({array.shape for array in arrays}) != 1:
        raise ValueError(f"it has {len(arrays)} arrays; allowed are 3 of one shape")
    first, second, third = (np.rint(array.astype(np.float64)) for array in arrays)
    if not np.abs([first, second, third]).max(initial=0) <= MAX_BITS:
        raise ValueError(f"it has more than {MAX_BITS} bits; allowed are so many")
    return first.astype(np.int64), second.astype(np.int64), third.astype(np.int64)


def quantised(values: Array, types: Types) -> Array:
    """``values`` with the numbers that they have at inference, float32."""
    with np.errstate(all="ignore"):  # what is not finite is refused later
        return _quantised(values, types)


def _quantised(values: Array, types: Types) -> Array:
    integers = np.maximum(types.integers, -types.fractions)
    top, step = (np.exp2(part).astype(np.float32) for part in (integers, -types.fractions))
    if types.overflow != "WRAP":
        low = -types.signs * (top - step if types.overflow == "SAT_SYM" else top)
        values = np.clip(values, low.astype(np.float32), top - step)
    made = rounded(values / step, types.rounding) * step
    if types.free:
        return np.asarray(made, dtype=np.float32)
    if types.overflow == "WRAP":
        size = np.exp2(integers + types.signs).astype(np.float32)
        offset = (types.signs * size / 2).astype(np.float32)
        made = np.mod(made + offset, size) - offset
    return np.asarray(np.where(types.bits > 0, made, 0), dtype=np.float32)


def rounded(values: Array, mode: str) -> Array:
    """Rounded to whole numbers in one of ``ROUNDINGS``."""
    half, magnitude, sign = np.float32(0.5), np.abs(values), np.sign(values)
    made: dict[str, Callable[[], Any]] = {
        "TRN": lambda: np.floor(values),
        "RND": lambda: np.floor(values + half),
        "RND_CONV": lambda: np.rint(values),
        "TRN_ZERO": lambda: np.floor(magnitude) * sign,
        "RND_ZERO": lambda: -np.floor(half - magnitude) * sign,
        "RND_MIN_INF": lambda: -np.floor(half - values),
        "RND_INF": lambda: np.floor(magnitude + half) * sign,
    }
    return np.asarray(made[mode]())
