"""Which graphs are well formed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import numpy as np

from bittrigger.errors import InternalError, UnsupportedModelError
from bittrigger.ir.fixed import MAX_WIDTH, Interval, Overflow
from bittrigger.ir.graph import (
    Graph,
    Input,
    Intervals,
    Linear,
    Lookup,
    Node,
    Operation,
    Requantize,
    copy_operand,
    intervals,
    operand,
)
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp, exponent_table
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh, register_interval
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.routes import Route, route


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
        if isinstance(node, ShiftUp) and copy_operand(node, ranges)[-1].lo < 0:
            raise InternalError(f"node {node.name!r}: its exponent {node.inputs[-1]!r} can be negative")
        if isinstance(node, Requantize):  # before the clip
            offset = Interval(node.offset, node.offset)
            reached = [(interval + offset).union(interval) for interval in operand(node, ranges)]
            widest = max(widest, max(interval.width for interval in reached) - min(node.shift, 0))
        if widest > MAX_WIDTH:
            raise UnsupportedModelError(
                f"layer {node.name!r}: its codes need {widest} bits; allowed are {MAX_WIDTH}; {_narrower(graph, node, ranges)}"
            )


def _narrower(graph: Graph, node: Node, ranges: Mapping[str, Intervals]) -> str:
    """What makes the codes of a node narrower."""
    if isinstance(node, ShiftUp):
        return "bound the ranges of the DynamicQuantizers before it by least and most, or use a StaticQuantizer"
    return f"use coarser quantisers before it, or round what it reads ({_rounding_before(graph, node, ranges)})"


def _rounding_before(graph: Graph, node: Node, ranges: Mapping[str, Intervals]) -> str:
    """The option that rounds the widest operand of a node."""
    while node.inputs:
        node = graph[max(node.inputs, key=lambda name: max(interval.width for interval in ranges[name]))]
        if not isinstance(node, Wire):
            break
    return (
        "--input-precision 'fixed<16,6>'" if isinstance(node, Input) else f"--layer-precision '{node.name}=fixed<16,6>'"
    )


def _check_operands(graph: Graph, node: Node) -> None:
    """Check what is due of single operands."""
    if isinstance(node, ShiftDown | ShiftUp):
        _check_exponent(graph, node)
    if isinstance(node, Wire | Extremum) and any(graph[name].frac != node.frac for name in node.inputs):
        if isinstance(node, Wire) and node.name not in graph.outputs:
            readers = [other for other in graph.nodes if node.name in other.inputs]
            if all(isinstance(reader, Linear | Lookup | ShiftDown | ShiftUp) for reader in readers):
                return  # each row of a matrix, and each table, may be of codes of another step, and an exponent has none
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


def _is_copy_well_formed(node: Operation, n_in: int) -> bool:  # noqa: C901 - one case a kind
    match node:
        case Linear():
            n_out = node.weights.shape[-1]
            good = node.weights.shape == (n_in, n_out) and node.bias.shape == (n_out,) and n_in > 0 < n_out
        case Requantize():
            good = node.size == n_in * node.copies and node.lo <= node.hi and _overflows_well(node)
        case Lookup():
            good = len(node.starts) == n_in == len(node.values) and all(
                len(s) == len(v) > 0 and list(s) == sorted(set(s))
                for s, v in zip(node.starts, node.values, strict=True)
            )
            good = good and (not node.sums or (len(node.sums) == n_in and _are_equal(node)))
        case Extremum():
            good = n_in > 1
        case Product():
            good = n_in in (1, 2)
        case Weigh():
            good = node.weights.shape == (n_in, node.bias.size) and n_in > 0 < node.bias.size
            good = good and bool(np.isin(node.weights, (-1, 0, 1)).all()) and _are_held(node)
        case Hold():
            good = node.operands == n_in and node.bias.size > 0 and _are_held(node)
        case MagnitudeOr():
            good = n_in > 0 and node.drop >= 0
        case ShiftDown():
            power = (node.hi & (node.hi + 1)) == 0 < node.hi and node.lo in (0, -node.hi - 1)
            good = node.size == (n_in - 1) * node.copies > 0 and node.base >= 0 and power
        case ShiftUp():
            good = node.size == (n_in - 1) * node.copies > 0
        case _:
            assert_never(node)
    return good


def _overflows_well(node: Requantize) -> bool:
    """Whether its codes are limited, or wrap around at the ends of a fixed-point type."""
    if node.rectified and (node.overflow is not Overflow.WRAP or node.lo):
        return False
    if node.overflow is Overflow.WRAP:
        return node.lo < node.hi and node.hi & node.hi + 1 == 0 and node.lo in (0, -node.hi - 1)
    return node.overflow is Overflow.SAT


def _are_equal(node: Lookup) -> bool:
    """Whether every sum of tables gives the values of its channel."""
    for starts, values, digits in zip(node.starts, node.values, node.sums, strict=True):
        if digits is None:
            continue
        if not digits.is_well_formed or starts[0] > digits.span.lo:
            return False
        firsts, lasts = digits.alike()
        found = np.clip(digits.value_of(firsts), min(values), max(values))
        segments = np.searchsorted(starts, firsts, side="right") - 1
        ends = segments if lasts is firsts else np.searchsorted(starts, lasts, side="right") - 1
        if not np.array_equal(found, np.asarray(values, dtype=np.int64)[segments]) or (segments != ends).any():
            return False
    return True


def _are_held(node: Weigh | Hold) -> bool:
    """Whether the biases fit their registers."""
    span = register_interval(node.bits)
    fit = span.lo <= int(node.held.min()) and int(node.held.max()) <= span.hi
    return node.bias.shape == node.offset.shape == (node.bias.size,) and fit


def _check_exponent(graph: Graph, node: ShiftDown | ShiftUp) -> None:
    """Check that the last operand of each copy is one exponent, and for a ``ShiftDown`` that of its own codes."""
    found = route(graph, node.inputs)
    n_in = len(found) // node.copies
    exponents = [_code(found, copy * n_in + n_in - 1) for copy in range(node.copies)]
    good = n_in > 1 and (node.copies > 1 or graph[node.inputs[-1]].size == 1)
    if isinstance(node, ShiftDown):
        good = good and all(
            code is not None and _scales(graph, node, [_code(found, copy * n_in + k) for k in range(n_in - 1)], *code)
            for copy, code in enumerate(exponents)
        )
    if not good:
        raise InternalError(f"node {node.name!r}: {node.inputs[-1]!r} is no exponent of its codes")


_Code = tuple[str, int] | None
"""A node that is no wire, and the number of one of its codes; None for a 0."""


def _code(found: Route, number: int) -> _Code:
    source = int(found.sources[number])
    return None if source == ZERO else (found.nodes[source], int(found.elements[number]))


def _scales(graph: Graph, node: ShiftDown, codes: list[_Code], name: str, number: int) -> bool:
    """Whether code ``number`` of node ``name`` is the exponent that the magnitudes of ``codes`` give."""
    table = graph[name]
    if not isinstance(table, Lookup):
        return False
    channel = number % len(table.starts)
    peak = _code(route(graph, table.inputs), number)
    source = graph[peak[0]] if peak else None
    if peak is None or not isinstance(source, MagnitudeOr):
        return False
    read = route(graph, source.inputs)
    size = len(read) // source.copies
    own = [_code(read, peak[1] * size + k) for k in range(size)]
    return (
        (table.starts[channel], table.values[channel]) == exponent_table(len(table.starts[channel]) - 1)
        and (own, source.signed) == (codes, node.signed)
        and source.drop == node.base + node.magnitude_bits
    )
