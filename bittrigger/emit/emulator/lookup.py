"""A look-up on vectors: compared step by step when short, else through a table or the sum of several, else searched."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bittrigger.emit.emulator.lanes import signed_literal, unsigned_literal
from bittrigger.ir.forms.table import Form, form_of
from bittrigger.ir.graph import Intervals, Lookup
from bittrigger.ir.nodes.digit_sum import DigitSum

COMPARED_STEPS = 16
"""Steps up to which comparisons of whole vectors beat one table access an event."""
TABLE_ENTRIES = 1 << 16
"""Largest direct table; a wider operand is searched."""


@dataclass(frozen=True)
class Function:
    """One piecewise constant function, and the channels that use it.

    Attributes:
        channels: the channels, in order.
        first: value below the first step.
        steps: threshold of each step, ``+`` or ``-``, and how much, for ``kind`` ``compare``.
        lowest: operand code of the first table entry.
        table: the values, for ``kind`` ``table`` one an operand code, for ``search`` one a step.
        starts: thresholds, for ``search``.
        sums: for ``sum``, of each digit its lowest bit, the mask of its bits and its table; then the bits that are dropped, the
            least and the largest value.
        tail: for ``sum``, the lowest bits of a code in whose place is one.
        upper: for ``sum``, the least and the largest highest digit, if it is limited.
    """

    kind: str
    channels: tuple[int, ...]
    first: str
    steps: tuple[tuple[str, str, str], ...]
    lowest: str
    table: tuple[str, ...]
    starts: tuple[str, ...]
    sums: tuple[tuple[tuple[int, int, tuple[str, ...]], ...], int, str, str] | None = None
    tail: int = 0
    upper: tuple[int, int] | None = None


def _function(steps: list[tuple[int, int]], highest: int, channels: tuple[int, ...], bits: int) -> Function:
    lowest, first = steps[0]
    size = highest - lowest + 1
    kind = "compare" if len(steps) <= COMPARED_STEPS else "table" if size <= TABLE_ENTRIES else "search"
    values = [value for _, value in steps]
    rises = [new - old for old, new in pairwise(values)]
    amounts = [unsigned_literal(rise, bits) for rise in rises]
    compared = tuple(
        (signed_literal(start), amount[1], amount[3:]) for (start, _), amount in zip(steps[1:], amounts, strict=True)
    )
    table: tuple[int, ...] = ()
    if kind == "table":
        ends = [start for start, _ in steps[1:]] + [highest + 1]
        table = tuple(np.repeat(values, np.diff([lowest, *ends])).tolist())
    elif kind == "search":
        table = tuple(values)
    return Function(
        kind,
        channels,
        unsigned_literal(first, bits),
        compared if kind == "compare" else (),
        signed_literal(lowest),
        tuple(map(signed_literal, table)),
        tuple(signed_literal(start) for start, _ in steps[1:]) if kind == "search" else (),
    )


def _sum(digits: DigitSum, values: tuple[int, ...], channels: tuple[int, ...]) -> Function:
    """The sum of a table a digit."""
    tables = tuple(
        (low, (1 << high + 1 - low) - 1, tuple(map(signed_literal, table)))
        for table, (low, high) in zip(digits.tables, digits.places, strict=True)
    )
    sums = (tables, digits.shift, signed_literal(min(values)), signed_literal(max(values)))
    low = digits.places[-1][0]
    upper = (digits.cut.lo >> low, digits.cut.hi >> low) if digits.is_limited else None
    return Function("sum", channels, "", (), "", (), (), sums, digits.tail, upper)


def lookup_functions(node: Lookup, source: Intervals, bits: int) -> list[Function]:
    """The different functions of ``node`` on lanes of ``bits`` bits, for operand codes within ``source``."""
    if form_of(node, source) is Form.SUMS:
        return _sums(node, source, bits)
    channels: dict[tuple[tuple[tuple[int, int], ...], int], list[int]] = {}
    for j, interval in enumerate(source):
        (_, first), *others = node.segments(j, interval)
        channels.setdefault((((interval.lo, first), *others), interval.hi), []).append(j)
    return [_function(list(steps), highest, tuple(users), bits) for (steps, highest), users in channels.items()]


def _sums(node: Lookup, source: Intervals, bits: int) -> list[Function]:
    """The different functions of a node whose channels are sums of tables, or constants."""
    channels: dict[tuple[DigitSum | None, tuple[int, ...]], list[int]] = {}
    for j, (digits, values) in enumerate(zip(node.sums, node.values, strict=True)):
        channels.setdefault((digits, values), []).append(j)
    return [
        _sum(digits, values, tuple(users))
        if digits
        else _function([(source[users[0]].lo, values[0])], source[users[0]].hi, tuple(users), bits)
        for (digits, values), users in channels.items()
    ]
