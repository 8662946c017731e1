"""A ``Product`` node: a row of one LUT a bit for each of Booth's digits, a row a stage or several in one."""

from __future__ import annotations

from bittrigger.emit.verilog.operands import Operands
from bittrigger.emit.verilog.views import Body, Wire, literal, vector, vector_of
from bittrigger.ir.fixed import Interval
from bittrigger.ir.layout import Bus
from bittrigger.ir.nodes.product import booth
from bittrigger.ir.pipeline import Module


def product_body(module: Module, operands: Operands, result: Bus) -> Body:
    """The rows of one copy of a product, in the stages of ``module``."""
    plan, signals, (out,) = booth(module.source), operands.signals, module.result
    names, own = operands.names, module.source[plan.narrow]
    wires: dict[int, list[Wire]] = {stage: [] for stage in range(module.start, module.stop + 1)}
    last = len(plan.rows) - 1
    for number, (stage, span) in enumerate(zip((*module.stages, module.stop), plan.rows, strict=True)):
        factor = signals.read(names[plan.wide], stage, span.width)
        multiplier = signals.read(names[plan.narrow], stage)
        if len(names) > 1:
            signals.cut(names[plan.narrow], stage)
        above, middle, below = (_bit(multiplier, 2 * number + k, own.width, signed=own.signed) for k in (1, 0, -1))
        wires[stage] += _digit(number, (above, middle, below), factor, span.width)
        before = signals.read(f"h{number - 1}", stage, span.width) if number else literal(0, span.width)
        total = f"{{{before}, n{number}}} + {{t{number}, n{number}}}"
        wires[stage].append(Wire(vector(span.width + 1, signed=False), f"s{number}", total))
        if number == last:
            wires[stage].append(Wire(vector_of(span), "high", f"s{number}[{span.width}:1]"))
            continue
        left = Interval(span.lo >> 2, span.hi >> 2)
        for name, kept, low in ((f"l{number}", Interval(0, 3), 1), (f"h{number}", left, 3)):
            wires[stage].append(Wire(vector_of(kept), name, f"s{number}[{kept.width + low - 1}:{low}]"))
            signals.define(name, kept, stage)
    width = result.element.width
    parts = ["high", *(signals.read(f"l{k}", module.stop) for k in reversed(range(last)))]
    natural = plan.rows[last].width + 2 * last
    kind = vector(natural, signed=out.signed)
    wires[module.stop].append(Wire(kind, "whole", f"{{{', '.join(parts)}}}"))
    value = "whole" if natural == width else f"whole[{width - 1}:0]" if natural > width else f"{width}'(whole)"
    if out.lo == out.hi:
        value = literal(out.lo, width, signed=result.element.signed)
    return Body(
        summary=f"the {'square of a code' if len(module.source) == 1 else 'product of two codes'}, in {last + 1} rows",
        functions=(),
        operands=operands.wires(),
        stages=signals.stages(module, wires),
        results=(value,),
        unread=(*operands.unread(), *signals.unread(), *(f"s{k}" for k in range(last + 1)), "whole"),
    )


def _bit(name: str, place: int, width: int, *, signed: bool) -> str:
    """One bit of a factor; beyond its ends its sign, or zeros."""
    if place < 0 or (place >= width and not signed):
        return "1'd0"
    return f"{name}[{min(place, width - 1)}]"


def _digit(number: int, bits: tuple[str, str, str], factor: str, width: int) -> list[Wire]:
    """The wires of a factor times a digit: all its bits inverted where the digit is negative, and whether it is."""
    above, middle, below = bits
    one, two = f"({middle} ^ {below})", f"({above} ^ {middle})"
    taken = f"{one} ? {factor} : ({two} ? ({factor} << 1) : {literal(0, width)})"
    flat = vector(width, signed=False)
    return [
        Wire(vector(1, signed=False), f"n{number}", above),
        Wire(flat, f"m{number}", taken),
        Wire(flat, f"t{number}", f"n{number} ? ~m{number} : m{number}"),
    ]
