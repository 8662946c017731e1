"""Functions that round to a grid or to a type, and do nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bittrigger.frontend.elementwise.functions.function import Function, in_single
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.ir.casts import Cast, cast_codes
from bittrigger.ir.fixed import FixedPoint, FloatArray, decode


def rounding_to(kind: FixedPoint) -> Function:
    """What delivers values in a declared type: the nearest code, half to even, or the limit that is next."""
    made = rounded_to(f"rounding to {kind}", Grid(kind.frac, kind.interval.lo, kind.interval.hi))
    return replace(made, declared=True)


def assigning_to(kind: Cast) -> Function:
    """What gives values the codes of a type with its own modes."""

    def double(values: FloatArray) -> FloatArray:
        return decode(cast_codes(values, kind), kind.frac)

    grid = Grid(kind.frac, kind.limits.lo, kind.limits.hi)
    return Function(str(kind), in_single(double), double, grid, rational=True, cast=kind)


def rounded_to(text: str, grid: Grid, slope: float = 1.0) -> Function:
    """What rounds half to even to a grid, saturates, and does nothing else, on a line of another slope below zero."""

    def double(values: FloatArray) -> FloatArray:
        codes = np.clip(np.ldexp(np.where(values < 0, slope * values, values), grid.frac), grid.lo, grid.hi)
        return np.asarray(np.ldexp(np.rint(codes), -grid.frac), dtype=np.float64)

    return Function(text, in_single(double), double, grid, plain=True, rational=True)
