"""What the top holds around modules that take turns, and around inputs that come word by word."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.verilog.operand_buses import pieces
from bittrigger.emit.verilog.top_pins import Operand, at, sources, there, wired, woven
from bittrigger.ir.forms.arrival import Arrival
from bittrigger.ir.forms.engine import WEIGHT_BITS
from bittrigger.ir.held.memory import fed_ports
from bittrigger.ir.layout import Bus, BusLayout
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module, Pipeline, queued_codes, waits_once
from bittrigger.ir.waiting import held_turns, last_reads, stream_delays


@dataclass(frozen=True)
class Stream:
    """The results of a folded module, some copies at a time.

    Attributes:
        name: the bus of those that are there now.
        delays: registers as ``(name, next)``.
        gathered: the parts that all codes consist of, the first lowest; empty where nothing reads them together.
        feeder: the module that feeds the instances and its connections; None where these come from the layer before.
        heads: the buses that it drives, and their widths.
        alone: whether the feeder is the module itself, which has one instance and drives ``name``.
    """

    name: str
    width: int
    delays: tuple[tuple[str, str], ...]
    gathered: tuple[str, ...]
    feeder: str | None
    connections: tuple[tuple[str, str], ...]
    heads: tuple[tuple[str, int], ...]
    alone: bool = False


def stream_of(pipeline: Pipeline, vectors: BusLayout, module: Module) -> tuple[Stream, list[Operand]]:
    """What stands around a folded module, and the bus that is put together for its queue."""
    (bus,), result, name = vectors.operands(module), vectors.result(module), module.node.name
    names = [f"{name}_stream", *(f"{name}_stream_d{k + 1}" for k in range(stream_delays(pipeline)[name]))]
    gathered: list[str] = []
    if name in last_reads(pipeline):
        rest = (module.copies - (module.phases - 1) * module.lanes) * result.width
        held = [f"{name}_held_{k}" for k in range(held_turns(pipeline).get(name, 0))]
        gathered = [*(held or reversed(names[1 : module.phases])), f"{names[0]}[{rest - 1}:0]"]
    connections: list[tuple[str, str]] = []
    operands: list[Operand] = []
    if module.reads is not None:
        stage, before = module.reads, module.node.inputs[0]
        if waits_once(pipeline.graph, module):
            operands.append(_once(pipeline, vectors, module, bus, stage))
            signal = operands[-1].name
        elif isinstance(pipeline.graph[before], Wire):
            signal, operand = wired(pipeline, vectors, module, before, bus, alone=True)
            operands += [operand] if operand else []
        else:
            signal = at(before, vectors.registers(before, stage))
        told = stage if module.told is None else module.told
        connections = [("clk", "clk"), ("load", there(pipeline, told)), ("x", signal)]
        if module.is_fed:
            connections += [(port, f"{name}_{port}") for port in ("bank", "row", "hits")]
            connections += [("data", "settings_word")]
        connections += [(port, signal) for port, signal, _ in _heads(module, vectors)]
    elif not module.tally and isinstance(pipeline.graph[module.node.inputs[0]], Wire):
        operands.append(woven(pipeline, vectors, module, bus))
    made = Stream(
        names[0],
        module.lanes * result.width,
        (*zip(names[1:], names, strict=False), *_held(pipeline, module)),
        tuple(gathered),
        module.feeder_name if connections else None,
        tuple(connections),
        tuple((signal, width) for _, signal, width in _heads(module, vectors)),
        alone=module.serial is not None,
    )
    return made, operands


def _heads(module: Module, vectors: BusLayout) -> list[tuple[str, str, int]]:
    """What feeds the instances of a folded module: the port, the bus of the top, its width."""
    (bus,), name, engine = vectors.operands(module), module.node.name, module.engine
    if module.is_fed:
        _, driven = fed_ports(module, bus.width)
        return [(port, f"{name}_{port}", width) for port, width in driven.items()]
    if module.serial:
        return [("y", f"{name}_stream", module.lanes * vectors.result(module).width)]
    if engine is None:
        return [("y", f"{name}_head", module.lanes * bus.width)] if module.queue else []
    widths = {
        "clear": 1,
        "settle": 1,
        "step": engine.terms * bus.element.width,
        "weights": module.lanes * engine.terms * WEIGHT_BITS,
        "bias": module.lanes * vectors.result(module).width,
    }
    return [(port, f"{name}_{port}", width) for port, width in widths.items()]


def arriving(pipeline: Pipeline, arrival: Arrival, bus: Bus) -> Stream:
    """The words of an input that comes so, and the registers that they pass until they are read."""
    name = bus.name.removesuffix("_codes")
    own = bus.width // arrival.positions
    names = [f"{name}_stream", *(f"{name}_stream_d{k + 1}" for k in range(stream_delays(pipeline)[name]))]
    gathered: list[str] = []
    if name in last_reads(pipeline):
        rest = (arrival.positions - pipeline.arriving * arrival.lanes) * own
        gathered = [*reversed(names[1 : arrival.words]), f"{names[0]}[{rest - 1}:0]"]
    delays = tuple(zip(names[1:], names, strict=False))
    return Stream(names[0], arrival.lanes * own, delays, tuple(gathered), None, (), ())


def _held(pipeline: Pipeline, module: Module) -> list[tuple[str, str]]:
    """The registers that hold the results of all turns but the last until the next event: each takes them when they are there."""
    name = module.node.name
    turns = range(held_turns(pipeline).get(name, 0))
    stages = (module.stop + k * module.pace for k in turns)
    return [
        (f"{name}_held_{k}", f"{there(pipeline, stage)} ? {name}_stream : {name}_held_{k}")
        for k, stage in zip(turns, stages, strict=True)
    ]


def _once(pipeline: Pipeline, vectors: BusLayout, module: Module, bus: Bus, stage: int) -> Operand:
    """The codes that the copies of a module read, each one time, as its queue takes them in ``stage``."""
    used, _ = queued_codes(pipeline.graph, module)
    name = f"{module.node.name}_operand"
    parts = tuple(pieces(used, sources(vectors, stage), bus.element))
    return Operand(name, len(used) * bus.element.width, parts, None, bus.size)
