"""A layer as straight-line sums of vectors, in functions of bounded size.

Compilers take more than linear time over a long function, so it is cut; a sum that is made in one function and read in
another goes through a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.emulator.lanes import unsigned_literal
from bittrigger.ir.adders import Adder, AdderGraph, Output, Step, Term, output_order

ADDERS_PER_FUNCTION = 200
"""Measured with g++ 12 at -O1 on trees: 0.2 ms an adder, against 1.2 ms in one function of 56,000."""


@dataclass(frozen=True)
class Sums:
    """A layer ready for its template.

    Attributes:
        parts: the statements of each function.
        shared: how many sums cross from one function to another; each takes a row.
        adders: how many additions there are, constants included.
    """

    parts: tuple[tuple[str, ...], ...]
    shared: int
    adders: int


def _cut(steps: list[Step], size: int) -> list[list[Step]]:
    """Steps in groups, closed behind the first output after ``size`` steps, at the latest after twice as many."""
    groups: list[list[Step]] = [[]]
    for step in steps:
        if (len(groups[-1]) >= size and groups[-1][-1].output is not None) or len(groups[-1]) >= 2 * size:
            groups.append([])
        groups[-1].append(step)
    return [group for group in groups if group]


def _reads(graph: AdderGraph, step: Step) -> tuple[int, ...]:
    if step.value is None:
        return ()
    if step.output is not None:
        return (step.value,)
    return tuple(term.value for term in graph.adders[step.value - graph.n_inputs].terms)


def _crossing(graph: AdderGraph, groups: list[list[Step]]) -> dict[int, int]:
    """The row of each sum that is read in another group than its own."""
    home: dict[int, int] = {}
    rows: dict[int, int] = {}
    for number, group in enumerate(groups):
        for step in group:
            for value in _reads(graph, step):
                if value in home and home[value] != number:
                    rows.setdefault(value, len(rows))
            if step.output is None and step.value is not None:
                home[step.value] = number
    return rows


@dataclass(frozen=True)
class _Writer:
    """Spells the steps of one layer."""

    graph: AdderGraph
    bits: int
    rows: dict[int, int]

    def _name(self, value: int) -> str:
        if value < self.graph.n_inputs:
            return f"x[{value}][g]"
        if value in self.rows:
            return f"shared[{self.rows[value]}][g]"
        return f"s{value - self.graph.n_inputs}"

    def _shifted(self, value: int, shift: int) -> str:
        return f"({self._name(value)} << {shift})" if shift else self._name(value)

    def _sum(self, terms: tuple[Term, ...], constant: int) -> str:
        """The sum modulo ``2**bits``; a term that is shifted out of the lane adds nothing."""
        text = ""
        for term in sorted(terms, key=lambda t: t.negative):
            if term.shift < self.bits:
                sign = "-" if term.negative else "+"
                name = self._shifted(term.value, term.shift)
                text += f" {sign} {name}" if text else f"{'-' if term.negative else ''}{name}"
        return (text or f"Word{self.bits}{{}}") + unsigned_literal(constant, self.bits)

    def _output(self, out: Output) -> str:
        return self._sum(
            () if out.value is None else (Term(out.value, out.shift),), out.constant if out.value is None else 0
        )

    def statement(self, step: Step) -> str:
        """The C++ statement of a step."""
        if step.output is not None:
            return f"y[{step.output}][g] = {self._output(self.graph.outputs[step.output])};"
        if step.value is None:
            return ""
        adder: Adder = self.graph.adders[step.value - self.graph.n_inputs]
        target = self._name(step.value)
        declared = target if step.value in self.rows else f"const Word{self.bits} {target}"
        return f"{declared} = {self._sum(adder.terms, adder.constant)};"


def straight_line_sums(graph: AdderGraph, bits: int, adders_per_function: int = ADDERS_PER_FUNCTION) -> Sums:
    """The statements of ``graph`` on lanes of ``bits`` bits, which hold its results; sums wrap modulo the lane."""
    steps = output_order(graph)
    groups = _cut(steps, adders_per_function)
    rows = _crossing(graph, groups)
    writer = _Writer(graph, bits, rows)
    parts = tuple(tuple(writer.statement(step) for step in group) for group in groups)
    made = [graph.adders[s.value - graph.n_inputs] for s in steps if s.output is None and s.value is not None]
    return Sums(parts, len(rows), sum(max(adder.operands - 1, 1) for adder in made))
