"""A look-up in C++: a table over the bits of the code where that is small, a tree of comparisons otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.emit.hls.cpp import Operands, code_type, literal, native_type
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Intervals, Lookup

MAX_COMPARED = 16
"""Segments up to which comparisons are cheaper than a table."""
MAX_TABLE_BITS = 12
"""Address bits up to which a table is written out."""

Segments = tuple[tuple[int, int], ...]
"""``(start, value)``, ascending: the value holds from ``start`` up to the next start."""


@dataclass(frozen=True)
class Function:
    """One piecewise constant function.

    Attributes:
        operand_type: the type of its argument.
        statements: the comparisons, or None for a table.
        entry_type: the built-in type of the table's entries.
        rows: the entries of the table, one for each pattern of the operand's bits, in rows.
    """

    name: str
    operand_type: str
    statements: tuple[str, ...] | None
    entry_type: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class LookupBody:
    """A look-up ready for its template: its distinct functions, and one assignment a channel."""

    functions: tuple[Function, ...]
    lines: tuple[str, ...]


def _comparisons(segments: Segments, indent: str = "") -> list[str]:
    """A balanced tree of comparisons, as nested statements."""
    if len(segments) == 1:
        return [f"{indent}return {literal(segments[0][1])};"]
    middle = len(segments) // 2
    return [
        f"{indent}if (x < {literal(segments[middle][0])}) {{",
        *_comparisons(segments[:middle], indent + "    "),
        f"{indent}}}",
        *_comparisons(segments[middle:], indent),
    ]


def _table(segments: Segments, source: Interval) -> tuple[str, tuple[str, ...]]:
    kind = FixedPoint.holding(source, 0)
    patterns = np.arange(1 << kind.width)
    codes = np.where(patterns > kind.interval.hi, patterns - (1 << kind.width), patterns)
    starts, values = (np.array(column) for column in zip(*segments, strict=True))
    entries = values[np.maximum(np.searchsorted(starts, codes, side="right") - 1, 0)]
    rows = [", ".join(literal(int(v)) for v in entries[k : k + 16]) for k in range(0, len(entries), 16)]
    return native_type(Interval(int(entries.min()), int(entries.max()))), tuple(rows)


def _function(name: str, segments: Segments, source: Interval) -> Function:
    if len(segments) <= MAX_COMPARED or source.width > MAX_TABLE_BITS:
        return Function(name, code_type(source), tuple(_comparisons(segments)), "", ())
    return Function(name, code_type(source), None, *_table(segments, source))


def lookup_body(node: Lookup, source: Intervals, operands: Operands, name: str) -> LookupBody:
    """``node`` in C++.

    Args:
        source: ranges of the operand codes.
        name: the module's name; its helper functions bear it.
    """
    functions: dict[tuple[Segments, str], Function] = {}
    lines = []
    for j, span in enumerate(source):
        segments = node.segments(j, span)
        if len(segments) == 1:
            lines.append(f"y[{j}] = {literal(segments[0][1])};")
            continue
        key = segments, code_type(span)
        if key not in functions:
            functions[key] = _function(f"{name}_function_{len(functions)}", segments, span)
        lines.append(f"y[{j}] = {functions[key].name}({operands.elements[j]});")
    return LookupBody(tuple(functions.values()), tuple(lines))
