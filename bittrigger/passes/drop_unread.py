"""Nothing is built for codes that never change, nor for codes that nothing reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
import numpy.typing as npt

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import (
    Graph,
    Input,
    Linear,
    Lookup,
    Node,
    Operation,
    Requantize,
    copy_operand,
    frozen_array,
    intervals,
)
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.passes.rewrite import with_nodes

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DropUnread:
    """Pass: an operand code that is a constant becomes part of the bias; a column that nothing reads becomes a constant.

    Of a layer with copies, where that holds for all of them. Both keep the sizes of all nodes, and every output code. Nodes that
    no output depends on are left out.
    """

    def apply(self, graph: Graph) -> Graph:
        """An equal graph with fewer weights; the codes that no output depends on are not those of ``graph``."""
        return _without_idle(_without_unread(_without_constants(graph)))


def _without_constants(graph: Graph) -> Graph:
    """``graph`` with the constants among the operands of each layer in its bias."""
    ranges = intervals(graph)
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        if not isinstance(node, Linear):
            continue
        spans = copy_operand(node, ranges)
        fixed = np.array([span.lo == span.hi for span in spans])
        if fixed.any() and node.weights[fixed].any():
            values: IntArray = np.array([span.lo for span in spans], dtype=np.int64)[fixed]
            bias = node.bias + values @ node.weights[fixed]
            changed[node.name] = replace(
                node, weights=frozen_array(np.where(fixed[:, None], 0, node.weights)), bias=frozen_array(bias)
            )
    return with_nodes(graph, changed)


def _without_unread(graph: Graph) -> Graph:
    return with_nodes(graph, _read(graph)[1])


def _read(graph: Graph) -> tuple[dict[str, _Mask], dict[str, Node]]:
    """Which codes of each node an output depends on, and the layers without the weights of columns of which none does."""
    ranges = intervals(graph)
    read: dict[str, _Mask] = {node.name: np.full(node.size, node.name in graph.outputs) for node in graph.nodes}
    changed: dict[str, Node] = {}
    for node in reversed(graph.nodes):
        if isinstance(node, Input):
            continue
        n_in = sum(graph[name].size for name in node.inputs)
        if isinstance(node, Wire):
            used = node.indices[read[node.name] & (node.indices != ZERO)]
            wanted = np.isin(np.arange(n_in), used)
        else:
            wanted = read[node.name].reshape(node.copies, -1).any(axis=0)
            if isinstance(node, Linear) and node.weights[:, ~wanted].any():
                # a code that could occur before, so that a table which follows knows it
                some = [0 if 0 in span else span.lo for span in ranges[node.name][: wanted.size]]
                weights, bias = np.where(wanted, node.weights, 0), np.where(wanted, node.bias, some)
                changed[node.name] = replace(node, weights=frozen_array(weights), bias=frozen_array(bias))
            wanted = np.tile(_operands_of(node, wanted, n_in // node.copies), node.copies)
        start = 0
        for name in node.inputs:
            size = graph[name].size
            read[name] |= wanted[start : start + size]
            start += size
    return read, changed


def _without_idle(graph: Graph) -> Graph:
    """``graph`` without the nodes that no output depends on; a wire carries 0 in the place of their codes."""
    ranges, read = intervals(graph), _read(graph)[0]
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        if isinstance(node, Wire) and node.name in needed:
            stays = read[node.name] | np.array([0 not in span for span in ranges[node.name]])
            needed.update(_carried(graph, node, stays))
        elif node.name in needed and not isinstance(node, Input):
            needed.update(node.inputs)
    kept = [node for node in graph.nodes if isinstance(node, Input) or node.name in needed]
    if len(kept) == len(graph.nodes):
        return graph
    there = {node.name for node in kept}
    nodes = (_on_the_rest(graph, node, there) if isinstance(node, Wire) else node for node in kept)
    return replace(graph, nodes=tuple(nodes))


def _carried(graph: Graph, wire: Wire, stays: _Mask) -> list[str]:
    """The operands of which ``wire`` carries a code that ``stays``."""
    ends = np.cumsum([graph[name].size for name in wire.inputs])
    numbers = np.unique(np.searchsorted(ends, wire.indices[stays & (wire.indices != ZERO)], side="right"))
    return [wire.inputs[number] for number in numbers]


def _on_the_rest(graph: Graph, wire: Wire, there: set[str]) -> Node:
    """``wire`` without the operands that are no longer there; without any it is a layer without weights."""
    inputs = tuple(name for name in wire.inputs if name in there)
    if len(inputs) == len(wire.inputs):
        return wire
    if not inputs:
        port = graph.inputs[0]
        nothing = np.zeros((port.size, wire.size), dtype=np.int64)
        return Linear(wire.name, (port.name,), frozen_array(nothing), frozen_array(nothing[0]), wire.frac)
    kept = np.repeat([name in there for name in wire.inputs], [graph[name].size for name in wire.inputs])
    gone = (wire.indices == ZERO) | ~kept[wire.indices]
    indices = np.where(gone, ZERO, (np.cumsum(kept) - 1)[wire.indices])
    return replace(wire, inputs=inputs, indices=frozen_array(indices))


def _operands_of(node: Operation, wanted: _Mask, n_in: int) -> _Mask:
    """Which operand codes of one copy of ``node`` its results ``wanted`` depend on."""
    match node:
        case Linear():
            return np.asarray(node.weights[:, wanted].any(axis=1))
        case Requantize() | Lookup():
            return wanted
        case Hold():
            return wanted[:n_in]
        case Extremum() | Product() | Weigh() | MagnitudeOr():
            return np.full(n_in, wanted.any())
        case ShiftDown() | ShiftUp():
            return np.append(wanted, wanted.any())
        case _:
            assert_never(node)
