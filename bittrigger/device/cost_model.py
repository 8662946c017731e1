"""LUTs and flip-flops of a pipeline, estimated from its numbers alone, before any tool has run.

Adders are counted bit by bit: a carry chain needs a LUT in front of a bit only where two signals meet there, or one that is
inverted; three-input adders cost what the solver's cost model says. Registers are counted as the emitter places them. The
rest is a handful of constants in the files beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from bittrigger.device.cost import Cost
from bittrigger.device.feed_cost import (
    choice_cost,
    chosen_cost,
    columns_cost,
    feed_cost,
    held_cost,
    lane_cost,
    queue_cost,
    window_cost,
)
from bittrigger.device.lut_prices import adder_luts
from bittrigger.device.node_cost import (
    extremum_cost,
    lookup_cost,
    magnitude_cost,
    product_cost,
    requantize_cost,
    shift_down_cost,
    shift_up_cost,
)
from bittrigger.device.serial_cost import serial_cost
from bittrigger.errors import InternalError
from bittrigger.ir.adders import Adder, AdderGraph, first_equals, fold_constants, live_values, value_intervals
from bittrigger.ir.fixed import Interval
from bittrigger.ir.forms.queue import Choosing
from bittrigger.ir.graph import Linear, Lookup, Requantize, intervals, operand
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Turns, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.pipeline import Module, Pipeline, queued_codes, turned_codes, waits_once
from bittrigger.ir.ports import common_type
from bittrigger.ir.register_bits import vector_bits
from bittrigger.ir.waiting import held_turns, last_reads, registers_until, stream_delays


@dataclass(frozen=True)
class _Wire:
    """A value as seen by a reader: which one, in which stage, and its range."""

    value: int
    stage: int
    range: Interval

    def bit(self, index: int, shift: int) -> tuple[int, int, int] | None:
        """The signal on bit ``index`` of the value shifted left, or None where it is 0."""
        place = index - shift
        if place < 0 or (place >= self.range.width and not self.range.signed):
            return None
        return self.value, self.stage, min(place, self.range.width - 1)


def estimate(pipeline: Pipeline) -> tuple[dict[str, Cost], Cost]:
    """The cost of all copies of each module by name, and of the whole design, what lies in its top included."""
    ranges = intervals(pipeline.graph)
    modules = {module.name: module_cost(module).times(module.instances) for module in pipeline.modules}
    for module in pipeline.modules:
        if module.engine:
            own = common_type(operand(module.node, ranges), 0)
            modules[module.name] += feed_cost(module.engine, own, vector_bits(module.result))
        if module.is_fed and isinstance(module.node, Weigh):
            width = common_type(operand(module.node, ranges), 0).width
            modules[module.name] += columns_cost(module.node, Turns(module.columns, module.lanes), width)
    total = sum(modules.values(), Cost(0, _top_registers(pipeline))) + _folding(pipeline)
    fed = {module.node.name for module in pipeline.held if module.is_fed}
    total = sum((held_cost(node) for node in held_nodes(pipeline.graph) if node.name not in fed), total)
    return modules, total


def _folding(pipeline: Pipeline) -> Cost:
    """The queues in front of folded modules, and the registers in which their results gather."""
    ranges, delays, held = intervals(pipeline.graph), stream_delays(pipeline), held_turns(pipeline)
    cost = Cost(0, 0)
    for module in pipeline.modules:
        if module.is_folded:
            cost += Cost(0, delays[module.node.name] * module.lanes * vector_bits(module.result))
            cost += Cost(0, held.get(module.node.name, 0) * module.lanes * vector_bits(module.result))
        if module.queue:
            width = common_type(operand(module.node, ranges), 0).width
            if module.window:
                cost += window_cost(module.window, width)
            elif waits_once(pipeline.graph, module):
                taken, _ = queued_codes(pipeline.graph, module)
                cost += choice_cost(len(taken), turned_codes(pipeline.graph, module), width)
            else:
                cost += queue_cost(module.copies, module.lanes, len(module.source) * width)
            if module.choosing is not Choosing.READING:
                cost += chosen_cost(module.choosing, turned_codes(pipeline.graph, module), width, pipeline.ii)
    if pipeline.arrival:
        for port in pipeline.arrival.ports:
            a_word = len(ranges[port]) // pipeline.arrival.positions * pipeline.arrival.lanes
            cost += Cost(0, delays[port] * vector_bits(ranges[port][:1]) * a_word)
    return cost


def module_cost(module: Module) -> Cost:  # noqa: C901, PLR0911 - one return a kind
    """The cost of one copy of a module."""
    match module.node:
        case Linear():
            return _matrix(module)
        case Requantize():
            return requantize_cost(module, module.node)
        case Lookup():
            return lookup_cost(module, module.node)
        case Extremum():
            return extremum_cost(module, module.node)
        case Product():
            return product_cost(module, module.node)
        case Weigh():
            return _weigh(module)
        case Hold():
            return Cost(0, 0)
        case MagnitudeOr():
            return magnitude_cost(module, module.node)
        case ShiftDown():
            return shift_down_cost(module, module.node)
        case ShiftUp():
            return shift_up_cost(module, module.node)
        case _:
            assert_never(module.node)


def _matrix(module: Module) -> Cost:
    """A layer unrolled, or what is built for one of its columns at a time."""
    width = vector_bits(module.result)
    if module.tally:
        return Cost(module.tally.lanes * width, width)
    if module.serial:
        return Cost(*serial_cost(module.serial, common_type(module.source, 0)))
    if module.engine:
        kind = common_type(module.source, 0)
        return lane_cost(module.engine, kind, width)
    if module.adders is None:
        raise InternalError(f"module {module.name!r} has no adder graph")
    return _linear(module, fold_constants(module.adders, module.result))


def _linear(module: Module, graph: AdderGraph) -> Cost:
    ranges, same, live = value_intervals(graph), first_equals(graph), live_values(graph)
    born = [module.start] * graph.n_inputs + list(module.stages)
    last = dict.fromkeys(same, -1)
    luts: set[object] = set()
    wide = 0
    for k, (adder, stage) in enumerate(zip(graph.adders, module.stages, strict=True)):
        value = graph.n_inputs + k
        if value not in live or same[value] != value:
            continue
        wires = [_Wire(same[term.value], stage, ranges[term.value]) for term in adder.terms]
        for wire in wires:
            last[wire.value] = max(last[wire.value], stage)
        if adder.operands > 2:
            wide += adder_luts(adder, ranges, ranges[value])
        else:
            luts.update(_sum_luts(adder, wires, ranges[value].width))
    for out in graph.outputs:
        if out.value is not None:
            last[same[out.value]] = max(last[same[out.value]], module.stop)
    ff = sum(ranges[value].width * max(0, stage - born[value]) for value, stage in last.items())
    return Cost(len(luts) + wide, ff)


def _sum_luts(adder: Adder, wires: list[_Wire], width: int) -> Iterator[object]:
    """The LUT in front of each bit of the carry chain; equal ones are one."""
    terms = sorted(zip(adder.terms, wires, strict=True), key=lambda pair: pair[0].negative)
    for index in range(width):
        signals = []
        inverted = adder.constant < 0
        if adder.constant:
            inverted ^= bool(abs(adder.constant) >> index & 1)
        for term, wire in terms:
            signal = wire.bit(index, term.shift)
            inverted ^= term.negative
            if signal is not None:
                signals.append(signal)
        if len(signals) > 1 or (signals and inverted):
            yield tuple(sorted(signals)), inverted


def _weigh(module: Module) -> Cost:
    """A column: a LUT for each bit of a sum of two held terms."""
    return Cost(sum(span.width for span in module.result[:-1]), 0)


def _top_registers(pipeline: Pipeline) -> int:
    """The registers between modules and behind the last ones, and the valid chain."""
    ranges = intervals(pipeline.graph)
    return pipeline.latency_cycles + sum(
        registers_until(pipeline, name, stage, stage) * vector_bits(ranges[name])
        for name, stage in last_reads(pipeline).items()
    )
