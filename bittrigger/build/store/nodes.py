"""Nodes of the graph as JSON."""

from __future__ import annotations

from typing import assert_never

from bittrigger.build.store.sums import sum_from_json, sum_to_json
from bittrigger.build.store.values import (
    MAX_FRAC,
    MAX_SIZE,
    Json,
    array_of,
    copies_of,
    frac_of,
    name_of,
    size_of,
    table_of,
    type_of,
    whole,
)
from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import MAX_WIDTH, Interval, Overflow, Rounding
from bittrigger.ir.graph import Input, Linear, Lookup, Node, Requantize
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import MAX_HELD_BITS, Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import Wire

_RANGES = {"clip": "range", "wrap": "modulo", "rectify": "rectified"}
"""What the ends of a requantiser's codes are called, by what becomes of others; a reader that knows no modulo refuses it."""


def node_to_json(node: Node) -> Json:  # noqa: PLR0911 - one return a kind
    """``node`` as plain types."""
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
                | ({"sums": [sum_to_json(digits) for digits in node.sums]} if node.sums else {})
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


def node_from_json(data: Json) -> Node:  # noqa: PLR0911 - one return a kind
    """The node that ``node_to_json`` was given.

    Raises:
        ConfigError: if it is of a kind that is not known.
        ValueError: if a number is out of range; other errors of Python where the structure is another one.
    """
    name, inputs = name_of(data["name"]), tuple(map(name_of, data.get("inputs", ())))
    match data["kind"]:
        case "Input":
            return Input(name, size_of(data), type_of(data["type"]), Interval(*map(whole, data["interval"])))
        case "Linear":
            frac = frac_of(data)
            return Linear(name, inputs, array_of(data["weights"]), array_of(data["bias"]), frac, copies_of(data))
        case "Requantize":
            (word,) = (word for word, key in _RANGES.items() if key in data)
            overflow = Overflow.SAT if word == "clip" else Overflow.WRAP
            lo, hi = map(whole, data[_RANGES[word]])
            rounding, frac = Rounding(data["rounding"]), frac_of(data)
            size, shift = size_of(data), whole(data["shift"], -MAX_WIDTH, MAX_FRAC)
            offset = whole(data["offset"])
            copies, rectified = copies_of(data), word == "rectify"
            return Requantize(
                name, inputs, size, shift, rounding, lo, hi, frac, offset, copies, overflow, rectified=rectified
            )
        case "Lookup":
            frac = frac_of(data)
            sums = tuple(map(sum_from_json, data.get("sums", ())))
            return Lookup(name, inputs, table_of(data["starts"]), table_of(data["values"]), frac, copies_of(data), sums)
        case "Wire":
            frac = frac_of(data)
            return Wire(name, inputs, array_of(data["indices"]), frac)
        case "Product":
            return Product(name, inputs, frac_of(data), copies_of(data))
        case "Weigh" | "Hold":
            return _held_from_json(data, name, inputs)
        case "Extremum":
            return Extremum(name, inputs, frac_of(data), bool(data["least"]), copies_of(data))
        case "MagnitudeOr" | "ShiftDown" | "ShiftUp":
            return _scaling_from_json(data, name, inputs)
        case kind:
            raise ConfigError(f"node {name!r} is of unknown kind {str(kind)[:40]!r}")


def _held_from_json(data: Json, name: str, inputs: tuple[str, ...]) -> Weigh | Hold:
    frac, bits = frac_of(data), whole(data["bits"], 1, MAX_HELD_BITS)
    bias, offset = array_of(data["bias"]), array_of(data["offset"])
    if data["kind"] == "Weigh":
        shift = whole(data["shift"], 0, MAX_WIDTH)
        return Weigh(name, inputs, array_of(data["weights"]), bias, offset, bits, shift, frac)
    operands = whole(data["operands"], 1, MAX_SIZE)
    return Hold(name, inputs, bias, offset, bits, operands, frac, copies_of(data))


def _scaling_from_json(data: Json, name: str, inputs: tuple[str, ...]) -> Scaling:
    frac, copies = frac_of(data), copies_of({"copies": 1} | data)
    if data["kind"] == "MagnitudeOr":
        return MagnitudeOr(name, inputs, whole(data["drop"], 0, MAX_WIDTH), bool(data["signed"]), frac, copies)
    size = size_of(data)
    if data["kind"] == "ShiftUp":
        return ShiftUp(name, inputs, size, frac, copies)
    lo, hi = map(whole, data["range"])
    return ShiftDown(name, inputs, size, whole(data["base"], 0, MAX_WIDTH), lo, hi, frac, copies)
