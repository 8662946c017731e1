"""alkaid's solution of a matrix as an AdderGraph of ours, so that one cost function prices both."""

from __future__ import annotations

import gc
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from alkaid.trace import FVArray, HWConfig, trace
from alkaid.trace.passes import dead_code_elimin, fuse_ternary_adders

from bittrigger.ir.adders import Adder, AdderGraph, Output, Term, live_values, verify
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Intervals

VERSION = version("alkaid")

_NEGATE, _INPUT, _ADD, _SUBTRACT, _QUANTIZE, _CONSTANT, _SUM = -2, -1, 0, 1, 3, 5, 11
"""Operation codes of alkaid 0.8.2 that occur in a matrix-vector product."""


@dataclass(frozen=True)
class Setting:
    """How alkaid is called.

    Attributes:
        name: as in the tables.
        hard_dc: its depth bound; -1 for none, 0 for the least depth.
        fuse: whether adders with one reader are fused into three-input adders.
    """

    name: str
    hard_dc: int
    fuse: bool


FUSED = Setting("fused", -1, fuse=True)
SHALLOW = Setting("fused shallow", 0, fuse=True)
TWO_INPUT = Setting("two-input", 2, fuse=False)
"""What hls4ml's ``distributed_arithmetic`` strategy does by default: two-input adders, ``hard_dc`` 2."""

SETTINGS = (FUSED, SHALLOW, TWO_INPUT)


@dataclass(frozen=True)
class PeerResult:
    """What alkaid found, and the CPU seconds that it took."""

    graph: AdderGraph
    cpu_s: float


def solve_with_alkaid(weights: IntArray, source: Intervals, setting: Setting) -> PeerResult:
    """Solve ``codes @ weights`` with alkaid, translate the solution and prove it.

    Args:
        weights: `(n_in, n_out)` int64.
        source: ranges of the `n_in` input codes.
    """
    gc.collect()
    start = time.process_time()
    matrix = np.ascontiguousarray(weights, dtype=np.float32)
    low = np.array([float(i.lo) for i in source])
    high = np.array([float(i.hi) for i in source])
    options = {"hard_dc": setting.hard_dc, "binary_lut": False}
    inputs = FVArray.from_lhs(low, high, np.ones(len(source)), HWConfig(1, -1, -1), 0.0, options)
    program = trace(inputs, inputs @ matrix)
    if setting.fuse:
        program = dead_code_elimin(fuse_ternary_adders(program))
    spent = time.process_time() - start
    graph = _pruned(_translate(program, source))
    verify(graph, weights, np.zeros(weights.shape[1], dtype=np.int64))
    return PeerResult(graph, spent)


class _Translator:
    """Values of alkaid are (value of ours, shift, negative), or a constant."""

    def __init__(self, source: Intervals, readers: Counter[int]) -> None:
        self.n_inputs = len(source)
        self.readers = readers
        self.adders: list[Adder] = []
        self.values: list[Term | int] = []

    def append(self, parts: list[tuple[Term | int, int, bool]]) -> Term:
        """One adder over ``parts``, each (value, shift, negative); shifts may be negative, together they are not."""
        terms, constant = [], 0
        for value, shift, negative in parts:
            if isinstance(value, int):
                constant += -(value << shift) if negative else value << shift
            else:
                terms.append((value.value, value.shift + shift, value.negative != negative))
        base = min(shift for _, shift, _ in terms)
        base = min(base, (constant & -constant).bit_length() - 1) if constant else base
        row = sorted((Term(v, shift - base, negative) for v, shift, negative in terms), key=lambda t: t.negative)
        adder = Adder(tuple(row), constant >> base if base >= 0 else constant << -base)
        flip = all(term.negative for term in row)  # no hardware adder negates all of its operands
        self.adders.append(_negated(adder) if flip else adder)
        return Term(self.n_inputs + len(self.adders) - 1, base, flip)

    def run(self, op: Any) -> Term | int:  # noqa: ANN401 - a named tuple of alkaid's
        """The value of one operation."""
        args = [self.values[a] for a in op.addr]
        match op.opcode:
            case code if code == _INPUT:
                return Term(op.data[0])
            case code if code == _NEGATE:
                return Term(args[0].value, args[0].shift, not args[0].negative)
            case code if code in (_ADD, _SUBTRACT):
                return self.append([(args[0], 0, False), (args[1], op.data[0], op.opcode == _SUBTRACT)])
            case code if code == _SUM:
                pairs = zip(args, op.data[::2], op.data[1::2], strict=False)
                return self.append([(value, shift, not plus) for value, plus, shift in pairs])
            case code if code == _QUANTIZE:
                return Term(args[0].value, args[0].shift + op.data[0], args[0].negative)
            case code if code == _CONSTANT:
                return round(op.data[0] * op.qint.step) if op.data[0] else 0
        raise NotImplementedError(f"alkaid operation {op}")

    def negation(self, value: int, known: dict[int, int]) -> int:
        """The value that is ``-value``: its own adder turned round where nothing else reads it, else a negation."""
        index = value - self.n_inputs
        if index >= 0 and self.readers[index] == 1 and any(term.negative for term in self.adders[index].terms):
            self.adders[index] = _negated(self.adders[index])
            return value
        if value not in known:
            self.adders.append(Adder((Term(value, 0, True),)))
            known[value] = self.n_inputs + len(self.adders) - 1
        return known[value]


def _negated(adder: Adder) -> Adder:
    terms = tuple(Term(t.value, t.shift, not t.negative) for t in adder.terms)
    return Adder(tuple(sorted(terms, key=lambda t: t.negative)), -adder.constant)


def _translate(program: Any, source: Intervals) -> AdderGraph:  # noqa: ANN401
    translator = _Translator(source, Counter())
    for op in program.ops:
        translator.values.append(translator.run(op))
    wanted: list[Term | int] = []
    for index, shift, negative in zip(program.out_idxs, program.out_shifts, program.out_negs, strict=True):
        value = translator.values[index] if index >= 0 else 0
        if isinstance(value, Term):
            value = Term(value.value, value.shift + shift, value.negative != bool(negative))
        wanted.append(value)
    read = [term.value for adder in translator.adders for term in adder.terms]
    read += [value.value for value in wanted if isinstance(value, Term)]
    translator.readers = Counter(value - len(source) for value in read)
    outputs, known = [], {}
    for value in wanted:
        if isinstance(value, int):
            outputs.append(Output(None, 0, value))
        elif value.negative:
            outputs.append(Output(translator.negation(value.value, known), value.shift))
        else:
            outputs.append(Output(value.value, value.shift))
    return AdderGraph(source, tuple(translator.adders), tuple(outputs))


def _pruned(graph: AdderGraph) -> AdderGraph:
    """``graph`` without adders that no output needs."""
    live = live_values(graph)
    number = {value: value for value in range(graph.n_inputs)}
    adders: list[Adder] = []
    for k, adder in enumerate(graph.adders):
        if graph.n_inputs + k in live:
            number[graph.n_inputs + k] = graph.n_inputs + len(adders)
            terms = tuple(Term(number[t.value], t.shift, t.negative) for t in adder.terms)
            adders.append(Adder(terms, adder.constant))
    outputs = (Output(None if o.value is None else number[o.value], o.shift, o.constant) for o in graph.outputs)
    return AdderGraph(graph.inputs, tuple(adders), tuple(outputs))
