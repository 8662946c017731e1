"""What a report says of the forms of each layer at an interval: those that were considered, the one that it took, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bittrigger.device.cost import Cost
from bittrigger.device.cost_model import module_cost
from bittrigger.device.feed_cost import columns_cost, engine_cost
from bittrigger.device.serial_cost import serial_cost
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.fixed import FixedPoint
from bittrigger.ir.forms.arrival import Arrival
from bittrigger.ir.forms.considered import Form
from bittrigger.ir.forms.engine import FEEDING, Engine, common_shift, least_interval, may_go_without_adders
from bittrigger.ir.forms.serial import MAX_DIGIT, Serial
from bittrigger.ir.forms.tally import Tally
from bittrigger.ir.graph import Graph, Input, Intervals, Linear, Operation, copy_operand, intervals, of_one_copy
from bittrigger.ir.nodes.held import Hold, Turns, Weigh
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module
from bittrigger.ir.ports import common_type
from bittrigger.schedule.engine import UNROLLED, Option, Plan, Spare, copy_luts, counted
from bittrigger.schedule.fold import Chain, Fold, chain_options
from bittrigger.schedule.hasten import Way
from bittrigger.schedule.moments import Moment, place_adders, place_node


@dataclass(frozen=True)
class Asked:
    """A graph at an interval, and what each of its layers took.

    Attributes:
        serial: adder graphs of the layers that digits may pass through.
        options: the forms of each matrix that hold the interval, the cheapest first.
        chosen: the forms that were asked for, for a latency; the others are the cheapest.
    """

    graph: Graph
    adders: dict[str, AdderGraph]
    serial: Mapping[str, AdderGraph]
    spare: Spare
    arrival: Arrival | None
    options: Mapping[str, Sequence[Option]]
    planned: dict[str, Plan]
    folded: dict[str, Fold]
    chosen: Mapping[str, str]

    @cached_property
    def ranges(self) -> dict[str, Intervals]:
        """The range of every code of the graph, by node name."""
        return intervals(self.graph)


def considered(asked: Asked) -> dict[str, tuple[Form, ...]]:
    """The forms of each layer, by name, the one that it took first."""
    matrices = asked.options
    chains = chain_options(asked.graph, asked.adders, asked.spare.ii, asked.planned, asked.arrival)
    heads = {options[0].chain[0].name: (head, options) for head, options in chains.items()}
    behind = {node.name: options[0].chain[0].name for options in chains.values() for node in options[0].chain[1:]}
    found = {}
    for node in asked.graph.nodes:
        if isinstance(node, Input | Wire):
            continue
        fold = asked.folded.get(node.name)
        if node.name in heads:
            forms = _of_chain(asked, *heads[node.name])
        elif node.name in behind:
            forms = [_follows(behind[node.name], fold)]
        elif fold is not None and fold.tally and isinstance(node, Linear):
            forms = _of_tally(asked, node, fold.tally)
        elif node.name in matrices and isinstance(node, Linear):
            forms = _of_matrix(asked, node, matrices[node.name])
        elif isinstance(node, Weigh) or isinstance(asked.planned.get(node.name), Turns):
            forms = _of_columns(asked, node)
        elif fold is not None:
            forms = [_follows(node.inputs[0], fold)]
        else:
            forms = [Form(UNROLLED, None, None, None, True, _no_other(asked, node))]
        found[node.name] = tuple(sorted(forms, key=_order))
    return found


def ways(asked: Asked) -> dict[str, list[Way]]:
    """The forms that hold the interval of each layer that has several, the one that it takes first; of a chain by its head."""
    found: dict[str, list[Way]] = {}
    for name, options in asked.options.items():
        node = asked.graph[name]
        if isinstance(node, Linear) and not _is_tally(asked, name):
            found[name] = [Way(option.name, option.lut, _cycles(asked, node, option)) for option in options]
    for head, chains in chain_options(asked.graph, asked.adders, asked.spare.ii, asked.planned, asked.arrival).items():
        found[head] = [Way(name, cost.lut, cycles) for name, cost, cycles in _chain_listed(asked, chains)]
    for name, plan in asked.planned.items():
        if isinstance(plan, Turns):
            found[name] = [Way("", 0, plan.groups)]
    return found


def _is_tally(asked: Asked, name: str) -> bool:
    fold = asked.folded.get(name)
    return fold is not None and fold.tally is not None


def _order(form: Form) -> tuple[bool, bool, int]:
    """What was taken first, then the others, the cheapest first, then what cannot be."""
    return not form.chosen, form.lut_estimate is None, form.lut_estimate or 0


def _no_other(asked: Asked, node: Operation) -> str:
    if not isinstance(node, Linear):
        return "it has no other form"
    if any(isinstance(asked.graph[name], Hold) for name in node.inputs):
        return "its biases are held in registers"
    if len(node.inputs) > 1:
        return "it reads several layers"
    return "its weights are not 0 and plus or minus one power of two"


def _follows(name: str, fold: Fold | None) -> Form:
    return Form("unrolled" if fold is None else "folded", None, None, None, True, f"follows {name}, which see")


def _judged(options: list[tuple[str, Cost, int]], taken: str, why: str, late: str) -> list[Form]:
    """The form called ``taken`` with ``why``, the others with what they take more.

    Args:
        late: what is said of forms that are cheaper.
    """
    least = next(cost.lut for name, cost, _ in options if name == taken)
    found = []
    for name, cost, cycles in options:
        more = cost.lut - least
        reason = why if name == taken else f"{more:,} LUT more" if more > 0 else late if more < 0 else "as many LUTs"
        found.append(Form(name, cost.lut, cost.ff, cycles, name == taken, reason))
    return found


CHEAPEST = "fewest LUTs at this interval"
FASTER = "fewest LUTs within the latency"
TOO_LATE = "too late for the latency"


def _of_chain(asked: Asked, head: str, options: list[Chain]) -> list[Form]:
    first, listed = options[0].chain[0], _chain_listed(asked, options)
    if head != first.name:
        return _judged(listed, options[0].name, f"follows the words of port {head}", "")
    fold = asked.folded.get(first.name)
    lanes = first.copies if fold is None else fold.lanes
    took = next(option.name for option in options if option.lanes == lanes)
    return _judged(listed, took, _why(asked, head), TOO_LATE)


def _chain_listed(asked: Asked, options: list[Chain]) -> list[tuple[str, Cost, int]]:
    """The name, the cost and the cycles of each form of a chain."""
    copies, least = options[0].chain[0].copies, min(node.copies for node in options[0].chain)
    end, own_ff = _chain_placed(asked, options[0].chain)
    found = []
    for option in options:
        turns, cost = (
            -(-copies // option.lanes),
            Cost(option.lut, option.lanes * least // copies * own_ff + option.queue.ff),
        )
        found.append((option.name, cost, end.stage + turns - 1 + (option.queue.ff > 0)))
    return found


def _why(asked: Asked, name: str) -> str:
    return FASTER if name in asked.chosen else CHEAPEST


def _chain_placed(asked: Asked, chain: Sequence[Operation]) -> tuple[Moment, int]:
    """When one copy is through layers that follow each other, and the flip-flops of it and of what it reads of each."""
    moment, ff, least = Moment(0, 0.0), 0, min(node.copies for node in chain)
    for node in chain:
        module, moment = _placed(asked, node, moment)
        ff += module_cost(module).ff * node.copies // least
    return moment, ff


def _placed(asked: Asked, node: Operation, start: Moment) -> tuple[Module, Moment]:
    """One copy of ``node``, unrolled, whose operand is there at ``start``, and when it is done."""
    source = copy_operand(node, asked.ranges)
    result = of_one_copy(asked.ranges[node.name], node.copies)
    lowered, spare = asked.adders.get(node.name), asked.spare
    stages: tuple[int, ...] = ()
    if isinstance(node, Linear):
        stages, end = place_adders(asked.adders[node.name], start, spare.budget_ns, spare.model)
    elif isinstance(node, Weigh | Hold):
        end = start
    else:
        moments, end = place_node(node, source, start, spare.budget_ns, spare.model)
        stages = tuple(moment.stage for moment in moments)
    return Module(asked.graph.name, node, lowered, source, result, start.stage, end.stage, stages), end


def _of_tally(asked: Asked, node: Linear, tally: Tally) -> list[Form]:
    """Positions that are added up as they come; else all of them would be waited for."""
    module, end = _placed(asked, node, Moment(0, 0.0))
    together = module_cost(replace(module, tally=tally, result=asked.ranges[node.name][:1])).times(len(tally.rows))
    plain = module_cost(module)
    name = f"sums of {counted(tally.lanes, 'position')} a cycle"
    listed = [(name, together, tally.turns), (UNROLLED, plain, end.stage)]
    return _judged(listed, name, "adds up the positions as they come", "would gather all positions first")


def _of_columns(asked: Asked, node: Operation) -> list[Form]:
    """Columns whose weights are held: all of them, or some at a time."""
    readers = [other.name for other in asked.graph.nodes if node.name in getattr(other, "inputs", ())]
    plan = asked.planned.get(node.name) or next(
        (asked.planned[name] for name in readers if name in asked.planned), None
    )
    if not isinstance(plan, Turns):
        return [Form(UNROLLED, None, None, None, True, CHEAPEST)]
    name = f"columns, {plan.lanes} of {plan.n_out} at a time"
    if not isinstance(node, Weigh):
        return [Form(name, None, None, None, True, f"follows {node.inputs[0]}, which see")]
    width = common_type(asked.ranges[node.inputs[0]], 0).width
    own = -(-copy_luts(asked.graph, node, {}, asked.ranges) // node.columns)
    fed = columns_cost(node, plan, width)
    listed = [
        (name, Cost(fed.lut + plan.lanes * own, fed.ff), plan.groups),
        (UNROLLED, Cost(node.columns * own, 0), 0),
    ]
    return _judged(
        listed, name, "fewest LUTs at this interval, those of the sums behind it counted", "and its sums more"
    )


def _of_matrix(asked: Asked, node: Linear, options: Sequence[Option]) -> list[Form]:
    own = common_type(asked.ranges[node.inputs[0]], 0)
    width = common_type(asked.ranges[node.name], 0).width
    fold = asked.folded.get(node.name)
    plan = None if fold is None else fold.plan
    taken = next(option for option in options if option.plan == plan)
    shown = {_kind(option): option for option in reversed(options)} | {_kind(taken): taken}
    cheaper = {_kind(option): option for option in reversed(options) if option.lut < taken.lut}
    listed = [
        (option.name, replace(_own_cost(asked, node, option, own, width), lut=option.lut), _cycles(asked, node, option))
        for option in {option.name: option for option in (*shown.values(), *cheaper.values())}.values()
    ]
    found = _judged(listed, taken.name, _why(asked, node.name), TOO_LATE)
    return found + list(_impossible(asked, node, {_kind(option) for option in options}, width))


def _kind(option: Option) -> str:
    """Options of one kind differ in how many lanes there are, and how many codes they take; the cheapest one is shown."""
    match option.plan:
        case None:
            return UNROLLED
        case Serial():
            return f"digits of {counted(option.plan.digit, 'bit')}"
        case Engine():
            return "steps"


def _own_cost(asked: Asked, node: Linear, option: Option, own: FixedPoint, width: int) -> Cost:
    match option.plan:
        case None:
            return module_cost(_placed(asked, node, Moment(0, 0.0))[0])
        case Serial():
            return Cost(*serial_cost(option.plan, own))
        case Engine():
            return engine_cost(option.plan, own, width)


def _cycles(asked: Asked, node: Linear, option: Option) -> int:
    if option.plan is None:
        return _placed(asked, node, Moment(0, 0.0))[1].stage
    return FEEDING + option.plan.delay + option.plan.groups * option.plan.period


def _impossible(asked: Asked, node: Linear, there: set[str], width: int) -> Iterator[Form]:
    """The kinds of forms of which no option holds the interval, or is there at all."""

    def never(name: str, reason: str) -> Form:
        return Form(name, None, None, None, False, reason)

    ii, low = asked.spare.ii, common_shift(node) or 0
    if UNROLLED not in there:
        yield never(UNROLLED, "too large for a search for adders")
    if node.name not in asked.serial:
        alone = min(node.weights.shape) == 1
        large = may_go_without_adders(node)
        why = (
            "a single row or column" if alone else "too large for a search for adders" if large else "adds up positions"
        )
        yield never("digits", why)
    else:
        for digit in range(1, MAX_DIGIT + 1):
            if (name := f"digits of {counted(digit, 'bit')}") not in there:
                yield never(name, f"takes {-(-(width - low) // digit)} cycles, {ii} are there")
    if "steps" not in there:
        yield never("steps", f"takes {least_interval(node)} cycles, {ii} are there")
