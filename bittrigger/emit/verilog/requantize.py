"""A ``Requantize`` node: shift, round, and clip or wrap around, with no more logic than the range of each operand needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from bittrigger.emit.verilog.operands import Operands, result_code
from bittrigger.emit.verilog.views import Body, Clip, Wire, literal, vector, vector_of
from bittrigger.ir.fixed import Interval, Rounding
from bittrigger.ir.forms.limiter import DIRECT, INPUTS, Limiter, groups, is_power, last_bit_apart, limiter_of
from bittrigger.ir.graph import Requantize, before_clip, requantized, wraps
from bittrigger.ir.layout import Bus
from bittrigger.ir.pipeline import Module

_BIT = " " * len(vector(1, signed=True))
_NO = "1'b0"


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


@dataclass(frozen=True)
class _Rounded:
    """The rounded code of a channel as a wire; its last bit may be an expression of its own.

    Attributes:
        name: of the wire.
        range: of the code.
        last: the last bit, if the wire holds only those above it.
    """

    name: str
    range: Interval
    last: str = ""

    def bits(self, high: int, low: int) -> str:
        """Some bits of the code, none of which is a last one that stands apart."""
        high, low = high - bool(self.last), low - bool(self.last)
        return f"{self.name}[{high}:{low}]" if high > low else f"{self.name}[{low}]"

    def together(self, gate: str, high: int, low: int) -> str:
        """Whether any or all of these bits are set."""
        return together(gate, self.name, high - bool(self.last), low - bool(self.last))


def _rounded(k: int, x: str, span: Interval, node: Requantize, low: Interval, *, relu: bool) -> list[Wire]:
    """``r<k> = round(x / 2**shift)`` in the width of ``low``; with ``relu`` it may be wrong for a negative ``x``."""
    width, kind = low.width, vector_of(low)
    if node.shift <= 0:
        wide = x if span.width == width else f"{width}'({x})"
        return [Wire(kind, f"r{k}", f"{wide} << {-node.shift}" if node.shift else wide)]
    if node.clears_ties:
        last = f"{_bit(x, span, node.shift)} & ({together('|', x, min(node.shift, span.width) - 1, 0)})"
        whole = last if width == 1 else f"{{{_floor(x, span, node.shift + 1, width - 1)}, {last}}}"
        return [Wire(kind, f"r{k}", whole)]
    floor = _floor(x, span, node.shift, width)
    up = _increment(x, span, node, negative=span.signed and not relu)
    if not up:
        return [Wire(kind, f"r{k}", floor)]
    return [Wire(_BIT, f"up{k}", up), Wire(kind, f"r{k}", f"{floor} + {width}'(up{k})")]


def _floor(x: str, span: Interval, shift: int, width: int) -> str:
    return f"{width}'({x} {'>>>' if span.signed else '>>'} {shift})"


def _rounded_apart(k: int, x: str, span: Interval, node: Requantize, low: Interval) -> tuple[_Rounded, list[Wire]]:
    """The rounded code without its last bit, and the wires of both; that bit is cleared where only zeros are dropped."""
    upper = Interval(low.lo >> 1, low.hi >> 1)
    wires = [Wire(vector_of(upper), f"r{k}", _floor(x, span, node.shift + 1, upper.width))]
    rest = together("|", x, min(node.shift, span.width) - 1, 0)
    return _Rounded(f"r{k}", low, f"({_bit(x, span, node.shift)} & ({rest}))"), wires


def together(gate: str, name: str, high: int, low: int) -> str:
    """``|name[high:low]``, or ``&``; of many bits in groups, each of which a LUT takes."""
    if high - low < INPUTS:
        return f"{gate}{name}[{high}:{low}]"
    ends = range(low, high + 1, INPUTS)
    parts = [f"{gate}{name}[{min(end + INPUTS - 1, high)}:{end}]" for end in reversed(ends)]
    return f"{gate}{{{', '.join(parts)}}}"


def _above(r: str, span: Interval, hi: int) -> str:
    """Whether ``r`` exceeds ``hi``: by its upper bits, and by those below where these can tell more."""
    if hi < 0:
        return f"{r} > {literal(hi, span.width, signed=True)}"
    size = hi.bit_length()
    parts = [together("|", r, span.width - 1 - span.signed, size)] if size < span.width - span.signed else []
    if not is_power(hi + 1):
        parts.append(f"{r}[{size - 1}:0] > {literal(hi, size)}")
    some = " | ".join(f"({part})" for part in parts)
    return f"~{r}[{span.width - 1}] & ({some})" if span.signed else some


def _below(r: str, span: Interval, lo: int) -> str:
    """Whether ``r`` is less than ``lo``: by its upper bits, and by those below where these can tell more."""
    if lo >= 0:
        return f"{r} < {literal(lo, span.width, signed=span.signed)}"
    size = (-lo - 1).bit_length()
    parts = [f"~({together('&', r, span.width - 2, size)})"] if size < span.width - 1 else []
    if not is_power(-lo):
        parts.append(f"({r}[{size - 1}:0] < {literal(lo + (1 << size), size)})")
    return f"{r}[{span.width - 1}] & ({' | '.join(parts)})"


def channel_wires(k: int, x: str, span: Interval, node: Requantize, out: Interval) -> list[Wire | Clip]:
    """The wires of one channel; the last is its result ``y<k>``."""
    wires: list[Wire | Clip] = []
    if node.offset and not node.clears_ties:
        moved = span + Interval(node.offset, node.offset)
        wires.append(_moved(k, x, span, moved, node.offset))
        x, span, node = f"t{k}", moved, replace(node, offset=0)
    relu, low = _form(span, node)
    dropped = min(node.shift, span.width)
    form = limiter_of(low, node, out.width, by_sign=relu)
    if last_bit_apart(node, form, low, out.width, dropped, by_sign=relu):
        rounded, parts = _rounded_apart(k, x, span, node, low)
    else:
        rounded, parts = _Rounded(f"r{k}", low), _rounded(k, x, span, node, low, relu=relu)
    return [*wires, *parts, *_limited(k, rounded, node, out, sign=f"{x}[{span.width - 1}]" if relu else None)]


def leaves_bits_out(span: Interval, node: Requantize) -> bool:
    """Whether the wires of a channel may name some bits of its code only; a code that is shifted counts as read whole."""
    if not node.clears_ties:
        return node.shift <= 0 or node.offset != 0
    relu, low = _form(span, node)
    return low.width == 1 and span.width > node.shift + 1 + relu


def _form(span: Interval, node: Requantize) -> tuple[bool, Interval]:
    """Whether what comes of negative codes is decided by their sign; and the range of the rounded code.

    That of a code which wraps around is the range of the result: nobody reads its upper bits.
    """
    if wraps(node, span):
        return node.rectified and span.signed, requantized(node, span)
    relu, reached = node.lo == 0 and span.signed, before_clip(node, span)
    return relu, Interval(0, reached.hi) if relu else reached


def _moved(k: int, x: str, span: Interval, moved: Interval, offset: int) -> Wire:
    """``t<k>``: the code and the offset, modulo the width of the sum."""
    size = moved.width
    code = f"{x}[{size - 1}:0]" if size < span.width else f"{size}'({x})"
    amount = literal(abs(offset) % (1 << size), size)
    return Wire(vector_of(moved), f"t{k}", f"{code} {'-' if offset < 0 else '+'} {amount}")


def _limited(k: int, rounded: _Rounded, node: Requantize, out: Interval, sign: str | None) -> list[Wire | Clip]:
    """``y<k>``: the rounded code clipped; and the wires that decide.

    Args:
        sign: for a clip at zero, whether the code is negative; the rounded code is of no meaning then.
    """
    low, zero = rounded.range, sign or _NO
    match limiter_of(low, node, out.width, by_sign=sign is not None):
        case Limiter.SIGN:
            return [_clip(k, rounded, out, (zero, _NO, 1))]
        case Limiter.UPPER:
            above, wires = _upper_bits(k, rounded, out.width)
            return [*wires, _clip(k, rounded, out, (zero, *above))]
        case Limiter.BOTH:
            top, last = low.width - 1, out.width - 1
            wires = [
                Wire(_BIT, f"above{k}", f"~{rounded.bits(top, top)} & ({rounded.together('|', top - 1, last)})"),
                Wire(_BIT, f"below{k}", f"{rounded.bits(top, top)} & ~({rounded.together('&', top - 1, last)})"),
            ]
            bypass = ((f"y{k}[{last}]", rounded.bits(top, top)),)
            return [*wires, _clip(k, rounded, out, (f"below{k}", f"above{k}", 1), bypass)]
        case Limiter.NONE | Limiter.CHOSEN:
            return _chosen(k, low, node, out, sign)


def _clip(
    k: int, rounded: _Rounded, out: Interval, told: tuple[str, str, int], bypass: tuple[tuple[str, str], ...] = ()
) -> Clip:
    """A limiter of the lowest bits of a rounded code, but those of the result that bypass it.

    Args:
        told: whether the result is all zeros, whether it is all ones, and of how many bits the latter is.
    """
    width, kind, (zero, over, count) = out.width - len(bypass), vector_of(out), told
    if rounded.last:
        full = "" if over == _NO else f"{over if count == 1 else f'(|{over})'} | "
        value = (
            f"{full}{rounded.last}"
            if zero == _NO
            else f"~{zero} & {f'({full}{rounded.last})' if full else rounded.last}"
        )
        code = rounded.bits(width - 1, 1)
        driven = f"y{k}[{width - 1}:1]" if width > 2 else f"y{k}[1]"
        return Clip(kind, f"y{k}", width - 1, code, *told, driven, (*bypass, (f"y{k}[0]", value)))
    code = rounded.name if width == rounded.range.width else f"{rounded.name}[{width - 1}:0]"
    return Clip(kind, f"y{k}", width, code, *told, f"y{k}[{width - 1}:0]" if bypass else f"y{k}", bypass)


def _chosen(k: int, low: Interval, node: Requantize, out: Interval, sign: str | None) -> list[Wire | Clip]:
    """``y<k>``: one of the limits, or the code ``r<k>``."""
    over, under, size, wires = low.hi > node.hi, low.lo < node.lo, out.width, []
    value = f"r{k}" if low.width == size else f"{size}'(r{k})"
    if over:
        wires.append(Wire(_BIT, f"above{k}", _above(f"r{k}", low, node.hi)))
        value = f"above{k} ? {literal(node.hi, size, signed=out.signed)} : {value}"
    if sign:
        value = f"{sign} ? {literal(0, size)} : {value}"
    elif under:
        wires.append(Wire(_BIT, f"below{k}", _below(f"r{k}", low, node.lo)))
        value = f"below{k} ? {literal(node.lo, size, signed=out.signed)} : {value}"
    return [*wires, Wire(vector_of(out), f"y{k}", value)]


def _upper_bits(k: int, rounded: _Rounded, size: int) -> tuple[tuple[str, int], list[Wire | Clip]]:
    """Whether the code reaches above ``size`` bits: an expression of one or two bits, and a wire that it may need."""
    top = rounded.range.width - 1
    count = top - size + 1
    if count <= DIRECT:
        return (rounded.bits(top, size), count), []
    if groups(count) != DIRECT:
        return (f"above{k}", 1), [Wire(_BIT, f"above{k}", rounded.together("|", top, size))]
    middle = size + -(-count // DIRECT)
    both = f"{{{rounded.together('|', top, middle)}, {rounded.together('|', middle - 1, size)}}}"
    return (f"above{k}", DIRECT), [Wire(vector(DIRECT, signed=False), f"above{k}", both)]


def requantize_body(module: Module, node: Requantize, operands: Operands, result: Bus) -> Body:
    """One requantiser a channel, in the last stage of ``module``."""
    signals = operands.signals
    wires: list[Wire | Clip] = []
    results = []
    for k, (name, span, out) in enumerate(zip(operands.names, module.source, module.result, strict=True)):
        results.append(result_code(k, out, result))
        if out.lo == out.hi:
            continue
        wires += channel_wires(k, signals.read(name, module.stop), span, node, out)
        if leaves_bits_out(span, node):
            signals.cut(name, module.stop)
    scaled = f"round({node.operand_text} / 2**{node.shift})"
    return operands.body(
        module,
        f"{node.word}({scaled}, {node.lo}, {node.hi}), rounding {node.rounding.value}",
        {module.stop: wires},
        results,
        unread=[wire.name for wire in wires if wire.name.startswith("t")],
    )
