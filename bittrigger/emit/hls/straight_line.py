"""A layer as straight-line additions: every adder one declaration of exact width, in functions of bounded size.

Long functions make compilers slow, since their passes are worse than linear, and each file parses ``ap_int.h`` again.
So adders are grouped into functions of about a hundred and files of a few thousand. Values that cross a function
boundary are members of one struct; all others are local constants.
"""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.hls.cpp import Operands, code_type, literal
from bittrigger.ir.adders import Adder, AdderGraph, Step, Term, output_order, value_intervals
from bittrigger.ir.fixed import Interval


@dataclass(frozen=True)
class Chunk:
    """One function: its statements, and how many adders they hold."""

    lines: tuple[str, ...]
    adders: int


@dataclass(frozen=True)
class StraightLine:
    """A layer ready for its template.

    Attributes:
        fields: declarations of the values that cross functions.
        files: the functions of each source file.
    """

    fields: tuple[str, ...]
    files: tuple[tuple[Chunk, ...], ...]


def _cut(steps: list[Step], size: int) -> list[list[Step]]:
    """Steps in groups of ``size`` to twice ``size`` adders, cut after an output where possible."""
    chunks: list[list[Step]] = [[]]
    adders = 0
    for step in steps:
        chunks[-1].append(step)
        adders += step.output is None
        if (adders >= size and step.output is not None) or adders >= 2 * size or len(chunks[-1]) >= 4 * size:
            chunks.append([])
            adders = 0
    return [chunk for chunk in chunks if chunk]


@dataclass(frozen=True)
class _Writer:
    """Spells the steps of one layer."""

    graph: AdderGraph
    ranges: list[Interval]
    operands: Operands
    crossing: frozenset[int]
    out_type: str

    def value(self, value: int) -> str:
        """The C++ expression of a value."""
        if value < self.graph.n_inputs:
            return self.operands.elements[value]
        name = f"s{value - self.graph.n_inputs}"
        return f"v.{name}" if value in self.crossing else name

    def _term(self, term: Term) -> str:
        name = self.value(term.value)
        if term.shift == 0:
            return name
        return f"({code_type(self.ranges[term.value] << term.shift)}({name}) << {term.shift})"

    def _sum(self, adder: Adder) -> str:
        text = ""
        for term in sorted(adder.terms, key=lambda t: t.negative):
            sign = "-" if term.negative else "+"
            text += f" {sign} {self._term(term)}" if text else f"{'-' if term.negative else ''}{self._term(term)}"
        if adder.constant:
            text += f" {'-' if adder.constant < 0 else '+'} {literal(abs(adder.constant))}"
        return text

    def line(self, step: Step) -> str:
        """One statement."""
        if step.output is not None:
            out = self.graph.outputs[step.output]
            if out.value is None:
                return f"y[{step.output}] = {literal(out.constant)};"
            source = self.value(out.value)
            return f"y[{step.output}] = {f'{self.out_type}({source}) << {out.shift}' if out.shift else source};"
        value = step.value if step.value is not None else 0
        text = self._sum(self.graph.adders[value - self.graph.n_inputs])
        if value in self.crossing:
            return f"{self.value(value)} = {text};"
        return f"const {code_type(self.ranges[value])} {self.value(value)} = {text};"


def _crossing(graph: AdderGraph, chunks: list[list[Step]]) -> frozenset[int]:
    home = {step.value: k for k, chunk in enumerate(chunks) for step in chunk if step.output is None}
    found: set[int] = set()
    for k, chunk in enumerate(chunks):
        for step in chunk:
            if step.value is None:
                continue
            reads = (
                [step.value]
                if step.output is not None
                else [term.value for term in graph.adders[step.value - graph.n_inputs].terms]
            )
            found.update(value for value in reads if value >= graph.n_inputs and home[value] != k)
    return frozenset(found)


def _files(chunks: list[Chunk], adders_per_file: int) -> tuple[tuple[Chunk, ...], ...]:
    """Chunks in order, in as many files of like size as the limit asks for."""
    total = sum(chunk.adders for chunk in chunks)
    count = max(1, -(-total // adders_per_file))
    files: list[list[Chunk]] = [[] for _ in range(count)]
    before = 0
    for chunk in chunks:
        files[min(count - 1, before * count // max(total, 1))].append(chunk)
        before += chunk.adders
    return tuple(tuple(file) for file in files if file)


def straight_line(
    graph: AdderGraph, operands: Operands, out_type: str, *, adders_per_function: int, adders_per_file: int
) -> StraightLine:
    """The statements of ``graph``, cut into functions and files.

    Args:
        out_type: the name of the type of the results.
        adders_per_function: adders after which a function ends with the next output; at twice as many it ends anyway.
        adders_per_file: the most adders of a source file, give or take one function.
    """
    ranges = value_intervals(graph)
    chunks = _cut(output_order(graph), adders_per_function)
    crossing = _crossing(graph, chunks)
    writer = _Writer(graph, ranges, operands, crossing, out_type)
    written = [
        Chunk(tuple(writer.line(step) for step in chunk), sum(step.output is None for step in chunk))
        for chunk in chunks
    ]
    fields = tuple(f"{code_type(ranges[value])} s{value - graph.n_inputs};" for value in sorted(crossing))
    return StraightLine(fields, _files(written, adders_per_file))
