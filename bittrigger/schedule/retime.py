"""Place the registers of a pipeline so that they are fewest, for a given latency and clock: retiming, exactly.

Every stage is an integer variable: that of each adder, and those in which each module reads its operand and delivers its
results. A value that is made in stage ``s`` and last read in stage ``t`` takes ``t - s`` times its width, however many
readers it has; that a path fits the clock period is a difference between two stages. So the fewest registers are a linear
problem over differences, solved to the optimum (``difference``).

Source: C. E. Leiserson and J. B. Saxe, "Retiming synchronous circuitry", Algorithmica 6 (1991).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bittrigger.device.delay_model import DelayModel
from bittrigger.device.timing import adder_delay_ns, held_delay_ns, node_delay_ns, part_delays_ns
from bittrigger.errors import InternalError
from bittrigger.ir.adders import AdderGraph, first_equals, fold_constants, live_values, value_intervals
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.table import in_parts
from bittrigger.ir.graph import (
    Graph,
    Input,
    Intervals,
    Linear,
    Lookup,
    Node,
    Operation,
    Requantize,
    copy_operand,
    intervals,
    of_one_copy,
)
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.register_bits import kept_bits, part_bits, vector_bits
from bittrigger.ir.routes import read_by
from bittrigger.schedule.difference import Constraints, minimise
from bittrigger.schedule.period import Operation as Step
from bittrigger.schedule.period import period_constraints
from bittrigger.system.kept import Kept, key_of
from bittrigger.system.versions import package_version

PLACEMENTS = Kept("placements", room_bytes=1 << 25)
_LEAST_KEPT = 100
"""Variables of the smallest problem whose solution is kept."""

Stages = dict[str, tuple[int, int, tuple[int, ...]]]
"""For each node its module's start and stop, and the stages of its adders."""


Makers = frozenset[int]
"""The operations that a code may come from: none for a port, several where copies of a node read different ones."""

_NONE: Makers = frozenset()


@dataclass
class _Problem:
    """Variables, what each costs a stage, and which comes after which."""

    costs: list[int] = field(default_factory=list)
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    operations: list[Step] = field(default_factory=list)

    def variable(self, *after: int) -> int:
        """A new variable, no smaller than those in ``after``."""
        self.costs.append(0)
        new = len(self.costs) - 1
        self.rows += [(new, earlier, 0) for earlier in after]
        return new

    def delay(self, width: int, made: int, *read: int) -> None:
        """State that ``width`` bits made in stage ``made`` are read in each of the stages ``read``."""
        if width and read:
            last = self.variable(*dict.fromkeys(read)) if len(set(read)) > 1 else read[0]
            self.costs[last] += width
            self.costs[made] -= width

    def operation(self, variable: int, delay_ns: float, operands: Makers) -> int:
        """A new operation; its number."""
        self.operations.append(Step(variable, delay_ns, tuple(sorted(operands))))
        return len(self.operations) - 1


@dataclass(frozen=True)
class _Module:
    """The variables of one module, of its adders or parts, and the operations behind each of its results."""

    start: int
    stop: int
    adders: tuple[int | None, ...]
    makers: tuple[Makers, ...]


@dataclass
class _Builder:
    """Turns a network into a problem."""

    graph: Graph
    model: DelayModel
    problem: _Problem = field(default_factory=_Problem)
    modules: dict[str, _Module] = field(default_factory=dict)

    def port(self, node: Input, origin: int) -> None:
        """The ports of the design: their codes are there in stage 0."""
        self.modules[node.name] = _Module(origin, origin, (), (_NONE,) * node.size)

    def makers(self, node: Node) -> tuple[Makers, ...]:
        """The operations that the codes of ``node`` come from."""
        if not isinstance(node, Wire):
            return self.modules[node.name].makers
        read = [makers for name in node.inputs for makers in self.makers(self.graph[name])]
        return tuple(_NONE if index == ZERO else read[index] for index in node.indices.tolist())

    def start(self, node: Operation) -> tuple[int, list[Makers]]:
        """A stage in which the operand of ``node`` can be read, and the operations that make each code of a copy of it."""
        read = read_by(self.graph, node.inputs)
        start = self.problem.variable(*dict.fromkeys(self.modules[name].stop for name in read))
        makers = [code for name in node.inputs for code in self.makers(self.graph[name])]
        size = len(makers) // node.copies
        if node.copies == 1 or makers == makers[:size] * node.copies:
            return start, makers[:size]
        return start, [_NONE.union(*makers[k::size]) for k in range(size)]

    def elementwise(self, node: Requantize | Lookup, source: Intervals, result: Intervals) -> None:
        """A requantiser or a table: its logic lies in its last stage, and registers in front of it hold its operand."""
        start, makers = self.start(node)
        stop = self.problem.variable(start)
        width = sum(kept_bits(node, span, out) for span, out in zip(source, result, strict=True))
        self.problem.delay(node.copies * width, start, stop)
        number = self.problem.operation(stop, node_delay_ns(node, source, self.model), _NONE.union(*makers))
        self.modules[node.name] = _Module(start, stop, (), (frozenset({number}),) * node.size)

    def parts(self, node: Lookup | Scaling | Extremum | Product, source: Intervals, result: Intervals) -> None:
        """Parts one behind the other, each of which reads what the one before it makes; registers may stand between them."""
        start, makers = self.start(node)
        operands = _NONE.union(*makers)
        stages = [start]
        delays_ns = part_delays_ns(node, source, self.model)
        for delay_ns, width in zip(delays_ns, part_bits(node, source, result), strict=True):
            stages.append(self.problem.variable(stages[-1]))
            self.problem.delay(node.copies * width, stages[-2], stages[-1])
            operands = frozenset({self.problem.operation(stages[-1], delay_ns, operands)})
        self.modules[node.name] = _Module(start, stages[-1], tuple(stages[1:-1]), (operands,) * node.size)

    def held(self, node: Weigh | Hold) -> None:
        """What is held is there in every stage: logic between the registers before and behind, and none of its own."""
        start, makers = self.start(node)
        number = self.problem.operation(start, held_delay_ns(node, self.model), _NONE.union(*makers))
        self.modules[node.name] = _Module(start, start, (), (frozenset({number}),) * node.size)

    def linear(self, node: Linear, adders: AdderGraph, result: Intervals) -> None:
        """The adders of a layer that an output needs; one chain of registers behind each value."""
        start, makers = self.start(node)
        adders = fold_constants(adders, result)
        ranges, same = value_intervals(adders), first_equals(adders)
        live = {same[value] for value in live_values(adders)}
        made: list[int | None] = [start] * adders.n_inputs
        readers: list[list[int]] = [[] for _ in ranges]
        for k, adder in enumerate(adders.adders):
            value = adders.n_inputs + k
            if value not in live:  # read by nothing, or the twin of an earlier one
                made.append(made[same[value]] if same[value] < value else None)
                makers.append(makers[same[value]] if same[value] < value else _NONE)
                continue
            terms = [same[term.value] for term in adder.terms]
            stage = self.problem.variable(*dict.fromkeys(_known(made[term]) for term in terms))
            for term in terms:
                readers[term].append(stage)
            operands = _NONE.union(*(makers[term] for term in terms))
            step = self.problem.operation(stage, adder_delay_ns(adder.operands, self.model), operands)
            makers.append(frozenset({step}))
            made.append(stage)
        roots = dict.fromkeys(same[out.value] for out in adders.outputs if out.value is not None)
        stop = self.problem.variable(start, *dict.fromkeys(_known(made[value]) for value in roots))
        for value in roots:
            readers[value].append(stop)
        for value, stages in enumerate(readers):
            if stages:
                self.problem.delay(node.copies * ranges[value].width, _known(made[value]), *stages)
        behind = tuple(_NONE if out.value is None else makers[out.value] for out in adders.outputs)
        self.modules[node.name] = _Module(start, stop, tuple(made[adders.n_inputs :]), behind * node.copies)

    def top(self, ranges: dict[str, Intervals], end: int) -> None:
        """The registers between modules, and those behind the outputs, up to the stage ``end``."""
        read: dict[str, list[int]] = {}
        for node in self.graph.nodes:
            if not isinstance(node, Input | Wire):
                for name in read_by(self.graph, node.inputs):
                    read.setdefault(name, []).append(self.modules[node.name].start)
        for name in read_by(self.graph, self.graph.outputs):
            read.setdefault(name, []).append(end)
            self.problem.rows.append((end, self.modules[name].stop, 1))
        for name, stages in read.items():
            self.problem.delay(vector_bits(ranges[name]), self.modules[name].stop, *stages)


def _known(variable: int | None) -> int:
    if variable is None:
        raise InternalError("a live value depends on one that is not")
    return variable


def retime(
    graph: Graph, adders: dict[str, AdderGraph], latency_cycles: int, budget_ns: float, model: DelayModel
) -> Stages | None:
    """The stages of all modules and adders with the fewest register bits.

    Args:
        adders: the adder graph of each ``Linear`` node, by node name.
        latency_cycles: registers on every path; at least as many as the network takes.
        budget_ns: time for logic in one stage.

    Returns:
        None where the paths are too long and too many to be listed (``critical.MAX_STEPS``).
    """
    ranges = intervals(graph)
    builder = _Builder(graph, model)
    origin, end = builder.problem.variable(), builder.problem.variable()
    for node in graph.nodes:
        match node:
            case Input():
                builder.port(node, origin)
            case Wire():
                pass
            case Linear():
                builder.linear(node, adders[node.name], of_one_copy(ranges[node.name], node.copies))
            case Requantize() | Lookup():
                source, result = copy_operand(node, ranges), of_one_copy(ranges[node.name], node.copies)
                if isinstance(node, Lookup) and in_parts(node, source):
                    builder.parts(node, source, result)
                else:
                    builder.elementwise(node, source, result)
            case Weigh() | Hold():
                builder.held(node)
            case Extremum() | Product() | MagnitudeOr() | ShiftDown() | ShiftUp():
                result = of_one_copy(ranges[node.name], node.copies)
                builder.parts(node, copy_operand(node, ranges), result)
    builder.top(ranges, end)
    pairs = period_constraints(builder.problem.operations, budget_ns)
    if pairs is None:
        return None
    found = _solve(builder.problem, pairs, origin, end, latency_cycles)
    return {
        node.name: _placed(builder.modules[node.name], adders.get(node.name), found)
        for node in graph.nodes
        if not isinstance(node, Input | Wire)
    }


def _solve(problem: _Problem, pairs: list[tuple[int, int]], origin: int, end: int, latency_cycles: int) -> IntArray:
    apart = [(last, first, 1) for first, last in pairs]
    rows = np.array([*problem.rows, *apart, (end, origin, latency_cycles)], dtype=np.int64)
    highest = np.full(len(problem.costs), latency_cycles, dtype=np.int64)
    highest[origin] = 0
    costs = np.array(problem.costs, dtype=np.int64)
    return _minimum(costs, Constraints(rows[:, 0], rows[:, 1], rows[:, 2], highest))


def _minimum(costs: IntArray, constraints: Constraints) -> IntArray:
    """``minimise``, or what it found for the very same problem before; importing SciPy alone takes longer than reading that."""
    if len(costs) < _LEAST_KEPT:
        return minimise(costs, constraints)
    code = Path(__file__).with_name("difference.py").read_bytes()
    parts = (costs, constraints.later, constraints.earlier, constraints.gap, constraints.highest)
    key = key_of(code, package_version("scipy") or "", *(np.ascontiguousarray(part).tobytes() for part in parts))
    kept = PLACEMENTS.find(key)
    found = minimise(costs, constraints) if kept is None else np.frombuffer(kept, dtype=np.int64)
    if kept is None:
        PLACEMENTS.keep({key: found.astype(np.int64).tobytes()})
    if (found[constraints.later] < found[constraints.earlier] + constraints.gap).any():
        raise InternalError("registers are placed where they may not be")
    return found


def _placed(module: _Module, adders: AdderGraph | None, found: IntArray) -> tuple[int, int, tuple[int, ...]]:
    start, stop = int(found[module.start]), int(found[module.stop])
    if adders is None:
        return start, stop, tuple(int(found[variable]) for variable in module.adders if variable is not None)
    stages = [start] * adders.n_inputs
    for adder, variable in zip(adders.adders, module.adders, strict=True):
        ready = max(stages[term.value] for term in adder.terms)
        stages.append(ready if variable is None else int(found[variable]))
    return start, stop, tuple(stages[adders.n_inputs :])
