"""The top of a design: modules, the registers between them, and the valid chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.emit.verilog.held import held_ports, scalars
from bittrigger.emit.verilog.operand_buses import ELEMENT, INSTANCE, pieces
from bittrigger.emit.verilog.top_pins import Operand, at, connected, sources, there
from bittrigger.emit.verilog.top_streams import Stream, arriving, stream_of
from bittrigger.emit.verilog.views import joined
from bittrigger.ir.forms.arrival import word_fields
from bittrigger.ir.graph import Input
from bittrigger.ir.held.bus import address_bits
from bittrigger.ir.layout import Bus, BusLayout
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.ports import Field
from bittrigger.ir.routes import route
from bittrigger.ir.waiting import last_reads, loads, stream_delays, waits_in_place


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
    operands: tuple[Operand, ...]
    delays: tuple[tuple[str, str], ...]
    stream: Stream | None = None


@dataclass(frozen=True)
class _Row:
    """One line of the field table in the header comment."""

    bits: str
    name: str
    format: str


def _slices(fields: tuple[Field, ...], port: Input, width: int) -> str:
    """The bits of ``in_data`` that ``port`` needs, ``width`` of each element."""
    own = [field for field in fields if field.port == port.name]
    if width == port.type.width:
        return f"in_data[{own[-1].offset + width - 1}:{own[0].offset}]"
    return joined([f"in_data[{field.offset + width - 1}:{field.offset}]" for field in own])


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
        bus = vectors.bus(node.name, at(node.name, 0))
        maker = makers.get(node.name)
        connections, operands = (
            connected(pipeline, vectors, maker, clocked=maker.name in clocked) if maker else ([], [])
        )
        stream = None
        if maker and maker.is_folded:
            stream, operands = stream_of(pipeline, vectors, maker)
        if pipeline.arrival and isinstance(node, Input) and node.name in pipeline.arrival.ports:
            stream = arriving(pipeline, pipeline.arrival, bus)
        delays = _delays(pipeline, vectors, node.name, last.get(node.name, stage))
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


def _delays(pipeline: Pipeline, vectors: BusLayout, name: str, last: int) -> list[tuple[str, str]]:
    """The registers that the codes of a node pass until they were read for the last time, in stage ``last``."""
    stage = vectors.stages[name]
    if last == stage:
        return []
    found = [(at(name, k + 1), at(name, k)) for k in range(vectors.registers(name, last))]
    if not waits_in_place(pipeline, name, last):
        return found
    stages = range(stage, last, pipeline.ii)
    return [
        (register, f"{there(pipeline, taken)} ? {codes} : {register}")
        for taken, (register, codes) in zip(stages, found, strict=True)
    ]


def _rows(buses: list[Bus]) -> list[_Row]:
    rows, low = [], 0
    for bus in buses:
        name = f"{bus.name}[0] to {bus.name}[{bus.size - 1}]" if bus.size > 1 else f"{bus.name}[0]"
        rows.append(_Row(f"[{low + bus.width - 1}:{low}]", name, bus.format))
        low += bus.width
    return rows


def _leaving(pipeline: Pipeline, vectors: BusLayout) -> list[str]:
    """The parts of ``out_data``, the lowest first."""
    source = sources(vectors, pipeline.latency_cycles)
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
                if vectors.registers(name, stage) == vectors.registers(name, last[name]):
                    taken = min(width, vectors.types[name].width)
                    for element in np.unique(found.elements[found.sources == number]).tolist():
                        bits[name][element] = max(taken, bits[name].get(element, 0))
    whole = {name: vectors.sizes[name] * vectors.types[name].width for name in last}
    return [at(name, vectors.registers(name, last[name])) for name in last if sum(bits[name].values()) < whole[name]]


def _settings(pipeline: Pipeline) -> dict[str, Any] | None:
    """The registers of what is held, and their bus."""
    if pipeline.settings_name is None:
        return None
    bits = address_bits(pipeline.graph)
    return {
        "name": pipeline.settings_name,
        "address_bits": bits,
        "ports": held_ports(pipeline),
        "scalars": scalars(pipeline),
    }


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
        "output": joined(_leaving(pipeline, vectors)),
        "settings": _settings(pipeline),
        "p": INSTANCE,
        "k": ELEMENT,
        "unread": [
            *(["in_data"] if read < in_width else []),
            *(["accept"] if pipeline.arrival and not told else []),
            *_unread(pipeline, vectors),
        ],
    }
