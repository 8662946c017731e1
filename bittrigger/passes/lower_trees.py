"""One balanced adder tree an output, nothing shared: the plain lowering that others are measured against."""

from __future__ import annotations

import heapq

import numpy as np

from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.digits import signed_digits
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, Intervals, Linear, copy_operand, intervals


def lower_trees(weights: IntArray, bias: IntArray, source: Intervals) -> AdderGraph:
    """``codes @ weights + bias`` as one balanced tree of two-input adders for each output.

    Args:
        weights: `(n_in, n_out)` int64; multi-bit weights become canonical signed digits.
        bias: `(n_out,)` int64.
        source: ranges of the `n_in` input codes.
    """
    adders: list[Adder] = []
    outputs = []
    for column, constant in zip(weights.T, bias, strict=True):
        terms = [
            Term(int(i), shift, negative)
            for i in np.flatnonzero(column)
            for shift, negative in signed_digits(int(column[i]))
        ]
        outputs.append(_tree(terms, int(constant), len(source), adders))
    return AdderGraph(source, tuple(adders), tuple(outputs))


def lower_graph_to_trees(graph: Graph) -> dict[str, AdderGraph]:
    """``lower_trees`` of every ``Linear`` node of ``graph``, by node name."""
    ranges = intervals(graph)
    layers = [node for node in graph.nodes if isinstance(node, Linear)]
    return {node.name: lower_trees(node.weights, node.bias, copy_operand(node, ranges)) for node in layers}


def _tree(terms: list[Term], constant: int, n_inputs: int, adders: list[Adder]) -> Output:
    """Append one tree to ``adders``; terms of like level meet first."""
    if not terms:
        return Output(None, 0, constant)
    if len(terms) == 1 and not terms[0].negative and not constant:
        return Output(terms[0].value, terms[0].shift)
    heap = [(0, order, term) for order, term in enumerate(terms)]
    order = len(heap)
    while len(heap) > 1:
        level_a, _, a = heapq.heappop(heap)
        level_b, _, b = heapq.heappop(heap)
        negative = a.negative and b.negative
        pair = (
            Term(a.value, a.shift, a.negative and not negative),
            Term(b.value, b.shift, b.negative and not negative),
        )
        if pair[0].negative:
            pair = (pair[1], pair[0])
        adders.append(Adder(pair))
        heapq.heappush(heap, (max(level_a, level_b) + 1, order, Term(n_inputs + len(adders) - 1, 0, negative)))
        order += 1
    root = heap[0][2]
    if root.negative or constant:
        adders.append(Adder((root,), constant))
        root = Term(n_inputs + len(adders) - 1)
    return Output(root.value, root.shift)
