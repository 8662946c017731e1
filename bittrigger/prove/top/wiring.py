"""Proof that the top connects the modules of the pipeline, and that its valid chain is as long as its data path."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bittrigger.ir.arrival import word_fields
from bittrigger.ir.engine import FEEDING
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Input
from bittrigger.ir.held_bus import held_nodes, reader_ports, settings_ports
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module, Pipeline, queued_codes
from bittrigger.ir.ports import bus_width, output_fields
from bittrigger.ir.routes import Route, route
from bittrigger.ir.tally import Tally
from bittrigger.ir.wire import ZERO
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.circuits.stages import Tracer, Trail, clock_of
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.columns import column_spans
from bittrigger.synth.netlist import LOW, Bits, Cell, Netlist

_NUMBER = re.compile(r"\[(\d+)\]\.u_\w+$")
"""The number of an instance, as Yosys names it."""

_ABSENT = -1
"""The net of what an instance would drive that is not there."""


@dataclass(frozen=True)
class _Due:
    """What a bit has to be.

    Attributes:
        net: where it comes from.
        delay: cycles since it was there; None for a constant.
        stage: in which it is read.
    """

    net: int
    delay: int | None
    stage: int


def prove_wiring(pipeline: Pipeline, netlist: Netlist, *, pruned: bool = False) -> str:
    """Prove that each module reads the codes of its operand nodes, in the cycle that it is made for.

    Args:
        netlist: the top, of which the pipeline's modules are cells.
        pruned: whether instances may be missing whose results nothing reads.

    Raises:
        Unproven: naming the first pin that reads something else.
    """
    _check_top(pipeline, netlist)
    vectors, tracer, entry = BusLayout.of(pipeline), Tracer(netlist), _entry(pipeline, netlist)
    instances = _instances(pipeline, netlist, pruned=pruned)
    sources = _sources(pipeline, vectors, netlist, instances)
    _check_clocks(pipeline, netlist, instances)
    pins = 0
    for module in pipeline.modules:
        for bus, node in zip(vectors.operands(module), dict.fromkeys(module.node.inputs), strict=True):
            if module.engine:
                wanted = _due(pipeline, vectors, sources, node, module.start - FEEDING)
                pins += _check_feed(tracer, netlist, module, wanted, entry)
                pins += _check_lanes(netlist, module, instances[module.name])
                continue
            if module.serial:
                wanted = _due(pipeline, vectors, sources, node, module.start - FEEDING)
                (cell,) = instances[module.name].values()
                _check_loaded(tracer, netlist, module, cell, entry)
                pins += 1 + _check(tracer, cell.inputs["x"], wanted, f"x of {cell.name}", entry)
                continue
            if module.tally:
                before = next(made for made in pipeline.modules if made.node.name == node)
                given = {k: cell.outputs["y"] for k, cell in instances[before.name].items()}
                pins += _check_tally(tracer, module, module.tally, (instances[module.name], given, before.stop), entry)
                continue
            if not module.is_folded:
                due = _due(pipeline, vectors, sources, node, module.start)
            elif module.queue:
                taken, _ = queued_codes(pipeline.graph, module)
                wanted = _due_of(pipeline, vectors, sources, taken, vectors.types[node], module.start - 1)
                pins += _check_queue(tracer, netlist, module, wanted, entry)
                head = _queue_cell(netlist, module).outputs["y"]
                due = [_Due(net, 0, module.start) for net in head]
            else:
                delay = module.start - pipeline.first_stage(node)
                due = [_Due(net, delay, module.start) for net in _flowing(pipeline, sources, node)]
            size = 0 if module.columns else len(due) // module.instances  # all columns read the same
            for k, cell in instances[module.name].items():
                wanted = due[size * k : size * (k + 1)] if size else due
                pins += _check(tracer, cell.inputs[bus.name], wanted, f"{bus.name} of {cell.name}", entry)
    pins += _check_settings(pipeline, netlist, instances)
    found = netlist.outputs["out_data"]
    wanted = [
        bit
        for name in pipeline.graph.outputs
        for bit in _due(pipeline, vectors, sources, name, pipeline.latency_cycles)
    ]
    _check(tracer, found, wanted, "out_data", entry)
    _check_sources(pipeline)
    _check_times(pipeline)
    count = sum(map(len, instances.values()))
    return f"{count} instances of {len(pipeline.modules)} modules, {pins + len(found)} bits"


def _check_top(pipeline: Pipeline, netlist: Netlist) -> None:
    in_width = bus_width(word_fields(pipeline.graph, pipeline.arrival))
    late = {"dropped": 1} if pipeline.guard_name else {}
    start = {"in_start": 1} if pipeline.arrival else {}
    if pipeline.settings_name:
        start |= {f"settings_{port}": width for port, width in settings_ports(pipeline.graph)[0].items()}
        late["settings_busy"] = 1
    outputs = {"out_valid": 1, "out_data": bus_width(output_fields(pipeline.graph)), **late}
    check_ports(netlist, {"rst": 1, "in_valid": 1, **start, "in_data": in_width}, outputs)


@dataclass(frozen=True)
class _Entry:
    """The net that says that an event is let in, cycles from one to the next at least, and the net of ``rst``.

    Attributes:
        whole: the net that says that all of it has come, ``late`` cycles after it was let in.
    """

    net: int
    ii: int
    reset: int
    whole: int
    late: int = 0


def _entry(pipeline: Pipeline, netlist: Netlist) -> _Entry:
    """Where events are let in: ``in_valid``, or what the guard of the interval makes of it."""
    reset = netlist.inputs["rst"][0]
    if pipeline.guard_name is None:
        return _Entry(netlist.inputs["in_valid"][0], 1, reset, netlist.inputs["in_valid"][0])
    cell = _only_cell(netlist, pipeline.guard_name)
    for port in ("clk", "rst", "in_valid", *(("in_start",) if pipeline.arrival else ())):
        if cell.inputs[port] != netlist.inputs[port]:
            raise Unproven(f"{port} of {cell.name} is not the port of the top")
    if cell.outputs["dropped"] != netlist.outputs["dropped"]:
        raise Unproven("port dropped of the top is driven by something else than the guard of the interval")
    accept = next(iter(cell.outputs["accept"]), _ABSENT)  # a tool leaves out what nothing reads
    whole = cell.outputs["whole"][0] if pipeline.arrival else accept
    return _Entry(accept, pipeline.ii, reset, whole, pipeline.arriving)


def _instances(pipeline: Pipeline, netlist: Netlist, *, pruned: bool) -> dict[str, dict[int, Cell]]:
    """The cell that each copy of each module stands for.

    Which instance is which copy is told by the number in its name; that it reads and drives the codes of that copy is what is
    then proven.
    """
    found: dict[str, list[Cell]] = {module.name: [] for module in pipeline.modules}
    for cell in netlist.cells:
        if cell.type in found:
            found[cell.type].append(cell)
    instances = {}
    for module in pipeline.modules:
        cells = found[module.name]
        copies = {_copy(cell): cell for cell in cells} if module.instances > 1 else dict(enumerate(cells))
        due = range(module.instances)
        if len(copies) != len(cells) or copies.keys() - set(due) or (not pruned and len(copies) != module.instances):
            raise Unproven(
                f"module {module.name} occurs {len(cells)} times in the top; it is due {module.instances} times"
            )
        instances[module.name] = copies
    return instances


def _copy(cell: Cell) -> int:
    """The number of an instance in its generate loop; -1 if it bears none."""
    number = _NUMBER.search(cell.name)
    return int(number[1]) if number else -1


def _sources(
    pipeline: Pipeline, vectors: BusLayout, netlist: Netlist, instances: dict[str, dict[int, Cell]]
) -> dict[str, Bits]:
    """The nets that carry the codes of each port and module when they come into being."""
    sources: dict[str, Bits] = {}
    for port in pipeline.graph.inputs:
        width, size = vectors.types[port.name].width, vectors.sizes[port.name]
        fields = word_fields(pipeline.graph, pipeline.arrival)
        places = [field.offset for field in fields if field.port == port.name]
        a_word = [netlist.inputs["in_data"][at + k] for at in places for k in range(width)]
        sources[port.name] = tuple(a_word * (1 + pipeline.arriving * pipeline.is_streamed(port.name)))[: width * size]
    for module in pipeline.modules:
        width, cells = len(module.result) * vectors.types[module.node.name].width, instances[module.name]
        if module.serial:
            nets = cells[0].outputs["y"]
            columns = [k % module.lanes for k in range(module.copies)]
            sources[module.node.name] = tuple(net for k in columns for net in nets[width * k : width * (k + 1)])
            continue
        sources[module.node.name] = tuple(
            net
            for k in range(module.copies)
            for net in (
                cells[k % module.instances].outputs["y"] if k % module.instances in cells else (_ABSENT,) * width
            )
        )
    return sources


def _due(pipeline: Pipeline, vectors: BusLayout, sources: dict[str, Bits], node: str, stage: int) -> list[_Due]:
    """The bits that the codes of ``node`` consist of where they are read in ``stage``, wires followed."""
    return _due_of(pipeline, vectors, sources, route(pipeline.graph, (node,)), vectors.types[node], stage)


def _due_of(  # noqa: PLR0917 - what, where, of what kind and when
    pipeline: Pipeline, vectors: BusLayout, sources: dict[str, Bits], found: Route, element: FixedPoint, stage: int
) -> list[_Due]:
    """As ``_due``, of the codes of a route, each of which has the type ``element``."""
    due: list[_Due] = []
    for source, index in zip(found.sources.tolist(), found.elements.tolist(), strict=True):
        if source == ZERO:
            due += [_Due(LOW, None, stage)] * element.width
            continue
        name = found.nodes[source]
        own, delay = vectors.types[name], stage - _born(pipeline, vectors, name, index)
        nets = sources[name][own.width * index : own.width * (index + 1)]
        above = _Due(nets[-1], delay, stage) if own.signed else _Due(LOW, None, stage)
        due += [_Due(net, delay, stage) for net in nets[: element.width]] + [above] * (element.width - own.width)
    return due


def _born(pipeline: Pipeline, vectors: BusLayout, name: str, index: int) -> int:
    """The stage in which code ``index`` of a node comes into being; those of a folded module follow each other."""
    module = pipeline.module_of(name)
    if pipeline.arrival and pipeline.is_streamed(name):
        each = pipeline.graph[name].size // pipeline.arrival.positions
        return index // each // pipeline.arrival.lanes
    if module is None or not module.is_folded:
        return vectors.stages[name]
    return module.stop + index // len(module.result) // module.lanes * module.pace


def _flowing(pipeline: Pipeline, sources: dict[str, Bits], name: str) -> Bits:
    """The nets of the codes that node ``name``, which is folded or an input that comes in words, delivers in a cycle."""
    module, arrival = pipeline.module_of(name), pipeline.arrival
    if module is None and arrival:
        return sources[name][: len(sources[name]) // arrival.positions * arrival.lanes]
    if module is None:
        raise Unproven(f"{name} does not come copy by copy")
    return sources[name][: len(sources[name]) // module.copies * module.lanes]


def _queue_cell(netlist: Netlist, module: Module) -> Cell:
    """The queue of a folded module."""
    return _only_cell(netlist, module.queue_name)


def _only_cell(netlist: Netlist, kind: str) -> Cell:
    """The one instance of a module."""
    cells = [cell for cell in netlist.cells if cell.type == kind]
    if len(cells) != 1:
        raise Unproven(f"module {kind} occurs {len(cells)} times in the top; it is due once")
    return cells[0]


def _check_feed(tracer: Tracer, netlist: Netlist, module: Module, due: list[_Due], entry: _Entry) -> int:
    """Check that the feed of an engine takes the operand when it is there."""
    feed = _only_cell(netlist, module.feed_name)
    _check_loaded(tracer, netlist, module, feed, entry)
    return 1 + _check(tracer, feed.inputs["x"], due, f"x of {feed.name}", entry)


def _check_lanes(netlist: Netlist, module: Module, lanes: dict[int, Cell]) -> int:
    """Check that each lane of an engine reads what is handed out to it."""
    feed, pins = _only_cell(netlist, module.feed_name), 0
    for k, cell in lanes.items():
        own = {"clear": feed.outputs["clear"], "settle": feed.outputs["settle"], "x": feed.outputs["step"]}
        for port in ("weights", "bias"):
            size = len(feed.outputs[port]) // module.lanes
            own[port] = feed.outputs[port][size * k : size * (k + 1)]
        for port, nets in own.items():
            if cell.inputs[port] != nets:
                raise Unproven(f"{port} of {cell.name} is not what is handed out to it")
            pins += len(nets)
    return pins


def _check_tally(
    tracer: Tracer, module: Module, tally: Tally, cells: tuple[dict[int, Cell], dict[int, Bits], int], entry: _Entry
) -> int:
    """Check that each sum over positions starts with its event, and reads its feature of every position as they come.

    Args:
        cells: the sums, what each instance before them delivers, and from which stage on.
    """
    sums, given, there = cells
    pins = 0
    for k, cell in sums.items():
        trail = tracer.trail(cell.inputs["first"][0])
        if trail.origin != entry.net or trail.cycles != module.start or set(trail.resets) - {entry.reset}:
            raise Unproven(f"{cell.name} does not start when the first positions of its event are there")
        due = []
        for lane in range(tally.lanes):
            width = len(given[lane]) // len(tally.rows)
            nets = given[lane][width * tally.rows[k] : width * (tally.rows[k] + 1)]
            due += [_Due(net, module.start - there, module.start) for net in nets]
        pins += 1 + _check(tracer, cell.inputs["x"], due, f"x of {cell.name}", entry)
    return pins


def _check_queue(tracer: Tracer, netlist: Netlist, module: Module, due: list[_Due], entry: _Entry) -> int:
    """Check that the queue of a folded module takes the operands of all copies of an event, when they are there."""
    cell = _queue_cell(netlist, module)
    _check_loaded(tracer, netlist, module, cell, entry)
    return 1 + _check(tracer, cell.inputs["x"], due, f"x of {cell.name}", entry)


def _check_loaded(tracer: Tracer, netlist: Netlist, module: Module, cell: Cell, entry: _Entry) -> None:
    """Check that a queue or a feed is loaded when its event is there, and not otherwise."""
    if cell.inputs["clk"] != (clock_of(netlist),):
        raise Unproven(f"module {cell.type} is not clocked by clk")
    (load,) = cell.inputs["load"]
    trail = tracer.trail(load)
    if trail.origin != entry.net or trail.cycles != module.reads:
        raise Unproven(f"module {cell.type} is not loaded when its event is there")
    if set(trail.resets) - set(netlist.inputs["rst"]):
        raise Unproven(f"load of {cell.type} is reset by something else than rst")


def _check(tracer: Tracer, found: Bits, wanted: list[_Due], what: str, entry: _Entry) -> int:
    if len(found) != len(wanted):
        raise Unproven(f"{what} has {len(found)} bits; {len(wanted)} are due")
    for k, (net, due) in enumerate(zip(found, wanted, strict=True)):
        trail = tracer.trail(net)
        if trail.origin in tracer.held and trail.origin != due.net:
            _check_held(tracer, trail, due, f"{what}: bit {k}", entry)
        elif trail.origin != due.net:
            raise Unproven(f"{what}: bit {k} reads another net")
        elif due.delay is not None and trail.cycles != due.delay:
            raise Unproven(f"{what}: bit {k} is delayed by {trail.cycles} cycles; {due.delay} are due")
        if set(trail.resets) - {LOW}:
            raise Unproven(f"{what}: bit {k} is reset")
    return len(found)


def _check_held(tracer: Tracer, trail: Trail, due: _Due, what: str, entry: _Entry) -> None:
    """Check a register that takes a bit when that of its event is there, and keeps it until that of the next one is.

    It may be read from the cycle after on, until ``ii`` cycles after it took it: no event comes sooner than that.
    """
    held = tracer.held[trail.origin]
    data, enable = tracer.trail(held.d), tracer.trail(held.enable)
    if enable.origin != entry.net or set(enable.resets) - {entry.reset} or {*data.resets, held.force} - {LOW}:
        raise Unproven(f"{what} is held by something else than its event, or reset")
    if data.origin != due.net:
        raise Unproven(f"{what} holds another net")
    if due.delay is not None and enable.cycles - data.cycles != due.stage - due.delay:
        raise Unproven(f"{what} is taken in stage {enable.cycles}, {data.cycles} cycles late")
    if not enable.cycles < due.stage - trail.cycles <= enable.cycles + entry.ii:
        raise Unproven(f"{what} is read in stage {due.stage - trail.cycles}; it is taken in stage {enable.cycles}")


def _check_settings(pipeline: Pipeline, netlist: Netlist, instances: dict[str, dict[int, Cell]]) -> int:
    """Check that whatever reads held numbers reads those of its column, and that the bus is that of the top."""
    if pipeline.settings_name is None:
        return 0
    cell, pins = _only_cell(netlist, pipeline.settings_name), 0
    given, _ = settings_ports(pipeline.graph)
    if cell.inputs["clk"] != (clock_of(netlist),) or cell.outputs["busy"] != netlist.outputs["settings_busy"]:
        raise Unproven(f"{cell.name} is not clocked by clk, or settings_busy is driven by something else")
    if any(cell.inputs[port] != netlist.inputs[f"settings_{port}"] for port in given):
        raise Unproven(f"the bus of {cell.name} is not that of the top")
    for node, module in zip(held_nodes(pipeline.graph), pipeline.held, strict=True):
        for port, width in reader_ports(node).items():
            nets = cell.outputs[f"{node.name}_{port}"]
            for k, reader in instances[module.name].items():
                part = nets[width * k : width * (k + 1)] if module.columns else nets
                if reader.inputs[port] != part:
                    raise Unproven(f"{port} of {reader.name} is not what is held for it")
                pins += len(part)
    return pins


def _check_clocks(pipeline: Pipeline, netlist: Netlist, instances: dict[str, dict[int, Cell]]) -> None:
    """Check that every instance that has a clock has that of the top."""
    for module in pipeline.modules:
        for cell in instances[module.name].values():
            if "clk" in cell.inputs and cell.inputs["clk"] != (clock_of(netlist),):
                raise Unproven(f"module {module.name} is not clocked by clk")


def _check_sources(pipeline: Pipeline) -> None:
    """Check that each module is made for the ranges that its operand codes have in every copy."""
    made: dict[str, Module] = {module.node.name: module for module in pipeline.modules}
    for module in pipeline.modules:
        spans = [span for name in module.node.inputs for span in _spans(pipeline, made, name)]
        size = len(module.source)
        for k, span in enumerate(spans):
            if span.lo not in module.source[k % size] or span.hi not in module.source[k % size]:
                raise Unproven(f"module {module.name} is made for other ranges than its operands take")


def _check_times(pipeline: Pipeline) -> None:
    """Check that results of what takes turns are read when they are there, and that an event is through before the next one.

    Nothing else ties the stages of such a module to its registers.
    """
    made: dict[str, Module] = {module.node.name: module for module in pipeline.modules}
    for module in pipeline.modules:
        before, plan = made.get(module.node.inputs[0]), module.engine or module.serial
        found: tuple[int, ...] = (module.stop - module.start, module.lanes, module.pace)
        due: tuple[int, ...] = (module.cycles, module.lanes, module.pace)
        turns = module.phases * module.pace
        if plan:
            due, turns = (plan.period + plan.delay, plan.lanes, plan.period), plan.groups * plan.period
        elif module.tally:
            due, turns = (module.tally.turns, module.lanes, module.pace), module.tally.turns
            if before is None or (before.lanes, before.phases, before.pace) != (module.tally.lanes, turns, 1):
                raise Unproven(f"module {module.name} adds up other turns than those that come")
        elif module.is_folded and not module.queue and before is not None:
            found, due = (*found, module.copies), (module.cycles, before.lanes, before.pace, before.copies)
        if found != due or module.phases != -(-module.copies // (module.lanes or module.copies)):
            raise Unproven(
                f"module {module.name} is there {found[0]} cycles after its start; it takes {due[0]}, or other turns"
            )
        if (module.is_folded or module.tally) and turns > pipeline.ii:
            raise Unproven(f"module {module.name} takes {turns} cycles for an event; one may come every {pipeline.ii}")


def _results(module: Module) -> tuple[Interval, ...]:
    """The ranges of all results of a module."""
    return column_spans(module) if module.engine or module.tally or module.serial else module.result * module.copies


def _spans(pipeline: Pipeline, made: dict[str, Module], name: str) -> list[Interval]:
    """The ranges of the codes of a node, wires followed."""
    found: Route = route(pipeline.graph, (name,))
    ranges: dict[str, tuple[Interval, ...]] = {}
    for source in found.nodes:
        node = pipeline.graph[source]
        ranges[source] = (node.interval,) * node.size if isinstance(node, Input) else _results(made[source])
    return [
        Interval(0, 0) if source == ZERO else ranges[found.nodes[source]][index]
        for source, index in zip(found.sources.tolist(), found.elements.tolist(), strict=True)
    ]


def prove_valid(pipeline: Pipeline, netlist: Netlist) -> str:
    """Prove that ``out_valid`` is high ``latency_cycles`` after an event was let in, unless ``rst`` was high in between.

    Where an event comes in words: as many cycles less after its last word, if none was missing.

    Raises:
        Unproven: if the chain has another length, source, clock or reset.
    """
    _check_top(pipeline, netlist)
    (valid,) = netlist.outputs["out_valid"]
    trail = Tracer(netlist).trail(valid)
    entry = _entry(pipeline, netlist)
    if trail.origin != entry.whole:
        raise Unproven("out_valid does not come from in_valid")
    due = pipeline.latency_cycles - entry.late
    if trail.cycles != due:
        raise Unproven(f"out_valid is {trail.cycles} cycles behind in_valid; {due} are due")
    if set(trail.resets) != set(netlist.inputs["rst"]):
        raise Unproven("a register of the valid chain is not reset by rst")
    return f"{trail.cycles} registers, all reset by rst"
