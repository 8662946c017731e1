"""The quantised integer graph: what a network computes, in integers only. ``evaluate`` is the oracle.

A graph is a tuple of nodes in topological order. Every node produces one vector of integer codes with a common number
of fractional bits; its operand is the concatenation of the nodes named in ``inputs``. Four kinds suffice for scales that
are the same for every event:

* ``Input``: codes of a fixed-point port;
* ``Linear``: constant integer matrix and bias; ternary, binary and multi-bit layers, folded scales and merges alike;
* ``Requantize``: drop bits with a stated rounding, then clip; ReLU is a clip at zero;
* ``Lookup``: a piecewise constant function for each channel; thresholds, ternary activations and tables.

What a layer does at many positions is one node with ``copies``: it reads its operand in as many equal parts, one after the
other, treats each of them alike, and delivers their results in that order. Which codes those are is the matter of a ``Wire``
(``bittrigger.ir.wire``), which reads codes in any order and computes nothing.

The largest or least of several codes is an ``Extremum`` (``ir.extremum``).

Scales of each event's own take three more, see ``ir.block_floating_point``: ``MagnitudeOr``, ``ShiftDown`` and ``ShiftUp``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from bittrigger.errors import InternalError, UnsupportedModelError
from bittrigger.ir.block_floating_point import (
    MagnitudeOr,
    Scaling,
    ShiftDown,
    ShiftUp,
    evaluate_scaling,
    exponent_table,
    scaling_intervals,
)
from bittrigger.ir.extremum import Extremum, evaluate_extremum, extremum_interval
from bittrigger.ir.fixed import MAX_WIDTH, FixedPoint, IntArray, Interval, Rounding, clip, shift_round
from bittrigger.ir.wire import ZERO, Wire, evaluate_wire, wire_intervals

Intervals = tuple[Interval, ...]


def frozen_array(values: IntArray) -> IntArray:
    """A read-only contiguous int64 copy of ``values``, fit for a frozen dataclass."""
    array = np.array(values, dtype=np.int64, order="C")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Input:
    """Port of the design: ``size`` codes of ``type``.

    ``interval`` is the range that the codes really take, within ``type`` (a symmetric quantiser leaves out the lowest).
    """

    name: str
    size: int
    type: FixedPoint
    interval: Interval
    inputs: tuple[str, ...] = ()

    @property
    def frac(self) -> int:
        """Fractional bits of the codes."""
        return self.type.frac


@dataclass(frozen=True, eq=False)
class Linear:
    """``codes @ weights + bias``, exact, of each of ``copies`` parts of the operand.

    Attributes:
        weights: `(n_in, n_out)` int64, of one copy.
        bias: `(n_out,)` int64, in units of the output codes.
        frac: fractional bits of the output codes.
        copies: parts of the operand, `n_in` codes each.
    """

    name: str
    inputs: tuple[str, ...]
    weights: IntArray
    bias: IntArray
    frac: int
    copies: int = 1

    @property
    def size(self) -> int:
        """Number of outputs, of all copies."""
        return self.copies * int(self.weights.shape[1])

    @property
    def is_ternary(self) -> bool:
        """Whether each column is ternary up to a power of two, so that the layer is a BitLinear."""
        magnitudes = np.abs(self.weights)
        peak = magnitudes.max(axis=0, initial=0)
        same = (magnitudes == 0) | (magnitudes == peak)
        return bool(same.all() and ((peak & (peak - 1)) == 0).all())


@dataclass(frozen=True, eq=False)
class Requantize:
    """``clip(round((codes + offset) / 2**shift), lo, hi)`` on each code; a negative ``shift`` multiplies.

    ``offset`` is not 0 where a constant was moved into the layer before: see ``passes.fold_rounding``. ``size`` counts the codes
    of all ``copies``.
    """

    name: str
    inputs: tuple[str, ...]
    size: int
    shift: int
    rounding: Rounding
    lo: int
    hi: int
    frac: int
    offset: int = 0
    copies: int = 1

    @property
    def operand_text(self) -> str:
        """What is scaled, for comments: ``code``, or ``(code - 2)``."""
        return f"(code {'-' if self.offset < 0 else '+'} {abs(self.offset)})" if self.offset else "code"

    @property
    def clears_ties(self) -> bool:
        """Whether rounding is no more than the floor with its last bit cleared where only zeros are dropped.

        Of ``t = code + half``, where half is ``2**(shift - 1)``, that is what half-to-even rounding gives of ``code``.
        """
        return self.rounding is Rounding.RND_CONV and self.shift > 0 and self.offset == -(1 << (self.shift - 1))


@dataclass(frozen=True, eq=False)
class Lookup:
    """A piecewise constant function for each channel.

    Channel `j` gives ``values[j][k]`` for the largest `k` with ``starts[j][k] <= code``; ``starts[j]`` ascends and
    ``starts[j][0]`` is not above the lowest code that can occur. Channels are those of one of ``copies`` parts of the operand.
    """

    name: str
    inputs: tuple[str, ...]
    starts: tuple[tuple[int, ...], ...]
    values: tuple[tuple[int, ...], ...]
    frac: int
    copies: int = 1

    @property
    def size(self) -> int:
        """Number of codes, of all copies."""
        return self.copies * len(self.starts)


Operation = Linear | Requantize | Lookup | Extremum | Scaling
"""A node that computes something."""

Node = Input | Wire | Operation


@dataclass(frozen=True, eq=False)
class Graph:
    """A network in integers.

    Attributes:
        name: a C++ and Verilog identifier; the top module and function bear it.
        nodes: in topological order; names are unique identifiers.
        outputs: the nodes whose codes, concatenated, leave the design.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        from bittrigger.ir.text import graph_text  # it prints nodes, which this module defines

        return graph_text(self)

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
    return tuple(
        Interval(min(span.lo for span in codes[k::size]), max(span.hi for span in codes[k::size])) for k in range(size)
    )


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


def _lookup_interval(starts: tuple[int, ...], values: tuple[int, ...], source: Interval) -> Interval:
    first = int(np.searchsorted(starts, source.lo, side="right")) - 1
    last = int(np.searchsorted(starts, source.hi, side="right"))
    reached = values[max(first, 0) : last]
    return Interval(min(reached), max(reached))


def requantize_codes(node: Requantize, codes: IntArray) -> IntArray:
    """The definition of a requantiser, on any shape."""
    return clip(shift_round(codes + node.offset, node.shift, node.rounding), node.lo, node.hi)


def node_intervals(node: Node, source: Intervals) -> Intervals:
    """The hull of each output code of ``node``, given the hulls of its operand: exact for what all its copies may read."""
    match node:
        case Input():
            return (node.interval,) * node.size
        case Wire():
            return wire_intervals(node, source)
        case _:
            return copy_intervals(node, of_one_copy(source, node.copies)) * node.copies


def copy_intervals(node: Operation, source: Intervals) -> Intervals:
    """The exact hull of each output code of one copy of ``node``, given the hulls of its operand."""
    match node:
        case Linear():
            return _linear_intervals(node, source)
        case Requantize():
            exact = np.array([[i.lo, i.hi] for i in source], dtype=object).reshape(-1, 2)  # no shift can wrap
            ends = requantize_codes(node, exact)
            return tuple(Interval(int(lo), int(hi)) for lo, hi in ends)
        case Lookup():
            return tuple(map(_lookup_interval, node.starts, node.values, source))
        case Extremum():
            return (extremum_interval(node, source),)
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


def _evaluate_copy(node: Operation, codes: IntArray) -> IntArray:
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


def verify(graph: Graph) -> None:
    """Check that the graph is well formed and that no code can leave 62 bits.

    Raises:
        InternalError: if names repeat, an operand is unknown or later, or sizes disagree.
        UnsupportedModelError: if a code could need more than 62 bits.
    """
    sizes: dict[str, int] = {}
    for node in graph.nodes:
        if node.name in sizes:
            raise InternalError(f"node {node.name!r} occurs twice")
        missing = [name for name in node.inputs if name not in sizes]
        if missing:
            raise InternalError(f"node {node.name!r} reads {missing[0]!r}, which does not come before it")
        _check_shape(node, sum(sizes[name] for name in node.inputs))
        _check_operands(graph, node)
        sizes[node.name] = node.size
    if not graph.outputs or any(name not in sizes for name in graph.outputs):
        raise InternalError(f"graph {graph.name!r} has no or unknown outputs {graph.outputs}")
    ranges = intervals(graph)
    for node in graph.nodes:
        widest = max(interval.width for interval in ranges[node.name])
        if isinstance(node, ShiftUp) and operand(node, ranges)[-1].lo < 0:
            raise InternalError(f"node {node.name!r}: its exponent {node.inputs[-1]!r} can be negative")
        if isinstance(node, Requantize):  # before the clip
            offset = Interval(node.offset, node.offset)
            reached = [(interval + offset).union(interval) for interval in operand(node, ranges)]
            widest = max(widest, max(interval.width for interval in reached) - min(node.shift, 0))
        if widest > MAX_WIDTH:
            raise UnsupportedModelError(
                f"layer {node.name!r}: its codes need {widest} bits; allowed are {MAX_WIDTH}; "
                "use coarser quantisers before it"
            )


def _check_operands(graph: Graph, node: Node) -> None:
    """Check what is due of single operands."""
    if isinstance(node, ShiftDown | ShiftUp):
        _check_exponent(graph, node)
    if isinstance(node, Wire | Extremum) and any(graph[name].frac != node.frac for name in node.inputs):
        raise InternalError(f"node {node.name!r} joins codes of different fractional bits")


def _check_shape(node: Node, n_in: int) -> None:
    match node:
        case Input():
            good = node.size > 0 and node.interval.lo in node.type.interval and node.interval.hi in node.type.interval
        case Wire():
            good = node.indices.ndim == 1 and node.size > 0 and len(set(node.inputs)) == len(node.inputs)
            good = good and ZERO <= node.indices.min() <= node.indices.max() < n_in
        case _:
            single = node.copies == 1 or (node.copies > 1 and len(node.inputs) == 1 and n_in % node.copies == 0)
            good = single and _is_copy_well_formed(node, n_in // node.copies)
    if not good:
        raise InternalError(f"node {node.name!r} ({type(node).__name__}) does not fit {n_in} operand codes")


def _is_copy_well_formed(node: Operation, n_in: int) -> bool:
    match node:
        case Linear():
            n_out = node.weights.shape[-1]
            good = node.weights.shape == (n_in, n_out) and node.bias.shape == (n_out,) and n_in > 0 < n_out
        case Requantize():
            good = node.size == n_in * node.copies and node.lo <= node.hi
        case Lookup():
            good = len(node.starts) == n_in == len(node.values) and all(
                len(s) == len(v) > 0 and list(s) == sorted(set(s))
                for s, v in zip(node.starts, node.values, strict=True)
            )
        case Extremum():
            good = n_in > 1
        case MagnitudeOr():
            good = n_in > 0 and node.drop >= 0
        case ShiftDown():
            power = (node.hi & (node.hi + 1)) == 0 < node.hi and node.lo in (0, -node.hi - 1)
            good = node.size == n_in - 1 > 0 and node.base >= 0 and power
        case ShiftUp():
            good = node.size == n_in - 1 > 0
        case _:
            assert_never(node)
    return good


def _check_exponent(graph: Graph, node: ShiftDown | ShiftUp) -> None:
    """Check that the last operand is one exponent, and for a ``ShiftDown`` that of its own codes."""
    exponent = graph[node.inputs[-1]]
    good = exponent.size == 1
    if isinstance(node, ShiftDown):
        source = graph[exponent.inputs[0]] if isinstance(exponent, Lookup) else None
        good = (
            isinstance(exponent, Lookup)
            and isinstance(source, MagnitudeOr)
            and (exponent.starts[0], exponent.values[0]) == exponent_table(len(exponent.starts[0]) - 1)
            and (source.inputs, source.signed) == (node.inputs[:-1], node.signed)
            and source.drop == node.base + node.magnitude_bits
        )
    if not good:
        raise InternalError(f"node {node.name!r}: {exponent.name!r} is no exponent of its codes")
