"""A ``Lookup`` node: comparators with constants and a tree of multiplexers, or a table over bits; one function a distinct table.

One that is searched stands in ``search``, and a sum of tables in ``digit_sum``.
"""

from __future__ import annotations

from collections.abc import Sequence

from bittrigger.emit.verilog.digit_sum import digit_sum_body
from bittrigger.emit.verilog.operands import Operands, result_code
from bittrigger.emit.verilog.search import search_body
from bittrigger.emit.verilog.tables import function, selected
from bittrigger.emit.verilog.views import Body, Wire, literal, vector_of
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.forms.table import Form, form_of
from bittrigger.ir.graph import Lookup
from bittrigger.ir.layout import Bus
from bittrigger.ir.pipeline import Module

_Table = tuple[tuple[tuple[int, int], ...], Interval, Interval]
_INDENT = "    "


def _tree(thresholds: list[int], values: list[str], span: Interval, depth: int) -> list[str]:
    """Nested conditionals, one comparison a line."""
    pad = _INDENT * depth
    if not thresholds:
        return [pad + values[0]]
    middle = len(thresholds) // 2
    test = f"code >= {literal(thresholds[middle], span.width, signed=span.signed)}"
    if len(thresholds) == 1:
        return [f"{pad}({test} ? {values[1]} : {values[0]})"]
    upper = _tree(thresholds[middle + 1 :], values[middle + 1 :], span, depth + 1)
    lower = _tree(thresholds[:middle], values[: middle + 1], span, depth + 1)
    upper[0] = f"{_INDENT * (depth + 1)}? {upper[0].lstrip()}"
    lower[0] = f"{_INDENT * (depth + 1)}: {lower[0].lstrip()}"
    return [f"{pad}({test}", *upper, *lower, f"{pad})"]


def _function(name: str, table: _Table, form: Form) -> tuple[str, ...]:
    segments, span, out = table
    values = [literal(value, out.width, signed=out.signed) for _, value in segments]
    if form is Form.TABLE:
        lines = selected("code", _by_pattern([start for start, _ in segments], values, span))
    else:
        lines = _tree([start for start, _ in segments[1:]], values, span, 2)
    return function(name, vector_of(out), f"input logic {vector_of(span).strip()} code", lines)


def _by_pattern(starts: Sequence[int], values: Sequence[str], span: Interval) -> list[str]:
    """The value of each pattern of the bits of a code; of those that do not come, that of the nearest code."""
    kind = FixedPoint.holding(span, 0)
    ordered = [*range(kind.interval.hi + 1), *range(kind.interval.lo, 0)]
    return [values[sum(start <= max(code, span.lo) for start in starts[1:])] for code in ordered]


def lookup_body(module: Module, node: Lookup, operands: Operands, result: Bus) -> Body:
    """One piecewise constant function a channel, in the last stage of ``module`` or in parts."""
    form = form_of(node, module.source)
    if form is Form.SEARCH:
        return search_body(module, node, operands, result)
    if form is Form.SUMS:
        return digit_sum_body(module, node, operands, result)
    signals = operands.signals
    tables: dict[_Table, str] = {}
    wires: list[Wire] = []
    results = []
    for k, (name, span, out) in enumerate(zip(operands.names, module.source, module.result, strict=True)):
        results.append(result_code(k, out, result))
        if out.lo == out.hi:
            continue
        called = tables.setdefault((node.segments(k, span), span, out), f"table{len(tables)}")
        wires.append(Wire(vector_of(out), f"y{k}", f"{called}({signals.read(name, module.stop)})"))
    return operands.body(
        module,
        f"piecewise constant function of each of {node.size} channels, {len(tables)} distinct",
        {module.stop: wires},
        results,
        functions=[_function(name, table, form) for table, name in tables.items()],
    )
