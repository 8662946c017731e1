"""Place every adder and requantiser in a pipeline stage: as soon as can be for the latency, then with the fewest registers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bittrigger.device.timing import (
    DEFAULT_DELAYS,
    DelayModel,
    adder_delay_ns,
    held_delay_ns,
    node_delay_ns,
    part_delays_ns,
    usable_ns,
)
from bittrigger.errors import ConfigError
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.fixed import Interval
from bittrigger.ir.forms.arrival import Arrival, arrival_of
from bittrigger.ir.forms.engine import FEEDING, may_go_without_adders
from bittrigger.ir.forms.table import in_parts
from bittrigger.ir.graph import (
    Graph,
    Input,
    Linear,
    Lookup,
    Operation,
    Requantize,
    copy_operand,
    intervals,
    of_one_copy,
)
from bittrigger.ir.nodes.block_floating_point import Scaling
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.routes import read_by
from bittrigger.schedule.engine import Plan, Spare, engines
from bittrigger.schedule.fold import Fold, folds
from bittrigger.schedule.held import column_turns
from bittrigger.schedule.retime import Stages, retime


@dataclass(frozen=True, order=True)
class Moment:
    """A stage and the nanoseconds of logic already spent in it."""

    stage: int
    spent_ns: float

    def after(self, delay_ns: float, budget_ns: float) -> Moment:
        """The moment at which an operation that starts here is done; it moves to the next stage if it would not fit."""
        if self.spent_ns + delay_ns > budget_ns:
            return Moment(self.stage + 1, delay_ns)
        return Moment(self.stage, self.spent_ns + delay_ns)


def place_adders(
    adders: AdderGraph, start: Moment, budget_ns: float, model: DelayModel = DEFAULT_DELAYS
) -> tuple[tuple[int, ...], Moment]:
    """The stage of each adder, each as soon as can be for operands that are there at ``start``, and the end of the last."""
    moments = [start] * adders.n_inputs
    for adder in adders.adders:
        ready = max(moments[term.value] for term in adder.terms)
        moments.append(ready.after(adder_delay_ns(adder.operands, model), budget_ns))
    done = max((moments[out.value] for out in adders.outputs if out.value is not None), default=start)
    return tuple(moment.stage for moment in moments[adders.n_inputs :]), done


def place_parts(delays_ns: tuple[float, ...], start: Moment, budget_ns: float) -> list[Moment]:
    """The moment at which each part is done, one after the other."""
    moments = [start]
    for delay_ns in delays_ns:
        moments.append(moments[-1].after(delay_ns, budget_ns))
    return moments[1:]


@dataclass(frozen=True)
class Schedule:
    """Pass: integer graph and its adder graphs to a pipeline for ``clock_mhz``.

    Attributes:
        latency_cycles: registers on every path; None takes as few as the clock allows.
        fewest_registers: whether registers are placed where they are fewest; if not, or where layers are folded, everything comes
            as soon as can be.
        ii: cycles from one event to the next at least; layers that repeat are folded where that saves LUTs.
        stream: whether the positions of an event come in words, as few a clock as keep pace; stages count from the first.
        serial: adder graphs of the signs of the layers that may be multiplied digit by digit, by name.
    """

    clock_mhz: float
    model: DelayModel = DEFAULT_DELAYS
    latency_cycles: int | None = None
    fewest_registers: bool = True
    ii: int = 1
    stream: bool = False
    serial: Mapping[str, AdderGraph] = field(default_factory=dict)

    def apply(self, graph: Graph, adders: dict[str, AdderGraph]) -> Pipeline:
        """The pipeline of ``graph`` with the fewest register bits.

        Args:
            graph: as ``columns_apart`` leaves it where a layer is multiplied step by step.
            adders: the adder graph of each ``Linear`` node, by node name.

        Raises:
            ConfigError: if the clock is too fast for a single operation, the latency less than the network takes, or no
                input comes position by position that should.
        """
        budget_ns = usable_ns(self.clock_mhz, self.model)
        arrival = arrival_of(graph, self.ii) if self.stream else None
        planned = self.planned(graph, adders)
        terms = most_terms(budget_ns, self.model)
        folded = folds(graph, adders, self.ii, planned, most_terms=terms, arrival=arrival)
        columns = {name: plan.n_out for name, plan in planned.items()}
        columns |= {name: len(fold.tally.rows) for name, fold in folded.items() if fold.tally}
        columns |= {node.name: node.columns for node in graph.nodes if isinstance(node, Weigh)}
        soonest = self._soonest(graph, adders, budget_ns, folded, arrival)
        leaving = read_by(graph, graph.outputs)
        ends = (stop + _wait(graph, name, folded) for name, (_, stop, _) in soonest.items() if name in leaving)
        least = 1 + max((arrival.words - 1 if arrival else 0, *ends))
        latency = least if self.latency_cycles is None else self.latency_cycles
        if latency < least:
            raise ConfigError(
                f"latency of {latency} cycles at {self.clock_mhz:g} MHz: these adders take at least {least}; "
                "allow more cycles, or take a slower clock"
            )
        stages = soonest
        if self.fewest_registers and not folded and arrival is None:  # what retimes knows no words
            stages = retime(graph, adders, latency, budget_ns, self.model) or soonest
        ranges = intervals(graph)
        modules = tuple(
            Module(
                graph.name,
                node,
                adders.get(node.name),
                copy_operand(node, ranges),
                of_one_copy(ranges[node.name], columns.get(node.name, node.copies)),
                *stages[node.name],
                **_folding(folded.get(node.name)),
                columns=node.columns if isinstance(node, Weigh) else 0,
            )
            for node in graph.nodes
            if not isinstance(node, Input | Wire)
        )
        return Pipeline(graph, modules, self.clock_mhz, latency, self.ii if folded or arrival else 1, arrival)

    def planned(self, graph: Graph, adders: dict[str, AdderGraph]) -> dict[str, Plan]:
        """The layers that are multiplied step by step, digit by digit, or column by column with weights that are held."""
        if self.ii == 1:
            return {}
        budget_ns = usable_ns(self.clock_mhz, self.model)
        spare = Spare(self.ii, most_terms(budget_ns, self.model), budget_ns, self.model)
        return {**engines(graph, adders, self.serial, spare), **column_turns(graph, adders, self.ii)}

    def _choosing_ns(self, fold: Fold, copies: int) -> float:
        """Time that a queue takes to choose an operand; in a window each is where it always is."""
        return 0.0 if fold.window else self.model.logic_ns * math.ceil(math.log(fold.turns(copies), 4))

    def _fed(self, node: Operation, fold: Fold | None, there: Moment) -> Moment:
        """When a layer reads what is ``there``: at once, or behind what hands it to its instances turn by turn."""
        if fold is None:
            return there
        if fold.queue:
            return Moment(there.stage + 1, self._choosing_ns(fold, node.copies))
        return Moment(there.stage + FEEDING, 0.0)

    def _soonest(
        self,
        graph: Graph,
        adders: dict[str, AdderGraph],
        budget_ns: float,
        folded: Mapping[str, Fold],
        arrival: Arrival | None,
    ) -> Stages:
        """Everything in the first stage in which its operands are there and its logic fits."""
        ranges = intervals(graph)
        first = {
            port.name: Moment(0, 0.0) for port in graph.inputs
        }  # when the first copies of what is folded are there
        done = first | _last_words(arrival)
        placed: Stages = {}
        for node in graph.nodes:
            if isinstance(node, Input | Wire):
                continue
            fold = folded.get(node.name)
            if fold is not None and fold.tally:
                start = first[node.inputs[0]].after(fold.tally.lanes * self.model.adder_ns, budget_ns)
            elif fold is not None and not (fold.queue or fold.plan or isinstance(node, Weigh)):
                start = first[node.inputs[0]]
            else:
                start = max((done[name] for name in read_by(graph, node.inputs)), default=Moment(0, 0.0))
                start = self._fed(node, fold, start)
            stages: tuple[int, ...] = ()
            if fold is not None and fold.plan:
                end = Moment(start.stage + fold.plan.period + fold.plan.delay, 0.0)
                stages = (end.stage,) * _count(adders.get(node.name))
            elif fold is not None and fold.tally:
                end = Moment(start.stage + fold.tally.turns, 0.0)
                stages = (end.stage,) * _count(adders.get(node.name))
            elif isinstance(node, Linear):
                stages, end = place_adders(adders[node.name], start, budget_ns, self.model)
            elif isinstance(node, Weigh | Hold):
                end = start.after(held_delay_ns(node, self.model), budget_ns)
                start = Moment(end.stage, start.spent_ns)
            else:
                firsts, end = _place_node(node, copy_operand(node, ranges), start, budget_ns, self.model)
                stages = tuple(moment.stage for moment in firsts)
            first[node.name] = end
            done[node.name] = Moment(end.stage + _wait(graph, node.name, folded), end.spent_ns)
            placed[node.name] = (start.stage, end.stage, stages)
        return placed


def _last_words(arrival: Arrival | None) -> dict[str, Moment]:
    """When the last word of each input that comes in words is there."""
    return {} if arrival is None else dict.fromkeys(arrival.ports, Moment(arrival.words - 1, 0.0))


def _place_node(
    node: Requantize | Lookup | Extremum | Product | Scaling,
    source: tuple[Interval, ...],
    start: Moment,
    budget_ns: float,
    model: DelayModel,
) -> tuple[list[Moment], Moment]:
    """When each part of a node but the last is done, and the last."""
    if isinstance(node, Requantize) or (isinstance(node, Lookup) and not in_parts(node, source)):
        return [], start.after(node_delay_ns(node, source, model), budget_ns)
    *firsts, end = place_parts(part_delays_ns(node, source, model), start, budget_ns)
    return firsts, end


def _count(lowered: AdderGraph | None) -> int:
    return len(lowered.adders) if lowered else 0


def most_terms(budget_ns: float, model: DelayModel = DEFAULT_DELAYS) -> int:
    """Adders that a sum can pass in a cycle of ``budget_ns``, the weights before them."""
    return max(int((budget_ns - model.logic_ns) / model.adder_ns), 1)


def large_engines(graph: Graph, ii: int, clock_mhz: float) -> set[str]:
    """The layers that are multiplied step by step because they are too large for a search for adders."""
    planned = Schedule(clock_mhz, ii=ii).planned(graph, {})
    layers = (node for node in graph.nodes if isinstance(node, Linear) and node.name in planned)
    return {layer.name for layer in layers if may_go_without_adders(layer)}


def _wait(graph: Graph, name: str, folded: Mapping[str, Fold]) -> int:
    """Cycles from the first to the last copy of a layer."""
    node = graph[name]
    if name not in folded or isinstance(node, Input | Wire):
        return 0
    return (folded[name].turns(node.copies) - 1) * folded[name].pace


def _folding(fold: Fold | None) -> dict[str, Any]:
    return {} if fold is None else vars(fold)
