"""Integer requantisers that equal a tabulated function everywhere: ``clip(round((a * m + c) / 2**s), lo, hi)``.

A monotone table is described by its runs. The requantiser is monotone in ``a`` as well, so it equals the table on every
reachable ``a`` if it does so at both ends of every run. For a given multiplier each run end bounds the offset ``c`` from
one side; the multiplier fits if an offset is left. Two violated bounds cut off a half-line of multipliers, so the search
is exact: it finds a multiplier if there is one, and otherwise proves that there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.ir.digits import signed_digits
from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Rounding

BoolArray = npt.NDArray[np.bool_]

MAX_SHIFT = 40
"""Most fractional bits tried for a multiplier; float32 has 24."""

EXTRA_SHIFT = 4
"""Bits beyond the smallest shift that fits, in search of a multiplier with fewer digits."""

_CANDIDATES = 64


@dataclass(frozen=True, eq=False)
class Segments:
    """A piecewise constant function of one channel on the reachable codes ``first[0], first[0] + stride, …, last[-1]``.

    Attributes:
        first: lowest code of each run, ascending.
        last: highest code of each run.
        value: result code of each run; neighbours differ.
    """

    first: IntArray
    last: IntArray
    value: IntArray

    @classmethod
    def of(cls, codes: IntArray, values: IntArray) -> Segments:
        """The function with these values at all reachable codes, which ascend."""
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        return cls(codes[starts], codes[np.r_[starts[1:], len(codes)] - 1], values[starts])

    @property
    def falls(self) -> bool:
        """Whether the function decreases."""
        return self.value.size > 1 and bool(self.value[-1] < self.value[0])

    @property
    def is_monotone(self) -> bool:
        """Whether the function never turns."""
        steps = np.diff(self.value)
        return bool((steps > 0).all() or (steps < 0).all())

    @property
    def breakpoints(self) -> int:
        """Codes at which the result changes."""
        return int(self.value.size) - 1

    def mirrored(self) -> Segments:
        """The function of ``-a``."""
        return Segments(-self.last[::-1], -self.first[::-1], self.value[::-1])


@dataclass(frozen=True, slots=True)
class Affine:
    """One channel of a requantiser: ``round((a * multiplier + offset) / 2**shift)`` before the common clip."""

    multiplier: int
    offset: int
    shift: int

    def at_shift(self, shift: int) -> Affine:
        """The same function with a shift of ``shift``, which is not below ``self.shift``."""
        more = shift - self.shift
        return Affine(self.multiplier << more, self.offset << more, shift)

    @property
    def digits(self) -> int:
        """Signed digits of the multiplier: the terms of its adder tree."""
        return len(signed_digits(self.multiplier))

    @property
    def is_power_of_two(self) -> bool:
        """Whether the multiplier is zero or plus or minus a power of two, hence free in hardware."""
        return self.digits <= 1


@dataclass(frozen=True, eq=False)
class Bounds:
    """``at_least[i] <= m * at_least_at[i] + c`` and ``m * at_most_at[j] + c <= at_most[j]``."""

    at_least_at: IntArray
    at_least: IntArray
    at_most_at: IntArray
    at_most: IntArray

    def allow(self, multiplier: int) -> bool:
        """Whether ``multiplier`` leaves an offset."""
        low, high, _, _ = self.offsets(multiplier)
        return low <= high

    def offsets(self, multiplier: int) -> tuple[int, int, int, int]:
        """Lowest and highest offset for ``multiplier``, and the run ends that set them."""
        low = self.at_least - multiplier * self.at_least_at
        high = self.at_most - multiplier * self.at_most_at
        i = int(low.argmax()) if low.size else -1
        j = int(high.argmin()) if high.size else -1
        return int(low[i]) if i >= 0 else -(1 << 61), int(high[j]) if j >= 0 else 1 << 61, i, j


def _threshold(value: IntArray, shift: int, rounding: Rounding) -> IntArray:
    """The least numerator that is rounded to ``value`` or above."""
    edge = value << shift
    if rounding is Rounding.RND_CONV and shift > 0:
        return edge - (1 << (shift - 1)) + (value & 1)
    return edge


def _bounds(runs: Segments, shift: int, rounding: Rounding, lo: int, hi: int) -> Bounds:
    """The bounds of a rising function; results at ``lo`` and ``hi`` are unbounded there because of the clip."""
    return bounds_within(runs, runs.value, shift, rounding, (runs.value > lo, runs.value < hi))


def bounds_within(
    runs: Segments, value: IntArray, shift: int, rounding: Rounding, held: tuple[BoolArray, BoolArray]
) -> Bounds:
    """The bounds of what rises to ``value`` on ``runs``.

    Args:
        held: on which runs the result may not be less, and on which it may not be more.
    """
    lower, upper = held
    return Bounds(
        runs.first[lower],
        _threshold(value[lower], shift, rounding),
        runs.last[upper],
        _threshold(value[upper] + 1, shift, rounding) - 1,
    )


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def multipliers(sets: Sequence[Bounds], guess: int, reach: int) -> list[int]:
    """Multipliers from 0 to ``reach`` that leave an offset within each of ``sets``, at most ``_CANDIDATES`` of them."""
    least, most = 0, reach
    multiplier = min(max(guess, least), most)
    while least <= most:
        bounds = next((bounds for bounds in sets if not bounds.allow(multiplier)), None)
        if bounds is None:
            return _neighbours(sets, multiplier, reach)
        _, _, i, j = bounds.offsets(multiplier)
        distance = int(bounds.at_most_at[j]) - int(bounds.at_least_at[i])
        room = int(bounds.at_most[j]) - int(bounds.at_least[i])
        if distance == 0:
            return []
        if distance > 0:
            most = multiplier = min(most, room // distance)
        else:
            least = multiplier = max(least, _ceil(-room, -distance))
    return []


def _neighbours(sets: Sequence[Bounds], multiplier: int, reach: int) -> list[int]:
    """Fitting multipliers around one that fits: they are consecutive integers."""
    found = [multiplier]
    for step in (1, -1):
        candidate = multiplier + step
        while 0 <= candidate <= reach and len(found) < _CANDIDATES:
            if not all(bounds.allow(candidate) for bounds in sets):
                break
            found.append(candidate)
            candidate += step
    return found


def sparse(fitting: list[int]) -> list[int]:
    """The multipliers with the fewest digits."""
    digits = [len(signed_digits(multiplier)) for multiplier in fitting]
    return [m for m, count in zip(fitting, digits, strict=True) if count == min(digits)]


def simplest(low: int, high: int) -> int:
    """The integer of ``[low, high]`` with the most trailing zeros, 0 if it is among them."""
    if low <= 0 <= high:
        return 0
    if high < 0:
        return -simplest(-high, -low)
    zeros = (high - low).bit_length()
    while _ceil(low, 1 << zeros) << zeros > high:
        zeros -= 1
    return _ceil(low, 1 << zeros) << zeros


def fit_channel(runs: Segments, rounding: Rounding, lo: int, hi: int, *, max_shift: int = MAX_SHIFT) -> Affine | None:
    """The cheapest requantiser that equals ``runs`` everywhere, or None if there is none.

    Args:
        runs: the wanted function.
        rounding: ``TRN`` or ``RND_CONV``.
        lo: the clip that follows, at or below every result.
        hi: the clip that follows, at or above every result.
        max_shift: most bits of the shift.

    Returns:
        The fit with the fewest digits in its multiplier among the smallest shifts.
    """
    if runs.value.size == 1:
        return Affine(0, int(runs.value[0]), 0)
    if not runs.is_monotone:
        return None
    if runs.falls:
        mirror = fit_channel(runs.mirrored(), rounding, lo, hi, max_shift=max_shift)
        return None if mirror is None else Affine(-mirror.multiplier, mirror.offset, mirror.shift)
    slope = float(runs.value[-1] - runs.value[0]) / float(runs.first[-1] - runs.last[0])
    widest = max(abs(int(runs.first[0])), abs(int(runs.last[-1])), 1).bit_length()
    best: Affine | None = None
    stop = max_shift
    for shift in range(max_shift + EXTRA_SHIFT + 1):
        guess = round(slope * (1 << shift))
        reach = min((hi - lo + 1) << shift, 8 * guess + 8)
        numerator = max(abs(lo), abs(hi)).bit_length() + shift
        if shift > stop or max(widest + reach.bit_length(), numerator) + 2 > MAX_WIDTH:
            break
        bounds = _bounds(runs, shift, rounding, lo, hi)
        for multiplier in sparse(multipliers((bounds,), guess, reach)):
            low, high, _, _ = bounds.offsets(multiplier)
            found = Affine(multiplier, simplest(low, high), shift)
            if best is None:
                stop = shift + EXTRA_SHIFT
                if found.digits == 1:
                    return found
            if best is None or _cost(found) < _cost(best):
                best = found
    return best


def _cost(fit: Affine) -> tuple[int, int]:
    return fit.digits + (fit.offset != 0), fit.shift
