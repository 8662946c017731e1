"""Plans of layers that are multiplied digit by digit: which digits and lanes hold an interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bittrigger.device.timing import DelayModel
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.forms.engine import common_shift, may_go_without_adders
from bittrigger.ir.forms.serial import (
    MAX_DIGIT,
    Serial,
    Stream,
    built_in,
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
    scale = common_shift(node) or 0
    for digit in range(1, MAX_DIGIT + 1):
        seen = set()
        for passes in range(1, min(MAX_PASSES, n_out) + 1):
            low = scale if passes == 1 else 0
            lanes, period = -(-n_out // passes), -(-(width - low) // digit)
            if -(-n_out // lanes) * period > ii or lanes in seen:
                continue
            seen.add(lanes)
            columns = _columns(adders, lanes, passes)
            plan = Serial(n_in, n_out, lanes, digit, width - low, scale - low, low, adders, columns, (), (0,), 0)
            yield _placed(plan, *timing)


def _columns(graph: AdderGraph, lanes: int, passes: int) -> tuple[tuple[Stream, ...], ...]:
    """What each lane adds up of its columns, so that adders in and before the lanes, and what picks, take the fewest LUTs."""
    own, columns, built = own_adders(graph), columns_of(graph), terms_of(graph)
    most = [len(opened(built, column, own, graph.n_inputs)) if passes > 1 else 1 for column in columns]
    picks = -(-passes // 4)
    found: list[tuple[Stream, ...]] = [()] * len(columns)
    for lane in range(lanes):
        members = range(lane, len(columns), lanes)

        def luts(slots: int, members: range = members) -> int:
            return (picks + 1) * slots + sum(max(most[j] - slots, 0) for j in members)

        best = min(range(1, max(1, *(most[j] for j in members)) + 1), key=luts)
        for j in members:
            found[j] = opened(built, columns[j], own, best)
    return tuple(found)


def _placed(plan: Serial, budget_ns: float, model: DelayModel) -> Serial:
    """``plan`` with a stage for each adder and for the lanes, all as soon as can be."""
    own = model.logic_ns * -(-plan.digit // 2)
    done = dict.fromkeys(range(plan.n_in), (0, 0.0))

    def after(moment: tuple[int, float], delay_ns: float) -> tuple[int, float]:
        stage, spent = moment
        return (stage, spent + delay_ns) if spent + delay_ns <= budget_ns else (stage + 1, delay_ns)

    for k, pair in built_in(plan).items():
        done[k] = after(max(done[term.value] for term in pair), own)
    moment = max((done[stream.value] for column in plan.columns for stream in column), default=(0, 0.0))
    moment = after(moment, model.logic_ns * -(-plan.groups // 4) if plan.groups > 1 else 0.0)
    levels, most = [moment[0]], max(len(slots_of(plan, lane)) for lane in range(plan.lanes))
    for _ in range((most - 1).bit_length()):
        moment = after(moment, own)
        levels.append(moment[0])
    stages = (done[k][0] if k in done else 0 for k in range(plan.n_in, plan.n_in + len(plan.adders.adders)))
    return replace(plan, stages=tuple(stages), levels=tuple(levels), delay=after(moment, own)[0])
