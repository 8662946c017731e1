"""The second half of every build: an integer graph gets its adders, and they get their clock cycles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.fixed import Interval
from bittrigger.ir.forms.engine import MAX_SEARCHED, common_shift, least_interval, may_go_without_adders
from bittrigger.ir.forms.serial import fits_serial
from bittrigger.ir.graph import Graph, Linear, copy_operand, intervals
from bittrigger.ir.nodes.held import Turns
from bittrigger.ir.pipeline import Pipeline
from bittrigger.schedule.engine import UNROLLED, Option, columns_apart
from bittrigger.schedule.forms import Asked, ways
from bittrigger.schedule.hasten import Way, hastened
from bittrigger.schedule.schedule import Schedule, large_engines
from bittrigger.schedule.serial import serial_layers
from bittrigger.schedule.tradeoff import within_latency
from bittrigger.settings import MAX_CYCLES, STREAM, Settings
from bittrigger.solver import solve_blocks

TRIES = 4
"""How often forms are sought that keep a latency: the latency of adders that are found anew is not known beforehand."""

SERIAL_BITS = 24
"""Bits of an operand for which adders that pass digits are searched for: so many that each adder costs about the same."""


def clocked(settings: Settings) -> Schedule:
    """A schedule for the clock of ``settings``, an event every cycle."""
    return Schedule(settings.clock_mhz, period_margin_ns=settings.period_margin_ns)


def solve_layers(graph: Graph, settings: Settings) -> dict[str, AdderGraph]:
    """An adder graph for each ``Linear`` node of ``graph``, each proven equal to its matrix.

    A large layer that the interval leaves the time to multiply step by step gets none.

    Raises:
        ConfigError: if a layer is too large for adders, and the interval too short for steps.
    """
    stepwise = large_engines(graph, replace(clocked(settings), ii=settings.ii))
    layers = [node for node in graph.nodes if isinstance(node, Linear) and node.name not in stepwise]
    huge = [
        layer for layer in layers if np.count_nonzero(layer.weights) > MAX_SEARCHED and common_shift(layer) is not None
    ]
    if huge:
        worst = max(huge, key=least_interval)
        n_in, n_out = worst.weights.shape
        raise ConfigError(
            f"layer {worst.name!r} of {n_in} x {n_out} at an event every {settings.ii} cycles: it is too large for adders of its "
            f"own, and takes {least_interval(worst)} cycles step by step; allowed are intervals of as many and more; give --ii "
            f"{least_interval(worst)}, or more"
        )
    return _solved(graph, layers, settings)


def _solved(graph: Graph, layers: Iterable[Linear], settings: Settings) -> dict[str, AdderGraph]:
    ranges = intervals(graph)
    return {
        node.name: solve_blocks(
            node.weights, node.bias, copy_operand(node, ranges), settings.solver, apart=node.copies > 1
        )
        for node in layers
    }


def serial_adders(graph: Graph, settings: Settings) -> dict[str, AdderGraph]:
    """An adder graph of the signs of each layer that digits may pass through; adders of two operands, the fewest of them."""
    options = replace(settings.solver, adder_inputs=2, depth=None)
    found = {}
    for node in serial_layers(graph, settings.ii):
        words = (Interval(0, (1 << SERIAL_BITS) - 1),) * node.weights.shape[0]
        nothing = np.zeros(node.weights.shape[1], dtype=np.int64)
        solved = solve_blocks(np.sign(node.weights), nothing, words, options, apart=False)
        if fits_serial(solved):
            found[node.name] = solved
    return found


def create_pipeline(graph: Graph, settings: Settings) -> Pipeline:
    """``graph`` lowered to adders and placed in stages.

    Raises:
        ConfigError: if the clock is too fast, or the latency less than any that was found.
    """
    if settings.ii > 1 or settings.latency_cycles is None:
        return placed(graph, solve_layers(graph, settings), settings)
    weight = settings.register_weight
    return within_latency(graph, clocked(settings), settings.latency_cycles, weight, settings.solver)


def placed(graph: Graph, adders: dict[str, AdderGraph], settings: Settings) -> Pipeline:
    """``graph`` with adders for its layers, placed in stages, each layer in its cheapest form that keeps interval and latency.

    Raises:
        ConfigError: if the clock is too fast, or the latency less than any that was found.
    """
    serial = serial_adders(graph, settings)
    schedule = replace(clocked(settings), ii=settings.ii, stream=settings.port == STREAM, serial=serial)
    if settings.ii > 1 and settings.latency_cycles is not None:
        return _in_time(graph, adders, schedule, settings, settings.latency_cycles)
    return _settled(graph, adders, schedule, settings, schedule.options(graph, adders))


def _settled(
    graph: Graph,
    adders: dict[str, AdderGraph],
    schedule: Schedule,
    settings: Settings,
    options: Mapping[str, Sequence[Option]],
) -> Pipeline:
    """``graph`` in stages, once what follows matrices column by column stands apart.

    Codes behind it may take wider ranges then; unrolled layers that read them get new adders.

    Args:
        options: the forms of each matrix of ``graph``.
    """
    while (apart := columns_apart(graph, planned := schedule.planned(graph, adders, options))) is not graph:
        ranges = intervals(apart)
        unrolled = adders.keys() - {name for name, plan in planned.items() if not isinstance(plan, Turns)}
        layers = [node for node in apart.nodes if isinstance(node, Linear) and node.name in unrolled]
        widened = [node for node in layers if copy_operand(node, ranges) != adders[node.name].inputs]
        graph, adders = apart, adders | _solved(apart, widened, settings)
        options = schedule.options(graph, adders)
    return schedule.apply(graph, adders, options)


def _all_ways(asked: Asked, schedule: Schedule) -> dict[str, list[Way]]:
    """The forms of each layer, also of those that follow a matrix turn by turn, but are a chain where it is unrolled."""
    large = {name for name, options in asked.options.items() if all(option.plan for option in options)}
    unrolled = dict.fromkeys(asked.planned.keys() - large, UNROLLED)
    alone = replace(schedule, chosen=unrolled).asked(asked.graph, asked.adders, asked.options)
    return {**ways(asked), **ways(alone)} if unrolled else ways(asked)


def _in_time(
    graph: Graph, adders: dict[str, AdderGraph], schedule: Schedule, settings: Settings, latency_cycles: int
) -> Pipeline:
    """``graph`` in stages, in forms that are fast enough.

    Raises:
        ConfigError: if the latency is less than any that was found, with the least in the message.
    """
    asked = schedule.asked(graph, adders)
    options, least, bound = _all_ways(asked, schedule), MAX_CYCLES, latency_cycles
    for _ in range(TRIES):
        chosen, found = hastened(options, lambda forms: replace(schedule, chosen=forms).least_latency(asked), bound)
        made = _settled(graph, adders, replace(schedule, chosen=chosen), settings, asked.options)
        if made.latency_cycles <= latency_cycles:
            return made
        least = min(least, made.latency_cycles)
        if found > bound:
            break
        bound -= made.latency_cycles - latency_cycles
    if settings.port == STREAM or any(may_go_without_adders(node) for node in graph.nodes if isinstance(node, Linear)):
        raise ConfigError(
            f"latency of {latency_cycles} cycles at an event every {settings.ii} at {settings.clock_mhz:g} MHz: the network "
            f"takes at least {least}; allow more cycles, or take a slower clock"
        )
    flat = within_latency(graph, clocked(settings), latency_cycles, settings.register_weight, settings.solver)
    unrolled = replace(schedule, chosen=dict.fromkeys(options, UNROLLED), latency_cycles=flat.latency_cycles)
    return unrolled.apply(graph, {module.node.name: module.adders for module in flat.modules if module.adders})
