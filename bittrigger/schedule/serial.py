"""Plans of layers that are multiplied digit by digit: which digits and lanes hold an interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bittrigger.device.delay_model import DelayModel
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.forms.engine import common_shift, may_go_without_adders
from bittrigger.ir.forms.serial import (
    MAX_DIGIT,
    Serial,
    Stream,
    columns_of,
    opened,
    own_adders,
    slots_of,
    terms_of,
)
from bittrigger.ir.forms.tally import adds_positions
from bittrigger.ir.graph import Graph
from bittrigger.ir.nodes import Linear

MAX_PASSES = 16
"""Most columns that a lane picks from."""


def serial_layers(graph: Graph, ii: int) -> list[Linear]:
    """The layers that digits may pass through within ``ii`` cycles, as far as their matrices tell."""
    return [
        node
        for node in graph.nodes
        if isinstance(node, Linear)
        and node.copies == 1
        and len(node.inputs) == 1
        and common_shift(node) is not None
        and not may_go_without_adders(node)
        and min(node.weights.shape) > 1
        and ii > 1
        and not adds_positions(graph, node)  # done as they come where the layer before is folded
    ]


def serial_plans(
    node: Linear, adders: AdderGraph, width: int, ii: int, timing: tuple[float, DelayModel]
) -> Iterator[Serial]:
    """The plans of a layer that are through within ``ii`` cycles.

    Args:
        adders: of the signs of its matrix; see ``ir.forms.serial.fits_serial``.
        width: bits of a result.
        timing: time for logic in a cycle, and the delays of logic.
    """
    n_in, n_out = node.weights.shape
    scale, columns = common_shift(node) or 0, _Columns.of(adders)
    for digit in range(1, MAX_DIGIT + 1):
        seen = set()
        for passes in range(1, min(MAX_PASSES, n_out) + 1):
            low = scale if passes == 1 else 0
            lanes, period = -(-n_out // passes), -(-(width - low) // digit)
            if -(-n_out // lanes) * period > ii or lanes in seen:
                continue
            seen.add(lanes)
            added = columns.summed(lanes, passes)
            plan = Serial(n_in, n_out, lanes, digit, width - low, scale - low, low, adders, added, (), (0,), 0)
            yield _placed(plan, *timing)


@dataclass(frozen=True)
class _Columns:
    """The columns of a matrix, and the adders of its graph that each has for itself.

    Attributes:
        built: the adders of the graph.
        own: those that a single column needs.
        found: the columns.
        most: operands of each column where all its own adders stand in its lane.
    """

    built: Mapping[int, tuple[Stream, Stream]]
    own: set[int]
    found: list[Stream | None]
    most: list[int]

    @classmethod
    def of(cls, graph: AdderGraph) -> _Columns:
        """Those of ``graph``."""
        built, columns = terms_of(graph), columns_of(graph)
        own = own_adders(built, columns)
        return cls(built, own, columns, [len(opened(built, column, own, graph.n_inputs)) for column in columns])

    def summed(self, lanes: int, passes: int) -> tuple[tuple[Stream, ...], ...]:
        """What each lane adds up of its columns, so that adders in and before the lanes, and what picks, take the fewest LUTs."""
        picks = -(-passes // 4)
        found: list[tuple[Stream, ...]] = [()] * len(self.found)
        for lane in range(lanes):
            members = range(lane, len(self.found), lanes)

            def luts(slots: int, members: range = members) -> int:
                return (picks + 1) * slots + sum(max(self.most[j] - slots, 0) for j in members)

            widest = max(1, *(self.most[j] for j in members)) if passes > 1 else 1
            best = min(range(1, widest + 1), key=luts)
            for j in members:
                found[j] = opened(self.built, self.found[j], self.own, best)
        return tuple(found)


def _placed(plan: Serial, budget_ns: float, model: DelayModel) -> Serial:
    """``plan`` with a stage for each adder and for the lanes, all as soon as can be."""
    own = model.logic_ns * -(-plan.digit // 2)
    done = dict.fromkeys(range(plan.n_in), (0, 0.0))

    def after(moment: tuple[int, float], delay_ns: float) -> tuple[int, float]:
        stage, spent = moment
        return (stage, spent + delay_ns) if spent + delay_ns <= budget_ns else (stage + 1, delay_ns)

    for k, pair in plan.built.items():
        done[k] = after(max(done[term.value] for term in pair), own)
    moment = max((done[stream.value] for column in plan.columns for stream in column), default=(0, 0.0))
    moment = after(moment, model.logic_ns * -(-plan.groups // 4) if plan.groups > 1 else 0.0)
    levels, most = [moment[0]], max(len(slots_of(plan, lane)) for lane in range(plan.lanes))
    for _ in range((most - 1).bit_length()):
        moment = after(moment, own)
        levels.append(moment[0])
    stages = (done[k][0] if k in done else 0 for k in range(plan.n_in, plan.n_in + len(plan.adders.adders)))
    return replace(plan, stages=tuple(stages), levels=tuple(levels), delay=after(moment, own)[0])
