"""How a ``Lookup`` is built: comparisons side by side, a table over the bits of the code, a search, or a sum of tables.

A search finds the segment of a code by two bits of its number at a time: three thresholds, chosen by the bits found so far, are
compared with the code. It takes logic for a few comparisons, where a tree has one for every step, and registers may stand between
its levels. Behind the last level a table over the number gives the value.

What a scale and a requantiser do may be a sum of tables (``ir/nodes/digit_sum``): the first table, then an addition for each
further one, then the limits.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from bittrigger.ir.fixed import Interval
from bittrigger.ir.nodes import Lookup

COMPARED_STEPS = 15
"""Steps of a channel up to which all of them are compared at once."""

TABLE_BITS = 9
"""Bits of a code up to which a table over them is smaller than a search."""

Ranges = tuple[Interval, ...]
Segments = tuple[tuple[int, int], ...]


class Form(enum.Enum):
    """How the channels of a ``Lookup`` are built."""

    TREE = "tree"
    TABLE = "table"
    SEARCH = "search"
    SUMS = "sums"


def form_of(node: Lookup, source: Ranges) -> Form:
    """The form of ``node``, for operand codes of one copy in ``source``."""
    if node.sums and all(sums is None or sums.span == span for sums, span in zip(node.sums, source, strict=True)):
        return Form.SUMS
    steps = max(len(node.segments(k, span)) for k, span in enumerate(source)) - 1
    if steps <= COMPARED_STEPS:
        return Form.TREE
    return Form.TABLE if max(span.width for span in source) <= TABLE_BITS else Form.SEARCH


def in_parts(node: object, source: Ranges) -> bool:
    """Whether ``node`` is a table whose logic falls into parts, between which registers may stand."""
    return isinstance(node, Lookup) and form_of(node, source) in (Form.SEARCH, Form.SUMS)


@dataclass(frozen=True)
class Search:
    """The search in one channel.

    Attributes:
        thresholds: ``2**bits - 1`` of them, ascending; a code lies in the segment whose number is how many it reaches.
        values: of the ``2**bits`` segments.
        levels: for each level the bits of the number that are known before it, and those that it finds.
    """

    thresholds: tuple[int, ...]
    values: tuple[int, ...]
    levels: tuple[tuple[int, int], ...]

    @property
    def bits(self) -> int:
        """Of the number of a segment."""
        return (len(self.values) - 1).bit_length()

    def compared(self, level: int, place: int) -> tuple[int, ...]:
        """The threshold ``place``, from 0 to 2, of a level, by the bits known before it."""
        before, found = self.levels[level]
        below = self.bits - before - found
        return tuple(self.thresholds[(((prefix << found) + place + 1) << below) - 1] for prefix in range(1 << before))


def search_of(segments: Segments, lowest: int) -> Search:
    """The search through ``segments``, starts and values, two of them or more.

    Args:
        lowest: code that every code reaches, for thresholds that are there to fill up a power of two.
    """
    bits = (len(segments) - 1).bit_length()
    spare = (1 << bits) - len(segments)
    thresholds = (lowest,) * spare + tuple(start for start, _ in segments[1:])
    values = (segments[0][1],) * spare + tuple(value for _, value in segments)
    firsts = [(0, 1)] if bits % 2 else []
    return Search(thresholds, values, (*firsts, *((known, 2) for known in range(bits % 2, bits, 2))))


def searches(node: Lookup, source: Ranges) -> tuple[Search | None, ...]:
    """The search in each channel; None where the result is a constant."""
    found = [node.segments(k, span) for k, span in enumerate(source)]
    return tuple(
        search_of(segments, span.lo) if len(segments) > 1 else None
        for segments, span in zip(found, source, strict=True)
    )


def level_count(node: Lookup, source: Ranges) -> int:
    """Levels of the deepest channel, or tables of the one of the most; those of the others end with it."""
    if form_of(node, source) is Form.SUMS:
        return max(len(sums.tables) for sums in node.sums if sums)
    return max(len(search.levels) for search in searches(node, source) if search)


def level_bits(node: Lookup, source: Ranges) -> tuple[int, ...]:
    """Bits of a register in front of each level, and of one in front of the table of values or the limits, of all channels."""
    count = level_count(node, source)
    if form_of(node, source) is Form.SUMS:
        return _sum_bits(node, count)
    totals = [0] * (count + 1)
    for search, span in zip(searches(node, source), source, strict=True):
        if search:
            waits = count - len(search.levels)
            for level in range(count):
                known = search.levels[level - waits][0] if level >= waits else 0
                totals[level] += span.width + known
            totals[count] += search.bits
    return tuple(totals)


def _sum_bits(node: Lookup, count: int) -> tuple[int, ...]:
    """Bits of a register in front of each table, which is a digit and all above it beside the sum so far, and of the limits."""
    totals = [0] * (count + 1)
    for sums in filter(None, node.sums):
        waits = count - len(sums.tables)
        for level in range(waits + 1):
            totals[level] += sums.span.width
        for level, (low, _) in enumerate(sums.places[1:], 1):
            totals[waits + level] += sums.ranges[level - 1].width + sums.cut.width - low
        totals[count] += max(sums.ranges[-1].width - sums.shift, 1)
    return tuple(totals)
