"""Plans of layers that are multiplied digit by digit: which digits and lanes hold an interval."""

from __future__ import annotations

from collections.abc import Iterator

from bittrigger.device.timing import DelayModel
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.engine import common_shift, may_go_without_adders
from bittrigger.ir.graph import Graph
from bittrigger.ir.nodes import Linear
from bittrigger.ir.serial import MAX_DIGIT, Serial, columns_of, streams, terms_of

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
    ]


def serial_plans(
    node: Linear, adders: AdderGraph, width: int, ii: int, timing: tuple[float, DelayModel]
) -> Iterator[Serial]:
    """The plans of a layer that are through within ``ii`` cycles.

    Args:
        adders: of the signs of its matrix; see ``ir.serial.fits_serial``.
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
            stages, delay = _placed(adders, digit, passes, *timing)
            yield Serial(n_in, n_out, lanes, digit, width - low, scale - low, low, adders, stages, delay)


def _placed(
    graph: AdderGraph, digit: int, passes: int, budget_ns: float, model: DelayModel
) -> tuple[tuple[int, ...], int]:
    """The stage of each adder, as soon as can be, and that of the lanes."""
    own = model.logic_ns * -(-digit // 2)
    done = dict.fromkeys(range(graph.n_inputs), (0, 0.0))

    def after(moment: tuple[int, float], delay_ns: float) -> tuple[int, float]:
        stage, spent = moment
        return (stage, spent + delay_ns) if spent + delay_ns <= budget_ns else (stage + 1, delay_ns)

    for k, pair in terms_of(graph).items():
        done[k] = after(max(done[term.value] for term in pair), own)
    columns = [column for column in columns_of(graph) if column is not None]
    start = max((done[column.value] for column in columns), default=(0, 0.0))
    delay, _ = after(start, own + (model.logic_ns * -(-passes // 4) if passes > 1 else 0.0))
    known = streams(graph)
    stages = (done[k][0] if k in done else 0 for k in range(graph.n_inputs, len(known)))
    return tuple(stages), delay
