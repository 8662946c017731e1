"""A ``Product`` node: a row of one LUT a bit for each of Booth's digits, a row a stage or several in one."""

from __future__ import annotations

from bittrigger.emit.verilog.operands import Operands
from bittrigger.emit.verilog.views import Body, Wire, literal, vector, vector_of
from bittrigger.ir.fixed import Interval
from bittrigger.ir.layout import Bus
from bittrigger.ir.nodes.product import booth
from bittrigger.ir.pipeline import Module

DIGIT_SQUARE = 3
"""Bits of the square of a digit: 0, 1 or 4."""


def product_body(module: Module, operands: Operands, result: Bus) -> Body:
    """The rows of one copy of a product, in the stages of ``module``."""
    plan, signals, (out,) = booth(module.source), operands.signals, module.result
    names, own = operands.names, module.source[plan.narrow]
    wires: dict[int, list[Wire]] = {stage: [] for stage in range(module.start, module.stop + 1)}
    last, low = len(plan.rows) - 1, 0 if plan.folded else 1  # where the lowest bit of a row is in its sum
    for number, (stage, span) in enumerate(zip((*module.stages, module.stop), plan.rows, strict=True)):
        multiplier = signals.read(names[plan.narrow], stage)
        if len(names) > 1 or plan.folded:
            signals.cut(names[plan.narrow], stage)
        bits = [_bit(multiplier, 2 * number + k, own.width, signed=own.signed) for k in (1, 0, -1)]
        before = signals.read(f"h{number - 1}", stage, span.width) if number else literal(0, span.width)
        if plan.folded:
            upper = _above(multiplier, 2 * number + 2, own, span.width - DIGIT_SQUARE) if number < last else ""
            wires[stage] += _square_row(number, bits, upper, before, span.width)
        else:
            wires[stage] += _row(number, bits, signals.read(names[plan.wide], stage, span.width), before, span.width)
        if number == last:
            wires[stage].append(Wire(vector_of(span), "high", f"s{number}[{span.width + low - 1}:{low}]"))
            continue
        settled, left = Interval(0, (1 << plan.settled) - 1), plan.left(number)
        for name, kept, place in ((f"l{number}", settled, low), (f"h{number}", left, low + plan.settled)):
            wires[stage].append(Wire(vector_of(kept), name, f"s{number}[{kept.width + place - 1}:{place}]"))
            signals.define(name, kept, stage)
    width = result.element.width
    parts = ["high", *(signals.read(f"l{k}", module.stop) for k in reversed(range(last)))]
    natural = plan.rows[last].width + plan.settled * last
    kind = vector(natural, signed=out.signed)
    wires[module.stop].append(Wire(kind, "whole", f"{{{', '.join(parts)}}}"))
    value = "whole" if natural == width else f"whole[{width - 1}:0]" if natural > width else f"{width}'(whole)"
    if out.lo == out.hi:
        value = literal(out.lo, width, signed=result.element.signed)
    summary = f"the {'square of a code' if len(module.source) == 1 else 'product of two codes'}, in {last + 1} rows"
    return operands.body(module, summary, wires, [value], unread=[*(f"s{k}" for k in range(last + 1)), "whole"])


def _bit(name: str, place: int, width: int, *, signed: bool) -> str:
    """One bit of a factor; beyond its ends its sign, or zeros."""
    if place < 0 or (place >= width and not signed):
        return "1'd0"
    return f"{name}[{min(place, width - 1)}]"


def _row(number: int, bits: list[str], factor: str, before: str, width: int) -> list[Wire]:
    """``s<number>``: what is left, and a factor times a digit; where that is negative all bits are inverted, and one is added."""
    above, middle, below = bits
    one, two = f"({middle} ^ {below})", f"({above} ^ {middle})"
    taken = f"{one} ? {factor} : ({two} ? ({factor} << 1) : {literal(0, width)})"
    flat = vector(width, signed=False)
    return [
        Wire(vector(1, signed=False), f"n{number}", above),
        Wire(flat, f"m{number}", taken),
        Wire(flat, f"t{number}", f"n{number} ? ~m{number} : m{number}"),
        Wire(
            vector(width + 1, signed=False),
            f"s{number}",
            f"{{{before}, n{number}}} + {{t{number}, n{number}}}",
        ),
    ]


def _square_row(number: int, bits: list[str], upper: str, before: str, width: int) -> list[Wire]:
    """``s<number>``: what is left, the square of a digit, and eight times that digit times all digits above it.

    Args:
        upper: the code's bits above the digit, three bits narrower than the row; empty where there are none.
    """
    above, middle, below = bits
    one, two = f"o{number}", f"w{number}"
    wires = [Wire(vector(1, signed=False), one, f"{middle} ^ {below}")]
    size = width - DIGIT_SQUARE
    if size >= 0:
        wires.append(Wire(vector(1, signed=False), two, f"({above} ^ {middle}) & ~{one}"))
    row = f"{{{two}, 1'd0, {one}}}" if size >= 0 else f"{width}'({one})"
    if upper and size > 0:
        flat, nothing = vector(size, signed=False), literal(0, size)
        wires.append(Wire(flat, f"v{number}", f"{upper} ^ {{{size}{{{above}}}}}"))
        wires.append(Wire(flat, f"t{number}", f"{one} ? v{number} : ({two} ? (v{number} << 1) : {nothing})"))
        row = f"{{t{number}, {row[1:]}"
    elif size > 0:
        row = f"{width}'({row})"
    return [*wires, Wire(vector(width, signed=False), f"s{number}", f"{before} + {row}" if number else row)]


def _above(code: str, place: int, own: Interval, size: int) -> str:
    """The bits of a code from ``place`` on, as ``size`` bits; an empty text if they are all copies of its sign."""
    if place >= own.width:
        return "" if own.signed else literal(0, size)
    return f"{size}'({code} {'>>>' if own.signed else '>>'} {place})"
