"""Plans for chains of operations in exact arithmetic, where float32 itself rounds: the ideal grade.

Every plan equals the definition on every code that can occur: a requantiser is fitted to the thresholds of the chain, which are
computed in integers without limit; where none is found the chain itself is written, with the very parameters of Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from bittrigger.errors import TableTooLargeError, UnsupportedModelError
from bittrigger.frontend.elementwise.chains import Apply, Scale, Step, distinct_channels
from bittrigger.frontend.elementwise.double import double_runs
from bittrigger.frontend.elementwise.exact import Line, affine_part, line_of, quantised_runs, quantised_steps
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.requantizer_fit import Affine
from bittrigger.frontend.elementwise.thresholds import counted_exactly, grid_of_counts
from bittrigger.frontend.nodes.bends import first_bend
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.pieces import beside_a_line
from bittrigger.frontend.nodes.plans import Plan, affine_plans, fits_and_tables, reach_under
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import MAX_WIDTH, Rounding
from bittrigger.ir.graph import Linear, Requantize, frozen_array

MAX_STEPS = 1 << 21
"""Most steps, of all distinct channels of a layer, to which a requantiser is fitted."""


def ideal_plan(builder: Builder, signal: Signal) -> Plan:
    """The cheapest way to write the steps of ``signal`` that equals them in exact arithmetic.

    Raises:
        UnsupportedModelError: if there is none of reasonable size.
    """
    affine = affine_part(signal.steps)
    rest = signal.steps[affine:]
    if all(isinstance(step, Apply) and step.function.is_relu for step in rest):
        return _kept_whole(builder, signal, signal.steps[:affine], relu=bool(rest))
    counts = grid_of_counts(rest[0]) if len(rest) == 1 else None
    if counts is not None:
        return _counted(builder, signal, counts)
    plain = plain_quantizer(rest)
    if plain is not None:
        return _quantised(builder, signal, signal.steps[:affine], plain[1])
    if len(rest) == 1 and (found := _rounded_line(rest[0], len(reach_under(builder, signal)[0]))) is not None:
        return _quantised(builder, signal, (*signal.steps[:affine], found[0]), found[1])
    return _tabulated(builder, signal)


def _counted(builder: Builder, signal: Signal, grid: Grid) -> Plan:
    reach, frac = reach_under(builder, signal)
    plans = fits_and_tables(builder, signal, counted_exactly(signal.steps, reach, frac), grid, table=True)
    if not plans:
        raise _too_large(signal, f"it counts {grid.hi} thresholds, which no requantiser does")
    return min(plans, key=lambda plan: plan.cost)


def _rounded_line(step: Step, channels: int) -> tuple[Scale, Grid] | None:
    """A function that rounds a line to its grid, as that line and this grid; None for another function."""
    if not isinstance(step, Apply) or step.function.line is None or step.function.grid is None:
        return None
    slope, offset = (np.full(channels, value, dtype=np.float32) for value in step.function.line)
    return Scale(step.layer, slope, offset), step.function.grid


def plain_quantizer(steps: Sequence[Step]) -> tuple[Apply, Grid] | None:
    """The plain quantiser that ``steps`` are but for ReLUs before it, and its codes behind these; None for any others."""
    *before, last = steps
    if not isinstance(last, Apply) or last.function.grid is None or not last.function.plain:
        return None
    if not all(isinstance(step, Apply) and step.function.is_relu for step in before):
        return None
    grid = last.function.grid
    return last, replace(grid, lo=max(grid.lo, 0)) if before else grid


def _quantised(builder: Builder, signal: Signal, steps: Sequence[Step], grid: Grid) -> Plan:
    reach, frac = reach_under(builder, signal)
    first, inverse = distinct_channels(steps, reach)
    lines = [line_of(steps, channel, frac) for channel in first]
    spans = [reach[channel] for channel in first]
    count = sum(quantised_steps(line, span, grid) for line, span in zip(lines, spans, strict=True))
    plans: list[Plan] = []
    if count <= MAX_STEPS:
        runs = [quantised_runs(line, span, grid) for line, span in zip(lines, spans, strict=True)]
        plans = fits_and_tables(builder, signal, [runs[k] for k in inverse], grid, table=True)
    if not plans:
        plans = _written_out(builder, signal, [lines[k] for k in inverse], grid)
    return min(plans, key=lambda plan: plan.cost)


def _written_out(builder: Builder, signal: Signal, lines: Sequence[Line], grid: Grid) -> list[Plan]:
    """The chain with its own parameters."""
    on_grid = [line.scaled(grid.frac) for line in lines]
    shifts = [line.unit_log2 for line in on_grid]
    present = [shift for shift in shifts if shift is not None]
    if len(present) < len(shifts):
        raise _too_large(signal, "it divides by a number that is no power of two, in too many steps for a table")
    shift = max(present)
    fits = [Affine(line.slope, line.offset, own).at_shift(shift) for line, own in zip(on_grid, present, strict=True)]
    if max(max(abs(fit.multiplier), abs(fit.offset)).bit_length() for fit in fits) > MAX_WIDTH:
        raise _too_large(signal, f"its parameters need more than {MAX_WIDTH} bits")
    return affine_plans(builder, signal, fits, grid, Rounding.RND_CONV)


def _too_large(signal: Signal, fact: str) -> UnsupportedModelError:
    layer = signal.steps[-1].layer
    return UnsupportedModelError(
        f"layer {layer!r}: {fact}; allowed are scales of at most 24 bits, and tables of up to 4096 steps; put a coarser "
        "quantiser behind it"
    )


def _kept_whole(builder: Builder, signal: Signal, steps: Sequence[Step], *, relu: bool) -> Plan:
    """An affine chain that no quantiser rounds, with every bit that it can have, and perhaps a ReLU behind it."""
    reach, frac = reach_under(builder, signal)
    line = cache(lambda channel: line_of(steps, channel, frac))
    lines = [line(channel) for channel in range(len(reach))]
    shifts = [line.unit_log2 for line in lines]
    present = [shift for shift in shifts if shift is not None]
    if len(present) < len(shifts):
        raise UnsupportedModelError(
            f"layer {steps[-1].layer!r}: it divides by a number that is no power of two, so that its results lie on no grid of "
            "integers; allowed is a quantised activation behind it, or the output with --output-precision; put a QActivation "
            f"behind this layer, or round what it delivers with --layer-precision '{steps[-1].layer}=fixed<16,6>'"
        )
    shift = max(present, default=0)
    fits = [Affine(line.slope, line.offset, own).at_shift(shift) for line, own in zip(lines, present, strict=True)]
    widest = max(max(abs(fit.multiplier), abs(fit.offset)).bit_length() for fit in fits)
    if widest > MAX_WIDTH:
        raise _too_large(signal, f"its parameters need {widest} bits")
    multipliers = np.array([fit.multiplier for fit in fits], dtype=np.int64)
    offsets = np.array([fit.offset for fit in fits], dtype=np.int64)
    nodes: list[Linear | Requantize] = []
    if steps:
        name, copies = steps[-1].layer, signal.copies
        if signal.linear is None:
            scale = builder.linear(name, signal.parts, np.diag(multipliers), offsets, shift, copies)
        else:
            nodes.append(signal.linear)
            scale = Linear(name, (), frozen_array(np.diag(multipliers)), frozen_array(offsets), shift, copies)
        nodes.append(scale)
        frac = shift
    elif signal.linear is not None:
        nodes.append(signal.linear)
    if relu:
        ends = [
            fit.multiplier * code + fit.offset
            for fit, span in zip(fits, reach, strict=True)
            for code in (span.lo, span.hi)
        ]
        top = max(0, *ends) if steps else max(0, *(span.hi for span in reach))
        copies, size = signal.copies, signal.copies * len(reach)
        last = signal.steps[-1].layer
        nodes.append(Requantize(last, signal.parts, size, 0, Rounding.TRN, 0, top, frac, copies=copies))
    return Plan(0.0, tuple(nodes))


def _tabulated(builder: Builder, signal: Signal) -> Plan:
    """A chain with a function that is no line: a table of its values in double precision, where these decide every code."""
    reach, frac = reach_under(builder, signal)
    grid, runs = double_runs(signal.steps, reach, frac)
    plans = fits_and_tables(builder, signal, runs, grid, table=True)
    bent = first_bend(signal) == len(signal.steps) - 1  # two lines take less
    if not (plans or bent) and (pieces := beside_a_line(builder, signal, runs, grid)) is not None:
        return pieces
    if not plans:
        steps = max(run.breakpoints for run in runs)
        raise TableTooLargeError(str(_too_large(signal, f"its table has {steps} steps")))
    return min(plans, key=lambda plan: plan.cost)
