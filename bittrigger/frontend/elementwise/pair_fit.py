"""Two floors of one product whose sum is a tabulated function everywhere: ``(a * m + c0) >> s`` plus ``(a * m + c1) >> s``.

Rounding half to even after a division by a number that is no power of two, as behind a mean over 10, is no requantiser: ties go
up to even numbers and down to even ones, so that the steps are not evenly spaced. But every second one is. A value ``y`` is
``ceil(y / 2) + floor(y / 2)``; the first of the two rises at the odd values alone, the second at the even ones, and each is the
floor of a line. Both have one multiplier, so that the product is there one time.
"""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.frontend.elementwise.requantizer_fit import (
    EXTRA_SHIFT,
    MAX_SHIFT,
    Affine,
    Bounds,
    Segments,
    bounds_within,
    multipliers,
    simplest,
    sparse,
)
from bittrigger.ir.fixed import MAX_WIDTH, Rounding


@dataclass(frozen=True, slots=True)
class Pair:
    """``floor((a * multiplier + upper) / 2**shift) + floor((a * multiplier + lower) / 2**shift)`` before the common clip."""

    multiplier: int
    upper: int
    lower: int
    shift: int

    def at_shift(self, shift: int) -> Pair:
        """The same function with a shift of ``shift``, which is not below ``self.shift``."""
        more = shift - self.shift
        return Pair(self.multiplier << more, self.upper << more, self.lower << more, shift)

    @property
    def adders(self) -> int:
        """Adders that it takes: the product, both offsets, and the sum of the two floors."""
        return Affine(self.multiplier, 0, self.shift).digits + (self.upper != 0) + (self.lower != 0)

    @property
    def widest(self) -> int:
        """Bits of its widest number."""
        return max(abs(self.multiplier), abs(self.upper), abs(self.lower)).bit_length()


def fit_pair(runs: Segments, lo: int, hi: int, *, max_shift: int = MAX_SHIFT) -> Pair | None:
    """The cheapest pair of floors whose sum, clipped, equals ``runs`` everywhere, or None if there is none.

    Args:
        runs: the wanted function.
        lo: the clip that follows, at or below every result.
        hi: the clip that follows, at or above every result.
        max_shift: most bits of the shift.
    """
    if runs.value.size == 1:
        value = int(runs.value[0])
        return Pair(0, (value + 1) >> 1, value >> 1, 0)
    if not runs.is_monotone:
        return None
    if runs.falls:
        mirror = fit_pair(runs.mirrored(), lo, hi, max_shift=max_shift)
        return None if mirror is None else Pair(-mirror.multiplier, mirror.upper, mirror.lower, mirror.shift)
    slope = float(runs.value[-1] - runs.value[0]) / float(runs.first[-1] - runs.last[0]) / 2
    widest = max(abs(int(runs.first[0])), abs(int(runs.last[-1])), 1).bit_length()
    best: Pair | None = None
    stop = max_shift
    for shift in range(max_shift + EXTRA_SHIFT + 1):
        guess = round(slope * (1 << shift))
        reach = min((hi - lo + 1) << shift, 8 * guess + 8)
        numerator = max(abs(lo), abs(hi)).bit_length() + shift
        if shift > stop or max(widest + reach.bit_length(), numerator) + 2 > MAX_WIDTH:
            break
        upper, lower = _halves(runs, shift, lo, hi)
        for multiplier in sparse(multipliers((upper, lower), guess, reach)):
            found = Pair(multiplier, _offset(upper, multiplier), _offset(lower, multiplier), shift)
            if best is None:
                stop = shift + EXTRA_SHIFT
            if best is None or found.adders < best.adders:
                best = found
    return best


def _halves(runs: Segments, shift: int, lo: int, hi: int) -> tuple[Bounds, Bounds]:
    """The bounds of both floors, whose sum is unbounded at ``lo`` and ``hi`` because of the clip."""
    held = runs.value > lo, runs.value < hi
    return (
        bounds_within(runs, (runs.value + 1) >> 1, shift, Rounding.TRN, held),
        bounds_within(runs, runs.value >> 1, shift, Rounding.TRN, held),
    )


def _offset(bounds: Bounds, multiplier: int) -> int:
    low, high, _, _ = bounds.offsets(multiplier)
    return simplest(low, high)
