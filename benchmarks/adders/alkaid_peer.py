"""alkaid's solution of a matrix as an AdderGraph of ours, so that one cost function prices both."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from alkaid.trace import FVArray, HWConfig, trace
from alkaid.trace.passes import dead_code_elimin, fuse_ternary_adders

from bittrigger.adders import Adder, AdderGraph, Output, Term, verify
from bittrigger.fixed import IntArray
from bittrigger.graph import Intervals

_NEGATE, _INPUT, _ADD, _SUBTRACT, _QUANTIZE, _CONSTANT, _SUM = -2, -1, 0, 1, 3, 5, 11
"""Operation codes of alkaid 0.8.2 that occur in a matrix-vector product."""


@dataclass(frozen=True)
class PeerResult:
    """What alkaid found, and the CPU seconds that it took."""

    graph: AdderGraph
    cpu_s: float


def solve_with_alkaid(weights: IntArray, source: Intervals, *, hard_dc: int, fuse: bool) -> PeerResult:
    """Solve ``codes @ weights`` with alkaid, translate the solution and prove it.

    Args:
        weights: `(n_in, n_out)` int64.
        source: ranges of the `n_in` input codes.
        hard_dc: alkaid's depth bound; -1 for none.
        fuse: whether adders with one reader are fused into three-input adders.
    """
    start = time.process_time()
    matrix = np.ascontiguousarray(weights, dtype=np.float32)
    low = np.array([float(i.lo) for i in source])
    high = np.array([float(i.hi) for i in source])
    inputs = FVArray.from_lhs(low, high, np.ones(len(source)), HWConfig(1, -1, -1), 0.0, {"hard_dc": hard_dc})
    program = trace(inputs, inputs @ matrix)
    if fuse:
        program = dead_code_elimin(fuse_ternary_adders(program))
    spent = time.process_time() - start
    graph = _translate(program, source)
    verify(graph, weights, np.zeros(weights.shape[1], dtype=np.int64))
    return PeerResult(graph, spent)


class _Translator:
    """Values of alkaid are (value of ours, shift, negative), or a constant."""

    def __init__(self, source: Intervals) -> None:
        self.n_inputs = len(source)
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
        self.adders.append(Adder(tuple(row), constant >> base if base >= 0 else constant << -base))
        return Term(self.n_inputs + len(self.adders) - 1, base)

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


def _translate(program: Any, source: Intervals) -> AdderGraph:  # noqa: ANN401
    translator = _Translator(source)
    for op in program.ops:
        translator.values.append(translator.run(op))
    outputs = []
    for index, shift, negative in zip(program.out_idxs, program.out_shifts, program.out_negs, strict=True):
        if index < 0:
            outputs.append(Output(None))
            continue
        value = translator.values[index]
        if isinstance(value, int):
            outputs.append(Output(None, 0, value))
            continue
        flipped = value.negative != bool(negative)
        if flipped:
            row = Adder((Term(value.value, 0, True),))
            translator.adders.append(row)
            value = Term(translator.n_inputs + len(translator.adders) - 1, value.shift)
        outputs.append(Output(value.value, value.shift + shift))
    return AdderGraph(source, tuple(translator.adders), tuple(outputs))
