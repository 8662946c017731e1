"""The weight file of a design: what its registers hold, as text that people can compare and every program can read.

::

    bittrigger weights 1
    design jet_tagger
    network 5e…                      SHA-256 of all that the registers do not hold: nodes, shapes, scales, ranges
    layer dense_1 16 64 weights      16 operand codes, 64 columns
    +0-+0000-000+00- -12             a column: the sign of each weight, and the bias in units of the layer's codes
    …
    layer logit 16 1 bias            a layer of which biases alone are held: one a line
    5
    end

A line ends in one line feed; there are no blanks but those shown, no comments, and nothing behind ``end``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.ir.checks import verify
from bittrigger.ir.graph import Graph, Lookup, Node, Requantize, frozen_array
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.digit_sum import DigitSum
from bittrigger.ir.nodes.held import Held, Hold, Weigh, layer_name, register_interval
from bittrigger.ir.pipeline import Pipeline

FIRST = "bittrigger weights 1"
_SIGNS = "-0+"
_BIAS = re.compile(r"0|-?[1-9][0-9]{0,11}")


def network_hash(graph: Graph) -> str:
    """A hash of all that the registers of a design do not hold.

    What nodes have been able to be since there are weight files is left out where they are not: codes that are limited and do
    nothing more, tables that are no sums, sums whose codes have no tail, one exponent for all codes of an event. So a weight
    file stays that of its network.
    """
    facts: list[object] = [("outputs", graph.outputs)]
    facts += [[fact for fact in node_facts(node) if fact not in _unsaid(node)] for node in graph.nodes]
    text = repr(facts).replace(f", tail={DigitSum.tail})", ")")
    return hashlib.sha256(text.encode()).hexdigest()


def _unsaid(node: Node) -> tuple[tuple[str, object], ...]:
    """What goes without saying of a node."""
    match node:
        case Requantize():
            return ("overflow", Requantize.overflow), ("rectified", Requantize.rectified)
        case Lookup():
            return (("sums", Lookup.sums),)
        case MagnitudeOr() | ShiftDown() | ShiftUp():
            return (("copies", MagnitudeOr.copies),)
        case _:
            return ()


def node_facts(node: Node) -> list[tuple[str, object]]:
    """What a node is, without the numbers that it holds."""
    left_out = ("weights", "bias") if isinstance(node, Weigh | Hold) else ()
    found: list[tuple[str, object]] = [("kind", type(node).__name__)]
    for item in fields(node):
        value = getattr(node, item.name)
        if item.name not in left_out:
            found.append((item.name, (value.shape, value.tolist()) if isinstance(value, np.ndarray) else value))
    return found


def head(node: Held) -> str:
    """The line before the columns of a node."""
    rows, kind = (node.operands, "bias") if isinstance(node, Hold) else (node.weights.shape[0], "weights")
    return f"layer {layer_name(node)} {rows} {node.bias.size} {kind}"


def columns_of(node: Held) -> Iterator[str]:
    """The lines of the columns of a node."""
    for column, bias in enumerate(node.bias.tolist()):
        if isinstance(node, Weigh):
            yield "".join(_SIGNS[sign + 1] for sign in node.weights[:, column].tolist()) + f" {bias}"
        else:
            yield f"{bias}"


def weights_text(graph: Graph) -> str:
    """The weight file of ``graph``.

    Raises:
        ConfigError: if its registers hold nothing.
    """
    nodes = held_nodes(graph)
    if not nodes:
        raise ConfigError(
            f"design {graph.name!r} holds nothing in registers; convert the model with --reloadable weights or --tunable bias"
        )
    lines = [FIRST, f"design {graph.name}", f"network {network_hash(graph)}"]
    for node in nodes:
        lines += [head(node), *columns_of(node)]
    return "\n".join([*lines, "end"]) + "\n"


def parse_weights(text: str, graph: Graph, name: str) -> Graph:
    """``graph`` with what the weight file of text ``text`` holds, which errors call ``name``.

    Raises:
        ConfigError: if it is no weight file or one of another network or shape, or a bias does not fit its register.
    """
    lines = _Lines(text, name)
    lines.expect(FIRST, "the first line of a weight file")
    lines.take("design ")
    wanted = network_hash(graph)
    if (found := lines.take("network ")) != wanted:
        raise ConfigError(
            f"weights {name}: of network {found[:16]!r}; this design is of network {wanted[:16]}; take the file of a model of "
            "the same shape, made for this build with `bittrigger weights MODEL BUILD`"
        )
    changed: dict[str, Node] = {}
    for node in held_nodes(graph):
        lines.expect(head(node), f"layer {layer_name(node)!r}")
        changed[node.name] = _read_node(node, lines)
    lines.expect("end", "the end")
    lines.finish()
    made = replace(graph, nodes=tuple(changed.get(node.name, node) for node in graph.nodes))
    verify(made)
    return made


class _Lines:
    """The lines of a file, one after the other."""

    def __init__(self, text: str, name: str) -> None:
        self._lines, self._name, self._next = text.split("\n"), name, 0

    def line(self) -> str:
        self._next += 1
        return self._lines[self._next - 1] if self._next <= len(self._lines) else ""

    def refuse(self, found: str, due: str) -> ConfigError:
        return ConfigError(f"weights {self._name}: line {self._next} is {found[:60]!r}; {due} is due")

    def expect(self, wanted: str, what: str) -> None:
        if (found := self.line()) != wanted:
            raise self.refuse(found, f"{what}, {wanted!r},")

    def take(self, start: str) -> str:
        found = self.line()
        if not found.startswith(start):
            raise self.refuse(found, f"a line that begins with {start!r}")
        return found.removeprefix(start)

    def finish(self) -> None:
        if self._lines[self._next :] != [""]:
            raise self.refuse(self.line(), "one line feed, and nothing behind it,")


def _read_node(node: Held, lines: _Lines) -> Held:
    rows = node.weights.shape[0] if isinstance(node, Weigh) else 0
    weights, biases = [], []
    for column in range(node.bias.size):
        line = lines.line()
        signs, blank, number = line.rpartition(" ") if rows else ("", "", line)
        if len(signs) != rows or set(signs) - set(_SIGNS) or (rows and not blank) or not _BIAS.fullmatch(number):
            due = f"{rows} of the signs + 0 -, a blank and a bias" if rows else "a bias"
            raise lines.refuse(line, f"column {column} of layer {layer_name(node)!r}, {due},")
        weights.append([_SIGNS.index(sign) - 1 for sign in signs])
        biases.append(int(number))
    made: Held = replace(node, bias=frozen_array(np.array(biases, dtype=np.int64)))
    if isinstance(made, Weigh):
        made = replace(made, weights=frozen_array(np.array(weights, dtype=np.int64).T))
    check_fit(made)
    return made


def check_fit(node: Held) -> None:
    """Check that the registers of ``node`` hold its biases.

    Raises:
        ConfigError: naming the first one that is too large, and what is allowed beside the weights of its column.
    """
    span = register_interval(node.bits)
    wrong = np.flatnonzero((node.held < span.lo) | (node.held > span.hi))
    if wrong.size:
        column = int(wrong[0])
        bias, added = int(node.bias[column]), int(node.held[column] - node.bias[column])
        raise ConfigError(
            f"layer {layer_name(node)!r}: the bias of column {column} is {bias}; its register of {node.bits} bits holds "
            f"{span.lo - added} to {span.hi - added} with these weights; convert the model with more --bias-bits"
        )


def with_numbers(pipeline: Pipeline, graph: Graph) -> Pipeline:
    """``pipeline`` that holds what ``graph`` does, which is its own but for these numbers."""
    nodes = {node.name: node for node in graph.nodes if isinstance(node, Weigh | Hold)}
    made = (replace(module, node=nodes.get(module.node.name, module.node)) for module in pipeline.modules)
    return replace(pipeline, graph=graph, modules=tuple(made))
