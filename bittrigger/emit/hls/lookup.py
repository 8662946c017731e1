"""A look-up in C++: a table over the bits of the code where that is small, a sum of tables, or a tree of comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.emit.hls.cpp import Operands, code_type, literal, native_type
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.forms.table import Form, form_of
from bittrigger.ir.graph import Intervals, Lookup
from bittrigger.ir.nodes.digit_sum import DigitSum

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
        statements: the comparisons or the sum, or None for a table.
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


def _shortened(tail: int) -> str:
    """The operand with one bit in the place of its tail."""
    return f"(int(x) >> {tail}) * 2 + ((int(x) & {(1 << tail) - 1}) != 0)" if tail else "x"


def _sum(digits: DigitSum, values: Interval) -> list[str]:
    """The sum of an entry for each digit, without its lower bits, within ``values``."""
    kind = native_type(digits.ranges[-1].union(digits.ranges[0]))
    wide = "long long" if kind == "long long" else "int"
    lines = [f"const int code = {_shortened(digits.tail)};  // {len(digits.tables)} digits"]
    for number, table in enumerate(digits.tables):
        entries = native_type(Interval(min(table), max(table)))
        lines.append(f"static const {entries} table{number}[] = {{")
        rows = [", ".join(map(literal, table[k : k + 16])) for k in range(0, len(table), 16)]
        lines += [*(f"    {row}," for row in rows), "};"]
    reads = [
        f"table{number}[(code >> {low}) & {(1 << high + 1 - low) - 1}]"
        for number, (low, high) in enumerate(digits.places)
    ]
    if digits.is_limited:
        (low, high), cut = digits.places[-1], digits.cut
        lines.append(f"int upper = code >> {low};")
        lines += [
            f"if (upper {sign} {end >> low}) upper = {end >> low};" for sign, end in (("<", cut.lo), (">", cut.hi))
        ]
        reads[-1] = f"table{len(reads) - 1}[upper & {(1 << high + 1 - low) - 1}]"
    lines.append(
        f"const {wide} floor = ({' + '.join(f'{wide}({read})' if wide != 'int' else read for read in reads)}) >> {digits.shift};"
    )
    if digits.value.lo < values.lo:
        lines.append(f"if (floor < {literal(values.lo)}) return {literal(values.lo)};")
    if digits.value.hi > values.hi:
        lines.append(f"if (floor > {literal(values.hi)}) return {literal(values.hi)};")
    return [*lines, "return floor;"]


def _function(name: str, segments: Segments, source: Interval) -> Function:
    if len(segments) <= MAX_COMPARED or source.width > MAX_TABLE_BITS:
        return Function(name, code_type(source), tuple(_comparisons(segments)), "", ())
    return Function(name, code_type(source), None, *_table(segments, source))


def _hull_of(segments: Segments) -> Interval:
    """The range of the values of ``segments``."""
    values = [value for _, value in segments]
    return Interval(min(values), max(values))


def lookup_body(node: Lookup, source: Intervals, operands: Operands, name: str) -> LookupBody:
    """``node`` in C++.

    Args:
        source: ranges of the operand codes.
        name: the module's name; its helper functions bear it.
    """
    functions: dict[tuple[Segments, str], Function] = {}
    summed = form_of(node, source) is Form.SUMS
    lines = []
    for j, span in enumerate(source):
        segments = node.segments(j, span)
        if len(segments) == 1:
            lines.append(f"y[{j}] = {literal(segments[0][1])};")
            continue
        key = segments, code_type(span)
        if key not in functions:
            called, digits = f"{name}_function_{len(functions)}", node.sums[j] if summed else None
            functions[key] = (
                Function(called, code_type(span), tuple(_sum(digits, _hull_of(segments))), "", ())
                if digits
                else _function(called, segments, span)
            )
        lines.append(f"y[{j}] = {functions[key].name}({operands.elements[j]});")
    return LookupBody(tuple(functions.values()), tuple(lines))
