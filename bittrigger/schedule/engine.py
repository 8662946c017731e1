"""Which layers are multiplied step by step or digit by digit: where an interval leaves the time, and it takes fewer LUTs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from bittrigger.device.cost_model import module_cost
from bittrigger.device.delay_model import DelayModel
from bittrigger.device.feed_cost import engine_luts
from bittrigger.device.serial_cost import serial_cost
from bittrigger.errors import ConfigError, InternalError, excerpt
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.forms.engine import CLEARING, MAX_TERMS, SETTLING, Engine, common_shift
from bittrigger.ir.forms.serial import Serial
from bittrigger.ir.forms.table import in_parts, level_count
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, copy_operand, intervals, of_one_copy
from bittrigger.ir.nodes import Intervals, Node, Operation
from bittrigger.ir.nodes.extremum import Extremum, tournament
from bittrigger.ir.nodes.held import Turns
from bittrigger.ir.nodes.product import Product, booth
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module
from bittrigger.ir.ports import common_type
from bittrigger.schedule.serial import serial_plans

Plan = Engine | Serial | Turns
"""How a layer is multiplied in time. ``Turns`` stand at the layer that adds up the columns of a ``Weigh``, and concern both."""


UNROLLED = "unrolled"


@dataclass(frozen=True)
class Spare:
    """What an interval leaves for layers to be multiplied in time.

    Attributes:
        ii: cycles from one event to the next at least.
        most_terms: adders that a sum can pass in a cycle.
        budget_ns: time for logic in a cycle.
        model: of delays.
    """

    ii: int
    most_terms: int
    budget_ns: float
    model: DelayModel


@dataclass(frozen=True)
class Option:
    """A form that a matrix may take.

    Attributes:
        plan: None where it is unrolled.
        lut: estimated LUTs, those of what follows it column by column among them.
    """

    plan: Engine | Serial | None
    lut: int

    @property
    def name(self) -> str:
        """What people call it; no two options of a layer have the same."""
        match self.plan:
            case None:
                return UNROLLED
            case Serial():
                return f"digits of {counted(self.plan.digit, 'bit')}, {counted(self.plan.lanes, 'lane')}"
            case Engine():
                return f"steps of {counted(self.plan.terms, 'code')}, {counted(self.plan.lanes, 'lane')}"

    @property
    def _order(self) -> tuple[int, int, int]:
        """What is taken first: the fewest LUTs, the soonest, the narrowest."""
        match self.plan:
            case None:
                return self.lut, 0, 0
            case Serial():
                return self.lut, self.plan.cycles, self.plan.digit
            case Engine():
                return self.lut, self.plan.cycles, self.plan.terms


def counted(number: int, what: str) -> str:
    """``number`` with its noun."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def matrix_options(
    graph: Graph, adders: Mapping[str, AdderGraph], serial: Mapping[str, AdderGraph], spare: Spare
) -> dict[str, list[Option]]:
    """The forms of each layer that may be multiplied in time, by name; those that hold the interval, the cheapest first.

    Args:
        adders: of every layer that may be unrolled; one that has none is multiplied step by step if at all.
        serial: of every layer that may be multiplied digit by digit; see ``ir.forms.serial.fits_serial``.
    """
    ranges = intervals(graph)
    found = {}
    for node in graph.nodes:
        if not isinstance(node, Linear) or node.copies > 1 or len(node.inputs) > 1 or common_shift(node) is None:
            continue
        after = sum(_channel_luts(graph, reader, ranges) for reader in followers(graph, node.name))
        own = common_type(tuple(span for name in node.inputs for span in ranges[name]), 0)
        width = common_type(ranges[node.name], 0).width
        options = [
            Option(plan, engine_luts(plan, own, width) + plan.lanes * after)
            for plan in plans_for(node, spare.ii, spare.most_terms)
        ]
        if node.name in serial:
            plans = serial_plans(node, serial[node.name], width, spare.ii, (spare.budget_ns, spare.model))
            options += [Option(plan, serial_cost(plan, own)[0] + plan.lanes * after) for plan in plans]
        if node.name in adders:
            options.append(Option(None, copy_luts(graph, node, adders, ranges) + node.size * after))
        found[node.name] = sorted(options, key=lambda option: option._order)
    return found


def plans(
    options: Mapping[str, Sequence[Option]], chosen: Mapping[str, str] | None = None
) -> dict[str, Engine | Serial]:
    """The plan of each layer that is multiplied step by step or digit by digit, by name.

    Args:
        chosen: the names of the forms of some layers; the others take the first of their options.

    Raises:
        ConfigError: if there is no form of that name.
    """
    found = {}
    for name, forms in options.items():
        plan = taken(name, forms, chosen).plan if forms else None
        if plan is not None:
            found[name] = plan
    return found


class Named(Protocol):
    """A form that has a name."""

    @property
    def name(self) -> str:
        """What people call it."""


N = TypeVar("N", bound=Named)


def taken(layer: str, options: Sequence[N], chosen: Mapping[str, str] | None) -> N:
    """The form of ``layer`` that is chosen; the first one where none is.

    Raises:
        ConfigError: if there is no form of that name.
    """
    wanted = (chosen or {}).get(layer, options[0].name)
    for option in options:
        if option.name == wanted:
            return option
    raise ConfigError(
        f"layer {layer!r}: form {excerpt(wanted)} is unknown; allowed are {', '.join(option.name for option in options)}; "
        "convert the model again"
    )


def comes_apart(plan: Plan) -> bool:
    """Whether what follows a layer follows it column by column: not where digits of all columns pass at once."""
    return not isinstance(plan, Serial) or plan.groups > 1


def plans_for(node: Linear, ii: int, most_terms: int) -> Iterator[Engine]:
    """The plans that are through within ``ii`` cycles."""
    n_in, n_out = node.weights.shape
    for terms in range(1, min(MAX_TERMS, n_in) + 1):
        groups = min(ii // (CLEARING + -(-n_in // terms) + SETTLING), n_out)
        if groups:
            yield Engine(n_in, n_out, -(-n_out // groups), terms, most_terms)


def followers(graph: Graph, name: str) -> Iterator[Requantize | Lookup]:
    """The layers that treat the columns of layer ``name`` alike, one after the other."""
    size = graph[name].size
    for node in graph.nodes:
        if node.inputs == (name,) and node.size == size and _is_alike(node) and isinstance(node, Requantize | Lookup):
            yield node
            yield from followers(graph, node.name)


def _is_alike(node: Node) -> bool:
    if isinstance(node, Requantize):
        return node.copies in (1, node.size)
    return isinstance(node, Lookup) and len(set(zip(node.starts, node.values, strict=True))) == 1


def columns_apart(graph: Graph, planned: Mapping[str, Plan]) -> Graph:
    """``graph`` with the followers of each layer of ``planned`` as one code, as many times as the layer has columns.

    A code may then take the range of all of them. The same graph comes back where they are so already.
    """
    late = [name for name, plan in planned.items() if comes_apart(plan)]
    return _apart(graph, {node.name for name in late for node in followers(graph, name) if node.copies < node.size})


def columns_apart_as(graph: Graph, wanted: Graph) -> Graph:
    """``graph`` with those of its nodes as one code a column that are so in ``wanted``, by name."""
    alone = {node.name for node in wanted.nodes if isinstance(node, Requantize | Lookup) and node.copies == node.size}
    alike = {
        node.name
        for node in graph.nodes
        if not isinstance(node, Input | Wire) and node.copies < node.size and _is_alike(node)
    }
    return _apart(graph, alone & alike)


def _apart(graph: Graph, names: set[str]) -> Graph:
    if not names:
        return graph
    return _reaching(replace(graph, nodes=tuple(_by_code(n) if n.name in names else n for n in graph.nodes)))


def _reaching(graph: Graph) -> Graph:
    """``graph`` with tables that begin at the lowest code of their ranges, which may be lower than any that comes."""
    ranges = intervals(graph)

    def lowered(node: Node) -> Node:
        if not isinstance(node, Lookup):
            return node
        lows = [span.lo for span in copy_operand(node, ranges)]
        starts = tuple((min(low, first), *rest) for low, (first, *rest) in zip(lows, node.starts, strict=True))
        return replace(node, starts=starts)

    return replace(graph, nodes=tuple(map(lowered, graph.nodes)))


def _by_code(node: Node) -> Operation:
    match node:
        case Requantize():
            return replace(node, copies=node.size)
        case Lookup():
            return replace(node, starts=node.starts[:1], values=node.values[:1], copies=node.size)
        case _:
            raise InternalError(f"node {node.name!r} does not treat its codes alike")


def _channel_luts(graph: Graph, node: Requantize | Lookup, ranges: dict[str, Intervals]) -> int:
    """Estimated LUTs of one code of ``node``, which may take the range of all."""
    return copy_luts(graph, _by_code(node), {}, ranges)


def copy_luts(graph: Graph, node: Operation, adders: Mapping[str, AdderGraph], ranges: dict[str, Intervals]) -> int:
    """Estimated LUTs of one copy of ``node``, unrolled."""
    source, result = copy_operand(node, ranges), of_one_copy(ranges[node.name], node.copies)
    lowered = adders.get(node.name)
    count = len(lowered.adders) if lowered else 0
    if isinstance(node, Lookup) and in_parts(node, source):
        count = level_count(node, source)
    if isinstance(node, Extremum):
        count = len(tournament(node, source)) - 2
    if isinstance(node, Product):
        count = len(booth(source).rows) - 1
    return module_cost(Module(graph.name, node, lowered, source, result, 0, 0, (0,) * count)).lut
