"""Proof that the top connects the modules of the pipeline, and that its valid chain is as long as its data path."""

from __future__ import annotations

import re

from bittrigger.ir.fixed import Interval
from bittrigger.ir.graph import Input
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.ports import bus_width, input_fields, output_fields
from bittrigger.ir.routes import Route, route
from bittrigger.ir.wire import ZERO
from bittrigger.prove.claims import Unproven
from bittrigger.prove.order import check_ports
from bittrigger.prove.stages import Tracer, clock_of
from bittrigger.synth.netlist import LOW, Bits, Cell, Netlist

_NUMBER = re.compile(r"\[(\d+)\]\.u_\w+$")
"""The number of an instance, as Yosys names it."""

_ABSENT = -1
"""The net of what an instance would drive that is not there."""

_Due = tuple[int, int | None]
"""A net, and how many cycles later it is due; None for a constant."""


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
    pins = 0
    for module in pipeline.modules:
        for bus, node in zip(vectors.operands(module), dict.fromkeys(module.node.inputs), strict=True):
            if not module.is_folded:
                due = _due(pipeline, vectors, sources, node, module.start)
            elif module.queue:
                wanted = _due(pipeline, vectors, sources, node, module.start - 1)
                pins += _check_queue(tracer, netlist, module, wanted, entry)
                head = _queue_cell(netlist, module).outputs["y"]
                due = [(net, 0) for net in head]
            else:
                before = next(made for made in pipeline.modules if made.node.name == node)
                delay = module.start - before.stop
                due = [(net, delay) for k in range(before.lanes) for net in instances[before.name][k].outputs["y"]]
            size = len(due) // module.instances
            for k, cell in instances[module.name].items():
                if "clk" in cell.inputs and cell.inputs["clk"] != (clock_of(netlist),):
                    raise Unproven(f"module {module.name} is not clocked by clk")
                wanted = due[size * k : size * (k + 1)]
                pins += _check(tracer, cell.inputs[bus.name], wanted, f"{bus.name} of {cell.name}")
    found = netlist.outputs["out_data"]
    wanted = [
        bit
        for name in pipeline.graph.outputs
        for bit in _due(pipeline, vectors, sources, name, pipeline.latency_cycles)
    ]
    _check(tracer, found, wanted, "out_data")
    _check_sources(pipeline)
    count = sum(map(len, instances.values()))
    return f"{count} instances of {len(pipeline.modules)} modules, {pins + len(found)} bits"


def _check_top(pipeline: Pipeline, netlist: Netlist) -> None:
    in_width, out_width = bus_width(input_fields(pipeline.graph)), bus_width(output_fields(pipeline.graph))
    late = {"dropped": 1} if pipeline.guard_name else {}
    check_ports(
        netlist, {"rst": 1, "in_valid": 1, "in_data": in_width}, {"out_valid": 1, "out_data": out_width, **late}
    )


def _entry(pipeline: Pipeline, netlist: Netlist) -> int:
    """The net that says that an event is let in: that of ``in_valid``, or what the guard of the interval makes of it."""
    if pipeline.guard_name is None:
        return netlist.inputs["in_valid"][0]
    cells = [cell for cell in netlist.cells if cell.type == pipeline.guard_name]
    if len(cells) != 1:
        raise Unproven(f"module {pipeline.guard_name} occurs {len(cells)} times in the top; it is due once")
    (cell,) = cells
    for port in ("clk", "rst", "in_valid"):
        if cell.inputs[port] != netlist.inputs[port]:
            raise Unproven(f"{port} of {cell.name} is not the port of the top")
    if cell.outputs["dropped"] != netlist.outputs["dropped"]:
        raise Unproven("port dropped of the top is driven by something else than the guard of the interval")
    return cell.outputs["accept"][0]


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
        width = vectors.types[port.name].width
        places = [field.offset for field in input_fields(pipeline.graph) if field.port == port.name]
        sources[port.name] = tuple(netlist.inputs["in_data"][at + k] for at in places for k in range(width))
    for module in pipeline.modules:
        width, cells = len(module.result) * vectors.types[module.node.name].width, instances[module.name]
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
    found, element = route(pipeline.graph, (node,)), vectors.types[node]
    due: list[_Due] = []
    for source, index in zip(found.sources.tolist(), found.elements.tolist(), strict=True):
        if source == ZERO:
            due += [(LOW, None)] * element.width
            continue
        name = found.nodes[source]
        own, delay = vectors.types[name], stage - _born(pipeline, vectors, name, index)
        nets = sources[name][own.width * index : own.width * (index + 1)]
        above = (nets[-1], delay) if own.signed else (LOW, None)
        due += [(net, delay) for net in nets[: element.width]] + [above] * (element.width - own.width)
    return due


def _born(pipeline: Pipeline, vectors: BusLayout, name: str, index: int) -> int:
    """The stage in which code ``index`` of a node comes into being; those of a folded module follow each other."""
    module = next((made for made in pipeline.modules if made.node.name == name), None)
    if module is None or not module.is_folded:
        return vectors.stages[name]
    return module.stop + index // len(module.result) // module.lanes


def _queue_cell(netlist: Netlist, module: Module) -> Cell:
    """The queue of a folded module."""
    cells = [cell for cell in netlist.cells if cell.type == module.queue_name]
    if len(cells) != 1:
        raise Unproven(f"module {module.queue_name} occurs {len(cells)} times in the top; it is due once")
    return cells[0]


def _check_queue(tracer: Tracer, netlist: Netlist, module: Module, due: list[_Due], entry: int) -> int:
    """Check that the queue of a folded module takes the operands of all copies of an event, when they are there."""
    cell = _queue_cell(netlist, module)
    if cell.inputs["clk"] != (clock_of(netlist),):
        raise Unproven(f"module {module.queue_name} is not clocked by clk")
    (load,) = cell.inputs["load"]
    trail = tracer.trail(load)
    if trail.origin != entry or trail.cycles != module.start - 1:
        raise Unproven(f"module {module.queue_name} is not loaded when its event is there")
    if set(trail.resets) - set(netlist.inputs["rst"]):
        raise Unproven(f"load of {module.queue_name} is reset by something else than rst")
    return 1 + _check(tracer, cell.inputs["x"], due, f"x of {cell.name}")


def _check(tracer: Tracer, found: Bits, wanted: list[_Due], what: str) -> int:
    if len(found) != len(wanted):
        raise Unproven(f"{what} has {len(found)} bits; {len(wanted)} are due")
    for k, (net, (origin, delay)) in enumerate(zip(found, wanted, strict=True)):
        trail = tracer.trail(net)
        if trail.origin != origin:
            raise Unproven(f"{what}: bit {k} reads another net")
        if delay is not None and trail.cycles != delay:
            raise Unproven(f"{what}: bit {k} is delayed by {trail.cycles} cycles; {delay} are due")
        if set(trail.resets) - {LOW}:
            raise Unproven(f"{what}: bit {k} is reset")
    return len(found)


def _check_sources(pipeline: Pipeline) -> None:
    """Check that each module is made for the ranges that its operand codes have in every copy."""
    made: dict[str, Module] = {module.node.name: module for module in pipeline.modules}
    for module in pipeline.modules:
        spans = [span for name in module.node.inputs for span in _spans(pipeline, made, name)]
        size = len(module.source)
        for k, span in enumerate(spans):
            if span.lo not in module.source[k % size] or span.hi not in module.source[k % size]:
                raise Unproven(f"module {module.name} is made for other ranges than its operands take")


def _spans(pipeline: Pipeline, made: dict[str, Module], name: str) -> list[Interval]:
    """The ranges of the codes of a node, wires followed."""
    found: Route = route(pipeline.graph, (name,))
    ranges: dict[str, tuple[Interval, ...]] = {}
    for source in found.nodes:
        node = pipeline.graph[source]
        ranges[source] = (node.interval,) * node.size if isinstance(node, Input) else made[source].result * node.copies
    return [
        Interval(0, 0) if source == ZERO else ranges[found.nodes[source]][index]
        for source, index in zip(found.sources.tolist(), found.elements.tolist(), strict=True)
    ]


def prove_valid(pipeline: Pipeline, netlist: Netlist) -> str:
    """Prove that ``out_valid`` is high ``latency_cycles`` after an event was let in, unless ``rst`` was high in between.

    Raises:
        Unproven: if the chain has another length, source, clock or reset.
    """
    _check_top(pipeline, netlist)
    (valid,) = netlist.outputs["out_valid"]
    trail = Tracer(netlist).trail(valid)
    if trail.origin != _entry(pipeline, netlist):
        raise Unproven("out_valid does not come from in_valid")
    if trail.cycles != pipeline.latency_cycles:
        raise Unproven(f"out_valid is {trail.cycles} cycles behind in_valid; {pipeline.latency_cycles} are due")
    if set(trail.resets) != set(netlist.inputs["rst"]):
        raise Unproven("a register of the valid chain is not reset by rst")
    return f"{trail.cycles} registers, all reset by rst"
