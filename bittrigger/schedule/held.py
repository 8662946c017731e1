"""Which layers whose weights are held build fewer columns than they have, which take turns between two events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bittrigger.device.feed_cost import BLOCK_LUTS, columns_cost
from bittrigger.errors import InternalError
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.graph import Graph, Linear, intervals
from bittrigger.ir.nodes.held import MAX_BLOCK_TURNS, MAX_TURNS, Turns, Weigh
from bittrigger.ir.ports import common_type
from bittrigger.schedule.engine import copy_luts, followers


def column_turns(graph: Graph, adders: Mapping[str, AdderGraph], ii: int) -> dict[str, Turns]:
    """The turns of the columns of each ``Weigh`` that takes fewer LUTs so, where an event comes every ``ii`` cycles.

    By the name of the layer that adds up the columns.
    """
    ranges = intervals(graph)
    found = {}
    for node in graph.nodes:
        if not isinstance(node, Weigh) or len(node.inputs) > 1 or min(ii, node.columns) == 1:
            continue
        added = _column_sums(graph, node.name)
        if added.name not in adders:
            continue
        own = -(-copy_luts(graph, node, {}, ranges) // node.columns) + copy_luts(graph, added, adders, ranges)
        own += sum(copy_luts(graph, reader, {}, ranges) // reader.copies for reader in followers(graph, added.name))
        width = common_type(ranges[node.inputs[0]], 0).width
        luts = {plan: plan.lanes * own + _feed_luts(node, plan, width) for plan in _plans(node.columns, ii)}
        best = min(luts, key=luts.__getitem__)
        if luts[best] < node.columns * own:
            found[added.name] = best
    return found


def _plans(columns: int, ii: int) -> Iterator[Turns]:
    """The turns that are over in time: as many as LUTs that are memory hold words, or as block RAM does."""
    for most in (MAX_TURNS, MAX_BLOCK_TURNS):
        yield Turns(columns, -(-columns // min(ii, most)))


def _feed_luts(node: Weigh, plan: Turns, width: int) -> int:
    """LUTs of what feeds the columns, and those that its block RAM is worth."""
    cost = columns_cost(node, plan, width)
    return cost.lut + BLOCK_LUTS * cost.bram18


def _column_sums(graph: Graph, name: str) -> Linear:
    """The layer that adds up the columns of the ``Weigh`` called ``name``."""
    for node in graph.nodes:
        if isinstance(node, Linear) and node.inputs == (name,):
            return node
    raise InternalError(f"nothing adds up the columns of {name!r}")
