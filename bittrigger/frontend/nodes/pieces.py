"""Functions that are a line, or nearly one, above where their argument is zero: that line, and a table of what is left.

Of an ELU nothing is left there, of a softplus or a swish little: as tables of the whole they have a step at every code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bittrigger.frontend.elementwise.chains import StridedInterval
from bittrigger.frontend.elementwise.exact import Line, affine_part, line_of
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.requantizer_fit import Affine, Segments, fit_channel
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.plans import MAX_BREAKPOINTS, Plan, reach_under
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Rounding
from bittrigger.ir.graph import Linear, Lookup, Requantize, frozen_array

MAX_CODES = 1 << 22
"""Most codes of all distinct channels."""


@dataclass(frozen=True, eq=False)
class _Pieces:
    """``clip(line(max(code, start))) + left(code)``; ``line`` is of ``code - start``."""

    start: int
    line: Affine
    left: Segments


def beside_a_line(builder: Builder, signal: Signal, runs: Sequence[Segments], grid: Grid) -> Plan | None:
    """``runs``, one function a channel, as lines and tables; None where too much is left, or there is no such line.

    Its nodes but the last two stand in ``builder`` when it is made.
    """
    reach, frac = reach_under(builder, signal)
    affine = signal.steps[: affine_part(signal.steps)]
    found: dict[tuple[int, Line, StridedInterval], _Pieces | None] = {}
    rows: list[_Pieces] = []
    points = 0
    for channel, (run, span) in enumerate(zip(runs, reach, strict=True)):
        line = line_of(affine, channel, frac)
        key = id(run), line, span
        if key not in found:
            points += span.points
            found[key] = _pieces(run, span, line, grid) if points <= MAX_CODES else None
        row = found[key]
        if row is None:
            return None
        rows.append(row)
    shift = max(row.line.shift for row in rows)
    lines = [row.line.at_shift(shift) for row in rows]
    if max(max(abs(line.multiplier), abs(line.offset)).bit_length() for line in lines) + frac > MAX_WIDTH:
        return None
    return _written(builder, signal, rows, lines, grid)


def _pieces(run: Segments, span: StridedInterval, line: Line, grid: Grid) -> _Pieces | None:
    """The pieces of one channel, whose argument is ``line``."""
    if line.slope <= 0 or span.stride == 0:
        return None
    start = min(max(-(line.offset // line.slope), span.lo), span.hi)
    codes = span.codes(0, span.points)
    values = np.repeat(run.value, (run.last - run.first) // span.stride + 1)
    above = codes >= start
    fitted = fit_channel(Segments.of(codes[above], values[above]), Rounding.TRN, grid.lo, grid.hi)
    straight = fitted or _itself(line.scaled(grid.frac))
    if straight is None:
        return None
    moved = Affine(straight.multiplier, straight.offset + start * straight.multiplier, straight.shift)
    reached = np.maximum(codes - start, 0) * moved.multiplier + moved.offset
    left = Segments.of(codes, values - np.clip(reached >> moved.shift, grid.lo, grid.hi))
    return _Pieces(start, moved, left) if left.breakpoints <= MAX_BREAKPOINTS else None


def _itself(line: Line) -> Affine | None:
    """The argument, rounded down to the grid of the results; None where it is divided by no power of two, or is too wide."""
    shift = line.unit_log2
    if shift is None or max(abs(line.slope), abs(line.offset)).bit_length() > MAX_WIDTH // 2:
        return None
    return Affine(line.slope, line.offset, shift)


def _written(builder: Builder, signal: Signal, rows: Sequence[_Pieces], lines: Sequence[Affine], grid: Grid) -> Plan:
    """The nodes: what is above the start, its line, the table of all codes, and their sum."""
    last, copies, size = signal.steps[-1].layer, signal.copies, len(rows)
    source = builder.add(signal.linear) if signal.linear else builder.joined(f"{last}_operand", signal.parts)
    frac, whole = builder[source].frac, copies * size
    starts, none = np.array([row.start for row in rows], dtype=np.int64), np.zeros(size, dtype=np.int64)
    moved = source
    if starts.any():
        moved = builder.add(
            builder.linear(f"{last}_moved", (source,), np.eye(size, dtype=np.int64), -starts, frac, copies)
        )
    most = max(0, *(span.hi for span in builder.reach(moved)))
    above = builder.add(Requantize(f"{last}_above", (moved,), whole, 0, Rounding.TRN, 0, most, frac, copies=copies))
    multipliers = np.diag([line.multiplier for line in lines])
    offsets = np.array([line.offset for line in lines], dtype=np.int64)
    shift = lines[0].shift
    scaled = builder.add(builder.linear(f"{last}_scale", (above,), multipliers, offsets, grid.frac + shift, copies))
    straight = builder.add(
        Requantize(f"{last}_line", (scaled,), whole, shift, Rounding.TRN, grid.lo, grid.hi, grid.frac, copies=copies)
    )
    first, value = (tuple(tuple(getattr(row.left, part).tolist()) for row in rows) for part in ("first", "value"))
    left = builder.add(Lookup(f"{last}_left", (source,), first, value, grid.frac, copies))
    numbers: IntArray = np.arange(2 * whole).reshape(2, copies, size).swapaxes(0, 1)
    both = builder.wire(f"{last}_pieces", (straight, left), numbers)
    total = Linear(
        f"{last}_sum", (both,), frozen_array(np.tile(np.eye(size, dtype=np.int64), (2, 1))), none, grid.frac, copies
    )
    result = Requantize(last, (), whole, 0, Rounding.TRN, grid.lo, grid.hi, grid.frac, copies=copies)
    return Plan(0.0, (total, result))
