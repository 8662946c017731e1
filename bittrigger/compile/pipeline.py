"""The second half of every build: an integer graph gets its adders, and they get their clock cycles."""

from __future__ import annotations

from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.graph import Graph, Linear, copy_operand, intervals
from bittrigger.ir.pipeline import Pipeline
from bittrigger.schedule.schedule import Schedule
from bittrigger.schedule.tradeoff import within_latency
from bittrigger.settings import Settings
from bittrigger.solver import solve_blocks


def solve_layers(graph: Graph, settings: Settings) -> dict[str, AdderGraph]:
    """An adder graph for each ``Linear`` node of ``graph``, each proven equal to its matrix."""
    ranges = intervals(graph)
    return {
        node.name: solve_blocks(
            node.weights, node.bias, copy_operand(node, ranges), settings.solver, apart=node.copies > 1
        )
        for node in graph.nodes
        if isinstance(node, Linear)
    }


def create_pipeline(graph: Graph, settings: Settings) -> Pipeline:
    """``graph`` lowered to adders and placed in stages.

    Raises:
        ConfigError: if the clock is too fast, or the latency less than any that was found.
    """
    if settings.latency_cycles is None:
        return Schedule(settings.clock_mhz, ii=settings.ii).apply(graph, solve_layers(graph, settings))
    weight = settings.register_weight
    return within_latency(graph, settings.clock_mhz, settings.latency_cycles, weight, settings.solver)
