"""The quantised integer graph: what a network computes, in integers only. ``evaluate`` is the oracle.

A graph is a tuple of nodes (``ir.nodes``) in topological order; ``ir.checks`` says which graphs are well formed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from bittrigger.errors import InternalError
from bittrigger.ir.basis import NOTHING_CHOSEN, Basis
from bittrigger.ir.fixed import IntArray, Interval, Overflow, Rounding, clip, hull, shift_round
from bittrigger.ir.nodes import Input, Intervals, Linear, Lookup, Node, Operation, Requantize, frozen_array
from bittrigger.ir.nodes.block_floating_point import (
    MagnitudeOr,
    ShiftDown,
    ShiftUp,
    evaluate_scaling,
    scaling_intervals,
)
from bittrigger.ir.nodes.digit_sum import DigitSum
from bittrigger.ir.nodes.extremum import Extremum, evaluate_extremum, extremum_interval
from bittrigger.ir.nodes.held import Hold, Weigh, evaluate_held, held_intervals
from bittrigger.ir.nodes.product import Product, evaluate_product, product_interval
from bittrigger.ir.nodes.wire import Wire, evaluate_wire, wire_intervals
from bittrigger.ir.text import graph_text

__all__ = [
    "Graph",
    "Input",
    "Intervals",
    "Linear",
    "Lookup",
    "Node",
    "Operation",
    "Requantize",
    "before_clip",
    "copy_intervals",
    "copy_operand",
    "evaluate",
    "evaluate_node",
    "evaluate_nodes",
    "floor_of",
    "frozen_array",
    "input_intervals",
    "intervals",
    "node_intervals",
    "of_one_copy",
    "operand",
    "output_fracs",
    "output_intervals",
    "requantize_codes",
    "requantized",
    "wraps",
]


@dataclass(frozen=True, eq=False)
class Graph:
    """A network in integers.

    Attributes:
        name: a C++ and Verilog identifier; the top module and function bear it.
        nodes: in topological order; names are unique identifiers.
        outputs: the nodes whose codes, concatenated, leave the design.
        basis: what its bits are equal to.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    basis: Basis = NOTHING_CHOSEN

    def __str__(self) -> str:
        return graph_text(self.name, self.nodes, intervals(self), self.outputs)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise InternalError(f"graph {self.name!r} has no node {name!r}")

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The ports, in order."""
        return tuple(node for node in self.nodes if isinstance(node, Input))

    @property
    def n_inputs(self) -> int:
        """Codes that enter an event."""
        return sum(node.size for node in self.inputs)

    @property
    def n_outputs(self) -> int:
        """Codes that leave an event."""
        return sum(self[name].size for name in self.outputs)


def input_intervals(graph: Graph) -> Intervals:
    """The ranges of all input codes, port after port."""
    return tuple(node.interval for node in graph.inputs for _ in range(node.size))


def output_fracs(graph: Graph) -> IntArray:
    """Fractional bits of each output code, shape `(n_outputs,)`."""
    return np.repeat([graph[name].frac for name in graph.outputs], [graph[name].size for name in graph.outputs])


def output_intervals(graph: Graph) -> Intervals:
    """The exact hull of each output code."""
    ranges = intervals(graph)
    return tuple(interval for name in graph.outputs for interval in ranges[name])


def operand(node: Node, ranges: dict[str, Intervals]) -> Intervals:
    """The ranges of the codes that ``node`` reads, of all its copies."""
    return tuple(interval for name in node.inputs for interval in ranges[name])


def of_one_copy(codes: Intervals, copies: int) -> Intervals:
    """The hull of each code over the copies: what one module must take that stands for all of them."""
    size = len(codes) // copies
    first = codes[:size]
    if codes == first * copies:
        return first
    return tuple(hull(codes[k::size]) for k in range(size))


def copy_operand(node: Operation, ranges: dict[str, Intervals]) -> Intervals:
    """The ranges of the codes that one copy of ``node`` reads."""
    return of_one_copy(operand(node, ranges), node.copies)


def _linear_intervals(node: Linear, source: Intervals) -> Intervals:
    lows = np.array([i.lo for i in source], dtype=object)
    highs = np.array([i.hi for i in source], dtype=object)
    positive = np.maximum(node.weights, 0).astype(object)
    negative = np.minimum(node.weights, 0).astype(object)
    lo = lows @ positive + highs @ negative + node.bias
    hi = highs @ positive + lows @ negative + node.bias
    return tuple(Interval(int(a), int(b)) for a, b in zip(lo, hi, strict=True))


def _lookup_interval(node: Lookup, channel: int, source: Interval) -> Interval:
    reached = node.values[channel][node.reached(channel, source)]
    return Interval(min(reached), max(reached))


def requantize_codes(node: Requantize, codes: IntArray) -> IntArray:
    """The definition of a requantiser, on any shape."""
    rounded = shift_round(codes + node.offset, node.shift, node.rounding)
    if node.overflow is Overflow.WRAP:
        rounded = np.maximum(rounded, 0) if node.rectified else rounded
        wrapped: IntArray = (rounded - node.lo) % (node.hi - node.lo + 1) + node.lo
        return wrapped
    return clip(rounded, node.lo, node.hi)


def before_clip(node: Requantize, source: Interval, rounding: Rounding | None = None) -> Interval:
    """The range of the rounded codes of a requantiser, before it clips them; or of codes rounded otherwise."""
    ends = np.array([source.lo, source.hi], dtype=object) + node.offset  # no shift can wrap
    lo, hi = shift_round(ends, node.shift, rounding or node.rounding)
    return Interval(int(lo), int(hi))


def _rectified(node: Requantize, source: Interval) -> Interval:
    """The range of the rounded codes, none below 0 where those become 0."""
    reached = before_clip(node, source)
    return Interval(max(reached.lo, 0), max(reached.hi, 0)) if node.rectified else reached


def wraps(node: Requantize, source: Interval) -> bool:
    """Whether codes of ``source`` leave ``lo..hi`` and come back at the other end."""
    reached = _rectified(node, source)
    return node.overflow is Overflow.WRAP and not node.lo <= reached.lo <= reached.hi <= node.hi


def requantized(node: Requantize, source: Interval) -> Interval:
    """The range of what a requantiser makes of codes of ``source``; all of ``lo..hi`` where they wrap around within it."""
    reached = _rectified(node, source)
    if node.overflow is not Overflow.WRAP:
        return Interval(*(min(max(end, node.lo), node.hi) for end in (reached.lo, reached.hi)))
    period = node.hi - node.lo + 1
    turn, last = ((end - node.lo) // period for end in (reached.lo, reached.hi))
    return reached + Interval(-turn * period, -turn * period) if turn == last else Interval(node.lo, node.hi)


def floor_of(node: Lookup, digits: DigitSum, channel: int) -> Requantize:
    """What makes the values of a channel of ``node`` from its sum of tables."""
    values = node.values[channel]
    return Requantize(node.name, node.inputs, 1, digits.shift, Rounding.TRN, min(values), max(values), node.frac)


def node_intervals(node: Node, source: Intervals) -> Intervals:
    """The hull of each output code of ``node``, given the hulls of its operand: exact for what all its copies may read."""
    match node:
        case Input():
            return (node.interval,) * node.size
        case Wire():
            return wire_intervals(node, source)
        case _:
            return copy_intervals(node, of_one_copy(source, node.copies)) * node.copies


def copy_intervals(node: Operation, source: Intervals) -> Intervals:  # noqa: PLR0911 - one return a kind
    """The exact hull of each output code of one copy of ``node``, given the hulls of its operand."""
    match node:
        case Linear():
            return _linear_intervals(node, source)
        case Requantize():
            return tuple(requantized(node, interval) for interval in source)
        case Lookup():
            return tuple(_lookup_interval(node, k, interval) for k, interval in enumerate(source))
        case Extremum():
            return (extremum_interval(node, source),)
        case Product():
            return (product_interval(source),)
        case Weigh() | Hold():
            return held_intervals(node, source)
        case MagnitudeOr() | ShiftDown() | ShiftUp():
            return scaling_intervals(node, source)
        case _:
            assert_never(node)


def intervals(graph: Graph) -> dict[str, Intervals]:
    """The exact hull of every code in the graph, by node name.

    Hulls are exact for each operation on independent operands; correlations between operands are not used.
    """
    ranges: dict[str, Intervals] = {}
    for node in graph.nodes:
        ranges[node.name] = node_intervals(node, operand(node, ranges))
    return ranges


def _split_inputs(graph: Graph, codes: IntArray) -> Iterator[tuple[Input, IntArray]]:
    start = 0
    for port in graph.inputs:
        yield port, codes[:, start : start + port.size]
        start += port.size


def evaluate_nodes(graph: Graph, codes: IntArray) -> dict[str, IntArray]:
    """The codes of every node, each `(events, size)` int64.

    Args:
        codes: `(events, n_inputs)` int64 within the input intervals.

    Raises:
        InternalError: if the shape is wrong or a code lies outside its port.
    """
    if codes.ndim != 2 or codes.shape[1] != graph.n_inputs:
        raise InternalError(f"codes of shape {codes.shape} into a graph of {graph.n_inputs} inputs")
    values: dict[str, IntArray] = {}
    for port, part in _split_inputs(graph, codes):
        if part.size and (part.min() < port.interval.lo or part.max() > port.interval.hi):
            raise InternalError(f"input {port.name!r}: a code lies outside {port.interval}")
        values[port.name] = part
    for node in graph.nodes:
        if not isinstance(node, Input):
            parts = [values[name] for name in node.inputs]
            values[node.name] = evaluate_node(node, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))
    return values


def evaluate_node(node: Wire | Operation, codes: IntArray) -> IntArray:
    """The output codes of one node, `(events, size)`, for operand codes `(events, n_in)`."""
    if isinstance(node, Wire):
        return evaluate_wire(node, codes)
    parts = codes.reshape(codes.shape[0] * node.copies, codes.shape[1] // node.copies)
    return _evaluate_copy(node, parts).reshape(codes.shape[0], node.size)


def _evaluate_copy(node: Operation, codes: IntArray) -> IntArray:  # noqa: PLR0911 - one return a kind
    """The output codes of one copy, for operand codes `(events, n_in)` of its own."""
    match node:
        case Linear():
            return codes @ node.weights + node.bias
        case Requantize():
            return requantize_codes(node, codes)
        case Lookup():
            columns = [
                np.asarray(values, dtype=np.int64)[np.searchsorted(starts, codes[:, j], side="right") - 1]
                for j, (starts, values) in enumerate(zip(node.starts, node.values, strict=True))
            ]
            return np.stack(columns, axis=1)
        case Extremum():
            return evaluate_extremum(node, codes)
        case Product():
            return evaluate_product(codes)
        case Weigh() | Hold():
            return evaluate_held(node, codes)
        case MagnitudeOr() | ShiftDown() | ShiftUp():
            return evaluate_scaling(node, codes)
        case _:
            assert_never(node)


def evaluate(graph: Graph, codes: IntArray) -> IntArray:
    """The oracle: output codes `(events, n_outputs)` for input codes `(events, n_inputs)`.

    Raises:
        InternalError: if the shape is wrong or a code lies outside its port.
    """
    values = evaluate_nodes(graph, codes)
    return np.concatenate([values[name] for name in graph.outputs], axis=1)
