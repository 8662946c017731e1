"""Where codes come from once the wires between are followed: which code of which port or operation each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, Input, Linear, Operation
from bittrigger.ir.nodes.wire import ZERO, Wire


@dataclass(frozen=True, eq=False)
class Route:
    """Code ``k`` is code ``elements[k]`` of node ``nodes[sources[k]]``, or 0 where ``sources[k]`` is ``ZERO``.

    Attributes:
        nodes: ports and operations, each of which is read.
        sources: `(codes,)` int64.
        elements: `(codes,)` int64.
    """

    nodes: tuple[str, ...]
    sources: IntArray
    elements: IntArray

    def __len__(self) -> int:
        return int(self.sources.size)


def route(graph: Graph, names: Sequence[str]) -> Route:
    """Where the codes of the nodes ``names``, one node after the other, come from."""
    numbers: dict[str, int] = {}
    parts = [_follow(graph, name, numbers) for name in names]
    sources, elements = (np.concatenate([part[k] for part in parts]) for k in range(2))
    used = [name for name, number in numbers.items() if (sources == number).any()]
    place = np.full(len(numbers) + 1, ZERO, dtype=np.int64)  # the last is that of ZERO
    for k, name in enumerate(used):
        place[numbers[name]] = k
    return Route(tuple(used), place[sources], elements)


def _follow(graph: Graph, name: str, numbers: dict[str, int]) -> tuple[IntArray, IntArray]:
    """The number of the node and the element in it of each code of node ``name``."""
    node = graph[name]
    if not isinstance(node, Wire):
        number = numbers.setdefault(name, len(numbers))
        return np.full(node.size, number, dtype=np.int64), np.arange(node.size, dtype=np.int64)
    parts = [_follow(graph, source, numbers) for source in node.inputs]
    sources, elements = (np.concatenate([part[k] for part in parts]) for k in range(2))
    zero = node.indices == ZERO
    return np.where(zero, ZERO, sources[node.indices]), np.where(zero, 0, elements[node.indices])


def followed(graph: Graph, node: Operation) -> tuple[str, ...]:
    """The operations of which each copy of ``node`` reads the same copy alone, through a wire; none where it is otherwise."""
    if len(node.inputs) != 1 or not isinstance(graph[node.inputs[0]], Wire):
        return ()
    found = route(graph, node.inputs)
    sources = [graph[name] for name in found.nodes]
    if (
        any(isinstance(source, Input) or source.copies != node.copies for source in sources)
        or (found.sources == ZERO).any()
    ):
        return ()
    read, places = (array.reshape(node.copies, -1) for array in (found.sources, found.elements))
    sizes = np.array([source.size // node.copies for source in sources])[read[0]]
    due = places[0] + sizes * np.arange(node.copies)[:, None]
    apart = (read == read[0]).all() and (places[0] < sizes).all() and (places == due).all()
    return found.nodes if apart else ()


def of_first_copies(found: Route, count: int, copies: int) -> Route:
    """The codes of the first ``count`` of ``copies`` parts of ``found``."""
    size = len(found) // copies * count
    return Route(found.nodes, found.sources[:size], found.elements[:size])


def read_by(graph: Graph, names: Sequence[str]) -> tuple[str, ...]:
    """The ports and operations whose codes the nodes ``names`` carry, each one time."""
    if not any(isinstance(graph[name], Wire) for name in names):
        return tuple(dict.fromkeys(names))
    return route(graph, names).nodes


def split_layers(graph: Graph) -> dict[str, str]:
    """For each layer that was built for some copies of another one alone, the name of that one, by which people know it.

    ``passes/own_types`` joins such layers in a wire that bears the name.
    """
    return {
        name: node.name
        for node in graph.nodes
        if isinstance(node, Wire)
        for name in node.inputs
        if isinstance(graph[name], Linear) and name.startswith(f"{node.name}_of")
    }
