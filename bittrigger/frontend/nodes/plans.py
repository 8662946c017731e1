"""Ways to write a piecewise constant function of each code in integers, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bittrigger.frontend.elementwise.chains import reach_of_one_copy
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.pair_fit import Pair, fit_pair
from bittrigger.frontend.elementwise.requantizer_fit import Affine, Segments, fit_channel
from bittrigger.frontend.nodes.builder import Builder, Reaches
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Rounding
from bittrigger.ir.graph import Linear, Lookup, Requantize, frozen_array

MAX_BREAKPOINTS = 4096
"""Most steps of one channel of a ``Lookup``."""

MIN_PAIRED = 4
"""Steps of a table that is not cheaper as the sum of two floors."""

_LOOKUP_COST = 0.5
_CLIP_COST = 0.5


@dataclass(frozen=True, eq=False)
class Plan:
    """One way to write a chain: nodes of which each reads the one before it, and what they cost, in adders about."""

    cost: float
    nodes: tuple[Linear | Requantize | Lookup, ...]


def reach_under(builder: Builder, signal: Signal) -> tuple[Reaches, int]:
    """The codes of one copy under the steps, and their fractional bits."""
    if signal.linear is not None:
        reach, frac = builder.preview(signal.linear), signal.linear.frac
    else:
        reach, frac = builder.operand(signal.parts), builder[signal.parts[0]].frac
    return reach_of_one_copy(reach, signal.copies), frac


def fits_and_tables(
    builder: Builder, signal: Signal, runs: Sequence[Segments], grid: Grid, *, table: bool
) -> list[Plan]:
    """All ways to write ``runs``, one function a channel, in the place of the steps of ``signal``; none if there is none.

    Requantisers are sought within the limits and with the step of the last quantiser first, and else with those of the values
    that occur: where an earlier quantiser saturates sooner or is coarser, only there a straight line follows the table.

    Where no straight line does, two floors may, whose sum rounds half to even behind a division (``pair_fit``).

    Args:
        grid: the codes that may come out.
        table: whether tables will do.
    """
    plans: list[Plan] = []
    for limits, rows in ((grid, runs), _reached(runs, grid)):
        plans += [
            plan
            for rounding in (Rounding.TRN, Rounding.RND_CONV)
            if (fits := fit_all(rows, rounding, limits)) is not None
            for plan in affine_plans(builder, signal, fits, limits, rounding)
        ]
        if not plans and any(run.breakpoints > MIN_PAIRED for run in rows):
            plans += pair_plans(builder, signal, rows, limits)
        if plans:
            break
    if table and all(run.breakpoints <= MAX_BREAKPOINTS for run in runs):
        plans.append(lookup_plan(signal, runs, grid.frac))
    return plans


def _reached(runs: Sequence[Segments], grid: Grid) -> tuple[Grid, list[Segments]]:
    """The coarsest grid and the narrowest limits that hold the values of ``runs``, and these in its codes."""
    distinct = {id(run): run for run in runs}
    values = np.concatenate([run.value for run in distinct.values()])
    common = int(np.gcd.reduce(values))
    places = (common & -common).bit_length() - 1 if common else 0
    shifted = {key: replace(run, value=run.value >> places) for key, run in distinct.items()}
    lo, hi = int(values.min()) >> places, int(values.max()) >> places
    return Grid(grid.frac - places, lo, hi), [shifted[id(run)] for run in runs]


def fit_all(runs: Sequence[Segments], rounding: Rounding, grid: Grid) -> list[Affine] | None:
    """A requantiser for each of ``runs``, all of one shift; None if one has none."""
    distinct = {id(run): run for run in runs}
    fits: dict[int, Affine] = {}
    for key, run in distinct.items():
        fit = fit_channel(run, rounding, grid.lo, grid.hi)
        if fit is None:
            return None
        fits[key] = fit
    shift = max(fit.shift for fit in fits.values())
    common = {key: fit.at_shift(shift) for key, fit in fits.items()}
    widest = max(max(abs(fit.multiplier), abs(fit.offset)).bit_length() for fit in common.values())
    return None if widest > MAX_WIDTH else [common[id(run)] for run in runs]


def affine_plans(
    builder: Builder, signal: Signal, fits: Sequence[Affine], grid: Grid, rounding: Rounding
) -> list[Plan]:
    """Ways to write ``clip(round((a * m + c) / 2**s))``: folded into the layer before, or with a layer of its own."""
    multipliers = np.array([fit.multiplier for fit in fits], dtype=np.int64)
    offsets = np.array([fit.offset for fit in fits], dtype=np.int64)
    size, shift, last = len(fits), fits[0].shift, signal.steps[-1].layer
    if shift == 0:
        rounding = Rounding.TRN
    copies = signal.copies
    result = Requantize(last, signal.parts, copies * size, shift, rounding, grid.lo, grid.hi, grid.frac, copies=copies)
    cost = size * (2 * _CLIP_COST + (rounding is not Rounding.TRN))
    frac = grid.frac + shift
    if signal.linear is None:
        common = _common_power(multipliers, offsets)
        if common is not None:
            shifted = replace(result, shift=shift - common)
            return [Plan(cost, (shifted if shifted.shift > 0 else replace(shifted, rounding=Rounding.TRN),))]
        before: tuple[Linear, ...] = ()
    elif all(fit.is_power_of_two for fit in fits):
        weights, bias = signal.linear.weights * multipliers, signal.linear.bias * multipliers + offsets
        folded = replace(signal.linear, weights=frozen_array(weights), bias=frozen_array(bias), frac=frac)
        return [Plan(cost, (folded, result))]
    else:
        before = (signal.linear,)
    taken = (last, *(node.name for node in before))
    name = next((step.layer for step in signal.steps if step.layer not in taken), f"{last}_scale")
    adders = sum(max(fit.digits - 1, 0) + (fit.offset != 0) for fit in fits)
    if before:
        scale = Linear(name, (), frozen_array(np.diag(multipliers)), frozen_array(offsets), frac, copies)
    else:
        scale = builder.linear(name, signal.parts, np.diag(multipliers), offsets, frac, copies)
    return [Plan(cost + adders, (*before, scale, result))]


def pair_plans(builder: Builder, signal: Signal, runs: Sequence[Segments], grid: Grid) -> list[Plan]:
    """``runs`` as the clipped sum of two floors of one product, behind each other; none if one has no such form."""
    distinct = {id(run): run for run in runs}
    found = {key: fit_pair(run, grid.lo, grid.hi) for key, run in distinct.items()}
    made = {key: pair for key, pair in found.items() if pair is not None}
    if len(made) < len(found):
        return []
    shift = max(pair.shift for pair in made.values())
    pairs = [made[id(run)].at_shift(shift) for run in runs]
    if max(pair.widest for pair in pairs) > MAX_WIDTH:
        return []
    size, copies, last = len(runs), signal.copies, signal.steps[-1].layer
    weights = np.repeat(np.diag([pair.multiplier for pair in pairs]), 2, axis=1)
    offsets = np.array([offset for pair in pairs for offset in (pair.upper, pair.lower)], dtype=np.int64)
    before = () if signal.linear is None else (signal.linear,)
    scaled = builder.linear(f"{last}_scale", signal.parts, weights, offsets, grid.frac + shift, copies)
    if before:
        scaled = replace(scaled, inputs=())
    least, most = _floors(pairs, reach_under(builder, signal)[0])
    floors = Requantize(
        f"{last}_floors", (), copies * 2 * size, shift, Rounding.TRN, least, most, grid.frac, copies=copies
    )
    both = np.repeat(np.eye(size, dtype=np.int64), 2, axis=0)
    total = Linear(f"{last}_sum", (), frozen_array(both), frozen_array(np.zeros(size, np.int64)), grid.frac, copies)
    clip = Requantize(last, (), copies * size, 0, Rounding.TRN, grid.lo, grid.hi, grid.frac, copies=copies)
    cost = sum(pair.adders for pair in pairs) + size * 2 * _CLIP_COST
    return [Plan(cost, (*before, scaled, floors, total, clip))]


def _floors(pairs: Sequence[Pair], reach: Reaches) -> tuple[int, int]:
    """The least and the largest of all floors."""
    ends = [
        (code * pair.multiplier + offset) >> pair.shift
        for pair, span in zip(pairs, reach, strict=True)
        for code in (span.lo, span.hi)
        for offset in (pair.upper, pair.lower)
    ]
    return min(ends), max(ends)


def _common_power(multipliers: IntArray, offsets: IntArray) -> int | None:
    """The exponent if every multiplier is one power of two and every offset is zero, so that a shift does it all."""
    power = int(multipliers[0])
    if power <= 0 or power & (power - 1) or (multipliers != power).any() or offsets.any():
        return None
    return power.bit_length() - 1


def lookup_plan(signal: Signal, runs: Sequence[Segments], frac: int) -> Plan:
    """``runs`` as tables, one a channel."""
    lookup = Lookup(
        signal.steps[-1].layer,
        signal.parts,
        tuple(tuple(run.first.tolist()) for run in runs),
        tuple(tuple(run.value.tolist()) for run in runs),
        frac,
        signal.copies,
    )
    cost = _LOOKUP_COST * sum(run.breakpoints for run in runs)
    return Plan(cost, (lookup,) if signal.linear is None else (signal.linear, lookup))
