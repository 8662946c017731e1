"""Fixed-point numbers with the semantics of ``ap_fixed``, on plain integers.

A fixed-point value is an integer ``code`` and a number of fractional bits: ``value = code * 2**-frac``.
Everything behind the front-end works on codes only. Rounding and overflow modes carry the names and the meaning of
AMD's ``ap_fixed`` (UG1399, "Arbitrary Precision Fixed-Point Types").
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError, InternalError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MAX_WIDTH = 62
"""Widest code in bits: one below the sign of an int64, so that no oracle addition can wrap."""

NO_LIMITS = (-(1 << MAX_WIDTH), (1 << MAX_WIDTH) - 1)
"""Limits that no code is beyond, an unsigned one of as many bits neither: those of what only rounds."""

FLOAT32_BITS = 24
"""Significant bits of a float32, in which Keras computes: integers are exact in it up to ``2**24``."""


class Rounding(enum.Enum):
    """Quantisation modes of ``ap_fixed``."""

    TRN = "TRN"
    TRN_ZERO = "TRN_ZERO"
    RND = "RND"
    RND_ZERO = "RND_ZERO"
    RND_MIN_INF = "RND_MIN_INF"
    RND_INF = "RND_INF"
    RND_CONV = "RND_CONV"


class Overflow(enum.Enum):
    """Overflow modes of ``ap_fixed``."""

    WRAP = "WRAP"
    SAT = "SAT"
    SAT_ZERO = "SAT_ZERO"
    SAT_SYM = "SAT_SYM"


@dataclass(frozen=True, slots=True)
class Interval:
    """The closed integer range ``[lo, hi]`` that a code can take."""

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise InternalError(f"empty interval [{self.lo}, {self.hi}]")

    def __contains__(self, value: int) -> bool:
        return self.lo <= value <= self.hi

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.lo + other.lo, self.hi + other.hi)

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo)

    def __lshift__(self, shift: int) -> Interval:
        return Interval(self.lo << shift, self.hi << shift)

    def scaled(self, factor: int) -> Interval:
        """The range of ``factor * code``."""
        ends = (self.lo * factor, self.hi * factor)
        return Interval(min(ends), max(ends))

    def union(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        return Interval(min(self.lo, other.lo), max(self.hi, other.hi))

    @property
    def signed(self) -> bool:
        """Whether a negative code occurs, so that the wire needs a sign bit."""
        return self.lo < 0

    @property
    def width(self) -> int:
        """Bits of the narrowest wire that holds every code (at least 1)."""
        if self.lo < 0:
            return max((-self.lo - 1).bit_length(), max(self.hi, 0).bit_length()) + 1
        return max(1, self.hi.bit_length())


def hull(ranges: Sequence[Interval]) -> Interval:
    """The smallest interval that holds all of ``ranges``, of which there is at least one."""
    return Interval(min(r.lo for r in ranges), max(r.hi for r in ranges))


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A fixed-point type: ``width`` bits, of which ``frac`` lie behind the binary point (``frac`` may be larger).

    Raises:
        ConfigError: if ``width`` is outside 1..62.
    """

    signed: bool
    width: int
    frac: int

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_WIDTH:
            raise ConfigError(f"fixed-point width {self.width}; allowed are 1 to {MAX_WIDTH} bits")

    @property
    def interval(self) -> Interval:
        """All codes of the type."""
        if self.signed:
            return Interval(-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1)
        return Interval(0, (1 << self.width) - 1)

    @property
    def integer(self) -> int:
        """Bits before the binary point, the sign included: the ``I`` of ``ap_fixed<W, I>``."""
        return self.width - self.frac

    @property
    def step(self) -> float:
        """The value of the least significant bit, a power of two."""
        return float(2.0**-self.frac)

    def __str__(self) -> str:
        return f"ap_{'' if self.signed else 'u'}fixed<{self.width},{self.integer}>"

    @classmethod
    def holding(cls, interval: Interval, frac: int) -> FixedPoint:
        """The narrowest type with ``frac`` fractional bits that holds ``interval``."""
        return cls(interval.signed, interval.width, frac)


_ROUNDING = "TRN|TRN_ZERO|RND|RND_ZERO|RND_INF|RND_MIN_INF|RND_CONV"
_MODES = rf"(?:,\s*(?:{_ROUNDING})\s*(?:,\s*(?:WRAP|SAT|SAT_ZERO|SAT_SYM)\s*(?:,\s*\d+\s*)?)?)?"
_TYPE = re.compile(rf"(?:ap_)?(u?)(?:fixed<\s*(\d+)\s*,\s*(-?\d+)\s*{_MODES}>|int<\s*(\d+)\s*>)")


def parse_fixed(text: str) -> FixedPoint:
    """The type that ``text`` names: ``fixed<16,6>``, ``ufixed<8,0>``, ``ap_fixed<8,4>``, ``int<8>`` or ``uint<8>``.

    Modes, as in ``ap_fixed<16,6,AP_RND,AP_SAT>``, are ``parse_cast``'s: they say what becomes of values that the type does not
    hold, and this is the type alone.

    Raises:
        ConfigError: if ``text`` is no such type or its width is outside 1..62.
    """
    match = _TYPE.fullmatch(text.strip().replace("ap_u", "u").replace("ap_", "").replace("AP_", ""))
    if match is None:
        raise ConfigError(
            f"precision {text!r} is not a fixed-point type; allowed are fixed<W,I>, ufixed<W,I>, int<W> and uint<W>, "
            "for example fixed<16,6>"
        )
    unsigned, width, integer, int_width = match.groups()
    bits = int(width or int_width)
    return FixedPoint(not unsigned, bits, bits - int(integer if integer is not None else int_width))


def shift_round(codes: IntArray, shift: int, rounding: Rounding) -> IntArray:
    """``codes / 2**shift`` rounded to an integer; a negative ``shift`` multiplies, exactly.

    Args:
        codes: any shape, int64.
        shift: bits to drop.
        rounding: which neighbour is taken.
    """
    if shift <= 0:
        return codes << -shift
    shift = min(shift, MAX_WIDTH + 1)  # no code of so many bits reaches a half of that: any shift beyond gives the same
    floor = codes >> shift
    rest = codes - (floor << shift)
    half = 1 << (shift - 1)
    match rounding:
        case Rounding.TRN:
            up = np.zeros(codes.shape, dtype=bool)
        case Rounding.TRN_ZERO:
            up = (codes < 0) & (rest != 0)
        case Rounding.RND:
            up = rest >= half
        case Rounding.RND_MIN_INF:
            up = rest > half
        case Rounding.RND_ZERO:
            up = (rest > half) | ((rest == half) & (codes < 0))
        case Rounding.RND_INF:
            up = (rest > half) | ((rest == half) & (codes >= 0))
        case Rounding.RND_CONV:
            up = (rest > half) | ((rest == half) & (floor & 1 == 1))
        case _:
            assert_never(rounding)
    rounded: IntArray = floor + up
    return rounded


def clip(codes: IntArray, lo: int, hi: int) -> IntArray:
    """``codes`` limited to ``lo..hi``."""
    clipped: IntArray = np.clip(codes, lo, hi)
    return clipped


def overflow(codes: IntArray, target: FixedPoint, mode: Overflow) -> IntArray:
    """``codes`` brought into the range of ``target``."""
    lo, hi = target.interval.lo, target.interval.hi
    match mode:
        case Overflow.WRAP:
            return ((codes - lo) & ((1 << target.width) - 1)) + lo
        case Overflow.SAT:
            return clip(codes, lo, hi)
        case Overflow.SAT_ZERO:
            return np.where((codes < lo) | (codes > hi), 0, codes)
        case Overflow.SAT_SYM:
            return clip(codes, -hi if target.signed else lo, hi)
        case _:
            assert_never(mode)


def requantize(codes: IntArray, frac: int, target: FixedPoint, rounding: Rounding, mode: Overflow) -> IntArray:
    """Codes with ``frac`` fractional bits assigned to ``target``, as C++ assigns one ``ap_fixed`` to another."""
    return overflow(shift_round(codes, frac - target.frac, rounding), target, mode)


def encode(values: npt.NDArray[np.floating[Any]], target: FixedPoint) -> IntArray:
    """The codes of real ``values``: nearest multiple of the step (ties to even), saturated.

    This is what a QKeras quantiser does to an input, and the only place where a float becomes a code.

    Args:
        values: any shape; finite.
    """
    scaled = np.ldexp(np.asarray(values, dtype=np.float64), target.frac)
    rounded: FloatArray = np.clip(np.rint(scaled), target.interval.lo, target.interval.hi)
    return rounded.astype(np.int64)


def decode(codes: IntArray, frac: int | IntArray) -> FloatArray:
    """The real values of ``codes`` with ``frac`` fractional bits (one number, or one a column); exact up to 53 bits."""
    values: FloatArray = np.ldexp(codes.astype(np.float64), -np.asarray(frac))
    return values
