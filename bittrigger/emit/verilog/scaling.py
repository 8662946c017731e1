"""The nodes of ``bittrigger.ir.nodes.block_floating_point``: an OR tree, a right shifter that rounds, and a left shifter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from bittrigger.emit.verilog.operands import Operands, result_code
from bittrigger.emit.verilog.signals import Signals
from bittrigger.emit.verilog.views import Body, Wire, literal, vector
from bittrigger.ir.fixed import Interval
from bittrigger.ir.layout import Bus
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp
from bittrigger.ir.pipeline import Module

_OPERANDS_OF_OR = 6
_SIGNED_OPERANDS_OF_OR = 3


@dataclass
class _Writer:
    """The wires of one module, stage by stage, and names of which some bits are read by nothing."""

    signals: Signals
    wires: dict[int, list[Wire]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def wire(self, stage: int, name: str, width: int, value: str, *, signed: bool = False) -> None:
        """A wire that is read in its own stage only."""
        self.wires.setdefault(stage, []).append(Wire(vector(width, signed=signed), name, value))

    def signal(self, stage: int, name: str, width: int, value: str) -> None:
        """A wire that later stages may read."""
        self.wire(stage, name, width, value)
        self.signals.define(name, Interval(0, (1 << width) - 1), stage)


def scaling_body(module: Module, node: Scaling, operands: Operands, result: Bus) -> Body:
    """The logic of ``node`` in the stages of ``module``."""
    writer = _Writer(operands.signals)
    everyone = [] if isinstance(node, MagnitudeOr) else _channels(module, operands.names)
    channels = [channel for channel in everyone if channel.out.lo < channel.out.hi]
    results = [result_code(channel.k, channel.out, result) for channel in everyone]
    match node:
        case MagnitudeOr():
            summary = f"OR of the magnitudes of {len(module.source)} codes, without their lowest {node.drop} bits"
            results = [_magnitude_or(writer, module, node, operands.names, result)]
        case ShiftDown():
            first = f"{node.base} + " if node.base else ""
            summary = f"clip(round(code / 2**({first}exponent)), {node.lo}, {node.hi}), rounding RND_CONV"
            for channel in channels:
                _shift_down(writer, module, node, channel)
        case ShiftUp():
            summary = "code * 2**exponent"
            for channel in channels:
                _shift_up(writer, module, channel)
        case _:
            assert_never(node)
    return operands.body(module, summary, writer.wires, results, unread=writer.unread)


def _magnitude_or(writer: _Writer, module: Module, node: MagnitudeOr, names: list[str], result: Bus) -> str:
    (out,) = module.result
    if out.lo == out.hi:
        return literal(out.lo, result.element.width)
    terms = []
    for name, span in zip(names, module.source, strict=True):
        stop = min(span.width - span.signed, node.drop + out.width)
        if stop > node.drop:
            terms.append(_magnitude(writer.signals.read(name, module.stop), span, node, stop, out.width))
            writer.signals.cut(name, module.stop)
    size = _SIGNED_OPERANDS_OF_OR if any(span.signed for span in module.source) else _OPERANDS_OF_OR
    level = 0
    while len(terms) > size:
        groups = [terms[k : k + size] for k in range(0, len(terms), size)]
        terms = [f"or{level}_{k}" for k in range(len(groups))]
        for name, group in zip(terms, groups, strict=True):
            writer.wire(module.stop, name, out.width, " | ".join(group))
        level, size = level + 1, _OPERANDS_OF_OR
    writer.wire(module.stop, "y0", out.width, " | ".join(terms))
    return "y0"


def _magnitude(x: str, span: Interval, node: MagnitudeOr, stop: int, width: int) -> str:
    """Bits ``drop`` to ``stop - 1`` of the magnitude of the code ``x``, extended to ``width``."""
    bits, count = f"{x}[{stop - 1}:{node.drop}]", stop - node.drop
    if span.signed:
        sign = f"{x}[{span.width - 1}]"
        bits = f"({bits} ^ {{{count}{{{sign}}}}})" if node.signed else f"({bits} & {{{count}{{~{sign}}}}})"
    return bits if count == width else f"{width}'({bits})"


@dataclass(frozen=True)
class _Channel:
    """One channel of a shifter: its number, the names of code and exponent, and the ranges of what it reads and gives."""

    k: int
    x: str
    exponent: str
    span: Interval
    highest: int
    out: Interval


def _channels(module: Module, names: list[str]) -> list[_Channel]:
    *codes, exponent = names
    highest = module.source[-1].hi
    columns = zip(codes, module.source[:-1], module.result, strict=True)
    return [_Channel(k, x, exponent, span, highest, out) for k, (x, span, out) in enumerate(columns)]


def _shift_down(writer: _Writer, module: Module, node: ShiftDown, channel: _Channel) -> None:
    """``y<k>``: the code is shifted in one stage, with all that falls off kept in two bits, and rounded in the last."""
    k, out, width = channel.k, channel.out, node.magnitude_bits + node.signed
    first, last = module.stages[0], module.stop
    limits = _limits(writer, first, node, channel)
    _shifted(writer, first, node, channel)
    t = writer.signals.read(f"t{k}", last)
    full = f"(&{t}[{node.magnitude_bits + 1}:2])" + (f" & ~{t}[{width + 1}]" if node.signed else "")
    writer.wire(last, f"up{k}", 1, f"{t}[1] & ({t}[0] | {t}[2]) & ~({full})")
    writer.wire(last, f"r{k}", width, f"{t}[{width + 1}:2] + {width}'(up{k})")
    if out.width < width:
        writer.unread.append(f"r{k}")
    value = f"r{k}[{out.width - 1}:0]" if out.width < width else f"r{k}"
    for flag, limit in limits:
        value = f"{writer.signals.read(flag, last)} ? {literal(limit, out.width, signed=out.signed)} : {value}"
    writer.wire(last, f"y{k}", out.width, value, signed=out.signed)


def _limits(writer: _Writer, stage: int, node: ShiftDown, channel: _Channel) -> list[tuple[str, int]]:
    """The conditions, decided in ``stage``, under which the result is a limit, and that limit; the last one prevails."""
    k, span = channel.k, channel.span
    x = writer.signals.read(channel.x, stage)
    top, reach = node.magnitude_bits + node.base + channel.highest, span.width - span.signed
    sign = f"{x}[{span.width - 1}]"
    limits: list[tuple[str, str, int]] = []
    if span.hi >= 1 << top:
        positive = f"~{sign} & " if span.signed else ""
        limits.append((f"over{k}", f"{positive}(|{x}[{reach - 1}:{top}])", node.hi))
    if span.signed and not node.signed:
        limits.append((f"negative{k}", sign, 0))
    elif span.lo < -1 << top:
        limits.append((f"under{k}", f"{sign} & ~(&{x}[{reach - 1}:{top}])", node.lo))
    for name, condition, _ in limits:
        writer.signal(stage, name, 1, condition)
    if reach > top and span.hi < 1 << top and not node.signed:
        writer.signals.cut(channel.x, stage)
    return [(name, limit) for name, _, limit in limits]


def _shifted(writer: _Writer, stage: int, node: ShiftDown, channel: _Channel) -> None:
    """``t<k>``: the shifted code, the half bit below it, and whether any bit below that is set.

    The larger shifts come first: what is left to shift bounds the width, for the code will fit at last.
    """
    k, base = channel.k, node.base
    own = node.magnitude_bits + node.signed + 2
    current = own + channel.highest
    x = writer.signals.read(channel.x, stage, current - 2 + base)
    if base:
        writer.wire(stage, f"x{k}_low", current - 2 + base, x)
        x, half = f"x{k}_low[{current - 3 + base}:{base}]", f"x{k}_low[{base - 1}]"
        rest = f"|x{k}_low[{base - 2}:0]" if base > 1 else "1'b0"
        text = f"{{{x}, {half}, {rest}}}"
    else:
        text = f"{{{x}, 2'd0}}"
    places = channel.highest.bit_length()
    name = f"t{k}_{places}" if places else f"t{k}"
    exponent = writer.signals.read(channel.exponent, stage) if places else ""
    (writer.wire if places else writer.signal)(stage, name, current, text)
    for place in reversed(range(places)):
        shift = 1 << place
        width = min(current, own + shift - 1)
        fill = width - (current - shift)
        top_bit = f"{name}[{current - 1}]" if node.signed else "1'b0"
        head = f"{{{fill}{{{top_bit}}}}}, " if fill > 0 else ""
        moved = f"{{{head}{name}[{current - 1 + min(fill, 0)}:{shift + 1}], |{name}[{shift}:0]}}"
        kept = f"{name}[{width - 1}:0]" if width < current else name
        new = f"t{k}_{place}" if place else f"t{k}"
        (writer.wire if place else writer.signal)(stage, new, width, f"{exponent}[{place}] ? {moved} : {kept}")
        name, current = new, width


def _shift_up(writer: _Writer, module: Module, channel: _Channel) -> None:
    """``y<k>``: the code, shifted place by place of the exponent."""
    k, span, stage = channel.k, channel.span, module.stop
    current, name = span.width, writer.signals.read(channel.x, stage)
    places = channel.highest.bit_length()
    exponent = writer.signals.read(channel.exponent, stage) if places else ""
    for place in range(places):
        shift = 1 << place
        width = min(current + shift, span.width + channel.highest)
        kept = name if width - shift == current else f"{name}[{width - shift - 1}:0]"
        moved = f"{{{kept}, {literal(0, shift)}}}"
        new = f"u{k}_{place}"
        writer.wire(stage, new, width, f"{exponent}[{place}] ? {moved} : {width}'({name})", signed=span.signed)
        name, current = new, width
    writer.wire(stage, f"y{k}", channel.out.width, name, signed=channel.out.signed)
