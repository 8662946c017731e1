"""Matrices that fall into independent blocks: each distinct block is solved once, and its adders are repeated.

A layer that treats each constituent of a set alike is such a matrix: the same block for each of them.
"""

from __future__ import annotations

import numpy as np

from bittrigger.ir.adders import Adder, AdderGraph, Output, Term, verify
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Intervals
from bittrigger.solver.options import SolverOptions
from bittrigger.solver.solve import solve

_Block = tuple[IntArray, IntArray]
"""Rows and columns."""


def solve_blocks(
    weights: IntArray, bias: IntArray, source: Intervals, options: SolverOptions | None = None, *, apart: bool = False
) -> AdderGraph:
    """An adder graph for ``codes @ weights + bias``, as ``solve`` finds it, with equal blocks of the matrix solved once.

    A matrix without equal blocks goes to ``solve`` as a whole, unless its blocks are wanted ``apart``.

    Args:
        weights: `(n_in, n_out)` integers.
        bias: `(n_out,)` integers.
        source: ranges of the `n_in` input codes.
        options: see ``SolverOptions``; None takes the defaults.
        apart: for a matrix that is itself one of many equal blocks.

    Raises:
        ConfigError: as ``solve``.
    """
    blocks = independent_blocks(weights)
    keys = [_key(weights, bias, source, block) for block in blocks]
    if len(set(keys)) == len(keys) and not (apart and blocks):
        return solve(weights, bias, source, options)
    solved: dict[object, AdderGraph] = {}
    for key, (rows, columns) in zip(keys, blocks, strict=True):
        if key not in solved:
            part = tuple(source[row] for row in rows)
            solved[key] = solve(weights[np.ix_(rows, columns)], bias[columns], part, options)
    graph = _joined(source, bias, [(block, solved[key]) for key, block in zip(keys, blocks, strict=True)])
    verify(graph, weights, bias)
    return graph


def independent_blocks(weights: IntArray) -> list[_Block]:
    """The finest split of rows and columns such that no weight joins two blocks; rows and columns of zeros are left out.

    Args:
        weights: `(n_in, n_out)`.
    """
    present = weights != 0
    n_in = weights.shape[0]
    labels = np.arange(n_in)
    while True:
        columns = np.where(present, labels[:, None], n_in).min(axis=0, initial=n_in)
        lowest = np.minimum(labels, np.where(present, columns[None, :], n_in).min(axis=1, initial=n_in))
        if np.array_equal(lowest, labels):
            break
        labels = lowest
    return [
        (np.flatnonzero((labels == label) & present.any(axis=1)), np.flatnonzero(columns == label))
        for label in np.unique(columns[columns < n_in])
    ]


def _key(weights: IntArray, bias: IntArray, source: Intervals, block: _Block) -> tuple[object, ...]:
    rows, columns = block
    ranges = tuple(source[row] for row in rows)
    return (len(rows), weights[np.ix_(rows, columns)].tobytes(), bias[columns].tobytes(), ranges)


def _joined(source: Intervals, bias: IntArray, parts: list[tuple[_Block, AdderGraph]]) -> AdderGraph:
    adders: list[Adder] = []
    outputs = [Output(None, 0, int(constant)) for constant in bias]
    for (rows, columns), graph in parts:
        first = len(source) + len(adders)
        place = [*rows.tolist(), *range(first, first + len(graph.adders))]
        for adder in graph.adders:
            terms = tuple(Term(place[term.value], term.shift, term.negative) for term in adder.terms)
            adders.append(Adder(terms, adder.constant))
        for column, out in zip(columns, graph.outputs, strict=True):
            value = None if out.value is None else place[out.value]
            outputs[column] = Output(value, out.shift, out.constant)
    return AdderGraph(source, tuple(adders), tuple(outputs))
