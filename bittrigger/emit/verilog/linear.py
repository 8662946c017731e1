"""A ``Linear`` node as additions in stages: one line an adder, an instance of the library where that takes fewer LUTs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bittrigger.device.carry import NARROW, Field, constant_operand, fields_of, has_carry_out
from bittrigger.emit.verilog.operands import Operands
from bittrigger.emit.verilog.signals import Signals
from bittrigger.emit.verilog.views import Body, Sum, Wire, literal, vector_of
from bittrigger.ir.adders import Adder, AdderGraph, Output, fold_constants, live_values, value_intervals
from bittrigger.ir.fixed import Interval
from bittrigger.ir.layout import Bus
from bittrigger.ir.pipeline import Module


@dataclass(frozen=True)
class _Operand:
    """One operand of an adder: a value times a power of two, or a constant; subtracted if ``negative``.

    Attributes:
        span: range of the operand before its sign.
    """

    value: str | None
    shift: int
    negative: bool
    span: Interval

    @property
    def text(self) -> str:
        """What a person would write."""
        if self.value is None:
            return str(self.span.lo)
        return f"{1 << self.shift}*{self.value}" if self.shift else self.value


def _operands(adder: Adder, names: list[str], ranges: list[Interval]) -> list[_Operand]:
    """The operands of ``adder``, those that are added before those that are subtracted, the constant last."""
    operands = [
        _Operand(names[term.value], term.shift, term.negative, ranges[term.value] << term.shift) for term in adder.terms
    ]
    operands.sort(key=lambda operand: operand.negative)
    if adder.constant:
        number, subtracted = constant_operand(adder)
        zeros = (number & -number).bit_length() - 1
        operands.append(_Operand(None, zeros, subtracted, Interval(number, number)))
    return operands


def _bypassed(operands: list[_Operand], width: int) -> int:
    """How many of the lowest result bits need no adder, because at most one operand reaches them, and it is added."""
    low, second, *_ = sorted(operands, key=lambda operand: (operand.shift, not operand.negative))
    return min(low.shift if low.negative else second.shift, width - 1)


def _flags(bits: Iterable[bool]) -> str:
    """A sized binary constant, the first bit lowest."""
    digits = "".join("01"[bit] for bit in bits)[::-1]
    return f"{len(digits)}'b{digits}"


def _formula(operands: list[_Operand]) -> str:
    text = " ".join(f"{'-' if operand.negative else '+'} {operand.text}" for operand in operands)
    return text.removeprefix("+ ")


@dataclass(frozen=True)
class _Adders:
    """Writes the adders of one module."""

    signals: Signals
    names: list[str]
    ranges: list[Interval]

    def expression(self, operand: _Operand, stage: int, low: int, width: int) -> str:
        """Bits ``low`` to ``low + width - 1`` of the operand; exactly that wide, so that no tool extends or cuts it."""
        if operand.value is None:
            return literal((operand.span.lo >> low) % (1 << width), width)
        if operand.shift >= low:
            text = self.signals.read(operand.value, stage, width)
            return f"({text} << {operand.shift - low})" if operand.shift > low else text
        return f"{width}'({self.signals.read(operand.value, stage)} >>> {low - operand.shift})"

    def wire(self, name: str, adder: Adder, span: Interval, stage: int) -> Wire | Sum:
        """The wire ``name`` that holds the sum."""
        operands = _operands(adder, self.names, self.ranges)
        low = _bypassed(operands, span.width) if len(operands) > 1 else 0
        carries = has_carry_out(adder, fields_of(adder, self.ranges, low), span.width - low, signed=span.signed)
        if carries or len(operands) == 3:
            return self._instance(name, operands, span, stage, low=low, carries=carries)
        first, *others = (self.expression(operand, stage, 0, span.width) for operand in operands)
        # in parentheses, for Yosys reads -9'(x) as a cast to a width of -9
        total = f"-({first})" if operands[0].negative else first
        for operand, text in zip(operands[1:], others, strict=True):
            total += f" {'-' if operand.negative else '+'} {text}"
        return Wire(vector_of(span), name, total)

    def _instance(
        self, name: str, operands: list[_Operand], span: Interval, stage: int, *, low: int, carries: bool
    ) -> Sum:
        """An adder of the library, for the bits from ``low`` on; ``carries`` if its top bit is the carry of its chain."""
        fields = [Field.of(operand.span, low, negative=operand.negative) for operand in operands]
        width, count = span.width - low, len(fields)
        negate = f".NEGATE({_flags(field.negative for field in fields)})"
        widths = [width] * count
        parameters = [f".WIDTH({width})", negate]
        if carries:
            # a few widths only, so that few forms of the module occur
            widths = [max(field.width, width - NARROW, 1) for field in fields]
            sizes = [f".{letter}({size})" for letter, size in zip("ABC", widths, strict=False)]
            parameters[1:1] = [*sizes, f".SIGNED({_flags(field.signed for field in fields)})"]
        texts = (self.expression(op, stage, low, size) for op, size in zip(operands, widths, strict=True))
        return Sum(
            type=vector_of(span),
            name=name,
            module=f"bittrigger_adder{count}{'_carry' if carries else ''}",
            parameters=", ".join(parameters),
            operands=dict(zip("abc", texts, strict=False)),
            driven=f"{name}[{span.width - 1}:{low}]" if low else name,
            bypass=(f"{name}[{low - 1}:0]", self._below(operands, stage, low)) if low else None,
            comment=_formula(operands),
        )

    def _below(self, operands: list[_Operand], stage: int, low: int) -> str:
        """The lowest ``low`` bits of the sum: those of the operand that alone reaches them."""
        lowest = min(operands, key=lambda operand: operand.shift)
        return literal(0, low) if lowest.shift >= low else self.expression(lowest, stage, 0, low)

    def result(self, out: Output, interval: Interval, stage: int, width: int) -> str:
        """One result, ``width`` bits wide."""
        if out.value is None:
            return literal(out.constant, width, signed=interval.signed)
        text = self.signals.read(self.names[out.value], stage, width - out.shift)
        return f"{{{text}, {literal(0, out.shift)}}}" if out.shift else text


def linear_body(module: Module, graph: AdderGraph, operands: Operands, result: Bus) -> Body:
    """The adders of ``module`` that an output needs, in stages, with one chain of registers for each value."""
    signals = operands.signals
    graph = fold_constants(graph, module.result)
    ranges = value_intervals(graph)
    live = live_values(graph)
    names = [*operands.names, *(f"s{k}" for k in range(len(graph.adders)))]
    writer = _Adders(signals, names, ranges)
    wires: dict[int, list[Wire | Sum]] = {stage: [] for stage in range(module.start, module.stop + 1)}
    for k, (adder, stage) in enumerate(zip(graph.adders, module.stages, strict=True)):
        value = graph.n_inputs + k
        if value not in live:
            continue
        span = ranges[value]
        wires[stage].append(writer.wire(names[value], adder, span, stage))
        signals.define(names[value], span, stage)
    width = result.element.width
    results = tuple(
        writer.result(out, interval, module.stop, width)
        for out, interval in zip(graph.outputs, module.result, strict=True)
    )
    used = sum(len(part) for part in wires.values())
    summary = f"constant matrix, {graph.n_inputs} x {len(graph.outputs)}, as {used} adders (no multiplier)"
    return operands.body(module, summary, wires, results)
