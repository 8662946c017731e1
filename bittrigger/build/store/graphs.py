"""Graphs as JSON."""

from __future__ import annotations

from bittrigger.build.store.basis import basis_from_json, basis_to_json
from bittrigger.build.store.nodes import node_from_json, node_to_json
from bittrigger.build.store.values import NOT_OURS, Json, name_of
from bittrigger.errors import ConfigError, InternalError, UnsupportedModelError
from bittrigger.ir.checks import verify
from bittrigger.ir.graph import Graph


def graph_to_json(graph: Graph) -> Json:
    """``graph`` as plain types."""
    nodes = [node_to_json(node) for node in graph.nodes]
    return {"name": graph.name, "outputs": graph.outputs, "basis": basis_to_json(graph.basis), "nodes": nodes}


def read_graph(data: Json) -> Graph:
    """The graph that ``graph_to_json`` was given, which may not be well formed.

    Raises:
        ConfigError: if a node is of a kind that is not known.
        ValueError: if a number is out of range; other errors of Python where the structure is another one.
    """
    outputs = tuple(map(name_of, data["outputs"]))
    nodes = tuple(map(node_from_json, data["nodes"]))
    return Graph(name_of(data["name"]), nodes, outputs, basis_from_json(data["basis"]))


def graph_from_json(data: Json) -> Graph:
    """The graph that ``graph_to_json`` was given.

    Raises:
        ConfigError: if it is another thing, or not well formed.
    """
    try:
        graph = read_graph(data)
        verify(graph)
    except (UnsupportedModelError, InternalError, *NOT_OURS) as error:
        raise ConfigError(f"not a graph of bittrigger ({' '.join(str(error).split())[:300]})") from error
    return graph
