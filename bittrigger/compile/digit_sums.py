"""Scales in front of requantisers as sums of tables, where these take fewer LUTs than adders and are no later.

Which entries will do is a system of inequalities: for every code the sum has to lie between two bounds, of which one is missing
where the requantiser limits. For two tables these are differences of unknowns, for which Bellman and Ford's algorithm finds
integers or shows that there are none. A third one is tried: multiples of the scale, rounded up or down. There are about as
many unknowns as bounds that are close, so sums of few bits will do: seven or eight behind the point for nine in front of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bittrigger.device.timing import node_delay_ns, part_delays_ns
from bittrigger.errors import InternalError
from bittrigger.ir.fixed import FixedPoint, FloatArray, IntArray, Interval, Overflow
from bittrigger.ir.graph import Graph, Intervals, Linear, Lookup, Node, Requantize, copy_operand, intervals
from bittrigger.ir.nodes.digit_sum import MAX_ENTRY_BITS, MAX_SUMMED_BITS, DigitSum, digit_places
from bittrigger.passes.rewrite import private_layer, readers, with_nodes
from bittrigger.schedule.engine import copy_luts
from bittrigger.schedule.moments import Moment, place_adders, place_parts
from bittrigger.settings import Settings
from bittrigger.solver import solve_blocks

BoolArray = npt.NDArray[np.bool_]

MOST_STEPS = 1 << 18
"""Most steps of all channels of a layer: each of them is written out."""

MOST_CHANNELS = 256
"""Most channels of a layer: tables are sought for each, some hundredths of a second."""

MOST_SHIFT = 20
"""Most bits behind the point that are tried."""

TRIED = 24
"""Ways to round the entries of the upper tables."""

_FREE = 1 << MAX_ENTRY_BITS + 2
"""A bound that is none."""


def with_digit_sums(graph: Graph, settings: Settings) -> Graph:
    """``graph`` with sums of tables in the place of scales and the requantisers that alone read them; equal on every code."""
    read, ranges = readers(graph), intervals(graph)
    gone: set[str] = set()
    made: dict[str, Node] = {}
    for node in graph.nodes:
        if isinstance(node, Requantize) and node.is_floor and node.overflow is Overflow.SAT:
            layer = private_layer(graph, node, read)
            if layer is not None and layer.is_diagonal and layer.weights.any():
                table = _better(graph, layer, replace(node, copies=layer.copies), ranges, settings)
                if table is not None:
                    made[node.name] = table
                    gone.add(layer.name)
    return with_nodes(graph, made, gone)


def _better(
    graph: Graph, layer: Linear, node: Requantize, ranges: dict[str, Intervals], settings: Settings
) -> Lookup | None:
    """``layer`` and ``node`` as sums of tables, if these take fewer LUTs, by the cost model, and are there no later."""
    source, scaled = copy_operand(layer, ranges), copy_operand(node, ranges)
    wanted = _channels(layer, node, source)
    if wanted is None:
        return None
    adders = solve_blocks(layer.weights, layer.bias, source, settings.solver, apart=layer.copies > 1)
    luts = copy_luts(graph, layer, {layer.name: adders}, ranges) + copy_luts(graph, node, {}, ranges)
    if luts <= sum(int(channel.results.max() - channel.results.min()).bit_length() for channel in wanted):
        return None  # no sum of tables takes as few
    table = _summed(layer, node, wanted)
    if table is None or copy_luts(graph, table, {}, ranges) >= luts:
        return None
    budget_ns = settings.usable_ns
    end = place_adders(adders, Moment(0, 0.0), budget_ns)[1].after(node_delay_ns(node, scaled), budget_ns)
    return table if place_parts(part_delays_ns(table, source), Moment(0, 0.0), budget_ns)[-1] <= end else None


def _channels(layer: Linear, node: Requantize, source: tuple[Interval, ...]) -> list[Wanted] | None:
    """What each channel gives; None where codes are too wide, or all of it is too much."""
    found: list[Wanted] = []
    steps = 0
    for factor, bias, span in zip(np.diag(layer.weights).tolist(), layer.bias.tolist(), source, strict=True):
        if span.width > MAX_SUMMED_BITS:
            return None
        codes = np.arange(span.lo, span.hi + 1, dtype=np.int64)
        results = np.clip((codes * factor + bias) >> node.shift, node.lo, node.hi)
        found.append(Wanted(span, results, factor / (1 << node.shift), node.lo, node.hi))
        steps += len(found[-1].firsts)
        if steps > MOST_STEPS or len(found) > MOST_CHANNELS:
            return None
    return found


def _summed(layer: Linear, node: Requantize, wanted: list[Wanted]) -> Lookup | None:
    """Both as one table, whose channels are sums or constants; None if one of them is neither."""
    sums: list[DigitSum | None] = []
    for channel in wanted:
        digits = digit_sum(channel) if len(channel.firsts) > 1 else None
        if digits is None and len(channel.firsts) > 1:
            return None
        sums.append(digits)
    if not any(sums):
        return None
    starts = tuple(tuple((channel.span.lo + channel.firsts).tolist()) for channel in wanted)
    values = tuple(tuple(channel.results[channel.firsts].tolist()) for channel in wanted)
    return Lookup(node.name, layer.inputs, starts, values, node.frac, layer.copies, tuple(sums))


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a channel gives.

    Attributes:
        results: for each code of ``span``.
        slope: of the line that is rounded down to them.
        lo: of the limits, below which a sum may lie where it is the result.
        hi: the same above.
    """

    span: Interval
    results: IntArray
    slope: float
    lo: int
    hi: int

    @property
    def firsts(self) -> IntArray:
        """Where in ``results`` each run of equal ones begins."""
        firsts: IntArray = np.r_[0, np.flatnonzero(np.diff(self.results)) + 1]
        return firsts

    def padded(self, values: IntArray, filling: int) -> IntArray:
        """``values`` for each pattern of a code's bits, in the order of the codes; ``filling`` for those that do not come."""
        kind = FixedPoint.holding(self.span, 0).interval
        found = np.full(kind.hi - kind.lo + 1, filling, dtype=np.int64)
        found[self.span.lo - kind.lo : self.span.hi - kind.lo + 1] = values
        return found

    def bounds(self, shift: int) -> tuple[IntArray, IntArray]:
        """The least and the largest sum for each pattern."""
        least = np.where(self.results > self.lo, self.results << shift, -_FREE)
        most = np.where(self.results < self.hi, (self.results + 1 << shift) - 1, _FREE)
        return self.padded(least, -_FREE), self.padded(most, _FREE)


def digit_sum(wanted: Wanted) -> DigitSum | None:
    """Tables of the fewest bits behind the point that were found; None if there are no two of them, or none were found."""
    if len(digit_places(wanted.span.width)) < 2:
        return None
    guess = max((len(wanted.results) - 1).bit_length() - MAX_SUMMED_BITS // 2, 0)
    found = _with_shift(wanted, guess)
    if found is None:  # slopes that are ratios of small numbers need fewer
        others = (*range(MAX_SUMMED_BITS // 4, guess), *range(guess + 1, MOST_SHIFT))
        return next(filter(None, (_with_shift(wanted, shift) for shift in others)), None)
    for shift in range(guess - 1, -1, -1):
        fewer = _with_shift(wanted, shift)
        if fewer is None:
            break
        found = fewer
    return found


def _with_shift(wanted: Wanted, shift: int) -> DigitSum | None:
    """Tables of ``shift`` bits behind the point; None too where sums would be too wide."""
    if int(np.abs(wanted.results).max()).bit_length() + shift > MAX_ENTRY_BITS - 2:
        return None
    lows = digit_places(wanted.span.width)
    least, most = (bound.reshape(-1, 1 << lows[-1]) for bound in wanted.bounds(shift))
    inner = (least > -_FREE).any(axis=1) & (most < _FREE).any(axis=1)
    if len(lows) == 2:
        pair = _differences(least[inner], most[inner])
        found = None if pair is None else ([pair[1]], pair[0])
    else:
        kind = FixedPoint.holding(wanted.span, 0).interval
        line = wanted.slope * (1 << shift) * (kind.lo + least.shape[1] * np.flatnonzero(inner))
        found = _of_three(line, least[inner], most[inner], 1 << lows[1])
    if found is None:
        return None
    lower, top = found
    bases = [int(table.min()) for table in lower]
    lower = [table - base for table, base in zip(lower, bases, strict=True)]
    sums = lower[0] if len(lower) == 1 else (lower[1][:, None] + lower[0]).ravel()
    highest = _all_rows(top + sum(bases), inner, least - sums, most - sums)
    if wanted.span.signed:
        highest = np.roll(highest, len(highest) // 2)
    return _checked(wanted, DigitSum(wanted.span, shift, tuple(tuple(table.tolist()) for table in (*lower, highest))))


def _of_three(line: FloatArray, least: IntArray, most: IntArray, size: int) -> tuple[list[IntArray], IntArray] | None:
    """The lower two of three tables, and the entries of the third one.

    Args:
        line: what the entries of the third one are about.
        least: of a sum, by its entry and what is below.
        most: as ``least``.
        size: entries of the lowest table.
    """
    generator = np.random.default_rng(0)
    for trial in range(TRIED):
        spread = 0.0 if trial < TRIED // 4 else 0.3
        top = np.floor(line + generator.random() + generator.uniform(-spread, spread, line.size)).astype(np.int64)
        low = (least - top[:, None]).max(axis=0, initial=-_FREE).reshape(-1, size)
        high = (most - top[:, None]).min(axis=0, initial=_FREE).reshape(-1, size)
        pair = None if (low > high).any() else _differences(low, high)
        if pair is not None:
            return [pair[1], pair[0]], top
    return None


def _differences(least: IntArray, most: IntArray) -> tuple[IntArray, IntArray] | None:
    """Integers of each row and of each column whose sums lie within ``least`` and ``most``; None if there are none.

    The distances in a graph of rows and columns, in which each bound is the length of an edge (Bellman and Ford).
    """
    rows, columns = (np.zeros(size, dtype=np.int64) for size in least.shape)
    for _ in range(sum(least.shape) + 1):
        nearer_rows = np.minimum(rows, (most + columns).min(axis=1, initial=_FREE))
        nearer = np.minimum(columns, (nearer_rows[:, None] - least).min(axis=0, initial=_FREE))
        if np.array_equal(nearer_rows, rows) and np.array_equal(nearer, columns):
            return rows, -columns
        rows, columns = nearer_rows, nearer
    return None


def _all_rows(top: IntArray, inner: BoolArray, least: IntArray, most: IntArray) -> IntArray:
    """The entries of the highest table: ``top`` in ``inner`` rows; where all is limited as near to that as the sums below allow.

    Args:
        least: of an entry, by its row and what is below.
        most: as ``least``.
    """
    floor, ceiling = least.max(axis=1), most.min(axis=1)
    entries = np.where(ceiling < _FREE // 2, ceiling, floor)
    entries[inner] = top
    comes = np.flatnonzero(inner | (ceiling < _FREE // 2) | (floor > -_FREE // 2))
    nearest = np.abs(np.arange(len(entries))[:, None] - comes).argmin(axis=1)
    found: IntArray = entries[comes[nearest]]
    return found


def _checked(wanted: Wanted, digits: DigitSum) -> DigitSum:
    """``digits``, which give what is wanted for every code."""
    codes = np.arange(wanted.span.lo, wanted.span.hi + 1, dtype=np.int64)
    if not np.array_equal(np.clip(digits.value_of(codes), wanted.results.min(), wanted.results.max()), wanted.results):
        raise InternalError("a sum of tables differs from the scale that it stands for")
    return digits
