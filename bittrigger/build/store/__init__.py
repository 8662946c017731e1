"""Graphs and adder graphs as JSON, so that a build can be simulated and reported without its model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bittrigger.build.store.adders import adders_from_json, adders_to_json
from bittrigger.build.store.basis import basis_from_json, basis_to_json
from bittrigger.build.store.graphs import graph_from_json, graph_to_json, read_graph
from bittrigger.build.store.values import NOT_OURS
from bittrigger.errors import ConfigError, InternalError, UnsupportedModelError
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.adders import verify as verify_adders
from bittrigger.ir.checks import verify
from bittrigger.ir.forms.engine import may_go_without_adders
from bittrigger.ir.forms.serial import fits_serial
from bittrigger.ir.graph import Graph, Linear
from bittrigger.ir.pipeline import Pipeline

__all__ = [
    "SCHEMA",
    "Design",
    "adders_from_json",
    "adders_of",
    "adders_to_json",
    "basis_from_json",
    "basis_to_json",
    "design_text",
    "graph_from_json",
    "graph_to_json",
    "load_design",
    "parse_design",
    "save_design",
]

Design = tuple[Graph, dict[str, AdderGraph], dict[str, AdderGraph]]
"""A graph, the adder graphs of its layers, and those of the signs of layers that were considered digit by digit."""

SCHEMA = 3
"""Version of the layout; raised whenever an older reader would misread the file."""


def save_design(
    path: Path, graph: Graph, adders: dict[str, AdderGraph], serial: dict[str, AdderGraph] | None = None
) -> None:
    """Write ``graph`` and the adder graphs of its ``Linear`` nodes to ``path``; arguments as of ``design_text``."""
    path.write_text(design_text(graph, adders, serial), encoding="utf-8")


def design_text(graph: Graph, adders: dict[str, AdderGraph], serial: dict[str, AdderGraph] | None = None) -> str:
    """``graph`` and the adder graphs of its ``Linear`` nodes, as ``save_design`` writes them.

    Args:
        serial: those of layers that were considered digit by digit, of the signs of their weights.
    """
    data = {
        "schema": SCHEMA,
        **graph_to_json(graph),
        "adders": {name: adders_to_json(value) for name, value in adders.items()},
    }
    if serial:
        data["serial"] = {name: adders_to_json(value) for name, value in serial.items()}
    return json.dumps(data, separators=(",", ":")) + "\n"


def adders_of(pipeline: Pipeline) -> tuple[dict[str, AdderGraph], dict[str, AdderGraph]]:
    """The adder graphs of the layers of ``pipeline``, and those of layers that were considered digit by digit; as saved."""
    adders = {module.node.name: module.adders for module in pipeline.modules if module.adders is not None}
    taken = {module.node.name: module.serial.adders for module in pipeline.modules if module.serial}
    return adders, {**pipeline.serial, **taken}


def load_design(path: Path) -> Design:
    """Read what ``save_design`` wrote; see ``parse_design``.

    Raises:
        ConfigError: if the file is absent, unreadable or of another schema, or an adder graph differs from its layer.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a design of bittrigger ({error}); convert the model again") from error
    return parse_design(text, path)


def parse_design(text: str, path: Path) -> Design:
    """The design in ``text``, which came from ``path``; every adder graph is proven equal to the matrix of its layer again.

    Raises:
        ConfigError: if it is unreadable or of another schema, or an adder graph differs from its layer.
    """
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise ConfigError(f"{path}: schema {data['schema']}; this version reads {SCHEMA}; convert the model again")
        graph = read_graph(data)
        adders, serial = (
            {name: adders_from_json(value) for name, value in solved.items()}
            for solved in (data["adders"], data.get("serial", {}))
        )
        _check(graph, adders)
        _check_serial(graph, serial)
    except (UnsupportedModelError, InternalError, *NOT_OURS) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"{path}: not a design of bittrigger ({reason}); convert the model again") from error
    return graph, adders, serial


def _check_serial(graph: Graph, serial: dict[str, AdderGraph]) -> None:
    """Refuse what is no layer that is multiplied digit by digit; each adder graph is proven equal to the signs of its weights."""
    for name, solved in serial.items():
        layer = graph[name]
        if not isinstance(layer, Linear) or not fits_serial(solved):
            raise ValueError(f"{name!r} is not multiplied digit by digit")
        verify_adders(solved, np.sign(layer.weights), np.zeros(layer.weights.shape[1], dtype=np.int64))


def _check(graph: Graph, adders: dict[str, AdderGraph]) -> None:
    """Refuse a network that is not well formed, or adder graphs that do not compute its layers."""
    verify(graph)
    layers = {node.name: node for node in graph.nodes if isinstance(node, Linear)}
    shapes = {name: layer.weights.shape for name, layer in layers.items()}
    found = {name: (value.n_inputs, len(value.outputs)) for name, value in adders.items()}
    large = {name for name, layer in layers.items() if may_go_without_adders(layer)}
    if found.items() - shapes.items() or shapes.keys() - found.keys() - large:
        raise ValueError(f"adder graphs of the shapes {found}; expected {shapes}")
    for name, graph_of_layer in adders.items():
        verify_adders(graph_of_layer, layers[name].weights, layers[name].bias)
