"""A ``Lookup`` that is searched: thresholds by the bits of the segment's number found so far, comparisons, a table of values."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.verilog.operands import Operands, result_code
from bittrigger.emit.verilog.tables import Tables
from bittrigger.emit.verilog.views import Body, Wire, vector_of
from bittrigger.ir.fixed import Interval
from bittrigger.ir.forms.table import Search, level_count, searches
from bittrigger.ir.graph import Lookup
from bittrigger.ir.layout import Bus
from bittrigger.ir.pipeline import Module

_BIT = Interval(0, 1)


def _number(bits: list[str]) -> str:
    """The bits, the highest first, as a number."""
    return f"{{{', '.join(bits)}}}" if len(bits) > 1 else "".join(bits)


@dataclass
class _Channel:
    """The search of one channel, as it is written."""

    number: int
    code: str
    span: Interval
    search: Search

    def bits(self, count: int) -> list[str]:
        """The names of the first bits of the number of the segment, the highest first."""
        return [f"n{self.number}_{k}" for k in range(count)]

    def level(self, level: int, stage: int, operands: Operands, tables: Tables) -> list[Wire]:
        """The wires of a level: comparisons, and the bits that they find."""
        signals = operands.signals
        known, found = self.search.levels[level]
        before = [signals.read(bit, stage) for bit in self.bits(known)]
        code = signals.read(self.code, stage)
        names = [f"g{self.number}_{level}_{place}" for place in range((1 << found) - 1)]
        wires = []
        for place, name in enumerate(names):
            entries = self.search.compared(level, place)
            least = tables.read(entries, self.span, _number(before))
            wires.append(Wire(vector_of(_BIT), name, f"{code} >= {least}" if max(entries) > self.span.lo else "1'd1"))
        middle = names[len(names) // 2]
        made = self.bits(known + found)[known:]
        values = [middle] if found == 1 else [middle, f"{names[2]} | (~{middle} & {names[0]})"]
        for name, value in zip(made, values, strict=True):
            signals.define(name, _BIT, stage)
            wires.append(Wire(vector_of(_BIT), name, value))
        return wires


def search_body(module: Module, node: Lookup, operands: Operands, result: Bus) -> Body:
    """A search a channel, its levels in the stages of ``module``; channels of fewer levels begin later."""
    signals, tables = operands.signals, Tables()
    wires: dict[int, list[Wire]] = {stage: [] for stage in range(module.start, module.stop + 1)}
    found = searches(node, module.source)
    channels = [
        _Channel(k, name, span, search) if search else None
        for k, (name, span, search) in enumerate(zip(operands.names, module.source, found, strict=True))
    ]
    count = level_count(node, module.source)
    for level, stage in enumerate(module.stages):
        for channel in channels:
            own = level - count + len(channel.search.levels) if channel else -1
            if channel and own >= 0:
                wires[stage] += channel.level(own, stage, operands, tables)
    results = []
    for k, (channel, out) in enumerate(zip(channels, module.result, strict=True)):
        results.append(result_code(k, out, result))
        if channel is None:
            continue
        bits = [signals.read(bit, module.stop) for bit in channel.bits(channel.search.bits)]
        wires[module.stop].append(Wire(vector_of(out), f"y{k}", tables.read(channel.search.values, out, _number(bits))))
    summary = f"piecewise constant function of each of {node.size} channels, searched in {count} levels"
    return operands.body(module, summary, wires, results, functions=tables.functions())
