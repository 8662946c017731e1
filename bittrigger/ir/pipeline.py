"""A pipeline: every adder of every layer, placed in a clock cycle.

Stage ``s`` is the logic between register ranks ``s - 1`` and ``s``; stage 0 reads the input ports. A value
computed in stage ``s`` and read in stage ``t`` passes ``t - s`` registers. The results of the last module enter a final
rank, so the latency is one more than their stage. Emitters read this and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bittrigger.errors import InternalError
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.arrival import Arrival
from bittrigger.ir.forms.considered import Form
from bittrigger.ir.forms.engine import FEEDING, Engine
from bittrigger.ir.forms.queue import Choosing
from bittrigger.ir.forms.serial import Serial
from bittrigger.ir.forms.tally import Tally
from bittrigger.ir.forms.window import Window, chosen_codes, overlap, used_codes
from bittrigger.ir.graph import Graph, Intervals, Linear, Lookup, Operation, Requantize
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import READING, Held, Hold, Turns, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO
from bittrigger.ir.origin import Origin
from bittrigger.ir.routes import Route, route


@dataclass(frozen=True, eq=False)
class Module:
    """One scheduled node of the graph; it becomes one Verilog module and one C++ function, used as often as it has copies.

    Attributes:
        design: name of the design; modules of several designs can share one project.
        node: what it computes.
        adders: the adder graph of one copy of a ``Linear`` node, else None.
        source: ranges of the operand codes of one copy.
        result: ranges of the output codes of one copy.
        start: stage in which its operand is read.
        stop: stage in which its results are available, before the register that follows.
        stages: for a ``Linear`` node the stage of each adder, ``start <= stage <= stop``; for a ``ShiftDown`` the stage in
            which the codes are shifted, before they are rounded in ``stop``; for an ``Extremum`` or a ``Product`` that of each
            round or row but the last; for a ``Lookup`` that is searched, or a sum of tables, that of each level.
        lanes: instances, where fewer are built than there are copies; else 0. All stages are those of the first copy then.
        queue: whether the operands of the copies wait in a queue, which takes them a stage before ``start``; two where it
            chooses while they wait.
        choosing: when such a queue chooses what is read.
        window: how the queue reads operands that overlap, if it holds each of their codes one time.
        pace: cycles from the copies that go through the instances to the next ones.
        engine: how a matrix is multiplied step by step, if it is; each column is a copy then, ``source`` is the whole operand,
            and the sums of the first columns are cleared in ``start``.
        tally: how positions are added up that come some at a time, from ``start`` on, if they are; each column is a copy.
        columns: those of a ``Weigh``, each of which is a copy then; 0 in software, where all are one. Where they take turns, a
            feed hands out the numbers of each turn, from memory, and the operand codes from ``start`` on.
        serial: how a matrix is multiplied digit by digit, if it is, by one instance; each column is a copy then, ``source`` is
            the whole operand, whose first digits are there in ``start``, and ``lanes`` columns come at a time.
    """

    design: str
    node: Operation
    adders: AdderGraph | None
    source: Intervals
    result: Intervals
    start: int
    stop: int
    stages: tuple[int, ...]
    lanes: int = 0
    queue: bool = False
    window: Window | None = None
    pace: int = 1
    engine: Engine | None = None
    tally: Tally | None = None
    columns: int = 0
    serial: Serial | None = None
    choosing: Choosing = Choosing.READING

    @property
    def name(self) -> str:
        """The module's identifier, for example ``jet_tagger_bitlinear_dense_1``."""
        return f"{self.design}_{self.label}"

    @property
    def label(self) -> str:
        """What people call it within its design, for example ``bitlinear_dense_1``."""
        return f"{self.kind}_{self.node.name}"

    @property
    def kind(self) -> str:  # noqa: C901 - one case a kind
        """What it computes, in a word."""
        match self.node:
            case Linear():
                kind = "bitlinear" if self.node.is_ternary else "linear"
            case Requantize():
                kind = "requantize"
            case Lookup():
                kind = "scale" if self.node.sums else "lookup"
            case Extremum():
                kind = self.node.word
            case Product():
                kind = "product"
            case Weigh():
                kind = "weigh"
            case Hold():
                kind = "hold"
            case MagnitudeOr():
                kind = "magnitude"
            case ShiftDown():
                kind = "shift_down"
            case ShiftUp():
                kind = "shift_up"
        return kind

    @property
    def copies(self) -> int:
        """How many times the layer is there; the columns of one that is multiplied step by step."""
        if self.tally:
            return len(self.tally.rows)
        plan = self.engine or self.serial
        return plan.n_out if plan else self.columns or self.node.copies

    @property
    def is_folded(self) -> bool:
        """Whether fewer instances than copies are built, and fed one after the other."""
        return self.lanes > 0

    @property
    def is_fed(self) -> bool:
        """Whether columns whose weights are held take turns."""
        return self.columns > 0 and self.is_folded

    @property
    def in_blocks(self) -> bool:
        """Whether what columns that take turns read lies in block RAM."""
        return self.is_fed and Turns(self.columns, self.lanes).in_blocks

    @property
    def reading(self) -> int:
        """Cycles from the one in which held numbers are read from memory to that in which they are used."""
        return READING + self.in_blocks

    @property
    def feeding(self) -> int:
        """Cycles from the one in which an operand is taken to that in which the first of what takes turns begins."""
        return FEEDING + self.in_blocks

    def held_stage(self, column: int) -> int:
        """The stage in which what is held for ``column`` is read; the results of all columns are those of one event."""
        return self.start + column // self.lanes - self.reading if self.is_fed else self.start

    @property
    def instances(self) -> int:
        """Instances of the module."""
        return 1 if self.serial else self.lanes or self.copies

    @property
    def phases(self) -> int:
        """Turns that the copies take: copy ``lanes * n + m`` goes through instance ``m`` in turn ``n``, ``pace`` cycles each."""
        return -(-self.copies // (self.lanes or self.copies))

    @property
    def done(self) -> int:
        """The stage in which the results of all copies are available."""
        return self.stop + (self.phases - 1) * self.pace

    @property
    def reads(self) -> int | None:
        """The stage in which the operands of all copies are read; None where they come copy by copy from a folded layer."""
        if self.engine or self.serial or self.is_fed:
            return self.start - self.feeding
        if self.tally or (self.is_folded and not self.queue):
            return None
        return self.start - self.queue - (self.choosing is Choosing.WAITING)

    @property
    def told(self) -> int | None:
        """The stage in which what feeds it is told that an event is there; None where nothing does."""
        return None if self.reads is None else self.reads - (self.choosing is Choosing.TAKING)

    @property
    def feed_name(self) -> str:
        """The module that feeds the lanes of an engine, or columns whose weights are held."""
        return f"{self.design}_feed_{self.node.name}"

    @property
    def feeder_name(self) -> str:
        """The module that takes the operand of an event where fewer instances than copies are built."""
        if self.serial:
            return self.name
        return self.feed_name if self.engine or self.is_fed else self.queue_name

    @property
    def queue_name(self) -> str:
        """The module that feeds the instances, if there is a queue."""
        return f"{self.design}_queue_{self.node.name}"

    @property
    def held_name(self) -> str:
        """The module with the registers of one column of what is held."""
        return f"{self.design}_held_{self.node.name}"

    @property
    def cycles(self) -> int:
        """Registers between operand and results."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A graph with every operation placed in a stage.

    Attributes:
        clock_mhz: the clock that the placement was made for.
        latency_cycles: rising edges from the one that follows valid inputs at the ports to the one after which the
            outputs can be read, so that ``latency_cycles`` registers lie on every path.
        ii: initiation interval in cycles; more than 1 where layers are folded.
        arrival: how the positions of an event come, word after word; None where an event comes whole. Stages count from its
            first word.
        origin: what the design was made by and from, for the headers of emitted files.
        emulated: the same network with its numbers held, of which the emulator is made in the place of this one; or None.
        forms: those of each layer that were considered, by name; none where an event may come every clock.
        serial: adder graphs of the signs of the layers that were considered digit by digit, by name.
        chosen: the names of the forms of layers of which the cheapest ones would come too late.
        period_margin_ns: what of each clock period was kept free when the operations were placed.
    """

    graph: Graph
    modules: tuple[Module, ...]
    clock_mhz: float
    latency_cycles: int
    ii: int = 1
    arrival: Arrival | None = None
    origin: Origin = field(default_factory=Origin)
    emulated: Pipeline | None = None
    forms: Mapping[str, tuple[Form, ...]] = field(default_factory=dict)
    serial: Mapping[str, AdderGraph] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    period_margin_ns: float = 0.0

    @property
    def emulation(self) -> Pipeline:
        """What the emulator is made of."""
        return self if self.emulated is None else replace(self.emulated, origin=self.origin)

    @property
    def guard_name(self) -> str | None:
        """The module that drops events that come too soon; None where one may come every cycle."""
        return f"{self.graph.name}_interval" if self.ii > 1 else None

    @property
    def held(self) -> tuple[Module, ...]:
        """The modules that hold numbers."""
        return tuple(module for module in self.modules if isinstance(module.node, Weigh | Hold))

    @property
    def switching(self) -> int:
        """Stages in which what is held may switch, from the first one of the pipeline on."""
        return 1 + max(module.held_stage(max(module.columns - 1, 0)) for module in self.held)

    @property
    def settings_name(self) -> str | None:
        """The module with the registers of what is held; None where all numbers are constants."""
        return f"{self.graph.name}_settings" if self.held else None

    @property
    def loader_name(self) -> str | None:
        """The module that follows a load of what lies in memory; None where nothing does."""
        return f"{self.graph.name}_load" if any(module.is_fed for module in self.held) else None

    @property
    def module_names(self) -> tuple[str, ...]:
        """Every module of the design but its top: layers, queues, what is held and its bus, and the guard of the interval."""
        queues = [module.queue_name for module in self.modules if module.queue]
        queues += [module.feed_name for module in self.modules if module.engine or module.is_fed]
        queues += [module.held_name for module in self.held if not module.is_fed]
        guards = [name for name in (self.guard_name, self.loader_name, self.settings_name) if name]
        return (*dict.fromkeys(module.name for module in self.modules), *queues, *guards)

    @property
    def arriving(self) -> int:
        """Cycles from the first word of an event to its last one; 0 where an event comes whole."""
        return self.arrival.words - 1 if self.arrival else 0

    def is_streamed(self, name: str) -> bool:
        """Whether ``name`` is an input that comes in words."""
        return self.arrival is not None and name in self.arrival.ports

    def module_of(self, name: str) -> Module | None:
        """The module of node ``name``; None for an input."""
        return next((module for module in self.modules if module.node.name == name), None)

    def source_stage(self, name: str) -> int:
        """The stage in which node ``name`` delivers its codes, all of them (inputs that come whole: 0)."""
        module = self.module_of(name)
        return module.done if module else self.arriving * self.is_streamed(name)

    def first_stage(self, name: str) -> int:
        """The stage in which node ``name`` delivers the codes of its first copies."""
        module = self.module_of(name)
        return module.stop if module else 0


def held_node(module: Module) -> Held:
    """What ``module`` holds."""
    if not isinstance(module.node, Weigh | Hold):
        raise InternalError(f"module {module.name!r} holds nothing")
    return module.node


def waits_once(graph: Graph, module: Module) -> bool:
    """Whether the queue of ``module`` takes each code one time, since its copies share operand codes."""
    if module.window is not None or not module.queue:
        return module.window is not None
    return overlap(*used_codes(graph, module.node.inputs, module.copies))


def queued_codes(graph: Graph, module: Module) -> tuple[Route, IntArray]:
    """The codes that the queue of ``module`` takes, and which of them each operand code is, or ``ZERO``, `(copies, codes)`."""
    if waits_once(graph, module):
        return used_codes(graph, module.node.inputs, module.copies)
    found = route(graph, module.node.inputs)
    return found, np.arange(len(found)).reshape(module.copies, -1)


def early_queues(pipeline: Pipeline) -> dict[str, Choosing]:
    """When each queue chooses that does so before what it chooses is read, by the layer behind it."""
    found = {module.node.name: module.choosing for module in pipeline.modules if module.queue}
    return {name: choosing for name, choosing in found.items() if choosing is not Choosing.READING}


def turned_codes(graph: Graph, module: Module) -> IntArray:
    """Which of ``queued_codes`` each operand code of the instances is, turn by turn, or ``ZERO``, `(turns, codes)`."""
    _, numbers = queued_codes(graph, module)
    if waits_once(graph, module):
        return chosen_codes(numbers, module.lanes)
    found = np.full((module.phases, module.lanes * numbers.shape[1]), ZERO, dtype=np.int64)
    found.reshape(-1)[: numbers.size] = numbers.reshape(-1)
    return found


def in_software(pipeline: Pipeline) -> Pipeline:
    """``pipeline`` as software sees it, which has no time: every copy is there, and a matrix is multiplied at once."""

    def whole(module: Module) -> Module:
        together = module.engine or module.tally or module.serial or module.columns
        result = module.result * module.copies if together else module.result
        plain = replace(module, result=result, lanes=0, queue=False, window=None, pace=1, choosing=Choosing.READING)
        return replace(plain, engine=None, tally=None, columns=0, serial=None)

    return replace(pipeline, modules=tuple(map(whole, pipeline.modules)))
