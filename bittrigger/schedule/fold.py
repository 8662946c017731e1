"""Which layers that repeat are built in fewer copies, fed one after the other, where events come less often than every clock.

Copies of a layer that reads the layer before it copy by copy follow each other through both: such a chain takes one queue at its
head, and whatever reads all of its codes at once waits for the last of them. A chain is folded where that saves LUTs.
"""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.device.cost_model import module_cost
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.extremum import Extremum, tournament
from bittrigger.ir.graph import Graph, Input, Intervals, Operation, copy_operand, intervals, of_one_copy
from bittrigger.ir.pipeline import Module
from bittrigger.ir.ports import common_type
from bittrigger.ir.wire import Wire


@dataclass(frozen=True)
class Fold:
    """How a layer is folded.

    Attributes:
        lanes: copies that are built.
        queue: whether its operand waits in a queue; if not, it comes from the layer before, copy by copy.
    """

    lanes: int
    queue: bool


def folds(graph: Graph, adders: dict[str, AdderGraph], ii: int) -> dict[str, Fold]:
    """The layers that are folded, by name, where an event comes at most every ``ii`` cycles."""
    if ii == 1:
        return {}
    ranges = intervals(graph)
    chains: dict[str, list[Operation]] = {}
    heads: dict[str, str] = {}
    for node in graph.nodes:
        if isinstance(node, Input | Wire) or -(-node.copies // ii) >= node.copies:
            continue
        before = graph[node.inputs[0]]
        follows = before.name in heads and isinstance(before, Operation) and before.copies == node.copies
        heads[node.name] = heads[before.name] if follows else node.name
        chains.setdefault(heads[node.name], []).append(node)
    found: dict[str, Fold] = {}
    for chain in chains.values():
        copies = chain[0].copies
        lanes = -(-copies // ii)
        built = sum(_luts(graph, node, adders, ranges) for node in chain)
        operand = tuple(span for name in chain[0].inputs for span in ranges[name])
        queue = (copies - lanes) * (len(operand) // copies) * common_type(operand, 0).width
        if (copies - lanes) * built > queue:
            found |= {node.name: Fold(lanes, node is chain[0]) for node in chain}
    return found


def _luts(graph: Graph, node: Operation, adders: dict[str, AdderGraph], ranges: dict[str, Intervals]) -> int:
    """Estimated LUTs of one copy."""
    source, result = copy_operand(node, ranges), of_one_copy(ranges[node.name], node.copies)
    lowered = adders.get(node.name)
    count = len(lowered.adders) if lowered else 0
    if isinstance(node, Extremum):
        count = len(tournament(node, source)) - 2
    return module_cost(Module(graph.name, node, lowered, source, result, 0, 0, (0,) * count)).lut
