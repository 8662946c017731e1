"""Place every adder and requantiser in a pipeline stage, as soon as its operands are there."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.adders import AdderGraph
from bittrigger.graph import Graph, Input, Linear, intervals, operand
from bittrigger.pipeline import Module, Pipeline
from bittrigger.timing import DEFAULT_DELAYS, DelayModel, adder_delay_ns, node_delay_ns, usable_ns


@dataclass(frozen=True, order=True)
class _Moment:
    """A stage and the nanoseconds of logic already spent in it."""

    stage: int
    spent_ns: float

    def after(self, delay_ns: float, budget_ns: float) -> _Moment:
        """The moment at which an operation that starts here is done; it moves to the next stage if it would not fit."""
        if self.spent_ns + delay_ns > budget_ns:
            return _Moment(self.stage + 1, delay_ns)
        return _Moment(self.stage, self.spent_ns + delay_ns)


def _place_adders(
    adders: AdderGraph, start: _Moment, budget_ns: float, model: DelayModel
) -> tuple[tuple[int, ...], _Moment]:
    moments = [start] * adders.n_inputs
    for adder in adders.adders:
        ready = max(moments[term.value] for term in adder.terms)
        moments.append(ready.after(adder_delay_ns(adder.operands, model), budget_ns))
    done = max((moments[out.value] for out in adders.outputs if out.value is not None), default=start)
    return tuple(moment.stage for moment in moments[adders.n_inputs :]), done


@dataclass(frozen=True)
class Schedule:
    """Pass: integer graph and its adder graphs to a pipeline for ``clock_mhz``."""

    clock_mhz: float
    model: DelayModel = DEFAULT_DELAYS

    def apply(self, graph: Graph, adders: dict[str, AdderGraph]) -> Pipeline:
        """The pipeline of ``graph``.

        Args:
            adders: the adder graph of each ``Linear`` node, by node name.

        Raises:
            ConfigError: if the clock is too fast for a single operation.
        """
        budget_ns = usable_ns(self.clock_mhz, self.model)
        ranges = intervals(graph)
        done = {port.name: _Moment(0, 0.0) for port in graph.inputs}
        modules = []
        for node in graph.nodes:
            if isinstance(node, Input):
                continue
            source = operand(node, ranges)
            latest = max(done[name] for name in node.inputs)
            start = latest
            stages: tuple[int, ...] = ()
            if isinstance(node, Linear):
                stages, end = _place_adders(adders[node.name], start, budget_ns, self.model)
            else:
                end = start.after(node_delay_ns(node, source, self.model), budget_ns)
            done[node.name] = end
            modules.append(
                Module(node, adders.get(node.name), source, ranges[node.name], start.stage, end.stage, stages)
            )
        last = max(done[name].stage for name in graph.outputs)
        return Pipeline(graph, tuple(modules), self.clock_mhz, last + 1)
