"""A ``Requantize`` node: shift, round and clip, with no more logic than the range of each operand needs."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from bittrigger.emit.verilog.operands import Operands
from bittrigger.emit.verilog.views import Body, Clip, Wire, literal, vector, vector_of
from bittrigger.ir.fixed import Interval, Rounding
from bittrigger.ir.graph import Requantize, before_clip
from bittrigger.ir.layout import Bus
from bittrigger.ir.pipeline import Module

_BIT = " " * len(vector(1, signed=True))


def _is_power(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


def _bit(x: str, span: Interval, index: int) -> str:
    """Bit ``index`` of ``x``, which is extended as far as needed."""
    if index < span.width:
        return f"{x}[{index}]"
    return f"{x}[{span.width - 1}]" if span.signed else "1'b0"


def _increment(x: str, span: Interval, node: Requantize, *, negative: bool) -> str:
    """The bit that rounding adds to the floor, or an empty text.

    Args:
        negative: whether the result is of any interest when the code is negative.
    """
    half = _bit(x, span, node.shift - 1)
    top = min(node.shift - 2, span.width - 1)
    rest = f"(|{x}[{top}:0])" if top >= 0 else ""
    sign = f"{x}[{span.width - 1}]" if negative else ""
    match node.rounding:
        case Rounding.TRN:
            return ""
        case Rounding.TRN_ZERO:
            return f"{sign} & ({half}{f' | {rest}' if rest else ''})" if sign else ""
        case Rounding.RND:
            others = ["1'b1"]
        case Rounding.RND_MIN_INF:
            others = [rest]
        case Rounding.RND_ZERO:
            others = [rest, sign]
        case Rounding.RND_INF:
            others = [rest, f"~{sign}"] if sign else ["1'b1"]
        case Rounding.RND_CONV:
            others = [rest, _bit(x, span, node.shift)]
        case _:
            assert_never(node.rounding)
    if others == ["1'b1"]:
        return half
    others = [part for part in others if part]
    return f"{half} & ({' | '.join(others)})" if others else ""


def _rounded(k: int, x: str, span: Interval, node: Requantize, low: Interval, *, relu: bool) -> list[Wire]:
    """``r<k> = round(x / 2**shift)`` in the width of ``low``; with ``relu`` it may be wrong for a negative ``x``."""
    width, kind = low.width, vector_of(low)
    if node.shift <= 0:
        wide = x if span.width == width else f"{width}'({x})"
        return [Wire(kind, f"r{k}", f"{wide} << {-node.shift}" if node.shift else wide)]
    if node.clears_ties:
        return [Wire(kind, f"r{k}", _floor_of_even_ties(x, span, node.shift, width))]
    floor = f"{width}'({x} {'>>>' if span.signed else '>>'} {node.shift})"
    up = _increment(x, span, node, negative=span.signed and not relu)
    if not up:
        return [Wire(kind, f"r{k}", floor)]
    return [Wire(_BIT, f"up{k}", up), Wire(kind, f"r{k}", f"{floor} + {width}'(up{k})")]


def _floor_of_even_ties(x: str, span: Interval, shift: int, width: int) -> str:
    """``floor(x / 2**shift)`` in ``width`` bits, its last bit cleared where only zeros are dropped."""
    last = f"{_bit(x, span, shift)} & (|{x}[{min(shift, span.width) - 1}:0])"
    if width == 1:
        return last
    return f"{{{width - 1}'({x} {'>>>' if span.signed else '>>'} {shift + 1}), {last}}}"


def _above(r: str, span: Interval, hi: int) -> str:
    """Whether ``r`` exceeds ``hi``; by its upper bits where ``hi`` is one below a power of two."""
    top = span.width - 1
    if not _is_power(hi + 1):
        return f"{r} > {literal(hi, span.width, signed=span.signed)}"
    low = (hi + 1).bit_length() - 1
    if not span.signed:
        return f"|{r}[{top}:{low}]"
    return f"~{r}[{top}] & (|{r}[{top - 1}:{low}])"


def _below(r: str, span: Interval, lo: int) -> str:
    """Whether ``r`` is less than ``lo``; by its upper bits where ``lo`` is minus a power of two."""
    top = span.width - 1
    if _is_power(-lo):
        return f"{r}[{top}] & ~(&{r}[{top - 1}:{(-lo).bit_length() - 1}])"
    return f"{r} < {literal(lo, span.width, signed=span.signed)}"


def channel_wires(k: int, x: str, span: Interval, node: Requantize, out: Interval) -> list[Wire | Clip]:
    """The wires of one channel; the last is its result ``y<k>``."""
    wires: list[Wire | Clip] = []
    reached = before_clip(node, span)
    if node.offset and not node.clears_ties:
        moved = span + Interval(node.offset, node.offset)
        wires.append(_moved(k, x, span, moved, node.offset))
        x, span, node = f"t{k}", moved, replace(node, offset=0)
    relu = node.lo == 0 and span.signed
    low = Interval(0, reached.hi) if relu else reached
    wires += _rounded(k, x, span, node, low, relu=relu)
    return [*wires, *_limited(k, low, node, out, sign=f"{x}[{span.width - 1}]" if relu else None)]


def leaves_bits_out(span: Interval, node: Requantize) -> bool:
    """Whether the wires of a channel may name some bits of its code only; a code that is shifted counts as read whole."""
    if not node.clears_ties:
        return node.shift <= 0 or node.offset != 0
    relu = node.lo == 0 and span.signed
    reached = before_clip(node, span)
    width = Interval(0, reached.hi).width if relu else reached.width
    return width == 1 and span.width > node.shift + 1 + relu


def _moved(k: int, x: str, span: Interval, moved: Interval, offset: int) -> Wire:
    """``t<k>``: the code and the offset, modulo the width of the sum."""
    size = moved.width
    code = f"{x}[{size - 1}:0]" if size < span.width else f"{size}'({x})"
    amount = literal(abs(offset) % (1 << size), size)
    return Wire(vector_of(moved), f"t{k}", f"{code} {'-' if offset < 0 else '+'} {amount}")


def _limited(k: int, low: Interval, node: Requantize, out: Interval, sign: str | None) -> list[Wire | Clip]:
    """``y<k>``: the rounded code ``r<k>``, in the range ``low``, clipped; and the wires that decide.

    Args:
        sign: for a clip at zero, whether the code is negative; ``r<k>`` is of no meaning then.
    """
    over, under = low.hi > node.hi, low.lo < node.lo
    full, top = _is_power(node.hi + 1), low.width - 1
    kind, size = vector_of(out), out.width
    if sign and not over:
        return [Clip(kind, f"y{k}", size, f"r{k}", sign, "1'b0", 1, f"y{k}")]
    if over and full and not low.signed and not under:
        above, wires = _upper_bits(k, low, size)
        return [*wires, Clip(kind, f"y{k}", size, f"r{k}[{size - 1}:0]", sign or "1'b0", *above, f"y{k}")]
    wires = []
    value = f"r{k}" if low.width == size else f"{size}'(r{k})"
    if over:
        wires.append(Wire(_BIT, f"above{k}", _above(f"r{k}", low, node.hi)))
        value = f"above{k} ? {literal(node.hi, size, signed=out.signed)} : {value}"
    if sign:
        value = f"{sign} ? {literal(0, size)} : {value}"
    elif under:
        wires.append(Wire(_BIT, f"below{k}", _below(f"r{k}", low, node.lo)))
        if over and full and node.lo == -node.hi - 1 and size > 1:
            code, driven = f"r{k}[{size - 2}:0]", f"y{k}[{size - 2}:0]"
            bypass = (f"y{k}[{size - 1}]", f"r{k}[{top}]")
            return [*wires, Clip(kind, f"y{k}", size - 1, code, f"below{k}", f"above{k}", 1, driven, bypass)]
        value = f"below{k} ? {literal(node.lo, size, signed=out.signed)} : {value}"
    return [*wires, Wire(kind, f"y{k}", value)]


def _upper_bits(k: int, low: Interval, size: int) -> tuple[tuple[str, int], list[Wire | Clip]]:
    """Whether ``r<k>`` reaches above ``size`` bits: an expression of one or two bits, and a wire that it may need."""
    top = low.width - 1
    if low.width - size <= 2:
        return (f"r{k}[{top}:{size}]" if top > size else f"r{k}[{top}]", low.width - size), []
    return (f"above{k}", 1), [Wire(_BIT, f"above{k}", f"|r{k}[{top}:{size}]")]


def requantize_body(module: Module, node: Requantize, operands: Operands, result: Bus) -> Body:
    """One requantiser a channel, in the last stage of ``module``."""
    signals = operands.signals
    wires: list[Wire | Clip] = []
    results = []
    for k, (name, span, out) in enumerate(zip(operands.names, module.source, module.result, strict=True)):
        if out.lo == out.hi:
            results.append(literal(out.lo, result.element.width, signed=result.element.signed))
            continue
        wires += channel_wires(k, signals.read(name, module.stop), span, node, out)
        if leaves_bits_out(span, node):
            signals.cut(name, module.stop)
        results.append(f"y{k}" if out.width == result.element.width else f"{result.element.width}'(y{k})")
    return Body(
        summary=f"clip(round({node.operand_text} / 2**{node.shift}), {node.lo}, {node.hi}), rounding {node.rounding.value}",
        functions=(),
        operands=operands.wires(),
        stages=signals.stages(module, {module.stop: wires}),
        results=tuple(results),
        unread=(*operands.unread(), *signals.unread(), *(wire.name for wire in wires if wire.name.startswith("t"))),
    )
