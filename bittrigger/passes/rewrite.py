"""What the passes on the integer graph share: who reads a node, and a graph with some nodes replaced."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace

from bittrigger.ir.checks import verify
from bittrigger.ir.graph import Graph, Input, Linear, Node, Requantize


def readers(graph: Graph) -> dict[str, list[Node]]:
    """The nodes that read each node, by name; a node that reads it twice stands there twice."""
    found: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in node.inputs:
            found[name].append(node)
    return found


def private_layer(graph: Graph, node: Requantize, read: Mapping[str, list[Node]]) -> Linear | None:
    """The layer whose codes ``node``, and nothing else, reads; None if there is no such layer."""
    if len(node.inputs) != 1 or node.inputs[0] in graph.outputs or len(read[node.inputs[0]]) != 1:
        return None
    layer = graph[node.inputs[0]]
    return layer if isinstance(layer, Linear) else None


def with_nodes(graph: Graph, changed: Mapping[str, Node], gone: Container[str] = ()) -> Graph:
    """``graph``, checked to be well formed, with the nodes in ``changed`` for its own, by name, and without those in ``gone``."""
    if not changed:
        return graph
    made = replace(graph, nodes=tuple(changed.get(node.name, node) for node in graph.nodes if node.name not in gone))
    verify(made)
    return made


def without_unread(graph: Graph) -> Graph:
    """``graph``, checked to be well formed, without the nodes that nothing reads, by way of others or at all."""
    wanted = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.name in wanted:
            wanted |= set(node.inputs)
    made = replace(graph, nodes=tuple(node for node in graph.nodes if isinstance(node, Input) or node.name in wanted))
    verify(made)
    return made
