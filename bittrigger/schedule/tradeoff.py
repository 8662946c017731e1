"""Fewest LUTs and registers within a latency: adder graphs of different depths, tried together, and retimed.

The smallest adder graph of a layer is seldom the shallowest. Each layer has a few candidates, from the smallest to the
shallowest. For every latency up to the bound the combinations with the fewest LUTs are placed in that many stages and in one
more, where there is room to wait with narrower values; the least ``LUT + weight * FF`` (both estimated) is taken. A looser
bound never gives a worse result.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bittrigger.device.cost_model import estimate
from bittrigger.device.timing import adder_delay_ns, held_delay_ns, node_delay_ns, part_delays_ns
from bittrigger.errors import ConfigError
from bittrigger.ir.adders import AdderGraph, depth
from bittrigger.ir.forms.table import in_parts
from bittrigger.ir.graph import Graph, Input, Intervals, Linear, Lookup, Requantize, copy_operand, intervals
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Pipeline
from bittrigger.schedule.moments import Moment, place_adders, place_parts
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import MAX_CYCLES
from bittrigger.solver import SolverOptions, graph_luts, solve_blocks

MAX_COMBINATIONS = 20_000
"""Combinations of candidates that are all looked at; beyond that one layer after another is made smaller."""

PLACED = 2
"""Combinations that are placed in stages for each latency."""

Choice = tuple[int, ...]
"""For each layer the number of a candidate."""


def within_latency(
    graph: Graph, schedule: Schedule, latency_cycles: int, register_weight: float, options: SolverOptions
) -> Pipeline:
    """The pipeline with the least ``LUT + register_weight * FF`` that was found among those within ``latency_cycles``.

    Args:
        schedule: the clock, and what of its period is kept free.
        options: of the solver; with a ``depth``, this is the only one that is tried.

    Raises:
        ConfigError: if the latency is less than any that was found, with the least in the message.
    """
    search = _Search(graph, schedule.budget_ns, _candidates(graph, options))
    kept: dict[int, list[tuple[int, Choice]]] = {}
    least = MAX_CYCLES
    for choice in search.choices(latency_cycles):
        latency = search.latency(choice)
        least = min(least, latency)
        if latency <= latency_cycles:
            kept[latency] = sorted([*kept.get(latency, []), (search.luts(choice), choice)])[:PLACED]
    if not kept:
        raise ConfigError(
            f"latency of {latency_cycles} cycles at {schedule.clock_mhz:g} MHz: the network takes at least {least}; "
            "allow more cycles, or take a slower clock"
        )
    best: tuple[float, Pipeline] | None = None
    for latency, choices in sorted(kept.items()):
        for _, choice in choices:
            for cycles in range(latency, min(latency + 1, latency_cycles) + 1):
                pipeline = replace(schedule, latency_cycles=cycles).apply(graph, search.adders(choice))
                total = estimate(pipeline)[1]
                cost = total.lut + register_weight * total.ff
                if best is None or cost < best[0]:
                    best = (cost, pipeline)
    if best is None:
        raise ConfigError(f"design {graph.name!r}: nothing was placed")
    return best[1]


def _candidates(graph: Graph, options: SolverOptions) -> dict[str, list[AdderGraph]]:
    """The candidates of each layer, smallest first; the shallowest is among them."""
    ranges = intervals(graph)
    return {
        node.name: _of_layer(node, copy_operand(node, ranges), options)
        for node in graph.nodes
        if isinstance(node, Linear)
    }


def _of_layer(node: Linear, source: Intervals, options: SolverOptions) -> list[AdderGraph]:
    found = [solve_blocks(node.weights, node.bias, source, options, apart=node.copies > 1)]
    if options.depth is None:
        for inputs in sorted({2, options.adder_inputs}, reverse=True):
            for bound in range(depth(found[0]) - (inputs == options.adder_inputs), 0, -1):
                try:
                    found.append(
                        solve_blocks(
                            node.weights,
                            node.bias,
                            source,
                            replace(options, adder_inputs=inputs, depth=bound),
                            apart=node.copies > 1,
                        )
                    )
                except ConfigError:  # too shallow for the longest sum
                    continue
    smallest_first = sorted(found, key=graph_luts)
    soonest, kept = math.inf, []
    for graph in smallest_first:  # a larger graph is of use if it is faster
        if _path_ns(graph) < soonest:
            soonest = _path_ns(graph)
            kept.append(graph)
    return kept


def _path_ns(graph: AdderGraph) -> float:
    """Delay of the slowest path from an input to an output, if no register lay on it."""
    done = [0.0] * graph.n_inputs
    for adder in graph.adders:
        done.append(max(done[term.value] for term in adder.terms) + adder_delay_ns(adder.operands))
    return max((done[out.value] for out in graph.outputs if out.value is not None), default=0.0)


@dataclass
class _Search:
    """Combinations of candidates, and the latency and size of each."""

    graph: Graph
    budget_ns: float
    candidates: dict[str, list[AdderGraph]]
    _ends: dict[tuple[str, int, Moment], Moment] = field(default_factory=dict)
    _source: dict[str, Intervals] = field(default_factory=dict)
    _luts: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ranges = intervals(self.graph)
        computing = [node for node in self.graph.nodes if not isinstance(node, Input | Wire)]
        self._source = {node.name: copy_operand(node, ranges) for node in computing}
        copies = {node.name: node.copies for node in computing}
        self._luts = [[copies[name] * graph_luts(graph) for graph in found] for name, found in self.candidates.items()]

    def adders(self, choice: Choice) -> dict[str, AdderGraph]:
        """The adder graphs of a combination."""
        return {name: found[k] for (name, found), k in zip(self.candidates.items(), choice, strict=True)}

    def luts(self, choice: Choice) -> int:
        """LUTs of all its adders."""
        return sum(found[k] for found, k in zip(self._luts, choice, strict=True))

    def choices(self, latency_cycles: int) -> Iterator[Choice]:
        """The combinations to look at, the one of the least latency among them."""
        sizes = [range(len(found)) for found in self.candidates.values()]
        if math.prod(map(len, sizes)) <= MAX_COMBINATIONS:
            yield from itertools.product(*sizes)
            return
        choice = self._fastest()
        yield choice
        for layer, size in enumerate(sizes):
            for k in size:
                smaller = (*choice[:layer], k, *choice[layer + 1 :])
                yield smaller
                if self.latency(smaller) <= latency_cycles:
                    choice = smaller
                    break

    def _fastest(self) -> Choice:
        """Every layer as soon as can be: whatever follows starts no later than with any other combination."""
        picked: dict[str, int] = {}
        done: dict[str, Moment] = {}
        for node in self.graph.nodes:
            start = max((done[name] for name in node.inputs), default=Moment(0, 0.0))
            if isinstance(node, Linear):
                tried = range(len(self.candidates[node.name]))
                picked[node.name] = min(tried, key=lambda k: (self._end(node.name, k, start), k))
            done[node.name] = self._end(node.name, picked.get(node.name, 0), start)
        return tuple(picked[name] for name in self.candidates)

    def latency(self, choice: Choice) -> int:
        """The fewest cycles in which a combination can be placed."""
        picked = dict(zip(self.candidates, choice, strict=True))
        done: dict[str, Moment] = {}
        for node in self.graph.nodes:
            start = max((done[name] for name in node.inputs), default=Moment(0, 0.0))
            done[node.name] = self._end(node.name, picked.get(node.name, 0), start)
        return 1 + max(done[name].stage for name in self.graph.outputs)

    def _end(self, name: str, number: int, start: Moment) -> Moment:
        """When the results of a node are there; each case is worked out once."""
        key = (name, number, start)
        if key not in self._ends:
            node = self.graph[name]
            match node:
                case Input() | Wire():
                    self._ends[key] = start
                case Linear():
                    self._ends[key] = place_adders(self.candidates[name][number], start, self.budget_ns)[1]
                case Requantize() | Lookup() if not in_parts(node, self._source[name]):
                    self._ends[key] = start.after(node_delay_ns(node, self._source[name]), self.budget_ns)
                case Weigh() | Hold():
                    self._ends[key] = start.after(held_delay_ns(node), self.budget_ns)
                case Lookup() | Extremum() | Product() | MagnitudeOr() | ShiftDown() | ShiftUp():
                    delays_ns = part_delays_ns(node, self._source[name])
                    self._ends[key] = place_parts(delays_ns, start, self.budget_ns)[-1]
        return self._ends[key]
