"""A ``Lookup`` that is a sum of tables: each addition is a carry chain, whose LUTs read a bit of the sum and a digit."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.verilog.operands import Operands, result_code
from bittrigger.emit.verilog.requantize import channel_wires, leaves_bits_out, together
from bittrigger.emit.verilog.tables import Tables
from bittrigger.emit.verilog.views import Body, Clip, Wire, vector_of
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.forms.table import level_count
from bittrigger.ir.graph import Lookup, floor_of
from bittrigger.ir.layout import Bus
from bittrigger.ir.nodes.digit_sum import DigitSum
from bittrigger.ir.pipeline import Module


@dataclass(frozen=True)
class _Channel:
    """The sum of one channel, as it is written: table ``d`` is added in ``stages[d]``, and gives ``s<first + d>``.

    Attributes:
        code: what the digits are cut from: the operand, or ``c<channel>``.
    """

    first: int
    code: str
    digits: DigitSum
    stages: tuple[int, ...]

    def level(self, level: int, operands: Operands, tables: Tables) -> Wire:
        """The sum of the tables up to ``level``."""
        signals, stage, span = operands.signals, self.stages[level], self.digits.ranges[level]
        low, high = self.digits.places[level]
        code = f"{signals.read(self.code, stage)}[{high}:{low}]"
        name = f"s{self.first + level}"
        signals.define(name, span, stage)
        if not level:
            return Wire(vector_of(span), name, _entry(tables, self.digits.tables[0], span, code))
        before = signals.read(f"s{self.first + level - 1}", stage, span.width)
        return Wire(vector_of(span), name, f"{before} + {_entry(tables, self.digits.tables[level], span, code)}")

    def cut(self, operands: Operands) -> None:
        """State which bits of the code are not read any more in the last stage."""
        last = self.stages[-1]
        if self.digits.places[self.stages.index(last)][0]:
            operands.signals.cut(self.code, last)

    def limits(self, channel: int, node: Lookup, out: Interval, stage: int, operands: Operands) -> list[Wire | Clip]:
        """``y<channel>``: the upper bits of the last sum, within the values that occur."""
        span, floor = self.digits.ranges[-1], floor_of(node, self.digits, channel)
        name = f"s{self.first + len(self.digits.tables) - 1}"
        wires = channel_wires(channel, operands.signals.read(name, stage), span, floor, out)
        if leaves_bits_out(span, floor):
            operands.signals.cut(name, stage)
        return wires


def _cut(channel: int, code: str, digits: DigitSum, stage: int, operands: Operands) -> Wire:
    """``c<channel>``, what the digits are cut from: its last bit tells whether one of the tail is set."""
    operands.signals.define(f"c{channel}", digits.cut, stage)
    x, more = operands.signals.read(code, stage), digits.tail - 1
    low, high = digits.places[-1]
    upper = [f"{x}[{high + more}:{digits.tail}]"]
    if digits.is_limited:
        upper = [*_limited(x, digits.span, high + more, low + more), f"{x}[{low + more - 1}:{digits.tail}]"]
    parts = ", ".join([*upper, f"{together('|', x, more, 0)}"])
    return Wire(vector_of(digits.cut), f"c{channel}", f"{{{parts}}}")


def _limited(x: str, span: Interval, high: int, low: int) -> list[str]:
    """The bits from ``low`` to ``high`` of ``x``, limited to a code that ends with ``high``."""
    top, size = span.width - 1, high - low + 1 - span.signed
    if not span.signed:
        return [f"((|{x}[{top}:{high + 1}]) ? {{{size}{{1'b1}}}} : {x}[{high}:{low}])"]
    sign = f"{x}[{top}]"
    beyond = f"{x}[{top - 1}:{high}] != {{{top - high}{{{sign}}}}}"
    return [sign, f"(({beyond}) ? {{{size}{{~{sign}}}}} : {x}[{high - 1}:{low}])"]


def _entry(tables: Tables, entries: tuple[int, ...], span: Interval, code: str) -> str:
    """The entry for a digit, as wide and as signed as a sum in ``span``, which is formed modulo its width."""
    kind = FixedPoint.holding(span, 0).interval
    size = kind.hi - kind.lo + 1
    return tables.read(tuple((entry - kind.lo) % size + kind.lo for entry in entries), kind, code)


def digit_sum_body(module: Module, node: Lookup, operands: Operands, result: Bus) -> Body:
    """A sum a channel, its additions in the stages of ``module``; channels of fewer tables begin later."""
    tables = Tables()
    wires: dict[int, list[Wire | Clip]] = {stage: [] for stage in range(module.start, module.stop + 1)}
    count = level_count(node, module.source)
    results = []
    for k, (x, digits, out) in enumerate(zip(operands.names, node.sums, module.result, strict=True)):
        results.append(result_code(k, out, result))
        if digits is None:
            continue
        stages = module.stages[count - len(digits.tables) :]
        if digits.tail:
            wires[stages[0]].append(_cut(k, x, digits, stages[0], operands))
        channel = _Channel(k * count, f"c{k}" if digits.tail else x, digits, stages)
        for level, stage in enumerate(channel.stages):
            wires[stage].append(channel.level(level, operands, tables))
        channel.cut(operands)
        wires[module.stop] += channel.limits(k, node, out, module.stop, operands)
    summary = f"piecewise constant function of each of {node.size} channels, a sum of up to {count} tables"
    return operands.body(module, summary, wires, results, functions=tables.functions())
