"""Moments within a pipeline, and when adders and the parts of other nodes are done, each as soon as can be."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.device.delay_model import DEFAULT_DELAYS, DelayModel
from bittrigger.device.timing import adder_delay_ns, node_delay_ns, part_delays_ns
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.fixed import Interval
from bittrigger.ir.forms.table import in_parts
from bittrigger.ir.graph import Lookup, Requantize
from bittrigger.ir.nodes.block_floating_point import Scaling
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.product import Product


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


def place_node(
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
