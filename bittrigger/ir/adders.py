"""AdderGraph: a constant matrix-vector product as straight-line additions.

Value ``k`` is input ``k`` for ``k < n_inputs`` and the result of adder ``k - n_inputs`` after that. An adder sums two
or three terms, each an earlier value shifted left and perhaps negated, and an integer constant. The graph carries
its own proof: ``linear_form`` recovers the matrix that it computes, for every input, and ``verify`` compares it with
the wanted one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bittrigger.errors import InternalError
from bittrigger.ir.fixed import IntArray, Interval
from bittrigger.ir.graph import Intervals

_PROOF_VALUES = 1 << 24
"""Values that ``linear_form`` holds at a time; 128 MB."""


@dataclass(frozen=True, slots=True)
class Term:
    """``-(value << shift)`` if ``negative``, else ``value << shift``."""

    value: int
    shift: int = 0
    negative: bool = False

    def interval(self, ranges: list[Interval]) -> Interval:
        """The range of the term, given the ranges of all values."""
        shifted = ranges[self.value] << self.shift
        return -shifted if self.negative else shifted


@dataclass(frozen=True, slots=True)
class Adder:
    """The sum of one to three terms and a constant; at most three operands, the constant counted when not zero."""

    terms: tuple[Term, ...]
    constant: int = 0

    @property
    def operands(self) -> int:
        """Operands of the hardware adder, 1 (a negation) to 3."""
        return len(self.terms) + (self.constant != 0)


@dataclass(frozen=True, slots=True)
class Output:
    """One result: a value shifted left, or the constant when ``value`` is None (an all-zero column)."""

    value: int | None
    shift: int = 0
    constant: int = 0


@dataclass(frozen=True)
class AdderGraph:
    """Straight-line adders over ``inputs``.

    Attributes:
        inputs: the range of each input code.
        adders: in topological order.
        outputs: one for each column of the matrix.
    """

    inputs: Intervals
    adders: tuple[Adder, ...]
    outputs: tuple[Output, ...]

    @property
    def n_inputs(self) -> int:
        """Number of input codes."""
        return len(self.inputs)


def value_intervals(graph: AdderGraph) -> list[Interval]:
    """The exact range of every value (inputs, then adders), where each input takes all of its range, whatever others do.

    That is interval arithmetic over the adders as long as no input reaches an adder through two of its operands; where one
    does, some of it may cancel, and the ranges come from the linear forms.
    """
    ranges = list(graph.inputs)
    reached = [1 << k for k in range(graph.n_inputs)]
    apart = True
    for adder in graph.adders:
        lo = hi = adder.constant
        inputs = 0
        for term in adder.terms:
            part = term.interval(ranges)
            lo, hi = lo + part.lo, hi + part.hi
            apart = apart and not inputs & reached[term.value]
            inputs |= reached[term.value]
        ranges.append(Interval(lo, hi))
        reached.append(inputs)
    return ranges if apart else _hulls(graph)


def _hulls(graph: AdderGraph) -> list[Interval]:
    """The range of the linear form of every value."""
    origin = _all_values(graph, np.zeros((1, graph.n_inputs), dtype=np.int64))
    low, high = origin[:, 0].copy(), origin[:, 0].copy()
    ends = np.array([[span.lo, span.hi] for span in graph.inputs], dtype=np.int64)
    for rows, units in _unit_vectors(graph):
        form = _all_values(graph, units) - origin
        at_low, at_high = form * ends[rows, 0], form * ends[rows, 1]
        low += np.minimum(at_low, at_high).sum(axis=1)
        high += np.maximum(at_low, at_high).sum(axis=1)
    return [Interval(lo, hi) for lo, hi in zip(low.tolist(), high.tolist(), strict=True)]


def depths(graph: AdderGraph) -> list[int]:
    """Adder levels behind every value (inputs: 0)."""
    levels = [0] * graph.n_inputs
    for adder in graph.adders:
        levels.append(1 + max(levels[term.value] for term in adder.terms))
    return levels


def depth(graph: AdderGraph) -> int:
    """Adder levels on the longest path to an output."""
    levels = depths(graph)
    return max((levels[out.value] for out in graph.outputs if out.value is not None), default=0)


def live_values(graph: AdderGraph) -> set[int]:
    """The values that some output needs."""
    live = {out.value for out in graph.outputs if out.value is not None}
    for k in reversed(range(len(graph.adders))):
        if graph.n_inputs + k in live:
            live.update(term.value for term in graph.adders[k].terms)
    return live


def first_equals(graph: AdderGraph) -> list[int]:
    """For each value the first one that computes the same sum; synthesis merges them."""
    first: dict[Adder, int] = {}
    same = list(range(graph.n_inputs))
    for k, adder in enumerate(graph.adders):
        terms = tuple(Term(same[term.value], term.shift, term.negative) for term in adder.terms)
        same.append(first.setdefault(Adder(tuple(sorted(terms, key=repr)), adder.constant), graph.n_inputs + k))
    return same


def fold_constants(graph: AdderGraph, results: Intervals) -> AdderGraph:
    """``graph`` with a constant for each output whose range in ``results`` is a single value, whatever it was made from."""
    outputs = (
        Output(None, 0, span.lo) if span.lo == span.hi else out
        for out, span in zip(graph.outputs, results, strict=True)
    )
    return replace(graph, outputs=tuple(outputs))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a program that computes the graph: adder ``value``, or (``output`` is not None) storing an output."""

    value: int | None
    output: int | None = None


def output_order(graph: AdderGraph) -> list[Step]:
    """Each output preceded by the adders that it still lacks, depth first, so that few values live at a time."""
    steps: list[Step] = []
    done = set(range(graph.n_inputs))
    for index, out in enumerate(graph.outputs):
        pending = [] if out.value is None else [out.value]
        while pending:
            value = pending[-1]
            missing = []
            if value not in done:
                missing = [t.value for t in graph.adders[value - graph.n_inputs].terms if t.value not in done]
            if missing:
                pending.extend(reversed(missing))
                continue
            pending.pop()
            if value not in done:
                done.add(value)
                steps.append(Step(value))
        steps.append(Step(out.value, index))
    return steps


def _all_values(graph: AdderGraph, codes: IntArray) -> IntArray:
    """The values of all inputs and adders, `(n_inputs + n_adders, events)`."""
    values = np.empty((graph.n_inputs + len(graph.adders), codes.shape[0]), dtype=np.int64)
    values[: graph.n_inputs] = codes.T
    for adder, total in zip(graph.adders, values[graph.n_inputs :], strict=True):
        total.fill(adder.constant)
        for term in adder.terms:
            shifted = values[term.value] << term.shift if term.shift else values[term.value]
            (np.subtract if term.negative else np.add)(total, shifted, out=total)
    return values


def evaluate(graph: AdderGraph, codes: IntArray) -> IntArray:
    """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`, int64."""
    values = _all_values(graph, codes)
    result = np.empty((codes.shape[0], len(graph.outputs)), dtype=np.int64)
    for j, out in enumerate(graph.outputs):
        result[:, j] = out.constant if out.value is None else values[out.value] << out.shift
    return result


def linear_form(graph: AdderGraph) -> tuple[IntArray, IntArray]:
    """The matrix `(n_in, n_out)` and bias `(n_out,)` that the graph computes.

    An adder graph is affine by construction, so its values at the origin and at the unit vectors are its linear form:
    this is a proof for every input, not a test on samples.
    """
    rows = []
    for _, units in _unit_vectors(graph):
        results = evaluate(graph, np.concatenate([np.zeros_like(units[:1]), units]))
        rows.append(results[1:] - results[0])
    return np.concatenate(rows), results[0]


def _unit_vectors(graph: AdderGraph) -> Iterator[tuple[slice, IntArray]]:
    """The unit vectors over the inputs, as many at a time as fit the memory, with the inputs that they stand for."""
    block = max(64, _PROOF_VALUES // (graph.n_inputs + len(graph.adders)))
    for start in range(0, graph.n_inputs, block):
        rows = min(block, graph.n_inputs - start)
        units = np.zeros((rows, graph.n_inputs), dtype=np.int64)
        units[np.arange(rows), start + np.arange(rows)] = 1
        yield slice(start, start + rows), units


def verify(graph: AdderGraph, weights: IntArray, bias: IntArray) -> None:
    """Prove that the graph is well formed and equals ``codes @ weights + bias`` for every input.

    Raises:
        InternalError: if an adder has the wrong number of operands or reads a later value, or a column differs.
    """
    n_inputs = graph.n_inputs
    for k, adder in enumerate(graph.adders):
        if not adder.terms or adder.operands > 3:
            raise InternalError(f"adder {k} has {len(adder.terms)} terms and constant {adder.constant}")
        for term in adder.terms:
            if not 0 <= term.value < n_inputs + k or term.shift < 0:
                raise InternalError(f"adder {k} reads a value that does not come before it, or shifts right")
    found, offset = linear_form(graph)
    wrong = np.flatnonzero((found != weights).any(axis=0) | (offset != bias))
    if wrong.size:
        raise InternalError(f"adder graph differs from its matrix in column {int(wrong[0])} ({wrong.size} in all)")


def text(graph: AdderGraph) -> str:
    """The graph as text, one value a line: ``s5[-12..30] = x0 - x3 + (s4 << 1)``."""
    ranges = value_intervals(graph)

    def name(value: int) -> str:
        return f"x{value}" if value < graph.n_inputs else f"s{value - graph.n_inputs}"

    lines = [f"x{i}[{r.lo}..{r.hi}]" for i, r in enumerate(graph.inputs)]
    for k, adder in enumerate(graph.adders):
        span = ranges[graph.n_inputs + k]
        body = ""
        for term in adder.terms:
            atom = name(term.value) if term.shift == 0 else f"({name(term.value)} << {term.shift})"
            sign = "-" if term.negative else "+"
            body += f" {sign} {atom}" if body else (f"-{atom}" if term.negative else atom)
        if adder.constant:
            body += f" {'-' if adder.constant < 0 else '+'} {abs(adder.constant)}"
        lines.append(f"s{k}[{span.lo}..{span.hi}] = {body}")
    for j, out in enumerate(graph.outputs):
        source = str(out.constant) if out.value is None else name(out.value) + (f" << {out.shift}" if out.shift else "")
        lines.append(f"y{j} = {source}")
    return "\n".join(lines) + "\n"
