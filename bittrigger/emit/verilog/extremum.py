"""An ``Extremum`` node: neighbours are compared and the better one is left, a round a stage or several in one."""

from __future__ import annotations

from bittrigger.emit.verilog.operands import Operands
from bittrigger.emit.verilog.views import Body, Wire, literal, vector_of
from bittrigger.ir.fixed import Interval
from bittrigger.ir.layout import Bus
from bittrigger.ir.nodes.extremum import Extremum, tournament
from bittrigger.ir.pipeline import Module


def extremum_body(module: Module, node: Extremum, operands: Operands, result: Bus) -> Body:
    """The comparisons of one copy of ``node``, in the stages of ``module``."""
    signals, (out,) = operands.signals, module.result
    rounds, sign = tournament(node, module.source), "<" if node.least else ">"
    wires: dict[int, list[Wire]] = {stage: [] for stage in range(module.start, module.stop + 1)}
    names = list(operands.names)
    for number, (stage, before, after) in enumerate(
        zip((*module.stages, module.stop), rounds[:-1], rounds[1:], strict=True), 1
    ):
        left = []
        for k, span in enumerate(after):
            pair = list(zip(names, before, strict=True))[2 * k : 2 * k + 2]
            if len(pair) == 1 or out.lo == out.hi:
                left.append(pair[0][0])
                continue
            common = pair[0][1].union(pair[1][1])
            a, b = (_extended(signals.read(name, stage), own, common) for name, own in pair)
            better = f"(({a} {sign} {b}) ? {a} : {b})"
            left.append(f"m{number}_{k}")
            if span.width < common.width:
                whole = f"{left[-1]}_wide"
                wires[stage].append(Wire(vector_of(common), whole, better))
                better = f"{whole}[{span.width - 1}:0]"
            wires[stage].append(Wire(vector_of(span), left[-1], better))
            signals.define(left[-1], span, stage)
        names = left
    value = literal(out.lo, result.element.width, signed=result.element.signed)
    if out.lo < out.hi:
        value = signals.read(names[0], module.stop, result.element.width)
    wide = tuple(wire.name for part in wires.values() for wire in part if wire.name.endswith("_wide"))
    return operands.body(module, f"the {node.word} of {len(module.source)} codes", wires, [value], unread=wide)


def _extended(name: str, own: Interval, common: Interval) -> str:
    """The signal as wide, and as signed, as ``common``."""
    text = name if own.width == common.width else f"{common.width}'({name})"
    return f"$signed({text})" if common.signed and not own.signed else text
