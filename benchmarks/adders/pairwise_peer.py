"""A second peer: pairwise elimination of common subexpressions, its adders of one reader fused into three-input adders.

The elimination is in ``pairwise.cpp``. A pair that one sum reads alone is written out in it; then each sum is a tree that adds
its narrowest operands first, as few adders as there can be. The same with two-input adders is the method as published.
"""

from __future__ import annotations

import ctypes
import hashlib
import heapq
import subprocess
import tempfile
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np

from bittrigger.ir.adders import Adder, AdderGraph, Output, Term, verify
from bittrigger.ir.fixed import IntArray, Interval
from bittrigger.ir.graph import Intervals
from bittrigger.system.toolchain import require_tool

SOURCE = Path(__file__).with_name("pairwise.cpp")


def solve_pairwise(weights: IntArray, source: Intervals, adder_inputs: int = 3) -> tuple[AdderGraph, float]:
    """The peer's graph of ``codes @ weights``, proven, and the CPU seconds of the elimination.

    Args:
        weights: `(n_in, n_out)`, ternary.
        source: ranges of the `n_in` input codes.
        adder_inputs: 2 or 3.
    """
    start = time.process_time()
    pairs, columns = _eliminate(weights)
    spent = time.process_time() - start
    graph = _Builder(source, adder_inputs).graph(pairs, columns)
    verify(graph, weights, np.zeros(weights.shape[1], dtype=np.int64))
    return graph, spent


@lru_cache(maxsize=1)
def _native() -> ctypes.CDLL:
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    library = Path(tempfile.gettempdir()) / f"pairwise-{digest}.so"
    if not library.is_file():
        part = library.with_suffix(".part")
        subprocess.run(
            [require_tool("g++"), "-std=c++17", "-O3", "-fPIC", "-shared", str(SOURCE), "-o", str(part)], check=True
        )
        part.replace(library)
    native = ctypes.CDLL(str(library))
    native.pairwise_run.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    native.pairwise_run.restype = ctypes.c_void_p
    native.pairwise_take.argtypes = [ctypes.c_void_p] * 4
    native.pairwise_take.restype = None
    return native


def _eliminate(weights: IntArray) -> tuple[list[tuple[int, int]], list[list[int]]]:
    """Pairs of terms, one for each new value, and the terms of each column: value numbers doubled, 1 more if negative."""
    matrix = np.ascontiguousarray(weights, dtype=np.int8)
    if not np.array_equal(np.sign(weights), weights):
        raise ValueError("the pairwise peer takes ternary matrices only")
    sizes = np.zeros(2, dtype=np.int64)
    handle = _native().pairwise_run(*matrix.shape, matrix.ctypes.data, sizes.ctypes.data)
    pairs, terms = np.zeros((int(sizes[0]), 2), dtype=np.int64), np.zeros(int(sizes[1]), dtype=np.int64)
    counts = np.zeros(matrix.shape[1], dtype=np.int64)
    _native().pairwise_take(handle, pairs.ctypes.data, terms.ctypes.data, counts.ctypes.data)
    ends = np.cumsum(counts)[:-1]
    return [(a, b) for a, b in pairs.tolist()], [column.tolist() for column in np.split(terms, ends)]


class _Builder:
    """Sums as trees. A term is a value of the graph, doubled, and 1 more if it is negative."""

    def __init__(self, source: Intervals, adder_inputs: int) -> None:
        self.source, self.adder_inputs = source, adder_inputs
        self.ranges: list[Interval] = list(source)
        self.adders: list[Adder] = []
        self.known: dict[tuple[Term, ...], int] = {}

    def graph(self, pairs: list[tuple[int, int]], columns: list[list[int]]) -> AdderGraph:
        """The whole graph."""
        n_in = len(self.source)
        reads = Counter(term >> 1 for row in [*pairs, *columns] for term in row)
        # What each value of the elimination is: one term of the graph, or the terms of a pair that is read once.
        forms = [[2 * value] for value in range(n_in)]
        for k, pair in enumerate(pairs):
            terms = self._written_out(pair, forms)
            forms.append(terms if reads[n_in + k] == 1 else [self.add(terms)])
        outputs, negated = [], {}
        for column in columns:
            term = self.add(self._written_out(column, forms)) if column else -1
            if term >= 0 and term & 1:
                if term not in negated:
                    negated[term] = self._append([Term(term >> 1, 0, negative=True)])
                term = 2 * negated[term]
            outputs.append(Output(None if term < 0 else term >> 1))
        return AdderGraph(self.source, tuple(self.adders), tuple(outputs))

    @staticmethod
    def _written_out(terms: list[int] | tuple[int, ...], forms: list[list[int]]) -> list[int]:
        return [inner ^ (term & 1) for term in terms for inner in forms[term >> 1]]

    def add(self, terms: list[int]) -> int:
        """The sum as one term: the narrowest operands first, two where that leaves a number that fills all other adders."""
        heap = [(self._span(term), term) for term in terms]
        heapq.heapify(heap)
        while len(heap) > 1:
            count = self.adder_inputs if len(heap) % 2 or self.adder_inputs == 2 else 2
            parts = sorted((heapq.heappop(heap)[1] for _ in range(count)), key=lambda term: term & 1)
            flip = parts[0] & 1  # no adder negates all of its operands
            value = self._append([Term(part >> 1, 0, bool((part & 1) ^ flip)) for part in parts])
            heapq.heappush(heap, (self._span(2 * value), 2 * value + flip))
        return heap[0][1]

    def _span(self, term: int) -> int:
        interval = self.ranges[term >> 1]
        return interval.hi - interval.lo

    def _append(self, terms: list[Term]) -> int:
        row = tuple(sorted(terms, key=lambda term: (term.negative, term.value)))
        if row not in self.known:
            self.known[row] = self._new(row)
        return self.known[row]

    def _new(self, terms: tuple[Term, ...]) -> int:
        parts = [term.interval(self.ranges) for term in terms]
        self.ranges.append(Interval(sum(p.lo for p in parts), sum(p.hi for p in parts)))
        self.adders.append(Adder(terms, 0))
        return len(self.ranges) - 1
