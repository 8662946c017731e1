"""Chains of elementwise operations in exact arithmetic: parameters are the float32 of Keras, which are dyadic rationals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from bittrigger.frontend.elementwise.chains import AddBias, Apply, Divide, Parametric, Scale, Step, StridedInterval
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.requantizer_fit import Segments

Integers = npt.NDArray[np.object_]
"""Integers of Python, which have no limit."""


@dataclass(frozen=True, slots=True)
class Line:
    """``(code * slope + offset) / unit``, exactly; in lowest terms."""

    slope: int
    offset: int
    unit: int

    @property
    def unit_log2(self) -> int | None:
        """The exponent of ``unit`` if that is a power of two, else None."""
        return self.unit.bit_length() - 1 if self.unit & (self.unit - 1) == 0 else None

    def scaled(self, places: int) -> Line:
        """The same, times ``2**places``."""
        if places < 0:
            return _line(Fraction(self.slope, self.unit << -places), Fraction(self.offset, self.unit << -places))
        return _line(Fraction(self.slope << places, self.unit), Fraction(self.offset << places, self.unit))

    def rounded(self, code: int) -> int:
        """The value at ``code``, rounded to the nearest integer, half to even."""
        return round(Fraction(code * self.slope + self.offset, self.unit))


def _line(slope: Fraction, offset: Fraction) -> Line:
    unit = math.lcm(slope.denominator, offset.denominator)
    return Line(int(slope * unit), int(offset * unit), unit)


def affine_part(steps: Sequence[Step]) -> int:
    """How many steps at the beginning are affine."""
    return next((k for k, step in enumerate(steps) if not is_affine(step)), len(steps))


def is_affine(step: Step) -> bool:
    """Whether a step is a factor and an offset of each channel."""
    return not isinstance(step, Apply) and (not isinstance(step, Parametric) or step.function == "normalise")


def line_of(steps: Sequence[Step], channel: int, frac: int) -> Line:
    """The composition of affine ``steps`` on codes with ``frac`` fractional bits."""
    slope, offset = Fraction(1) / 2**frac if frac >= 0 else Fraction(2**-frac), Fraction(0)
    for step in steps:
        match step:
            case AddBias():
                offset += Fraction(float(step.bias[channel]))
            case Scale():
                factor = Fraction(float(step.multiplier[channel]))
                slope, offset = slope * factor, offset * factor + Fraction(float(step.offset[channel]))
            case Divide():
                slope, offset = slope / step.divisor, offset / step.divisor
            case Parametric() if is_affine(step):
                mean, deviation = (Fraction(float(array[channel])) for array in step.parameters)
                slope, offset = slope / deviation, (offset - mean) / deviation
            case Apply() | Parametric():
                raise TypeError(f"{step.layer} is not affine")
    return _line(slope, offset)


def quantised_steps(line: Line, reach: StridedInterval, grid: Grid) -> int:
    """In how many steps a line that is rounded to ``grid`` rises or falls over ``reach``."""
    on_grid = line.scaled(grid.frac)
    ends = (min(max(on_grid.rounded(code), grid.lo), grid.hi) for code in (reach.lo, reach.hi))
    first, last = ends
    return abs(last - first)


def quantised_runs(line: Line, reach: StridedInterval, grid: Grid) -> Segments:
    """``line`` rounded to the nearest code of ``grid``, half to even, and clipped, on every code of ``reach``."""
    if line.slope < 0:
        mirrored = StridedInterval(-reach.hi, -reach.lo, reach.stride)
        return quantised_runs(Line(-line.slope, line.offset, line.unit), mirrored, grid).mirrored()
    rising = line.scaled(grid.frac)
    least, most = (min(max(rising.rounded(code), grid.lo), grid.hi) for code in (reach.lo, reach.hi))
    values = np.arange(least + 1, most + 1).astype(object)
    if not values.size:
        return Segments(*(np.array([value], dtype=np.int64) for value in (reach.lo, reach.hi, least)))
    # The first code that is rounded to a value or above: twice the line is at least 2 value - 1, and above it where that is odd.
    bound = (2 * values - 1) * rising.unit + (values % 2) - 2 * rising.offset
    codes = -(-bound // (2 * rising.slope))
    firsts = reach.lo + reach.stride * -(-(codes - reach.lo) // reach.stride)
    return _runs(np.concatenate([[reach.lo], firsts]), np.concatenate([[least], values]), reach)


def _runs(firsts: Integers, values: Integers, reach: StridedInterval) -> Segments:
    """The runs that begin at ``firsts``; of several that begin at one code the last is the one that is there."""
    last_of_its_code = np.r_[firsts[1:] != firsts[:-1], True]
    first, value = (array[last_of_its_code].astype(np.int64) for array in (firsts, values))
    return Segments(first, np.r_[first[1:] - reach.stride, reach.hi], value)
