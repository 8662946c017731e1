"""Functions of Keras in double precision, tabulated where it decides: no code may hang on the last bits of a double."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import reduce

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.chains import (
    THRESHOLDS,
    Apply,
    Parametric,
    Step,
    StridedInterval,
    distinct_channels,
)
from bittrigger.frontend.elementwise.decided import Rounded, decided
from bittrigger.frontend.elementwise.exact import affine_part, is_affine, line_of
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.requantizer_fit import Segments
from bittrigger.frontend.elementwise.thresholds import grid_of_step
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import FixedPoint, FloatArray, IntArray, Interval, Overflow, Rounding, overflow

BoolArray = npt.NDArray[np.bool_]

MAX_POINTS = 1 << 22
"""Most codes, summed over the distinct channels of a layer, that are tabulated."""

MAX_DECIDED = 1 << 18
"""Most codes of a channel that are computed one by one: some seconds of work."""

MARGIN = 2.0**-46
"""Relative change of an argument that must not change a code: 64 times the spacing of doubles."""


def double_runs(steps: Sequence[Step], reach: Sequence[StridedInterval], frac: int) -> tuple[Grid, list[Segments]]:
    """The chain on every code that can occur, and the grid of its results, which its last step declares.

    Raises:
        UnsupportedModelError: if the last step is no quantiser, there are too many codes, or doubles do not decide one.
    """
    last = steps[-1]
    grid = grid_of_step(last)
    if grid is None:
        raise UnsupportedModelError(
            f"layer {last.layer!r}: its exact results lie on no grid of integers; allowed is a quantised activation behind it, "
            "or the output with --output-precision; put a QActivation behind this layer, or round what it delivers with "
            f"--layer-precision '{last.layer}=fixed<16,6>'"
        )
    first, inverse = distinct_channels(steps, reach)
    points = sum(reach[channel].points for channel in first)
    if points > MAX_POINTS and all(isinstance(step, Apply) for step in steps):  # nothing of a channel's own
        whole = reduce(StridedInterval.union, reach)
        if whole.points <= MAX_POINTS:
            run = _runs(steps, 0, whole, frac, grid)
            parts = {span: _part(run, span) for span in set(reach)}
            return grid, [parts[span] for span in reach]
    if points > MAX_POINTS:
        raise UnsupportedModelError(
            f"layer {last.layer!r}: {points} codes can occur before it; allowed are {MAX_POINTS} where double precision is "
            "needed; use fewer bits before it"
        )
    runs = [_runs(steps, int(channel), reach[channel], frac, grid) for channel in first]
    return grid, [runs[k] for k in inverse]


def _part(run: Segments, span: StridedInterval) -> Segments:
    """What ``run`` is on the codes of ``span``, which are some of its own."""
    codes = span.codes(0, span.points)
    return Segments.of(codes, run.value[np.searchsorted(run.first, codes, side="right") - 1])


def _runs(steps: Sequence[Step], channel: int, span: StridedInterval, frac: int, grid: Grid) -> Segments:
    affine = affine_part(steps)
    line, rest = line_of(steps[:affine], channel, frac), steps[affine:]
    codes = span.codes(0, span.points)
    exact = codes.astype(object) * line.slope + line.offset
    values = (exact / line.unit).astype(np.float64)  # integers without limit: rounded once
    found = _codes(rest, channel, values, grid)
    if not all(isinstance(step, Apply) and step.function.rational for step in rest):
        places = np.flatnonzero(_unsure(rest, channel, values, grid, found))
        if places.size:
            found[places] = _decided(rest, [Fraction(int(exact[k]), line.unit) for k in places], len(codes))
    return Segments.of(codes, found)


def _unsure(steps: Sequence[Step], channel: int, values: FloatArray, grid: Grid, found: IntArray) -> BoolArray:
    """Which codes an argument, or a value of a function, that is off by a little would change."""
    wrong = np.zeros(len(values), dtype=bool)
    for change in (-MARGIN, MARGIN):
        wrong |= _codes(steps, channel, values * (1 + change), grid) != found
        wrong |= _codes(steps, channel, values, grid, change) != found
    return wrong


def _decided(steps: Sequence[Step], points: list[Fraction], count: int) -> IntArray:
    """The codes of a function and a type behind it at some of ``count`` points, by as many digits as they take.

    Raises:
        UnsupportedModelError: if the function is none that is known so well, or even these digits leave one open.
    """
    first, last = steps[0], steps[-1]
    function = first.function.exact if isinstance(first, Apply) else None
    cast = _cast_of(last) if len(steps) == 2 else None
    if function is not None and cast is not None and len(points) <= MAX_DECIDED:
        falls = points[-1] < points[0]
        codes = decided(function, Rounded(cast.frac, cast.rounding), points[::-1] if falls else points)
        if codes is not None:
            size = 1 << cast.fixed.width
            near = [code % size if cast.overflow is Overflow.WRAP else min(max(code, -size), size) for code in codes]
            return overflow(np.array(near[::-1] if falls else near, dtype=np.int64), cast.fixed, cast.overflow)
    raise UnsupportedModelError(
        f"layer {last.layer!r}: for {len(points)} of {count} codes its result lies so near to a tie that "
        "double precision does not decide it; allowed are results that it decides; where a declared type cuts off (TRN), "
        "round to the nearest (RND_CONV), else change a bias or scale by a little"
    )


def _cast_of(step: Step) -> Cast | None:
    """The type to which a step rounds, if it does nothing else."""
    if not isinstance(step, Apply):
        return None
    grid = step.function.grid
    if step.function.cast is not None or grid is None or not step.function.plain:
        return step.function.cast
    limits = Interval(grid.lo, grid.hi)
    whole = FixedPoint.holding(limits, grid.frac)
    return Cast(whole, Rounding.RND_CONV, Overflow.SAT) if whole.interval == limits else None


def _codes(steps: Sequence[Step], channel: int, values: FloatArray, grid: Grid, change: float = 0.0) -> IntArray:
    """The codes of ``values``; what functions give is changed by that part of it, and of 1."""
    for step in steps:
        values = double_step(step, values, channel)
        if np.isnan(values).any():
            raise UnsupportedModelError(
                f"layer {step.layer!r}: its result is no number for some input; allowed are functions of all that can come; "
                "limit what goes into it, for example by a Clip"
            )
        if change and grid_of_step(step) is None:
            values = values + change * (np.abs(values) + 1)
    codes: IntArray = np.clip(np.rint(np.ldexp(values, grid.frac)), grid.lo, grid.hi).astype(np.int64)
    return codes


def double_step(step: Step, values: FloatArray, channel: int) -> FloatArray:
    """One step in double precision.

    Raises:
        UnsupportedModelError: if the function knows single precision alone.
    """
    if isinstance(step, Apply):
        try:
            with doubles():
                return np.asarray(step.function.in_double(values), dtype=np.float64)
        except TypeError as error:
            raise UnsupportedModelError(
                f"layer {step.layer!r}: {step.function.text} computes in float32 alone, so that it has no exact results; "
                "allowed are functions in double precision too; put a quantised activation behind this layer"
            ) from error
    if isinstance(step, Parametric) and not is_affine(step):
        first = np.asarray(step.parameters[0], dtype=np.float64)[..., channel]
        if step.function == "gather":
            return np.asarray(first[values.astype(np.int64)])
        if step.function == THRESHOLDS:
            return np.searchsorted(first, values, side="right").astype(np.float64)
        return np.asarray(np.maximum(values, 0) - first * np.maximum(-values, 0))
    line = line_of((step,), channel, 0)
    return values * (line.slope / line.unit) + line.offset / line.unit


@contextmanager
def doubles() -> Iterator[None]:
    """Keras computes in double precision inside, if it is there at all."""
    if "tensorflow" not in sys.modules:  # then no function is one of Keras
        yield
        return
    import tensorflow as tf

    before = tf.keras.backend.floatx()
    tf.keras.backend.set_floatx("float64")
    try:
        yield
    finally:
        tf.keras.backend.set_floatx(before)
