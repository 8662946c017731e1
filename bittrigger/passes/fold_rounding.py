"""Rounding without an adder: the half that it adds moves into the bias of the layer before, where it is free.

Rounding to nearest is the floor of the code plus a half. A layer adds a bias anyway, so the half costs nothing there, and
the requantiser only drops bits. Ties to even need one thing more: where the bits that are dropped are all zeros, the last
bit of the floor is cleared. Every code of every output stays what it was.

Which layer a code comes from is followed through wires: requantisers of several types may each read some columns of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Overflow, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Node, Requantize, frozen_array
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.routes import Route, route
from bittrigger.passes.rewrite import with_nodes


@dataclass(frozen=True)
class FoldRounding:
    """Pass: what rounding adds becomes part of a bias, wherever a requantiser alone reads columns of ``Linear`` nodes."""

    def apply(self, graph: Graph) -> Graph:
        """An equal graph; the codes between such a layer and its requantiser are not those of ``graph``."""
        routes = {node.name: route(graph, node.inputs) for node in graph.nodes if not isinstance(node, Input | Wire)}
        alone = _read_once(graph, routes.values())
        folded: dict[str, Requantize] = {}
        for node in graph.nodes:
            if isinstance(node, Requantize) and 0 < node.shift <= MAX_WIDTH:  # beyond, the half is wider than any bias
                found = routes[node.name]
                if all(isinstance(graph[name], Linear) for name in found.nodes) and _all_of(found, alone):
                    folded[node.name] = node
        return with_nodes(graph, _moved(graph, folded, routes))


def _read_once(graph: Graph, routes: Iterable[Route]) -> dict[str, IntArray]:
    """For each node, which of its codes exactly one operand is, and no output."""
    times = {node.name: np.zeros(node.size, dtype=np.int64) for node in graph.nodes}
    for found in (*routes, route(graph, graph.outputs), route(graph, graph.outputs)):  # an output counts twice
        for number, name in enumerate(found.nodes):
            np.add.at(times[name], found.elements[found.sources == number], 1)
    return times


def _all_of(found: Route, times: Mapping[str, IntArray]) -> bool:
    """Whether every code is one of a layer that nothing else reads."""
    return bool((found.sources >= 0).all()) and all(
        (times[name][found.elements[found.sources == number]] == 1).all() for number, name in enumerate(found.nodes)
    )


def _moved(graph: Graph, nodes: dict[str, Requantize], routes: Mapping[str, Route]) -> dict[str, Node]:
    """The layers and requantisers that take the place of those of ``nodes``; of a layer with copies, where all take the same."""
    while nodes:
        added: dict[str, IntArray] = {}
        made: dict[str, Node] = {}
        for name, node in nodes.items():
            more, made[name] = _folded(_for_positive(node))
            for number, source in enumerate(routes[name].nodes):
                sums = added.setdefault(source, np.zeros(graph[source].size, dtype=np.int64))
                sums[routes[name].elements[routes[name].sources == number]] += more
        uneven = set()
        for source, sums in added.items():
            layer = graph[source]
            if isinstance(layer, Linear):
                each = sums.reshape(layer.copies, -1)
                if (each != each[0]).any():
                    uneven.add(source)
                made[source] = replace(layer, bias=frozen_array(layer.bias + each[0]))
        if not uneven:
            return made
        nodes = {name: node for name, node in nodes.items() if not uneven & set(routes[name].nodes)}
    return {}


def _for_positive(node: Requantize) -> Requantize:
    """``node`` in the simplest rounding mode that differs for negative codes alone, if these all become 0."""
    if node.lo < 0 or (node.overflow is Overflow.WRAP and not node.rectified):
        return node
    simpler = {
        Rounding.TRN_ZERO: Rounding.TRN,
        Rounding.RND_INF: Rounding.RND,
        Rounding.RND_ZERO: Rounding.RND_MIN_INF,
    }
    return replace(node, rounding=simpler.get(node.rounding, node.rounding))


def _folded(node: Requantize) -> tuple[int, Requantize]:
    """What is to be added to the codes that ``node`` reads, and the requantiser that reads them then."""
    half = 1 << (node.shift - 1)
    match node.rounding:
        case Rounding.RND:
            added, result = half, replace(node, rounding=Rounding.TRN, offset=0)
        case Rounding.RND_MIN_INF:
            added, result = half - 1, replace(node, rounding=Rounding.TRN, offset=0)
        case Rounding.RND_CONV:
            added, result = half, replace(node, offset=-half)
        case _:
            added, result = 0, replace(node, offset=0)
    return added + node.offset, result
