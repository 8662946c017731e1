"""One layer placed in stages, and when the next one of a chain begins that reads it copy by copy."""

from __future__ import annotations

from collections.abc import Mapping

from bittrigger.device.timing import held_delay_ns
from bittrigger.ir.graph import Linear, Operation, copy_operand
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.routes import followed
from bittrigger.schedule.fold import Fold
from bittrigger.schedule.forms import Asked
from bittrigger.schedule.moments import Moment, place_adders, place_node


def follows(node: Operation, fold: Fold | None) -> bool:
    """Whether a layer reads what comes copy by copy from those before it."""
    return fold is not None and (fold.tally is not None or not (fold.queue or fold.plan or isinstance(node, Weigh)))


def before(asked: Asked, node: Operation) -> tuple[str, ...]:
    """What a layer that ``follows`` reads copy by copy, by name."""
    return (() if asked.folded[node.name].tally else followed(asked.graph, node)) or node.inputs[:1]


def start_of_follower(asked: Asked, node: Operation, first: Mapping[str, Moment]) -> Moment:
    """When a layer that ``follows`` begins.

    Args:
        first: when the first copies of the layers before it are there.
    """
    fold, spare = asked.folded[node.name], asked.spare
    if fold.tally:
        return first[node.inputs[0]].after(fold.tally.lanes * spare.model.adder_ns, spare.budget_ns)
    return max(first[name] for name in before(asked, node))


def placing(asked: Asked, node: Operation, start: Moment) -> tuple[Moment, tuple[int, ...], Moment]:
    """The moment in which a layer reads what is there at ``start``, the stages of its parts, and the moment of its results."""
    fold, model, budget_ns = asked.folded.get(node.name), asked.spare.model, asked.spare.budget_ns
    lowered = asked.adders.get(node.name)
    count = len(lowered.adders) if lowered else 0
    if fold is not None and fold.plan:
        end = Moment(start.stage + fold.plan.period + fold.plan.delay, 0.0)
        return start, (end.stage,) * count, end
    if fold is not None and fold.tally:
        end = Moment(start.stage + fold.tally.turns, 0.0)
        return start, (end.stage,) * count, end
    if isinstance(node, Linear):
        stages, end = place_adders(asked.adders[node.name], start, budget_ns, model)
        return start, stages, end
    if isinstance(node, Weigh | Hold):
        end = start.after(held_delay_ns(node, model), budget_ns)
        return Moment(end.stage, start.spent_ns), (), end
    firsts, end = place_node(node, copy_operand(node, asked.ranges), start, budget_ns, model)
    return start, tuple(moment.stage for moment in firsts), end
