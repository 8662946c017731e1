"""Graphs and adder graphs as JSON, so that a build can be simulated and reported without its model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from bittrigger.errors import ConfigError, InternalError, UnsupportedModelError
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.adders import verify as verify_adders
from bittrigger.ir.basis import Basis, Distance, Measured, Reference
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import MAX_WIDTH, FixedPoint, IntArray, Interval, Overflow, Rounding
from bittrigger.ir.forms.engine import may_go_without_adders
from bittrigger.ir.forms.serial import fits_serial
from bittrigger.ir.graph import Graph, Input, Intervals, Linear, Lookup, Node, Requantize, frozen_array
from bittrigger.ir.naming import identifier
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp
from bittrigger.ir.nodes.digit_sum import MAX_LIMITED_BITS, MAX_SUMMED_BITS, DigitSum
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import MAX_HELD_BITS, Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Pipeline

Design = tuple[Graph, dict[str, AdderGraph], dict[str, AdderGraph]]
"""A graph, the adder graphs of its layers, and those of the signs of layers that were considered digit by digit."""

SCHEMA = 3
"""Version of the layout; raised whenever an older reader would misread the file."""

Json = dict[str, Any]

_RANGES = {"clip": "range", "wrap": "modulo", "rectify": "rectified"}
"""What the ends of a requantiser's codes are called, by what becomes of others; a reader that knows no modulo refuses it."""

_MAX_SIZE = 1 << 24
_MAX_FRAC = 1 << 10

_NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading raises where the file has another structure than ours."""


def _node_to_json(node: Node) -> Json:  # noqa: PLR0911
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
                "copies": node.copies,
            }
        case Requantize():
            return head | {
                "inputs": node.inputs,
                "frac": node.frac,
                "size": node.size,
                "shift": node.shift,
                "rounding": node.rounding.value,
                _RANGES[node.word]: [node.lo, node.hi],
                "offset": node.offset,
                "copies": node.copies,
            }
        case Lookup():
            return (
                head
                | {
                    "inputs": node.inputs,
                    "frac": node.frac,
                    "starts": node.starts,
                    "values": node.values,
                    "copies": node.copies,
                }
                | ({"sums": [_sum_to_json(digits) for digits in node.sums]} if node.sums else {})
            )
        case Wire():
            return head | {"inputs": node.inputs, "frac": node.frac, "indices": node.indices.tolist()}
        case Product():
            return head | {"inputs": node.inputs, "frac": node.frac, "copies": node.copies}
        case Weigh() | Hold():
            return head | {"inputs": node.inputs, "frac": node.frac} | _held_to_json(node)
        case Extremum():
            return head | {"inputs": node.inputs, "frac": node.frac, "least": node.least, "copies": node.copies}
        case MagnitudeOr() | ShiftDown() | ShiftUp():
            return head | {"inputs": node.inputs, "frac": node.frac} | _scaling_to_json(node)
        case _:
            assert_never(node)


def _sum_to_json(digits: DigitSum | None) -> Json | None:
    if digits is None:
        return None
    tail = {"tail": digits.tail} if digits.tail else {}
    return {"span": [digits.span.lo, digits.span.hi], "shift": digits.shift, "tables": digits.tables} | tail


def _sum_from_json(data: Json | None) -> DigitSum | None:
    if data is None:
        return None
    digits = DigitSum(
        Interval(*map(_int, data["span"])),
        _int(data["shift"], 0, MAX_WIDTH),
        _table(data["tables"]),
        _int(data.get("tail", 0), 0, MAX_WIDTH),
    )
    width, most = digits.shortened.width, MAX_LIMITED_BITS if digits.tail else MAX_SUMMED_BITS
    if width > most:
        raise ConfigError(f"a sum of tables for codes of {width} bits; allowed are {most}")
    return digits


def _held_to_json(node: Weigh | Hold) -> Json:
    common = {"bias": node.bias.tolist(), "offset": node.offset.tolist(), "bits": node.bits}
    if isinstance(node, Hold):
        return common | {"operands": node.operands, "copies": node.copies}
    return common | {"weights": node.weights.tolist(), "shift": node.shift}


def _scaling_to_json(node: Scaling) -> Json:
    several = {"copies": node.copies} if node.copies > 1 else {}
    match node:
        case MagnitudeOr():
            return {"drop": node.drop, "signed": node.signed} | several
        case ShiftDown():
            return {"size": node.size, "base": node.base, "range": [node.lo, node.hi]} | several
        case ShiftUp():
            return {"size": node.size} | several


def _int(value: object, lo: int = -(1 << MAX_WIDTH), hi: int = 1 << MAX_WIDTH) -> int:
    """``value`` if it is an integer from ``lo`` to ``hi``."""
    if type(value) is not int or not lo <= value <= hi:
        raise ValueError(f"{str(value)[:40]!r} is no integer from {lo} to {hi}")
    return value


def _array(values: list[object]) -> IntArray:
    array = np.array(values)
    if array.dtype.kind != "i":
        raise ValueError(f"weights of type {array.dtype}; expected integers")
    return frozen_array(array)


def _name(value: object) -> str:
    """A name that may become part of C++, Verilog and paths."""
    if not isinstance(value, str) or identifier(value) != value:
        raise ValueError(f"{str(value)[:80]!r} is no identifier")
    return value


def _copies(data: Json) -> int:
    return _int(data["copies"], 1, _MAX_SIZE)


def _table(rows: list[list[object]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(_int(value) for value in row) for row in rows)


def _node_from_json(data: Json) -> Node:  # noqa: PLR0911
    name, inputs = _name(data["name"]), tuple(map(_name, data.get("inputs", ())))
    match data["kind"]:
        case "Input":
            return Input(
                name, _int(data["size"], 1, _MAX_SIZE), _type(data["type"]), Interval(*map(_int, data["interval"]))
            )
        case "Linear":
            frac = _int(data["frac"], -_MAX_FRAC, _MAX_FRAC)
            return Linear(name, inputs, _array(data["weights"]), _array(data["bias"]), frac, _copies(data))
        case "Requantize":
            (word,) = (word for word, key in _RANGES.items() if key in data)
            overflow = Overflow.SAT if word == "clip" else Overflow.WRAP
            lo, hi = map(_int, data[_RANGES[word]])
            rounding, frac = Rounding(data["rounding"]), _int(data["frac"], -_MAX_FRAC, _MAX_FRAC)
            size, shift = _int(data["size"], 1, _MAX_SIZE), _int(data["shift"], -MAX_WIDTH, _MAX_FRAC)
            offset = _int(data["offset"])
            copies, rectified = _copies(data), word == "rectify"
            return Requantize(
                name, inputs, size, shift, rounding, lo, hi, frac, offset, copies, overflow, rectified=rectified
            )
        case "Lookup":
            frac = _int(data["frac"], -_MAX_FRAC, _MAX_FRAC)
            sums = tuple(map(_sum_from_json, data.get("sums", ())))
            return Lookup(name, inputs, _table(data["starts"]), _table(data["values"]), frac, _copies(data), sums)
        case "Wire":
            frac = _int(data["frac"], -_MAX_FRAC, _MAX_FRAC)
            return Wire(name, inputs, _array(data["indices"]), frac)
        case "Product":
            return Product(name, inputs, _int(data["frac"], -_MAX_FRAC, _MAX_FRAC), _copies(data))
        case "Weigh" | "Hold":
            return _held_from_json(data, name, inputs)
        case "Extremum":
            return Extremum(name, inputs, _int(data["frac"], -_MAX_FRAC, _MAX_FRAC), bool(data["least"]), _copies(data))
        case "MagnitudeOr" | "ShiftDown" | "ShiftUp":
            return _scaling_from_json(data, name, inputs)
        case kind:
            raise ConfigError(f"node {name!r} is of unknown kind {str(kind)[:40]!r}")


def _held_from_json(data: Json, name: str, inputs: tuple[str, ...]) -> Weigh | Hold:
    frac, bits = _int(data["frac"], -_MAX_FRAC, _MAX_FRAC), _int(data["bits"], 1, MAX_HELD_BITS)
    bias, offset = _array(data["bias"]), _array(data["offset"])
    if data["kind"] == "Weigh":
        shift = _int(data["shift"], 0, MAX_WIDTH)
        return Weigh(name, inputs, _array(data["weights"]), bias, offset, bits, shift, frac)
    operands = _int(data["operands"], 1, _MAX_SIZE)
    return Hold(name, inputs, bias, offset, bits, operands, frac, _copies(data))


def _scaling_from_json(data: Json, name: str, inputs: tuple[str, ...]) -> Scaling:
    frac, copies = _int(data["frac"], -_MAX_FRAC, _MAX_FRAC), _copies({"copies": 1} | data)
    if data["kind"] == "MagnitudeOr":
        return MagnitudeOr(name, inputs, _int(data["drop"], 0, MAX_WIDTH), bool(data["signed"]), frac, copies)
    size = _int(data["size"], 1, _MAX_SIZE)
    if data["kind"] == "ShiftUp":
        return ShiftUp(name, inputs, size, frac, copies)
    lo, hi = map(_int, data["range"])
    return ShiftDown(name, inputs, size, _int(data["base"], 0, MAX_WIDTH), lo, hi, frac, copies)


def adders_to_json(graph: AdderGraph) -> Json:
    """``graph`` as plain lists: ranges of the inputs; constant and terms of each adder; outputs."""
    return {
        "inputs": [[i.lo, i.hi] for i in graph.inputs],
        "adders": [[a.constant, *([t.value, t.shift, int(t.negative)] for t in a.terms)] for a in graph.adders],
        "outputs": [[out.value, out.shift, out.constant] for out in graph.outputs],
    }


def adders_from_json(data: Json) -> AdderGraph:
    """The graph that ``adders_to_json`` was given.

    Raises:
        ValueError: if a number is out of range, or an adder reads a later value or has too many operands; other errors
            of Python where the structure is another one.
    """
    source: Intervals = tuple(Interval(_int(lo), _int(hi)) for lo, hi in data["inputs"])
    adders: list[Adder] = []
    for constant, *terms in data["adders"]:
        last = len(source) + len(adders) - 1
        read = tuple(
            Term(_int(value, 0, last), _int(shift, 0, MAX_WIDTH), bool(negative)) for value, shift, negative in terms
        )
        adder = Adder(read, _int(constant))
        if not read or adder.operands > 3:
            raise ValueError(f"adder {len(adders)} has {len(read)} terms and constant {adder.constant}")
        adders.append(adder)
    last = len(source) + len(adders) - 1
    outputs = tuple(
        Output(None if value is None else _int(value, 0, last), _int(shift, 0, MAX_WIDTH), _int(constant))
        for value, shift, constant in data["outputs"]
    )
    return AdderGraph(source, tuple(adders), outputs)


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


def basis_to_json(basis: Basis) -> Json:
    """``basis`` as plain types."""
    rounded = [None if kind is None else [kind.signed, kind.width, kind.frac] for kind in basis.rounded]
    measured = None if basis.measured is None else asdict(basis.measured)
    facts = {"ideal": basis.ideal, "chosen": basis.chosen, "rounded": rounded, "measured": measured}
    return facts | {"reference": basis.reference.value}


def basis_from_json(data: Json) -> Basis:
    """The basis that ``basis_to_json`` was given.

    Raises:
        ValueError: if a number is out of range; other errors of Python where the structure is another one.
    """
    ideal, chosen = (tuple(map(_sentence, data[name])) for name in ("ideal", "chosen"))
    rounded = tuple(None if kind is None else _type(kind) for kind in data["rounded"])
    measured = None if data["measured"] is None else _measured(data["measured"])
    return Basis(ideal, chosen, rounded, measured, Reference(data["reference"]))


def _sentence(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no sentence")
    return value


def _type(kind: list[object]) -> FixedPoint:
    signed, width, frac = kind
    return FixedPoint(bool(signed), _int(width, 1, MAX_WIDTH), _int(frac, -_MAX_FRAC, _MAX_FRAC))


def _measured(data: Json) -> Measured:
    def distance(value: Json) -> Distance:
        return Distance(_int(value["events"], 0), float(value["largest"]))

    double = data["float64"]
    return Measured(_int(data["events"], 0), distance(data["float32"]), None if double is None else distance(double))


def graph_to_json(graph: Graph) -> Json:
    """``graph`` as plain types."""
    nodes = [_node_to_json(node) for node in graph.nodes]
    return {"name": graph.name, "outputs": graph.outputs, "basis": basis_to_json(graph.basis), "nodes": nodes}


def _graph(data: Json) -> Graph:
    outputs = tuple(map(_name, data["outputs"]))
    nodes = tuple(map(_node_from_json, data["nodes"]))
    return Graph(_name(data["name"]), nodes, outputs, basis_from_json(data["basis"]))


def graph_from_json(data: Json) -> Graph:
    """The graph that ``graph_to_json`` was given.

    Raises:
        ConfigError: if it is another thing, or not well formed.
    """
    try:
        graph = _graph(data)
        verify(graph)
    except (UnsupportedModelError, InternalError, *_NOT_OURS) as error:
        raise ConfigError(f"not a graph of bittrigger ({' '.join(str(error).split())[:300]})") from error
    return graph


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
        graph = _graph(data)
        adders, serial = (
            {name: adders_from_json(value) for name, value in solved.items()}
            for solved in (data["adders"], data.get("serial", {}))
        )
        _check(graph, adders)
        _check_serial(graph, serial)
    except (UnsupportedModelError, InternalError, *_NOT_OURS) as error:
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
