"""Types with what becomes of a value that they do not hold: ``ap_fixed<8,2,AP_TRN,AP_WRAP>``, and arrays assigned to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import FixedPoint, FloatArray, IntArray, Interval, Overflow, Rounding, overflow, parse_fixed

_MODES = re.compile(r",\s*(?:AP_)?([A-Z]\w*)")
_SATURATED = re.compile(r"WRAP\s*,\s*0*[1-9]\d*\s*>")


@dataclass(frozen=True, slots=True)
class Cast:
    """A type: its codes, and how a value that is none of them is rounded and limited."""

    fixed: FixedPoint
    rounding: Rounding
    overflow: Overflow

    @property
    def frac(self) -> int:
        """Fractional bits of the codes."""
        return self.fixed.frac

    @property
    def has_default_modes(self) -> bool:
        """Whether it rounds half to even and saturates, as a type does that names no modes."""
        return (self.rounding, self.overflow) == (Rounding.RND_CONV, Overflow.SAT)

    @property
    def limits(self) -> Interval:
        """The codes that an assignment can give."""
        whole = self.fixed.interval
        symmetric = self.overflow is Overflow.SAT_SYM and self.fixed.signed
        return Interval(-whole.hi, whole.hi) if symmetric else whole

    def __str__(self) -> str:
        return f"{str(self.fixed)[:-1]},{self.rounding.value},{self.overflow.value}>"


def parse_cast(text: str, rounding: Rounding = Rounding.RND_CONV, limit: Overflow = Overflow.SAT) -> Cast:
    """The type that ``text`` names, as ``parse_fixed`` reads it, with its modes.

    Args:
        rounding: where ``text`` names no mode; half to even by default.
        limit: the same beyond the ends of the type; by default values saturate.

    Raises:
        ConfigError: if ``text`` is no such type, or one of which some bits saturate and others wrap.
    """
    fixed = parse_fixed(text)
    if _SATURATED.search(text):
        raise ConfigError(
            f"type {text!r} wraps and saturates; allowed is WRAP without a number behind it; leave that out"
        )
    modes = _MODES.findall(text)
    return Cast(fixed, Rounding[modes[0]] if modes else rounding, Overflow[modes[1]] if len(modes) > 1 else limit)


def cast_codes(values: npt.NDArray[np.floating[Any]], kind: Cast) -> IntArray:
    """The codes that finite real ``values`` of single precision get in a variable of ``kind``, exactly."""
    size = float(1 << kind.fixed.width)
    scaled = np.ldexp(np.asarray(values, dtype=np.float64), kind.frac)
    whole = _rounded(scaled, kind.rounding)
    if kind.overflow is Overflow.WRAP:
        whole = np.fmod(whole, size)
    limited = np.clip(whole, -size, size)  # beyond both ends of the type, and an int64 still
    return overflow(limited.astype(np.int64), kind.fixed, kind.overflow)


def _rounded(values: FloatArray, mode: Rounding) -> FloatArray:
    """``values`` as whole numbers."""
    magnitude, sign = np.abs(values), np.sign(values)
    made: dict[Rounding, FloatArray] = {
        Rounding.TRN: np.floor(values),
        Rounding.TRN_ZERO: np.trunc(values),
        Rounding.RND: np.floor(values + 0.5),
        Rounding.RND_ZERO: np.ceil(magnitude - 0.5) * sign,
        Rounding.RND_MIN_INF: np.ceil(values - 0.5),
        Rounding.RND_INF: np.floor(magnitude + 0.5) * sign,
        Rounding.RND_CONV: np.rint(values),
    }
    return made[mode]
