"""A ``Requantize`` node: shift, round and clip, with no more logic than the range of each operand needs."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from bittrigger.emit.emit_verilog.operands import Operands
from bittrigger.emit.emit_verilog.views import Body, Bus, Stage, Wire, literal, vector, vector_of
from bittrigger.fixed import Interval, Rounding, shift_round
from bittrigger.graph import Requantize
from bittrigger.pipeline import Module

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
    floor = f"{width}'({x} {'>>>' if span.signed else '>>'} {node.shift})"
    up = _increment(x, span, node, negative=span.signed and not relu)
    if not up:
        return [Wire(kind, f"r{k}", floor)]
    return [Wire(_BIT, f"up{k}", up), Wire(kind, f"r{k}", f"{floor} + {width}'(up{k})")]


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


def _channel(k: int, x: str, span: Interval, node: Requantize, out: Interval) -> list[Wire]:
    """The wires of one channel; the last is its result ``y<k>``."""
    ends = shift_round(np.array([span.lo, span.hi], dtype=np.int64), node.shift, node.rounding)
    reached = Interval(int(ends[0]), int(ends[1]))
    relu = node.lo == 0 and span.signed
    low = Interval(0, reached.hi) if relu else reached
    wires = _rounded(k, x, span, node, low, relu=relu)
    value = f"r{k}" if low.width == out.width else f"{out.width}'(r{k})"
    if low.hi > node.hi:
        wires.append(Wire(_BIT, f"above{k}", _above(f"r{k}", low, node.hi)))
        value = f"above{k} ? {literal(node.hi, out.width, signed=out.signed)} : {value}"
    if relu:
        value = f"{x}[{span.width - 1}] ? {literal(0, out.width)} : {value}"
    elif low.lo < node.lo:
        wires.append(Wire(_BIT, f"below{k}", _below(f"r{k}", low, node.lo)))
        value = f"below{k} ? {literal(node.lo, out.width, signed=out.signed)} : {value}"
    return [*wires, Wire(vector_of(out), f"y{k}", value)]


def requantize_body(module: Module, node: Requantize, operands: Operands, result: Bus) -> Body:
    """One requantiser a channel, in the last stage of ``module``."""
    signals = operands.signals
    wires: list[Wire] = []
    results = []
    for k, (name, span, out) in enumerate(zip(operands.names, module.source, module.result, strict=True)):
        if out.lo == out.hi:
            results.append(literal(out.lo, result.element.width, signed=result.element.signed))
            continue
        wires += _channel(k, signals.read(name, module.stop), span, node, out)
        if node.shift <= 0:
            signals.cut(name, module.stop)
        results.append(f"y{k}" if out.width == result.element.width else f"{result.element.width}'(y{k})")
    stages = [
        Stage(stage, signals.registers(stage), tuple(wires) if stage == module.stop else ())
        for stage in range(module.start, module.stop + 1)
    ]
    return Body(
        summary=f"clip(round(code / 2**{node.shift}), {node.lo}, {node.hi}), rounding {node.rounding.value}",
        functions=(),
        operands=operands.wires(),
        stages=tuple(stages),
        results=tuple(results),
        unread=(*operands.unread(), *signals.unread()),
    )
