"""Sums of two floors, as quantisers behind a mean over 10 have them, as sums of tables where these take fewer LUTs.

Where halves are rounded to even numbers, the last bits of a code tell a half from what is above it and nothing else: whether one
of them is set takes a LUT or two. What is left has a step at few of its values, on a line whose slope is a ratio of small
numbers, so that four bits behind the point will do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bittrigger.compile.digit_sums import MOST_CHANNELS, MOST_STEPS, Wanted, digit_sum
from bittrigger.device.timing import node_delay_ns, part_delays_ns
from bittrigger.ir.fixed import IntArray, Interval, Overflow
from bittrigger.ir.graph import Graph, Intervals, Linear, Lookup, Node, Requantize, copy_operand, intervals
from bittrigger.ir.nodes.digit_sum import MAX_LIMITED_BITS, NEXT_BITS, DigitSum, digit_places, limited, shorten
from bittrigger.passes.rewrite import private_layer, readers, with_nodes
from bittrigger.schedule.engine import copy_luts
from bittrigger.schedule.moments import Moment, place_adders, place_parts
from bittrigger.settings import Settings
from bittrigger.solver import solve_blocks


def with_divided_sums(graph: Graph, settings: Settings) -> Graph:
    """``graph`` with sums of tables in the place of floors that are added up and limited; equal on every code."""
    read, ranges = readers(graph), intervals(graph)
    gone: set[str] = set()
    made: dict[str, Node] = {}
    for node in graph.nodes:
        if isinstance(node, Requantize) and node.shift == 0 and not node.offset and node.overflow is Overflow.SAT:
            floors = _floors(graph, node, read)
            table = floors and _better(graph, floors, ranges, settings)
            if floors and table:
                made[node.name] = table
                gone |= {floors.scale.name, floors.floor.name, floors.total.name}
    return with_nodes(graph, made, gone)


@dataclass(frozen=True)
class Grid:
    """Codes ``first + k * step``, among which are all that occur."""

    first: int = 0
    step: int = 1


@dataclass(frozen=True, eq=False)
class _Floors:
    """Four nodes of which each alone reads the one before it: a scale, its floors, their sums, and the limits of these."""

    scale: Linear
    floor: Requantize
    total: Linear
    clip: Requantize

    @cached_property
    def slopes(self) -> IntArray:
        """Of each channel, behind its products."""
        found: IntArray = np.diagonal(self.scale.weights @ self.total.weights)
        return found

    def results(self, channel: int, codes: IntArray) -> IntArray:
        """What a channel gives for ``codes``."""
        parts = np.flatnonzero(self.total.weights[:, channel])
        products = codes[:, None] * self.scale.weights[channel, parts] + self.scale.bias[parts]
        floors = np.clip(products >> self.floor.shift, self.floor.lo, self.floor.hi)
        sums = floors @ self.total.weights[parts, channel] + self.total.bias[channel]
        limits: IntArray = np.clip(sums, self.clip.lo, self.clip.hi)
        return limits

    def starts(self, channel: int, span: Interval) -> tuple[IntArray, IntArray] | None:
        """Where in ``span`` each run of equal results begins, and these; the results rise or fall throughout.

        Nothing if there are more than ``MOST_STEPS``.
        """
        ends = self.results(channel, np.array([span.lo, span.hi]))
        if abs(int(ends[1] - ends[0])) > MOST_STEPS:
            return None
        sign = -1 if ends[1] < ends[0] else 1
        levels = np.arange(sign * ends[0] + 1, sign * ends[1] + 1)
        below, above = (np.full(levels.shape, end, dtype=np.int64) for end in (span.lo, span.hi))
        while (above - below > 1).any():
            middle = below + above >> 1
            reached = sign * self.results(channel, middle) >= levels
            below, above = np.where(reached, below, middle), np.where(reached, middle, above)
        starts = np.unique(np.r_[span.lo, above])
        return starts, self.results(channel, starts)


def _floors(graph: Graph, clip: Requantize, read: dict[str, list[Node]]) -> _Floors | None:
    """What is in front of ``clip``, if it is a sum of floors of one code each, all of them rising or all falling."""
    total = private_layer(graph, clip, read)
    floor = graph[total.inputs[0]] if total and len(total.inputs) == 1 else None
    if total is None or not isinstance(floor, Requantize) or not floor.is_floor or floor.overflow is not Overflow.SAT:
        return None
    scale = private_layer(graph, floor, read)
    if scale is None or len(read[floor.name]) != 1 or floor.name in graph.outputs or scale.copies != total.copies:
        return None
    reach = np.abs(scale.weights) @ np.abs(total.weights)
    alone = reach.shape[0] == reach.shape[1] and not (reach - np.diag(np.diagonal(reach))).any()
    if not alone or (np.abs(scale.weights @ total.weights) != reach).any():
        return None
    floor, clip = (replace(node, copies=scale.copies) for node in (floor, clip))
    return _Floors(scale, floor, total, clip)


def _better(graph: Graph, floors: _Floors, ranges: dict[str, Intervals], settings: Settings) -> Lookup | None:
    """All four as sums of tables, if these take fewer LUTs, by the cost model, and are there no later."""
    source = copy_operand(floors.scale, ranges)
    table = _summed(floors, source, _grids(graph, floors.scale))
    if table is None:
        return None
    layers = (floors.scale, floors.total)
    adders = {
        layer.name: solve_blocks(
            layer.weights, layer.bias, copy_operand(layer, ranges), settings.solver, apart=layer.copies > 1
        )
        for layer in layers
    }
    nodes = (floors.scale, floors.floor, floors.total, floors.clip)
    luts = sum(copy_luts(graph, node, adders, ranges) for node in nodes)
    if copy_luts(graph, table, {}, ranges) >= luts:
        return None
    budget_ns, end = settings.usable_ns, Moment(0, 0.0)
    for layer, node in zip(layers, (floors.floor, floors.clip), strict=True):
        end = place_adders(adders[layer.name], end, budget_ns)[1]
        end = end.after(node_delay_ns(node, copy_operand(node, ranges)), budget_ns)
    return table if place_parts(part_delays_ns(table, source), Moment(0, 0.0), budget_ns)[-1] <= end else None


def _grids(graph: Graph, layer: Linear) -> list[Grid]:
    """The codes that each operand channel of ``layer`` may take: a bias, and multiples of what divides all weights."""
    before, size = graph[layer.inputs[0]], layer.weights.shape[0]
    if not isinstance(before, Linear) or (before.copies, before.weights.shape[1]) != (layer.copies, size):
        return [Grid()] * size
    steps = np.gcd.reduce(before.weights, axis=0).tolist()
    return [Grid(bias, max(step, 1)) for bias, step in zip(before.bias.tolist(), steps, strict=True)]


def _summed(floors: _Floors, source: tuple[Interval, ...], grids: list[Grid]) -> Lookup | None:
    """All four as one table, whose channels are sums or constants; None if one of them is neither."""
    if len(source) > MOST_CHANNELS:
        return None
    channels: list[_Channel] = []
    found: dict[_Channel, DigitSum | None] = {}
    for number, (span, grid) in enumerate(zip(source, grids, strict=True)):
        runs = floors.starts(number, span)
        if runs is None or sum(len(channel.starts) for channel in channels) > MOST_STEPS:
            return None
        channel = _Channel.of(span, *runs, grid)
        if channel not in found:
            found[channel] = _sum(channel, float(floors.slopes[number]) / (1 << floors.floor.shift))
        if found[channel] is None and len(channel.starts) > 1:
            return None
        channels.append(channel)
    sums = tuple(found[channel] for channel in channels)
    if not any(sums):
        return None
    starts, values = (tuple(channel.starts for channel in channels), tuple(channel.values for channel in channels))
    clip, scale = floors.clip, floors.scale
    return Lookup(clip.name, scale.inputs, starts, values, clip.frac, scale.copies, sums)


@dataclass(frozen=True)
class _Channel:
    """What a channel gives: ``values`` from ``starts`` on.

    Attributes:
        tail: the most bits of a code of which it only counts whether one of them is set.
    """

    span: Interval
    starts: tuple[int, ...]
    values: tuple[int, ...]
    tail: int

    @classmethod
    def of(cls, span: Interval, starts: IntArray, values: IntArray, grid: Grid) -> _Channel:
        """The channel of the longest tail that gives ``values`` from ``starts`` on for all codes of ``grid``."""
        tail, starts = _with_tail(starts, span, grid)
        lasts = np.r_[starts[1:] != starts[:-1], True]
        return cls(span, tuple(starts[lasts].tolist()), tuple(values[lasts].tolist()), tail)


def _sum(channel: _Channel, slope: float) -> DigitSum | None:
    """A sum of tables for ``channel``; None if it has no tail, or none was found."""
    span, tail, values = channel.span, channel.tail, np.array(channel.values)
    short = Interval(shorten(span.lo, tail), shorten(span.hi, tail))
    if tail < 2 or len(digit_places(short.width)) < 2 or short.width > MAX_LIMITED_BITS:
        return None
    cut, begins = limited(short), shorten(np.array(channel.starts), tail)
    row = 1 << cut.width - NEXT_BITS
    if (short.lo < cut.lo and begins[1] < cut.lo + row) or (short.hi > cut.hi and begins[-1] > cut.hi + 1 - row):
        return None  # the highest digit cannot be limited
    results = values[np.searchsorted(begins, np.arange(cut.lo, cut.hi + 1), side="right") - 1]
    digits = digit_sum(Wanted(cut, results, slope * (1 << tail) / 2, int(values.min()), int(values.max())))
    return None if digits is None else replace(digits, span=span, tail=tail)


def _with_tail(starts: IntArray, span: Interval, grid: Grid) -> tuple[int, IntArray]:
    """The most bits of which it only counts whether one of them is set, and where results begin then.

    A run that begins at ``starts`` may begin anywhere behind the code of ``grid`` that comes before.
    """
    if len(starts) == 1:
        return 0, starts
    before = (starts[1:] - 1 - grid.first) // grid.step * grid.step + grid.first
    least, most = np.maximum(before, span.lo) + 1, np.minimum(before + grid.step, span.hi)
    joined = starts[
        np.searchsorted(before, before, side="right")
    ]  # of some between the same two codes, the last one counts
    tail, found = 0, joined
    for more in range(1, span.width):
        zero, one = (-(-(least - k) >> more << more) + k for k in (0, 1))
        stays = joined & (1 << more) - 1 < 2
        if not (stays | (zero <= most) | (one <= most)).all():
            break
        tail, found = more, np.where(stays, joined, np.where(zero <= most, zero, one))
    return tail, np.r_[starts[0], found]
