"""The top of a design: modules, the registers between them, and the valid chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.emit.verilog.held import held_pins, held_ports
from bittrigger.emit.verilog.operand_buses import ELEMENT, INSTANCE, Places, Source, pieces, regular
from bittrigger.ir.arrival import Arrival, word_fields
from bittrigger.ir.engine import WEIGHT_BITS
from bittrigger.ir.graph import Input
from bittrigger.ir.held import Hold, Weigh
from bittrigger.ir.held_bus import address_bits
from bittrigger.ir.layout import Bus, BusLayout
from bittrigger.ir.pipeline import Module, Pipeline, held_turns, last_reads, loads, stream_delays
from bittrigger.ir.ports import Field
from bittrigger.ir.routes import route
from bittrigger.ir.tally import Tally
from bittrigger.ir.window import used_codes
from bittrigger.ir.wire import Wire


@dataclass(frozen=True)
class _Operand:
    """A bus that a module reads, put together by wires.

    Attributes:
        parts: its parts, the first lowest; empty where ``places`` say it.
        element: in a generate loop over instances and elements, the part of the bus and what it reads; else None.
        size: elements of an instance.
    """

    name: str
    width: int
    parts: tuple[str, ...]
    element: tuple[str, str] | None
    size: int


@dataclass(frozen=True)
class _Stream:
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


@dataclass(frozen=True)
class _Vector:
    """The codes of one node in the top: where they come from and the registers that they pass.

    Attributes:
        slices: for an input port, its bits of ``in_data``; else empty.
        instance: the module that makes them, and its connections as ``(port, signal)``; None for an input port.
        operands: buses that are put together for the module.
        delays: registers as ``(name, next)``.
    """

    bus: Bus
    stage: int
    slices: str
    instance: Module | None
    connections: tuple[tuple[str, str], ...]
    operands: tuple[_Operand, ...]
    delays: tuple[tuple[str, str], ...]
    stream: _Stream | None = None


@dataclass(frozen=True)
class _Row:
    """One line of the field table in the header comment."""

    bits: str
    name: str
    format: str


def _at(name: str, delay: int) -> str:
    """The codes of node ``name``, ``delay`` registers after they are there."""
    return f"{name}_codes_d{delay}" if delay else f"{name}_codes"


def _connected(
    pipeline: Pipeline, vectors: BusLayout, module: Module, *, clocked: bool
) -> tuple[list[tuple[str, str]], list[_Operand]]:
    """The connections of an instance of ``module``, and the buses that are put together for it."""
    pairs = [("clk", "clk")] if clocked else []
    operands: list[_Operand] = []
    if module.engine:
        return _lane_pins(module, vectors), []
    if module.serial:
        return [], []  # see _stream
    if module.tally:
        return _tally_pins(pipeline, vectors, module, module.tally)
    if module.is_folded:
        (bus,), result, name = vectors.operands(module), vectors.result(module), module.node.name
        before = module.node.inputs[0]
        read = f"{name}_head" if module.queue else _flowing(pipeline, before, module.start)
        parts = [(read, bus), (f"{name}_stream", result)]
        x, y = (text + (_lane(vector) if module.lanes > 1 else "") for text, vector in parts)
        return [*pairs, (bus.name, x), ("y", y)], operands
    names = tuple(dict.fromkeys(module.node.inputs))
    for bus, node in zip(vectors.operands(module), names, strict=True):
        if isinstance(pipeline.graph[node], Wire):
            signal, operand = _wired(pipeline, vectors, module, node, bus, alone=len(names) == 1)
            operands += [operand] if operand else []
        else:
            signal = _at(node, module.start - vectors.stages[node])
            signal += Places(0, bus.size, 1).instance(bus.element.width, bus.size) if module.node.copies > 1 else ""
        pairs.append((bus.name, signal))
    if isinstance(module.node, Weigh | Hold):
        pairs += held_pins(module)
    result, name = vectors.result(module), _at(module.node.name, 0)
    part = Places(0, result.size, 1).instance(result.element.width, result.size) if module.copies > 1 else ""
    return [*pairs, ("y", name + part)], operands


def _lane(bus: Bus) -> str:
    """The part-select of an instance."""
    return Places(0, bus.size, 1).instance(bus.element.width, bus.size)


def _lane_pins(module: Module, vectors: BusLayout) -> list[tuple[str, str]]:
    """The connections of a lane of an engine."""
    name, engine, result = module.node.name, module.engine, vectors.result(module)
    bits = WEIGHT_BITS * engine.terms if engine else 0

    def part(width: int) -> str:
        return Places(0, 1, 1).instance(width, 1) if module.lanes > 1 else ""

    return [
        ("clk", "clk"),
        *((port, f"{name}_{port}") for port in ("clear", "settle")),
        ("x", f"{name}_step"),
        ("weights", f"{name}_weights{part(bits)}"),
        ("bias", f"{name}_bias{part(result.width)}"),
        ("y", f"{name}_stream{part(result.width)}"),
    ]


def _tally_pins(
    pipeline: Pipeline, vectors: BusLayout, module: Module, tally: Tally
) -> tuple[list[tuple[str, str]], list[_Operand]]:
    """The connections of one sum over positions, and the bus of what each of them reads."""
    (bus,), name, before = vectors.operands(module), module.node.name, module.node.inputs[0]
    stream, own, features = _flowing(pipeline, before, module.start), bus.element.width, len(tally.rows)
    lows = [own * (features * lane + row) for row in tally.rows for lane in range(tally.lanes)]
    parts = tuple(f"{stream}[{low + own - 1}:{low}]" for low in lows)
    operand = _Operand(f"{name}_operand", len(parts) * own, parts, None, bus.size)
    x, y = (
        text + (_lane(vector) if features > 1 else "")
        for text, vector in ((operand.name, bus), (_at(name, 0), vectors.result(module)))
    )
    return [("clk", "clk"), ("first", _there(pipeline, module.start)), ("x", x), ("y", y)], [operand]


def _there(pipeline: Pipeline, stage: int) -> str:
    """What is high where the first word of an event, or all of it, was let in ``stage`` cycles ago."""
    return f"valid[{stage - 1}]" if stage else ("accept" if pipeline.guard_name else "in_valid")


def _heads(module: Module, vectors: BusLayout) -> list[tuple[str, str, int]]:
    """What feeds the instances of a folded module: the port, the bus of the top, its width."""
    (bus,), name, engine = vectors.operands(module), module.node.name, module.engine
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


def _flowing(pipeline: Pipeline, name: str, stage: int) -> str:
    """The results of a folded module as the next one reads them, copy by copy."""
    delay = stage - pipeline.first_stage(name)
    return f"{name}_stream_d{delay}" if delay else f"{name}_stream"


def _stream(pipeline: Pipeline, vectors: BusLayout, module: Module) -> tuple[_Stream, list[_Operand]]:
    """What stands around a folded module, and the bus that is put together for its queue."""
    (bus,), result, name = vectors.operands(module), vectors.result(module), module.node.name
    names = [f"{name}_stream", *(f"{name}_stream_d{k + 1}" for k in range(stream_delays(pipeline)[name]))]
    gathered: list[str] = []
    if name in last_reads(pipeline):
        rest = (module.copies - (module.phases - 1) * module.lanes) * result.width
        held = [f"{name}_held_{k}" for k in range(held_turns(pipeline).get(name, 0))]
        gathered = [*(held or reversed(names[1 : module.phases])), f"{names[0]}[{rest - 1}:0]"]
    connections: list[tuple[str, str]] = []
    operands: list[_Operand] = []
    if module.reads is not None:
        stage, before = module.reads, module.node.inputs[0]
        if module.window:
            operands.append(_once(pipeline, vectors, module, bus))
            signal = operands[-1].name
        elif isinstance(pipeline.graph[before], Wire):
            signal, operand = _wired(pipeline, vectors, module, before, bus, alone=True)
            operands += [operand] if operand else []
        else:
            signal = _at(before, stage - vectors.stages[before])
        connections = [("clk", "clk"), ("load", _there(pipeline, stage)), ("x", signal)]
        connections += [(port, signal) for port, signal, _ in _heads(module, vectors)]
    made = _Stream(
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


def _arriving(pipeline: Pipeline, arrival: Arrival, bus: Bus) -> _Stream:
    """The words of an input that comes so, and the registers that they pass until they are read."""
    name = bus.name.removesuffix("_codes")
    own = bus.width // arrival.positions
    names = [f"{name}_stream", *(f"{name}_stream_d{k + 1}" for k in range(stream_delays(pipeline)[name]))]
    gathered: list[str] = []
    if name in last_reads(pipeline):
        rest = (arrival.positions - pipeline.arriving * arrival.lanes) * own
        gathered = [*reversed(names[1 : arrival.words]), f"{names[0]}[{rest - 1}:0]"]
    delays = tuple(zip(names[1:], names, strict=False))
    return _Stream(names[0], arrival.lanes * own, delays, tuple(gathered), None, (), ())


def _held(pipeline: Pipeline, module: Module) -> list[tuple[str, str]]:
    """The registers that hold the results of all turns but the last until the next event: each takes them when they are there."""
    name = module.node.name
    turns = range(held_turns(pipeline).get(name, 0))
    stages = (module.stop + k * module.pace for k in turns)
    return [
        (f"{name}_held_{k}", f"{_there(pipeline, stage)} ? {name}_stream : {name}_held_{k}")
        for k, stage in zip(turns, stages, strict=True)
    ]


def _once(pipeline: Pipeline, vectors: BusLayout, module: Module, bus: Bus) -> _Operand:
    """The codes that the copies of a module read, each one time, as its queue takes them."""
    stage = module.start - 1

    def source(name: str) -> Source:
        return Source(_at(name, stage - vectors.stages[name]), vectors.types[name])

    used, _ = used_codes(pipeline.graph, module.node.inputs, module.node.copies)
    name = f"{module.node.name}_operand"
    return _Operand(name, len(used) * bus.element.width, tuple(pieces(used, source, bus.element)), None, bus.size)


def _wired(
    pipeline: Pipeline, vectors: BusLayout, module: Module, node: str, bus: Bus, *, alone: bool
) -> tuple[str, _Operand | None]:
    """What an instance of ``module``, or its queue, reads of the wire ``node``, and the bus that is put together, if any."""
    stage = module.start if module.reads is None else module.reads

    def source(name: str) -> Source:
        return Source(_at(name, stage - vectors.stages[name]), vectors.types[name])

    found = route(pipeline.graph, (node,))
    places = regular(found, module.node.copies) if module.node.copies > 1 else None
    own, width, copies = Places(0, bus.size, 1), bus.element.width, module.node.copies
    name = f"{module.node.name}_operand" + ("" if alone else f"_{node}")
    signal = name + (own.instance(width, bus.size) if copies > 1 and not module.is_folded else "")
    parts: tuple[str, ...] = ()
    element = None
    if places is not None and source(found.nodes[0]).element == bus.element:
        base = source(found.nodes[0]).name
        if (places.stride == 1 or bus.size == 1) and not module.is_folded:
            return base + places.instance(width, bus.size), None
        element = (own.element(width), base + places.element(width))
    else:
        parts = tuple(pieces(found, source, bus.element))
    return signal, _Operand(name, copies * bus.width, parts, element, bus.size)


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else "{" + ", ".join(parts) + "}"


def _slices(fields: tuple[Field, ...], port: Input, width: int) -> str:
    """The bits of ``in_data`` that ``port`` needs, ``width`` of each element."""
    own = [field for field in fields if field.port == port.name]
    if width == port.type.width:
        return f"in_data[{own[-1].offset + width - 1}:{own[0].offset}]"
    return _joined([f"in_data[{field.offset + width - 1}:{field.offset}]" for field in reversed(own)])


def _signals(pipeline: Pipeline, vectors: BusLayout, clocked: set[str]) -> list[_Vector]:
    """What the top declares for each node, in the order of the graph."""
    makers = {module.node.name: module for module in pipeline.modules}
    last, folded = last_reads(pipeline), stream_delays(pipeline)
    fields = word_fields(pipeline.graph, pipeline.arrival)
    signals = []
    for node in pipeline.graph.nodes:
        if node.name not in last and node.name not in folded:
            continue
        stage = vectors.stages[node.name]
        bus = vectors.bus(node.name, _at(node.name, 0))
        maker = makers.get(node.name)
        connections, operands = (
            _connected(pipeline, vectors, maker, clocked=maker.name in clocked) if maker else ([], [])
        )
        stream = None
        if maker and maker.is_folded:
            stream, operands = _stream(pipeline, vectors, maker)
        if pipeline.arrival and isinstance(node, Input) and node.name in pipeline.arrival.ports:
            stream = _arriving(pipeline, pipeline.arrival, bus)
        delays = [(_at(node.name, k + 1), _at(node.name, k)) for k in range(last.get(node.name, stage) - stage)]
        signals.append(
            _Vector(
                bus=bus,
                stage=stage,
                slices=_slices(fields, node, bus.element.width) if isinstance(node, Input) else "",
                instance=maker,
                connections=tuple(connections),
                operands=tuple(operands),
                delays=tuple(delays),
                stream=stream,
            )
        )
    return signals


def _rows(buses: list[Bus]) -> list[_Row]:
    rows, low = [], 0
    for bus in buses:
        name = f"{bus.name}[0] to {bus.name}[{bus.size - 1}]" if bus.size > 1 else f"{bus.name}[0]"
        rows.append(_Row(f"[{low + bus.width - 1}:{low}]", name, bus.format))
        low += bus.width
    return rows


def _leaving(pipeline: Pipeline, vectors: BusLayout) -> list[str]:
    """The parts of ``out_data``, the lowest first."""

    def source(name: str) -> Source:
        return Source(_at(name, pipeline.latency_cycles - vectors.stages[name]), vectors.types[name])

    parts: list[str] = []
    for name in pipeline.graph.outputs:
        if isinstance(pipeline.graph[name], Wire):
            parts += pieces(route(pipeline.graph, (name,)), source, vectors.types[name])
        else:
            parts.append(source(name).name)
    return parts


def _unread(pipeline: Pipeline, vectors: BusLayout) -> list[str]:
    """Buses of which some bits are read by nothing: the last ones in a chain of registers, of which wires take a part."""
    last = last_reads(pipeline)
    bits: dict[str, dict[int, int]] = {name: {} for name in last}
    readers = [(module.node.inputs, module.reads) for module in pipeline.modules if module.reads is not None]
    for names, stage in (*readers, (pipeline.graph.outputs, pipeline.latency_cycles)):
        for node in names:
            found, width = route(pipeline.graph, (node,)), vectors.types[node].width
            for number, name in enumerate(found.nodes):
                if stage == last[name]:
                    taken = min(width, vectors.types[name].width)
                    for element in np.unique(found.elements[found.sources == number]).tolist():
                        bits[name][element] = max(taken, bits[name].get(element, 0))
    whole = {name: vectors.sizes[name] * vectors.types[name].width for name in last}
    return [_at(name, last[name] - vectors.stages[name]) for name in last if sum(bits[name].values()) < whole[name]]


def _settings(pipeline: Pipeline) -> dict[str, Any] | None:
    """The registers of what is held, and their bus."""
    if pipeline.settings_name is None:
        return None
    bits = address_bits(pipeline.graph)
    return {"name": pipeline.settings_name, "address_bits": bits, "ports": held_ports(pipeline)}


def top_view(pipeline: Pipeline, vectors: BusLayout, clocked: set[str]) -> dict[str, Any]:
    """What the template of the top is given; ``clocked`` names the modules that have a clock."""
    graph = pipeline.graph
    words = word_fields(graph, pipeline.arrival)
    sizes = {port.name: sum(field.port == port.name for field in words) for port in graph.inputs}
    in_buses = [Bus(port.name, sizes[port.name], port.type) for port in graph.inputs]
    out_buses = [vectors.bus(name, name) for name in graph.outputs]
    in_width, out_width = (sum(bus.width for bus in buses) for buses in (in_buses, out_buses))
    signals = _signals(pipeline, vectors, clocked)
    told = loads(pipeline)
    read = sum(signal.stream.width if signal.stream else signal.bus.width for signal in signals if signal.slices)
    return {
        "name": graph.name,
        "basis": graph.basis,
        "clock_mhz": f"{pipeline.clock_mhz:g}",
        "latency": pipeline.latency_cycles,
        "ii": pipeline.ii,
        "guard": pipeline.guard_name,
        "enter": "accept" if pipeline.guard_name else "in_valid",
        "arrival": pipeline.arrival,
        "started": max(told, default=0) if pipeline.arrival else pipeline.latency_cycles,
        "passed": pipeline.latency_cycles - pipeline.arriving,
        "in_rows": _rows(in_buses),
        "out_rows": _rows(out_buses),
        "in_width": in_width,
        "out_width": out_width,
        "digits": len(str(max(in_width, out_width) - 1)),
        "vectors": signals,
        "output": _joined(list(reversed(_leaving(pipeline, vectors)))),
        "settings": _settings(pipeline),
        "p": INSTANCE,
        "k": ELEMENT,
        "unread": [
            *(["in_data"] if read < in_width else []),
            *(["accept"] if pipeline.arrival and not told else []),
            *_unread(pipeline, vectors),
        ],
    }
