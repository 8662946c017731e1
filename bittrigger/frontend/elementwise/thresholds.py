"""Functions that count thresholds, ``#{t : t <= x}``: their steps are found by moving the thresholds onto the codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bittrigger.frontend.elementwise.chains import (
    THRESHOLDS,
    Apply,
    FloatSegments,
    Parametric,
    Step,
    StridedInterval,
    apply_steps,
    distinct_channels,
)
from bittrigger.frontend.elementwise.exact import Integers, Line, line_of
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.requantizer_fit import Segments
from bittrigger.frontend.kernels import Float32Array
from bittrigger.ir.fixed import IntArray


def grid_of_counts(step: Step) -> Grid | None:
    """The codes of a step that counts thresholds; None for another step."""
    counts = isinstance(step, Parametric) and step.function == THRESHOLDS
    return Grid(0, 0, len(step.parameters[0])) if counts else None  # type: ignore[union-attr]


def grid_of_step(step: Step) -> Grid | None:
    """The codes to which a step brings everything; None if it does not."""
    return step.function.grid if isinstance(step, Apply) else grid_of_counts(step)


def counted_floats(steps: Sequence[Step], reach: Sequence[StridedInterval], frac: int) -> list[FloatSegments]:
    """As ``tabulate``, of a chain that begins with counting: what float32 holds is compared without rounding."""
    first, inverse = distinct_channels(steps, reach)
    runs = []
    for channel in first.tolist():
        run = _runs(steps[0], channel, line_of((), channel, frac), reach[channel])
        values = apply_steps(steps[1:], run.value.astype(np.float32), np.full(len(run.value), channel, dtype=np.int64))
        runs.append(FloatSegments(run.first, run.last, values))
    return [runs[k] for k in inverse]


def counted_exactly(steps: Sequence[Step], reach: Sequence[StridedInterval], frac: int) -> list[Segments]:
    """A chain that ends with counting, and is affine before, in exact arithmetic."""
    first, inverse = distinct_channels(steps, reach)
    runs = [_runs(steps[-1], channel, line_of(steps[:-1], channel, frac), reach[channel]) for channel in first.tolist()]
    return [runs[k] for k in inverse]


def _runs(step: Step, channel: int, line: Line, span: StridedInterval) -> Segments:
    if line.slope < 0:
        mirrored = StridedInterval(-span.hi, -span.lo, span.stride)
        return _runs(step, channel, Line(-line.slope, line.offset, line.unit), mirrored).mirrored()
    thresholds: Float32Array = step.parameters[0][:, channel]  # type: ignore[union-attr]
    always = int((thresholds == -np.inf).sum())
    steps = _first_codes(thresholds[np.isfinite(thresholds)], line, span)
    starts, jumps = np.unique(steps[steps <= span.hi], return_counts=True)
    counts = always + np.cumsum(jumps, dtype=np.int64)
    if not starts.size or starts[0] > span.lo:
        starts, counts = np.r_[span.lo, starts], np.r_[always, counts]
    starts = starts.astype(np.int64)
    return Segments(starts, np.r_[starts[1:] - span.stride, span.hi], counts.astype(np.int64))


def _first_codes(thresholds: Float32Array, line: Line, span: StridedInterval) -> IntArray:
    """For each threshold the first code of ``span`` at which a rising line reaches it; beyond the last where none does."""
    mantissa, exponent = np.frexp(thresholds.astype(np.float64))
    whole: Integers = np.ldexp(mantissa, 24).astype(np.int64).astype(object)
    shifts = [int(e) - 24 for e in exponent]
    above = np.array([n << max(s, 0) for n, s in zip(whole, shifts, strict=True)], dtype=object) * line.unit
    below = np.array([1 << max(-s, 0) for s in shifts], dtype=object)
    needed = above - below * line.offset  # the code times slope and ``below`` is this at least
    flat = line.slope == 0
    codes = np.where(needed <= 0, span.lo, span.hi + 1) if flat else -(-needed // (below * line.slope))
    codes = np.clip(codes, span.lo, span.hi + 1).astype(np.int64)
    step = max(span.stride, 1)
    return np.asarray(np.where(codes > span.hi, span.hi + 1, span.lo - step * (-(codes - span.lo) // step)))
