"""How wide the lanes of each layer are: the fewest of 16, 32 and 64 bits on which its arithmetic is exact.

Sums are taken modulo the lane, so a ``Linear`` node only needs lanes that hold its results: every partial sum may wrap.
Requantisers and look-ups compare and shift, so their lanes also hold whatever they compute on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bittrigger.errors import UnsupportedModelError
from bittrigger.ir.fixed import Interval, hull
from bittrigger.ir.graph import (
    Graph,
    Input,
    Intervals,
    Linear,
    Lookup,
    Node,
    Operation,
    Requantize,
    intervals,
    of_one_copy,
    operand,
)
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import Wire

LANES = (16, 32, 64)


@dataclass(frozen=True)
class Operand:
    """The rows that a layer reads.

    Attributes:
        rows: the C++ member that holds them, behind ``block.``.
        lane: bits of their lanes.
        parts: nodes that are copied into the rows first, with their sizes and lanes; empty if a node's rows serve as
            they are.
    """

    rows: str
    lane: int
    parts: tuple[tuple[str, int, int], ...] = ()


def lane_holding(interval: Interval, name: str) -> int:
    """Bits of the narrowest two's complement lane that holds ``interval``.

    Raises:
        UnsupportedModelError: if 64 bits do not.
    """
    for bits in LANES:
        if -(1 << (bits - 1)) <= interval.lo and interval.hi < 1 << (bits - 1):
            return bits
    raise UnsupportedModelError(
        f"layer {name!r}: the emulator would need lanes that hold [{interval.lo}, {interval.hi}]; allowed are 64 bits; "
        "use a coarser quantiser before it, or a smaller shift"
    )


def rounding_interval(node: Requantize, source: Interval) -> Interval:
    """Everything that a requantiser computes on the way: the shifted code, or the code plus less than ``2**shift``."""
    source = source.union(source + Interval(node.offset, node.offset))
    if node.shift > 0:
        return source.union(Interval(0, max(source.hi, 0) + (1 << node.shift)))
    return source.union(source << -node.shift)


def node_lane(node: Node, source: Intervals, result: Intervals) -> int:
    """Bits of the lanes on which ``node`` computes its results exactly.

    Args:
        source: ranges of the operand codes.
        result: ranges of the output codes.

    Raises:
        UnsupportedModelError: if 64 bits do not do.
    """
    needed = hull(result)
    match node:
        case Linear() | Wire():
            pass
        case Requantize():
            needed = needed.union(rounding_interval(node, hull(source)))
        case Lookup() | Extremum() | Product() | Weigh() | Hold():
            needed = needed.union(hull(source))
        case MagnitudeOr():
            needed = needed.union(hull(source))
        case ShiftUp():
            highest = of_one_copy(source, node.copies)[-1].hi
            needed = needed.union(hull(source)).union(Interval(0, 1 << highest))  # no shift by a whole lane
        case ShiftDown():
            reach = hull(source)
            highest = of_one_copy(source, node.copies)[-1].hi
            needed = reach.union(Interval(0, max(reach.hi, 0) + (1 << node.base + highest)))
        case Input():
            needed = node.interval
        case _:
            assert_never(node)
    return lane_holding(needed, node.name)


def graph_lanes(graph: Graph) -> dict[str, int]:
    """Bits of the lanes of every node, by name."""
    ranges = intervals(graph)
    return {node.name: node_lane(node, operand(node, ranges), ranges[node.name]) for node in graph.nodes}


def node_operand(graph: Graph, node: Wire | Operation, lanes: dict[str, int]) -> Operand:
    """The rows that ``node`` reads: those of its only input, or copies in its own lanes."""
    lane = lanes[node.name]
    if len(node.inputs) == 1 and lanes[node.inputs[0]] == lane:
        return Operand(f"codes.{node.inputs[0]}", lane)
    parts = tuple((name, graph[name].size, lanes[name]) for name in node.inputs)
    return Operand(f"operands.{node.name}", lane, parts)


def unsigned_literal(value: int, bits: int) -> str:
    """``+ c`` or ``- c`` that adds ``value`` modulo ``2**bits``; empty for nothing."""
    rest = value % (1 << bits)
    if not rest:
        return ""
    half = 1 << (bits - 1)
    return f" + {_suffixed(rest)}" if rest <= half else f" - {_suffixed((1 << bits) - rest)}"


def _suffixed(value: int) -> str:
    return f"{value}" if value < 1 << 31 else f"{value}ULL" if value >= 1 << 32 else f"{value}U"


def signed_literal(value: int) -> str:
    """``value`` as a C++ constant, even the lowest of 64 bits."""
    if -(1 << 31) < value < 1 << 31:
        return f"{value}"
    return f"({value + 1}LL - 1)" if value < 0 else f"{value}LL"
