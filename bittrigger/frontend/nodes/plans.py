"""Ways to write a piecewise constant function of each code in integers, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bittrigger.frontend.elementwise.chains import reach_of_one_copy
from bittrigger.frontend.elementwise.functions import Grid
from bittrigger.frontend.elementwise.requantizer_fit import Affine, Segments, fit_channel
from bittrigger.frontend.nodes.builder import Builder, Reaches
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Rounding
from bittrigger.ir.graph import Linear, Lookup, Requantize, frozen_array

MAX_BREAKPOINTS = 4096
"""Most steps of one channel of a ``Lookup``."""

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
