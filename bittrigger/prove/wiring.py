"""Proof that the top connects the modules of the pipeline, and that its valid chain is as long as its data path."""

from __future__ import annotations

from bittrigger.ir.fixed import Interval
from bittrigger.ir.graph import Input
from bittrigger.ir.layout import Vectors
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.ports import bus_width, input_fields, output_fields
from bittrigger.prove.claims import Unproven
from bittrigger.prove.order import check_ports
from bittrigger.prove.stages import Tracer, clock_of
from bittrigger.synth.netlist import LOW, Bits, Cell, Netlist


def prove_wiring(pipeline: Pipeline, netlist: Netlist) -> str:
    """Prove that each module reads the codes of its operand nodes, in the cycle that it is made for.

    Args:
        netlist: the top, of which the pipeline's modules are cells.

    Raises:
        Unproven: naming the first pin that reads something else.
    """
    _check_top(pipeline, netlist)
    vectors, tracer = Vectors.of(pipeline), Tracer(netlist)
    instances = _instances(pipeline, netlist)
    sources = _sources(pipeline, vectors, netlist, instances)
    pins = 0
    for module in pipeline.modules:
        cell = instances[module.name]
        if "clk" in cell.inputs and cell.inputs["clk"] != (clock_of(netlist),):
            raise Unproven(f"module {module.name} is not clocked by clk")
        for bus, node in zip(vectors.operands(module), dict.fromkeys(module.node.inputs), strict=True):
            delay = module.start - vectors.stages[node]
            pins += _check(tracer, cell.inputs[bus.name], sources[node], delay, f"{bus.name} of {module.name}")
    wanted = [
        (net, pipeline.latency_cycles - vectors.stages[name])
        for name in pipeline.graph.outputs
        for net in sources[name]
    ]
    found = netlist.outputs["out_data"]
    if len(found) != len(wanted):
        raise Unproven(f"out_data has {len(found)} bits; {len(wanted)} are due")
    for k, (net, (origin, delay)) in enumerate(zip(found, wanted, strict=True)):
        _check(tracer, (net,), (origin,), delay, f"bit {k} of out_data")
    _check_sources(pipeline)
    return f"{len(pipeline.modules)} modules, {pins + len(found)} bits"


def _check_top(pipeline: Pipeline, netlist: Netlist) -> None:
    in_width, out_width = bus_width(input_fields(pipeline.graph)), bus_width(output_fields(pipeline.graph))
    check_ports(netlist, {"rst": 1, "in_valid": 1, "in_data": in_width}, {"out_valid": 1, "out_data": out_width})


def _instances(pipeline: Pipeline, netlist: Netlist) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for cell in netlist.cells:
        if cell.type in found:
            raise Unproven(f"module {cell.type} occurs twice")
        if any(cell.type == module.name for module in pipeline.modules):
            found[cell.type] = cell
    missing = [module.name for module in pipeline.modules if module.name not in found]
    if missing:
        raise Unproven(f"module {missing[0]} does not occur in the top")
    return found


def _sources(pipeline: Pipeline, vectors: Vectors, netlist: Netlist, instances: dict[str, Cell]) -> dict[str, Bits]:
    """The nets that carry the codes of each node when they come into being."""
    sources: dict[str, Bits] = {}
    for node in pipeline.graph.nodes:
        width = vectors.types[node.name].width
        if isinstance(node, Input):
            places = [field.offset for field in input_fields(pipeline.graph) if field.port == node.name]
            sources[node.name] = tuple(netlist.inputs["in_data"][at + k] for at in places for k in range(width))
    for module in pipeline.modules:
        sources[module.node.name] = instances[module.name].outputs["y"]
    return sources


def _check(tracer: Tracer, found: Bits, wanted: Bits, delay: int, what: str) -> int:
    if len(found) != len(wanted):
        raise Unproven(f"{what} has {len(found)} bits; {len(wanted)} are due")
    for k, (net, origin) in enumerate(zip(found, wanted, strict=True)):
        trail = tracer.trail(net)
        if trail.origin != origin:
            raise Unproven(f"{what}: bit {k} reads another net")
        if trail.cycles != delay:
            raise Unproven(f"{what}: bit {k} is delayed by {trail.cycles} cycles; {delay} are due")
        if set(trail.resets) - {LOW}:
            raise Unproven(f"{what}: bit {k} is reset")
    return len(found)


def _check_sources(pipeline: Pipeline) -> None:
    """Check that each module is made for the ranges that its operand nodes deliver."""
    made: dict[str, Module] = {module.node.name: module for module in pipeline.modules}
    for module in pipeline.modules:
        spans: list[Interval] = []
        for name in module.node.inputs:
            node = pipeline.graph[name]
            spans += [node.interval] * node.size if isinstance(node, Input) else made[name].result
        if tuple(spans) != module.source:
            raise Unproven(f"module {module.name} is made for other ranges than its operands take")


def prove_valid(pipeline: Pipeline, netlist: Netlist) -> str:
    """Prove that ``out_valid`` is ``in_valid``, ``latency_cycles`` later, unless ``rst`` was high at an edge in between.

    Raises:
        Unproven: if the chain has another length, source, clock or reset.
    """
    _check_top(pipeline, netlist)
    (valid,) = netlist.outputs["out_valid"]
    trail = Tracer(netlist).trail(valid)
    if (trail.origin,) != netlist.inputs["in_valid"]:
        raise Unproven("out_valid does not come from in_valid")
    if trail.cycles != pipeline.latency_cycles:
        raise Unproven(f"out_valid is {trail.cycles} cycles behind in_valid; {pipeline.latency_cycles} are due")
    if set(trail.resets) != set(netlist.inputs["rst"]):
        raise Unproven("a register of the valid chain is not reset by rst")
    return f"{trail.cycles} registers, all reset by rst"
