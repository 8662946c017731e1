"""The top of a design: modules, the registers between them, and the valid chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bittrigger.ir.graph import Graph, Input
from bittrigger.ir.layout import Bus, Vectors
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.ports import input_fields


@dataclass(frozen=True)
class _Vector:
    """The codes of one node in the top: where they come from and the registers that they pass.

    Attributes:
        slices: for an input port, its bits of ``in_data``; else empty.
        instance: the module that makes them, and its connections as ``(port, signal)``; None for an input port.
        delays: registers as ``(name, next)``.
    """

    bus: Bus
    stage: int
    slices: str
    instance: Module | None
    connections: tuple[tuple[str, str], ...]
    delays: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Row:
    """One line of the field table in the header comment."""

    bits: str
    name: str
    format: str


def _at(name: str, delay: int) -> str:
    """The codes of node ``name``, ``delay`` registers after they are there."""
    return f"{name}_codes_d{delay}" if delay else f"{name}_codes"


def _connections(vectors: Vectors, module: Module, *, clocked: bool) -> tuple[tuple[str, str], ...]:
    pairs = [("clk", "clk")] if clocked else []
    for bus, node in zip(vectors.operands(module), dict.fromkeys(module.node.inputs), strict=True):
        pairs.append((bus.name, _at(node, module.start - vectors.stages[node])))
    return (*pairs, ("y", _at(module.node.name, 0)))


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else "{" + ", ".join(parts) + "}"


def _slices(graph: Graph, port: Input, width: int) -> str:
    """The bits of ``in_data`` that ``port`` needs, ``width`` of each element."""
    fields = [field for field in input_fields(graph) if field.port == port.name]
    if width == port.type.width:
        return f"in_data[{fields[-1].offset + width - 1}:{fields[0].offset}]"
    return _joined([f"in_data[{field.offset + width - 1}:{field.offset}]" for field in reversed(fields)])


def _last_stages(pipeline: Pipeline) -> dict[str, int]:
    """The last stage in which each node's codes are read."""
    last: dict[str, int] = {}
    for module in pipeline.modules:
        for name in module.node.inputs:
            last[name] = max(module.start, last.get(name, 0))
    return last | dict.fromkeys(pipeline.graph.outputs, pipeline.latency_cycles)


def _signals(pipeline: Pipeline, vectors: Vectors, clocked: set[str]) -> list[_Vector]:
    """What the top declares for each node, in the order of the graph."""
    makers = {module.node.name: module for module in pipeline.modules}
    last = _last_stages(pipeline)
    signals = []
    for node in pipeline.graph.nodes:
        if node.name not in last:
            continue
        stage = vectors.stages[node.name]
        bus = vectors.bus(node.name, _at(node.name, 0))
        maker = makers.get(node.name)
        delays = [(_at(node.name, k + 1), _at(node.name, k)) for k in range(last[node.name] - stage)]
        signals.append(
            _Vector(
                bus=bus,
                stage=stage,
                slices=_slices(pipeline.graph, node, bus.element.width) if isinstance(node, Input) else "",
                instance=maker,
                connections=_connections(vectors, maker, clocked=maker.name in clocked) if maker else (),
                delays=tuple(delays),
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


def top_view(pipeline: Pipeline, vectors: Vectors, clocked: set[str]) -> dict[str, Any]:
    """What the template of the top is given; ``clocked`` names the modules that have a clock."""
    graph = pipeline.graph
    in_buses = [Bus(port.name, port.size, port.type) for port in graph.inputs]
    out_buses = [vectors.bus(name, name) for name in graph.outputs]
    in_width, out_width = (sum(bus.width for bus in buses) for buses in (in_buses, out_buses))
    signals = _signals(pipeline, vectors, clocked)
    read = sum(signal.bus.width for signal in signals if signal.slices)
    return {
        "name": graph.name,
        "clock_mhz": f"{pipeline.clock_mhz:g}",
        "latency": pipeline.latency_cycles,
        "ii": pipeline.ii,
        "in_rows": _rows(in_buses),
        "out_rows": _rows(out_buses),
        "in_width": in_width,
        "out_width": out_width,
        "digits": len(str(max(in_width, out_width) - 1)),
        "vectors": signals,
        "output": _joined(
            [_at(name, pipeline.latency_cycles - vectors.stages[name]) for name in reversed(graph.outputs)]
        ),
        "spare_inputs": read < in_width,
    }
