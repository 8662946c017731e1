"""Place every adder and requantiser in a pipeline stage: as soon as can be for the latency, then with the fewest registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bittrigger.device.delay_model import DEFAULT_DELAYS, DelayModel
from bittrigger.device.timing import usable_ns
from bittrigger.errors import ConfigError
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.forms.arrival import Arrival, arrival_of
from bittrigger.ir.forms.engine import FEEDING, may_go_without_adders
from bittrigger.ir.forms.queue import Choosing
from bittrigger.ir.graph import (
    Graph,
    Input,
    Linear,
    Operation,
    copy_operand,
    of_one_copy,
)
from bittrigger.ir.nodes.held import Turns, Weigh
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.routes import read_by
from bittrigger.schedule.engine import UNROLLED, Option, Plan, Spare, matrix_options, plans
from bittrigger.schedule.fold import Fold, folds
from bittrigger.schedule.forms import Asked, considered
from bittrigger.schedule.held import column_turns
from bittrigger.schedule.moments import Moment
from bittrigger.schedule.placing import follows, placing, start_of_follower
from bittrigger.schedule.queued import queued
from bittrigger.schedule.retime import Stages, retime


@dataclass(frozen=True)
class Schedule:
    """Pass: integer graph and its adder graphs to a pipeline for ``clock_mhz``.

    Attributes:
        latency_cycles: registers on every path; None takes as few as the clock allows.
        period_margin_ns: what of each clock period is kept free, for wires that are longer than the delay model takes them to be.
        fewest_registers: whether registers are placed where they are fewest; if not, or where layers are folded, everything comes
            as soon as can be.
        ii: cycles from one event to the next at least; layers that repeat are folded where that saves LUTs.
        stream: whether the positions of an event come in words, as few a clock as keep pace; stages count from the first.
        serial: adder graphs of the signs of the layers that may be multiplied digit by digit, by name.
        chosen: the names of the forms of some layers, of which the cheapest ones would come too late.
        queues: when those queues choose that do so before what they choose is read, by the layer behind; None: where the clock
            asks for it.
    """

    clock_mhz: float
    model: DelayModel = DEFAULT_DELAYS
    latency_cycles: int | None = None
    period_margin_ns: float = 0.0
    fewest_registers: bool = True
    ii: int = 1
    stream: bool = False
    serial: Mapping[str, AdderGraph] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, Choosing] | None = None

    def apply(
        self, graph: Graph, adders: dict[str, AdderGraph], options: Mapping[str, Sequence[Option]] | None = None
    ) -> Pipeline:
        """The pipeline of ``graph`` with the fewest register bits.

        Args:
            graph: as ``columns_apart`` leaves it where a layer is multiplied step by step.
            adders: the adder graph of each ``Linear`` node, by node name.
            options: the forms of each matrix, where they are known; see ``options``.

        Raises:
            ConfigError: if the clock is too fast for a single operation, the latency less than the network takes, or no
                input comes position by position that should.
        """
        budget_ns = self.budget_ns
        asked = self.asked(graph, adders, options)
        planned, folded, arrival = asked.planned, asked.folded, asked.arrival
        columns = {name: plan.n_out for name, plan in planned.items()}
        columns |= {name: len(fold.tally.rows) for name, fold in folded.items() if fold.tally}
        columns |= {node.name: node.columns for node in graph.nodes if isinstance(node, Weigh)}
        soonest, queues, least = self._soonest(asked)
        latency = least if self.latency_cycles is None else self.latency_cycles
        if latency < least:
            raise ConfigError(
                f"latency of {latency} cycles at {self.clock_mhz:g} MHz: these adders take at least {least}; "
                "allow more cycles, or take a slower clock"
            )
        stages = soonest
        if self.fewest_registers and not folded and arrival is None:  # what retimes knows no words
            stages = retime(graph, adders, latency, budget_ns, self.model) or soonest
        ranges = asked.ranges
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
                choosing=queues.get(node.name, Choosing.READING),
            )
            for node in graph.nodes
            if not isinstance(node, Input | Wire)
        )
        return Pipeline(
            graph,
            modules,
            self.clock_mhz,
            latency,
            self.ii if folded or arrival else 1,
            arrival,
            forms={} if self.ii == 1 else considered(asked),
            serial=self.serial,
            chosen=self.chosen,
            period_margin_ns=self.period_margin_ns,
        )

    def least_latency(self, asked: Asked) -> int:
        """The cycles that a network takes at least, each layer in the form that is asked for."""
        again = self.asked(asked.graph, asked.adders, asked.options)
        return self._soonest(again)[2]

    def asked(
        self, graph: Graph, adders: dict[str, AdderGraph], options: Mapping[str, Sequence[Option]] | None = None
    ) -> Asked:
        """The forms that each layer may take, and what it takes; arguments as of ``apply``."""
        arrival = arrival_of(graph, self.ii) if self.stream else None
        options = self.options(graph, adders) if options is None else options
        planned, folded = self.planned(graph, adders, options), {}
        if self.ii > 1:
            terms = self.spare.most_terms
            folded = folds(graph, adders, self.ii, planned, most_terms=terms, arrival=arrival, chosen=self.chosen)
        return Asked(graph, adders, self.serial, self.spare, arrival, options, planned, folded, self.chosen)

    def options(self, graph: Graph, adders: Mapping[str, AdderGraph]) -> dict[str, list[Option]]:
        """The forms of each matrix, whatever is chosen; none where an event may come every clock."""
        return {} if self.ii == 1 else matrix_options(graph, adders, self.serial, self.spare)

    def planned(
        self, graph: Graph, adders: Mapping[str, AdderGraph], options: Mapping[str, Sequence[Option]]
    ) -> dict[str, Plan]:
        """The layers that are multiplied step by step, digit by digit, or column by column with weights that are held."""
        if self.ii == 1:
            return {}
        turns = column_turns(graph, adders, self.ii)
        held = {name: plan for name, plan in turns.items() if self.chosen.get(name) != UNROLLED}
        return {**plans(options, self.chosen), **held}

    @property
    def budget_ns(self) -> float:
        """Time for logic between two registers.

        Raises:
            ConfigError: if the clock is too fast for a single operation, or the margin too large.
        """
        return usable_ns(self.clock_mhz, self.model, self.period_margin_ns)

    @property
    def spare(self) -> Spare:
        """What the interval leaves for layers to be multiplied in time."""
        return Spare(self.ii, most_terms(self.budget_ns, self.model), self.budget_ns, self.model)

    def _fed(self, node: Operation, fold: Fold | None, there: Moment) -> Moment:
        """When a layer without a queue reads what is ``there``: at once, or behind what hands it out turn by turn."""
        if fold is None:
            return there
        late = isinstance(node, Weigh) and Turns(node.columns, fold.lanes).in_blocks
        return Moment(there.stage + FEEDING + late, 0.0)

    def _soonest(self, asked: Asked) -> tuple[Stages, dict[str, Choosing], int]:
        """Everything in the first stage in which its operands are there and its logic fits; what queues choose; the latency."""
        graph, folded, arrival = asked.graph, asked.folded, asked.arrival
        first = {
            port.name: Moment(0, 0.0) for port in graph.inputs
        }  # when the first copies of what is folded are there
        done = first | _last_words(arrival)
        placed: Stages = {}
        queues: dict[str, Choosing] = {}
        for node in graph.nodes:
            if isinstance(node, Input | Wire):
                continue
            fold = folded.get(node.name)
            if follows(node, fold):
                start = start_of_follower(asked, node, first)
            else:
                start = max((done[name] for name in read_by(graph, node.inputs)), default=Moment(0, 0.0))
                if fold is not None and fold.queue:
                    known = None if self.queues is None else self.queues.get(node.name, Choosing.READING)
                    queues[node.name], start = queued(asked, node, start, known)
                else:
                    start = self._fed(node, fold, start)
            start, stages, end = placing(asked, node, start)
            first[node.name] = end
            done[node.name] = Moment(end.stage + _wait(graph, node.name, folded), end.spent_ns)
            placed[node.name] = (start.stage, end.stage, stages)
        leaving = read_by(graph, graph.outputs)
        ends = (done[name].stage for name in placed if name in leaving)
        return placed, queues, 1 + max((arrival.words - 1 if arrival else 0, *ends))


def _last_words(arrival: Arrival | None) -> dict[str, Moment]:
    """When the last word of each input that comes in words is there."""
    return {} if arrival is None else dict.fromkeys(arrival.ports, Moment(arrival.words - 1, 0.0))


def most_terms(budget_ns: float, model: DelayModel = DEFAULT_DELAYS) -> int:
    """Adders that a sum can pass in a cycle of ``budget_ns``, the weights before them."""
    return max(int((budget_ns - model.logic_ns) / model.adder_ns), 1)


def large_engines(graph: Graph, schedule: Schedule) -> set[str]:
    """The layers that ``schedule`` has multiplied step by step because they are too large for a search for adders."""
    planned = schedule.planned(graph, {}, schedule.options(graph, {}))
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
