"""Graphs and adder graphs as JSON, so that a build can be simulated and reported without its model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from bittrigger.adders import Adder, AdderGraph, Output, Term
from bittrigger.errors import ConfigError
from bittrigger.fixed import FixedPoint, Interval, Rounding
from bittrigger.graph import Graph, Input, Intervals, Linear, Lookup, Node, Requantize, frozen_array

SCHEMA = 1
"""Version of the layout; raised whenever an older reader would misread the file."""

Json = dict[str, Any]


def _node_to_json(node: Node) -> Json:
    head = {"kind": type(node).__name__, "name": node.name}
    match node:
        case Input():
            kind = node.type
            return head | {
                "size": node.size,
                "type": [kind.signed, kind.width, kind.frac],
                "interval": [node.interval.lo, node.interval.hi],
            }
        case Linear():
            return head | {
                "inputs": node.inputs,
                "frac": node.frac,
                "weights": node.weights.tolist(),
                "bias": node.bias.tolist(),
            }
        case Requantize():
            return head | {
                "inputs": node.inputs,
                "frac": node.frac,
                "size": node.size,
                "shift": node.shift,
                "rounding": node.rounding.value,
                "range": [node.lo, node.hi],
            }
        case Lookup():
            return head | {"inputs": node.inputs, "frac": node.frac, "starts": node.starts, "values": node.values}
        case _:
            assert_never(node)


def _node_from_json(data: Json) -> Node:
    name, inputs = str(data["name"]), tuple(data.get("inputs", ()))
    match data["kind"]:
        case "Input":
            return Input(name, data["size"], FixedPoint(*data["type"]), Interval(*data["interval"]))
        case "Linear":
            weights = np.array(data["weights"], dtype=np.int64)
            return Linear(name, inputs, frozen_array(weights), frozen_array(np.array(data["bias"])), data["frac"])
        case "Requantize":
            lo, hi = data["range"]
            return Requantize(
                name, inputs, data["size"], data["shift"], Rounding(data["rounding"]), lo, hi, data["frac"]
            )
        case "Lookup":
            starts, values = (tuple(map(tuple, data[key])) for key in ("starts", "values"))
            return Lookup(name, inputs, starts, values, data["frac"])
        case kind:
            raise ConfigError(f"node {name!r} is of unknown kind {kind!r}")


def _adders_to_json(graph: AdderGraph) -> Json:
    return {
        "inputs": [[i.lo, i.hi] for i in graph.inputs],
        "adders": [[a.constant, *([t.value, t.shift, int(t.negative)] for t in a.terms)] for a in graph.adders],
        "outputs": [[out.value, out.shift, out.constant] for out in graph.outputs],
    }


def _adders_from_json(data: Json) -> AdderGraph:
    source: Intervals = tuple(Interval(lo, hi) for lo, hi in data["inputs"])
    adders = tuple(
        Adder(tuple(Term(value, shift, bool(negative)) for value, shift, negative in terms), constant)
        for constant, *terms in data["adders"]
    )
    return AdderGraph(source, adders, tuple(Output(*out) for out in data["outputs"]))


def save_design(path: Path, graph: Graph, adders: dict[str, AdderGraph]) -> None:
    """Write ``graph`` and the adder graphs of its ``Linear`` nodes to ``path``."""
    data = {
        "schema": SCHEMA,
        "name": graph.name,
        "outputs": graph.outputs,
        "nodes": [_node_to_json(node) for node in graph.nodes],
        "adders": {name: _adders_to_json(value) for name, value in adders.items()},
    }
    path.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")


def load_design(path: Path) -> tuple[Graph, dict[str, AdderGraph]]:
    """Read what ``save_design`` wrote.

    Raises:
        ConfigError: if the file is absent, unreadable or of another schema.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ConfigError(f"{path}: schema {data['schema']}; this version reads {SCHEMA}; convert the model again")
        graph = Graph(data["name"], tuple(map(_node_from_json, data["nodes"])), tuple(data["outputs"]))
        return graph, {name: _adders_from_json(value) for name, value in data["adders"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a design of bittrigger ({error}); convert the model again") from error
