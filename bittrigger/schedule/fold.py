"""Which layers that repeat are built in fewer copies, fed one after the other, where events come less often than every clock.

Copies of a layer that reads the layer before it copy by copy follow each other through both: such a chain takes one queue at its
head, and whatever reads all of its codes at once waits for the last of them. A chain is folded where that saves LUTs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bittrigger.device.cost import Cost
from bittrigger.device.feed_cost import choice_cost, queue_cost, window_cost
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.forms.arrival import Arrival
from bittrigger.ir.forms.engine import Engine
from bittrigger.ir.forms.serial import Serial
from bittrigger.ir.forms.tally import Tally, tally_of
from bittrigger.ir.forms.window import Window, chosen_codes, overlap, used_codes, window_of
from bittrigger.ir.graph import Graph, Input, Intervals, Linear, Operation, intervals
from bittrigger.ir.nodes.held import Hold, Turns
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.ports import common_type
from bittrigger.ir.routes import followed
from bittrigger.schedule.engine import UNROLLED, Plan, comes_apart, copy_luts, followers, taken

MORE_LANES, ROW = 2, 16
"""Up to how many times as many copies, and so many more, are tried at a time where operands overlap: rows fit better."""


@dataclass(frozen=True)
class Fold:
    """How a layer is folded.

    Attributes:
        lanes: copies that are built.
        queue: whether its operand waits in a queue; if not, it comes from the layer before, copy by copy.
        window: how its queue holds operands that overlap, if it holds each code one time.
        pace: cycles from the copies that go through to the next ones.
        engine: how its matrix is multiplied step by step, if it is.
        tally: how it adds up the copies of the layer before as they come, if it does; nothing else of it is folded then.
        serial: how its matrix is multiplied digit by digit, if it is.
    """

    lanes: int
    queue: bool
    window: Window | None = None
    pace: int = 1
    engine: Engine | None = None
    tally: Tally | None = None
    serial: Serial | None = None

    @property
    def plan(self) -> Engine | Serial | None:
        """How its matrix is multiplied in time, if it is."""
        return self.engine or self.serial

    def turns(self, copies: int) -> int:
        """Turns that ``copies`` of the layer take, or its columns where they are multiplied step by step."""
        if self.tally:
            return 1
        return self.plan.groups if self.plan else -(-copies // self.lanes)


def folds(
    graph: Graph,
    adders: dict[str, AdderGraph],
    ii: int,
    planned: dict[str, Plan],
    *,
    most_terms: int,
    arrival: Arrival | None,
    chosen: Mapping[str, str],
) -> dict[str, Fold]:
    """The layers that are folded, by name, where an event comes at most every ``ii`` cycles.

    Args:
        graph: as ``columns_apart`` leaves it.
        planned: what is multiplied step by step, digit by digit, or column by column.
        most_terms: adders that a sum can pass in a cycle.
        arrival: how inputs come in words, if they do; layers that follow them position by position have no queue.
        chosen: the names of the forms of some chains, by the layer at the head; the others take their cheapest.
    """
    found = _engine_chains(graph, planned)
    streamed = arrival.ports if arrival else ()
    for head, options in chain_options(graph, adders, ii, planned, arrival).items():
        form = taken(head, options, chosen)
        first, queue = form.chain[0], head not in streamed
        if form.lanes < first.copies:
            for node in form.chain:
                is_first = node is first
                found[node.name] = Fold(form.lanes_of(node), queue and is_first, form.window if is_first else None)
    return found | _tallies(graph, found, most_terms)


@dataclass(frozen=True)
class Chain:
    """A form that layers may take which follow each other copy by copy.

    Attributes:
        chain: those layers; a copy of one may read several of the layer before, one after the other.
        lanes: copies that are built of the first.
        window: how the queue at their head holds operands that overlap, if it holds each code one time.
        queue: LUTs and flip-flops of that queue.
        lut: estimated LUTs of all.
    """

    chain: tuple[Operation, ...]
    lanes: int
    window: Window | None
    queue: Cost
    lut: int

    def lanes_of(self, node: Operation) -> int:
        """Copies that are built of ``node``."""
        return self.lanes * node.copies // self.chain[0].copies

    @property
    def name(self) -> str:
        """What people call it."""
        copies = self.chain[0].copies
        return UNROLLED if self.lanes == copies else f"folded, {self.lanes} of {copies} at a time"


def chain_options(
    graph: Graph, adders: dict[str, AdderGraph], ii: int, planned: dict[str, Plan], arrival: Arrival | None
) -> dict[str, list[Chain]]:
    """The forms of each chain of layers that repeat, by the layer at its head; what is taken unless another is chosen first.

    Of those that come from a port word by word, by the name of the port, there is one alone.
    """
    ranges, own = intervals(graph), _engine_chains(graph, planned)
    chains: dict[str, list[Operation]] = {}
    streamed = dict.fromkeys(arrival.ports, arrival.positions) if arrival else {}
    heads: dict[str, str] = {name: name for name in streamed}
    for node in graph.nodes:
        if isinstance(node, Input | Wire | Hold) or node.name in own or -(-node.copies // ii) >= node.copies:
            continue
        before = graph[node.inputs[0]]
        positions = before.copies if isinstance(before, Operation) else streamed.get(before.name)
        apart = (before.name,) if positions == node.copies else followed(graph, node)
        known = {heads.get(name) for name in apart}
        heads[node.name] = (known.pop() if len(known) == 1 else None) or node.name
        chains.setdefault(heads[node.name], []).append(node)
    luts = {node.name: copy_luts(graph, node, adders, ranges) for nodes in chains.values() for node in nodes}
    found: dict[str, list[Chain]] = {}
    for head, nodes in chains.items():
        chain, least = tuple(nodes), -(-nodes[0].copies // ii)
        if head in streamed:
            built = sum(luts[node.name] for node in chain)
            found[head] = [Chain(chain, least, None, Cost(0, 0), least * built)]
        else:
            found[head] = _forms_of(graph, chain, ii, luts, ranges)
            _join(found, head, lambda chain: _forms_of(graph, chain, ii, luts, ranges))
    return found


def _join(found: dict[str, list[Chain]], head: str, forms_of: Callable[[tuple[Operation, ...]], list[Chain]]) -> None:
    """Let the chain that begins with ``head`` go on where one ends of which it reads several copies each, if that saves LUTs."""
    own = found[head][0]
    first = own.chain[0]
    if len(first.inputs) > 1:
        return
    for before, options in found.items():
        source = next((node for node in options[0].chain if node.name == first.inputs[0]), None)
        if source is None or options[0].chain[0].name != before:
            continue
        chain = (*options[0].chain, *own.chain)
        if all(node.copies % first.copies == 0 for node in chain):
            joined = forms_of(chain)
            if joined[0].lut < options[0].lut + own.lut:
                found[before] = joined
                del found[head]
        return


def _forms_of(
    graph: Graph, chain: tuple[Operation, ...], ii: int, luts: Mapping[str, int], ranges: dict[str, Intervals]
) -> list[Chain]:
    """A chain with the fewest copies that hold the interval or all, whichever is cheaper; then with twice as many, and so on.

    What goes through at a time is copies of the layer that has the fewest, and what they read of the others.
    """
    copies = min(node.copies for node in chain)
    more, built = chain[0].copies // copies, sum(luts[node.name] * node.copies // copies for node in chain)
    options: list[Chain] = []
    turns = -(-copies // -(-copies // ii))
    while turns > 1:
        lanes, window, queue = _queue(graph, chain[0], (copies, -(-copies // turns)), built, ranges)
        if more * lanes not in (option.lanes for option in options):
            options.append(Chain(chain, more * lanes, window, queue, lanes * built + queue.lut))
        turns //= 2
    unrolled = Chain(chain, more * copies, None, Cost(0, 0), copies * built)
    return [*options, unrolled] if options and options[0].lut < unrolled.lut else [unrolled, *options]


def _queue(graph: Graph, node: Operation, turned: tuple[int, int], built: int, ranges: dict[str, Intervals]) -> Queue:
    """The cheapest queue in front of ``node``.

    Args:
        turned: copies that take turns, and the least of them that go through at a time; each may be several of the node.
        built: LUTs of such a copy of the chain that begins with the node.
    """
    copies, least = turned
    operand = tuple(span for name in node.inputs for span in ranges[name])
    width = common_type(operand, 0).width
    plain = queue_cost(copies, least, len(operand) // copies * width)
    if not isinstance(graph[node.inputs[0]], Wire):
        return least, None, plain
    tried = range(least, min(MORE_LANES * least + ROW, least + plain.lut // max(built, 1) + 1, copies))
    windows = [(lanes, window_of(graph, node.inputs, copies, lanes)) for lanes in tried]
    found = [(lanes, window, window_cost(window, width)) for lanes, window in windows if window]
    used, numbers = used_codes(graph, node.inputs, copies)
    if not found and overlap(used, numbers):
        return _cheapest(
            [(lanes, None, choice_cost(len(used), chosen_codes(numbers, lanes), width)) for lanes in tried], built
        )
    return _cheapest([(least, None, plain), *found], built)


Queue = tuple[int, Window | None, Cost]
"""The copies that go through at a time, the window, and what holds their operands costs."""


def _cheapest(queues: Sequence[Queue], built: int) -> Queue:
    return min(queues, key=lambda queue: queue[0] * built + queue[2].lut)


def _tallies(graph: Graph, folded: dict[str, Fold], most_terms: int) -> dict[str, Fold]:
    """The layers that add up the copies of one that is folded, a turn a cycle."""
    found = {}
    for node in graph.nodes:
        if not isinstance(node, Linear) or node.name in folded:
            continue
        before, fold = graph[node.inputs[0]], folded.get(node.inputs[0])
        if fold is None or fold.plan or fold.pace > 1 or fold.lanes > most_terms or isinstance(before, Input | Wire):
            continue
        tally = tally_of(node, before.copies, fold.lanes)
        if tally is not None:
            found[node.name] = Fold(0, False, tally=tally)
    return found


def _engine_chains(graph: Graph, planned: dict[str, Plan]) -> dict[str, Fold]:
    """The layers that are multiplied in time, and those that follow them column by column."""
    found = {}
    for name, plan in planned.items():
        engine, serial = plan if isinstance(plan, Engine) else None, plan if isinstance(plan, Serial) else None
        found[name] = Fold(plan.lanes, False, None, plan.period, engine, serial=serial)
        if isinstance(plan, Turns):
            found[graph[name].inputs[0]] = Fold(plan.lanes, False)
    for name, plan in planned.items():
        for node in followers(graph, name) if comes_apart(plan) else ():
            if node.copies == plan.n_out:
                found[node.name] = Fold(plan.lanes, False, None, plan.period)
    return found
