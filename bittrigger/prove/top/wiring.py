"""Proof that the top connects the modules of the pipeline, and that its valid chain is as long as its data path."""

from __future__ import annotations

from bittrigger.ir.forms.engine import FEEDING
from bittrigger.ir.forms.queue import Choosing
from bittrigger.ir.held.bus import Place, bus_ports, reader_ports
from bittrigger.ir.held.memory import memory_ports, placed
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module, Pipeline, queued_codes
from bittrigger.ir.routes import of_first_copies, route
from bittrigger.prove.circuits.stages import Tracer, clock_of
from bittrigger.prove.claims import Unproven
from bittrigger.prove.top.due import Due, due_of, due_of_route, flowing, instances_of, sources_of
from bittrigger.prove.top.entry import check_top, entry_of, only_cell
from bittrigger.prove.top.pins import (
    check_columns,
    check_feed,
    check_lanes,
    check_loaded,
    check_pins,
    check_queue,
    check_tally,
    queue_cell,
)
from bittrigger.prove.top.turns import check_ranges, check_times
from bittrigger.synth.netlist import Bits, Cell, Netlist


def prove_wiring(pipeline: Pipeline, netlist: Netlist, *, pruned: bool = False) -> str:
    """Prove that each module reads the codes of its operand nodes, in the cycle that it is made for.

    Args:
        netlist: the top, of which the pipeline's modules are cells.
        pruned: whether instances may be missing whose results nothing reads.

    Raises:
        Unproven: naming the first pin that reads something else.
    """
    check_top(pipeline, netlist)
    vectors, tracer, entry = BusLayout.of(pipeline), Tracer(netlist), entry_of(pipeline, netlist)
    instances = instances_of(pipeline, netlist, pruned=pruned)
    sources = sources_of(pipeline, vectors, netlist, instances)
    _check_clocks(pipeline, netlist, instances)
    pins = 0
    for module in pipeline.modules:
        for bus, node in zip(vectors.operands(module), dict.fromkeys(module.node.inputs), strict=True):
            if module.engine:
                wanted = due_of(pipeline, vectors, sources, node, module.start - FEEDING)
                pins += check_feed(tracer, netlist, module, wanted, entry)
                pins += check_lanes(netlist, module, instances[module.name])
                continue
            if module.serial:
                wanted = due_of(pipeline, vectors, sources, node, module.start - FEEDING)
                (cell,) = instances[module.name].values()
                check_loaded(tracer, netlist, module, cell, entry)
                pins += 1 + check_pins(tracer, cell.inputs["x"], wanted, f"x of {cell.name}", entry)
                continue
            if module.tally:
                before = next(made for made in pipeline.modules if made.node.name == node)
                given = {k: cell.outputs["y"] for k, cell in instances[before.name].items()}
                pins += check_tally(tracer, module, module.tally, (instances[module.name], given, before.stop), entry)
                continue
            if module.is_fed:
                wanted = due_of(pipeline, vectors, sources, node, module.start - module.feeding)
                pins += check_feed(tracer, netlist, module, wanted, entry)
                pins += check_columns(netlist, module, bus.name, instances[module.name])
                continue
            if not module.is_folded:
                due = due_of(pipeline, vectors, sources, node, module.start)
            elif module.queue:
                taken, _ = queued_codes(pipeline.graph, module)
                stage = module.start - 1 - (module.choosing is Choosing.WAITING)
                wanted = due_of_route(pipeline, vectors, sources, taken, vectors.types[node], stage)
                pins += check_queue(tracer, netlist, module, wanted, entry)
                head = queue_cell(netlist, module).outputs["y"]
                due = [Due(net, 0, module.start) for net in head]
            else:
                due = _following(pipeline, vectors, sources, module, node)
            size = 0 if module.columns else len(due) // module.instances  # all columns read the same
            for k, cell in instances[module.name].items():
                wanted = due[size * k : size * (k + 1)] if size else due
                pins += check_pins(tracer, cell.inputs[bus.name], wanted, f"{bus.name} of {cell.name}", entry)
    pins += _check_settings(pipeline, netlist, instances)
    found = netlist.outputs["out_data"]
    wanted = [
        bit
        for name in pipeline.graph.outputs
        for bit in due_of(pipeline, vectors, sources, name, pipeline.latency_cycles)
    ]
    check_pins(tracer, found, wanted, "out_data", entry)
    check_ranges(pipeline)
    check_times(pipeline)
    count = sum(map(len, instances.values()))
    return f"{count} instances of {len(pipeline.modules)} modules, {pins + len(found)} bits"


def _following(
    pipeline: Pipeline, vectors: BusLayout, sources: dict[str, Bits], module: Module, node: str
) -> list[Due]:
    """What the instances of ``module`` have to read of ``node``, which comes copy by copy, or of those that this wire joins."""
    if isinstance(pipeline.graph[node], Wire):
        taken = of_first_copies(route(pipeline.graph, (node,)), module.lanes, module.copies)
        return due_of_route(pipeline, vectors, sources, taken, vectors.types[node], module.start)
    delay = module.start - pipeline.first_stage(node)
    return [Due(net, delay, module.start) for net in flowing(pipeline, sources, node)]


def _check_settings(pipeline: Pipeline, netlist: Netlist, instances: dict[str, dict[int, Cell]]) -> int:
    """Check that whatever reads held numbers reads those of its column, and that the bus is that of the top."""
    if pipeline.settings_name is None:
        return 0
    cell, pins = only_cell(netlist, pipeline.settings_name), 0
    if cell.inputs["clk"] != (clock_of(netlist),) or cell.outputs["busy"] != netlist.outputs["settings_busy"]:
        raise Unproven(f"{cell.name} is not clocked by clk, or settings_busy is driven by something else")
    if any(cell.inputs[port] != netlist.inputs[f"settings_{port}"] for port in bus_ports(pipeline.graph)):
        raise Unproven(f"the bus of {cell.name} is not that of the top")
    for place, module in placed(pipeline):
        node = place.node
        if module.is_fed:
            pins += _check_memory(netlist, place, module, cell)
            continue
        for port, width in reader_ports(node).items():
            nets = cell.outputs[f"{node.name}_{port}"]
            for k, reader in instances[module.name].items():
                part = nets[width * k : width * (k + 1)] if module.columns else nets
                if reader.inputs[port] != part:
                    raise Unproven(f"{port} of {reader.name} is not what is held for it")
                pins += len(part)
    return pins


def _check_memory(netlist: Netlist, place: Place, module: Module, bus: Cell) -> int:
    """Check that what feeds columns which take turns is told of the words and the bank of its layer."""
    feed, pins = only_cell(netlist, module.feed_name), 0
    told = {port.removeprefix(f"{place.node.name}_"): bus.outputs[port] for port in memory_ports(place, module)}
    for port, nets in {**told, "data": bus.outputs["settings_word"]}.items():
        if feed.inputs[port] != nets:
            raise Unproven(f"{port} of {feed.name} is not that of its layer on the bus of what is held")
        pins += len(nets)
    return pins


def _check_clocks(pipeline: Pipeline, netlist: Netlist, instances: dict[str, dict[int, Cell]]) -> None:
    """Check that every instance that has a clock has that of the top."""
    for module in pipeline.modules:
        for cell in instances[module.name].values():
            if "clk" in cell.inputs and cell.inputs["clk"] != (clock_of(netlist),):
                raise Unproven(f"module {module.name} is not clocked by clk")


def prove_valid(pipeline: Pipeline, netlist: Netlist) -> str:
    """Prove that ``out_valid`` is high ``latency_cycles`` after an event was let in, unless ``rst`` was high in between.

    Where an event comes in words: as many cycles less after its last word, if none was missing.

    Raises:
        Unproven: if the chain has another length, source, clock or reset.
    """
    check_top(pipeline, netlist)
    (valid,) = netlist.outputs["out_valid"]
    trail = Tracer(netlist).trail(valid)
    entry = entry_of(pipeline, netlist)
    if trail.origin != entry.whole:
        raise Unproven("out_valid does not come from in_valid")
    due = pipeline.latency_cycles - entry.late
    if trail.cycles != due:
        raise Unproven(f"out_valid is {trail.cycles} cycles behind in_valid; {due} are due")
    if set(trail.resets) != set(netlist.inputs["rst"]):
        raise Unproven("a register of the valid chain is not reset by rst")
    return f"{trail.cycles} registers, all reset by rst"
