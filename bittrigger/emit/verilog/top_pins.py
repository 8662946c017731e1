"""What the pins of the instances in the top are connected to, and the buses that are put together for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bittrigger.emit.verilog.held import held_pins
from bittrigger.emit.verilog.operand_buses import Places, Source, own_part, pieces, regular
from bittrigger.ir.forms.engine import WEIGHT_BITS
from bittrigger.ir.forms.tally import Tally
from bittrigger.ir.held.bus import reader_ports
from bittrigger.ir.layout import Bus, BusLayout
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module, Pipeline, held_node
from bittrigger.ir.routes import of_first_copies, route


@dataclass(frozen=True)
class Operand:
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


def at(name: str, register: int) -> str:
    """The codes of node ``name`` as they are there, or in one of the registers behind them."""
    return f"{name}_codes_d{register}" if register else f"{name}_codes"


def sources(vectors: BusLayout, stage: int) -> Callable[[str], Source]:
    """What gives the bus of a node as it is read in ``stage``."""
    return lambda name: Source(at(name, vectors.registers(name, stage)), vectors.types[name])


def there(pipeline: Pipeline, stage: int) -> str:
    """What is high where the first word of an event, or all of it, was let in ``stage`` cycles ago."""
    return f"valid[{stage - 1}]" if stage else ("accept" if pipeline.guard_name else "in_valid")


def flowing(pipeline: Pipeline, name: str, stage: int) -> str:
    """The results of a folded module as the next one reads them, copy by copy."""
    delay = stage - pipeline.first_stage(name)
    return f"{name}_stream_d{delay}" if delay else f"{name}_stream"


def connected(
    pipeline: Pipeline, vectors: BusLayout, module: Module, *, clocked: bool
) -> tuple[list[tuple[str, str]], list[Operand]]:
    """The connections of an instance of ``module``, and the buses that are put together for it."""
    pairs = [("clk", "clk")] if clocked else []
    operands: list[Operand] = []
    if module.engine:
        return _lane_pins(module, vectors), []
    if module.serial:
        return [], []  # see stream_of
    if module.tally:
        return _tally_pins(pipeline, vectors, module, module.tally)
    if module.is_fed:
        return _column_pins(module, vectors), []
    if module.is_folded:
        return [*pairs, *_folded_pins(pipeline, vectors, module)], operands
    names = tuple(dict.fromkeys(module.node.inputs))
    for bus, node in zip(vectors.operands(module), names, strict=True):
        if isinstance(pipeline.graph[node], Wire):
            signal, operand = wired(pipeline, vectors, module, node, bus, alone=len(names) == 1)
            operands += [operand] if operand else []
        else:
            signal = at(node, vectors.registers(node, module.start))
            signal += own_part(bus.element.width, bus.size, several=module.node.copies > 1)
        pairs.append((bus.name, signal))
    if isinstance(module.node, Weigh | Hold):
        pairs += held_pins(module)
    result, name = vectors.result(module), at(module.node.name, 0)
    part = own_part(result.element.width, result.size, several=module.copies > 1)
    return [*pairs, ("y", name + part)], operands


def _folded_pins(pipeline: Pipeline, vectors: BusLayout, module: Module) -> list[tuple[str, str]]:
    """The connections of one of the copies that take turns."""
    (bus,), name, before = vectors.operands(module), module.node.name, module.node.inputs[0]
    if module.queue:
        read = f"{name}_head"
    elif isinstance(pipeline.graph[before], Wire):
        read = f"{name}_operand"
    else:
        read = flowing(pipeline, before, module.start)
    parts = [(read, bus), (f"{name}_stream", vectors.result(module))]
    x, y = (text + own_part(vector.element.width, vector.size, several=module.lanes > 1) for text, vector in parts)
    return [(bus.name, x), ("y", y)]


def _lane_pins(module: Module, vectors: BusLayout) -> list[tuple[str, str]]:
    """The connections of a lane of an engine."""
    name, engine, result = module.node.name, module.engine, vectors.result(module)
    bits = WEIGHT_BITS * engine.terms if engine else 0

    def part(width: int) -> str:
        return own_part(width, several=module.lanes > 1)

    return [
        ("clk", "clk"),
        *((port, f"{name}_{port}") for port in ("clear", "settle")),
        ("x", f"{name}_step"),
        ("weights", f"{name}_weights{part(bits)}"),
        ("bias", f"{name}_bias{part(result.width)}"),
        ("y", f"{name}_stream{part(result.width)}"),
    ]


def _column_pins(module: Module, vectors: BusLayout) -> list[tuple[str, str]]:
    """The connections of one of the columns that take turns."""
    (bus,), result, name = vectors.operands(module), vectors.result(module), module.node.name

    def part(width: int) -> str:
        return own_part(width, several=module.lanes > 1)

    numbers = reader_ports(held_node(module)).items()
    pairs = [(port, f"{name}_now_{port}{part(width)}") for port, width in numbers]
    return [(bus.name, f"{name}_now_codes"), *pairs, ("y", f"{name}_stream{part(result.width)}")]


def _tally_pins(
    pipeline: Pipeline, vectors: BusLayout, module: Module, tally: Tally
) -> tuple[list[tuple[str, str]], list[Operand]]:
    """The connections of one sum over positions, and the bus of what each of them reads."""
    (bus,), name, before = vectors.operands(module), module.node.name, module.node.inputs[0]
    stream, own, features = flowing(pipeline, before, module.start), bus.element.width, len(tally.rows)
    lows = [own * (features * lane + row) for row in tally.rows for lane in range(tally.lanes)]
    parts = tuple(f"{stream}[{low + own - 1}:{low}]" for low in lows)
    operand = Operand(f"{name}_operand", len(parts) * own, parts, None, bus.size)
    x, y = (
        text + own_part(vector.element.width, vector.size, several=features > 1)
        for text, vector in ((operand.name, bus), (at(name, 0), vectors.result(module)))
    )
    return [("clk", "clk"), ("first", there(pipeline, module.start)), ("x", x), ("y", y)], [operand]


def woven(pipeline: Pipeline, vectors: BusLayout, module: Module, bus: Bus) -> Operand:
    """What the instances of ``module`` read of several folded modules that they follow, copy by copy, put together."""
    found = of_first_copies(route(pipeline.graph, module.node.inputs), module.lanes, module.copies)

    def source(name: str) -> Source:
        return Source(flowing(pipeline, name, module.start), vectors.types[name])

    parts = tuple(pieces(found, source, bus.element))
    return Operand(f"{module.node.name}_operand", module.lanes * bus.width, parts, None, bus.size)


def wired(
    pipeline: Pipeline, vectors: BusLayout, module: Module, node: str, bus: Bus, *, alone: bool
) -> tuple[str, Operand | None]:
    """What an instance of ``module``, or its queue, reads of the wire ``node``, and the bus that is put together, if any."""
    source = sources(vectors, module.start if module.reads is None else module.reads)
    found = route(pipeline.graph, (node,))
    places = regular(found, module.node.copies) if module.node.copies > 1 else None
    width, copies = bus.element.width, module.node.copies
    name = f"{module.node.name}_operand" + ("" if alone else f"_{node}")
    signal = name + own_part(width, bus.size, several=copies > 1 and not module.is_folded)
    parts: tuple[str, ...] = ()
    element = None
    if places is not None and source(found.nodes[0]).element == bus.element:
        base = source(found.nodes[0]).name
        if (places.stride == 1 or bus.size == 1) and not module.is_folded:
            return base + places.instance(width, bus.size), None
        element = (Places(0, bus.size, 1).element(width), base + places.element(width))
    else:
        parts = tuple(pieces(found, source, bus.element))
    return signal, Operand(name, copies * bus.width, parts, element, bus.size)
