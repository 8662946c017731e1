"""What feeds columns that take turns: the numbers that are held for each, in memory, and the operand codes of an event."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.render import render
from bittrigger.emit.verilog.held import scalars
from bittrigger.ir.held.bus import APPLY, Place, address_bits, places, reader_ports
from bittrigger.ir.held.memory import due_bits, fed_ports, in_memory, loader_ports, row_bits, slot_bits, slots
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module, Pipeline


def columns_text(vectors: BusLayout, place: Place, module: Module, mark: str) -> str:
    """The Verilog of what feeds the columns of ``module``, some at a time."""
    (bus,) = vectors.operands(module)
    given, driven = fed_ports(module, bus.width)
    return render(
        "columns.sv.j2",
        mark=mark,
        name=module.feed_name,
        layer=place.node.name,
        columns=module.columns,
        lanes=module.lanes,
        turns=module.phases,
        turn_bits=row_bits(module) - 1,
        format=bus.format,
        x_width=bus.width,
        given=list(given.items()),
        driven=list(driven.items()),
        digits=len(str(max(*given.values(), *driven.values()) - 1)),
        words=place.word_bits,
        weights=reader_ports(place.node)["weights"],
        bits=place.node.bits,
        blocks=module.in_blocks,
        feeding=module.feeding,
    )


@dataclass(frozen=True)
class _Layer:
    """The memories of a layer, and the words that go there.

    Attributes:
        reads: the stage in which the layer takes its operand.
    """

    node: str
    first: int
    words: int
    slots: int
    slot_bits: int
    turns: int
    turn_bits: int
    reads: int


def loader_text(pipeline: Pipeline, mark: str) -> str:
    """The Verilog of what follows a load of all that lies in memory."""
    graph, (_, driven) = pipeline.graph, loader_ports(pipeline)
    last = places(graph)[-1]
    return render(
        "load.sv.j2",
        mark=mark,
        name=pipeline.loader_name,
        design=graph.name,
        settings=pipeline.settings_name,
        apply=APPLY,
        last=last.first + last.words - 1,
        address_bits=address_bits(graph),
        due_bits=due_bits(graph),
        ports=[(port, width) for port, width in driven.items() if port != "bank"],
        scalars=scalars(pipeline) | {"applies"},
        digits=len(str(max(driven.values()) - 1)),
        layers=[_layer(place, module) for place, module in in_memory(pipeline)],
    )


def _layer(place: Place, module: Module) -> _Layer:
    sizes = slots(module), slot_bits(module), module.phases, row_bits(module) - 1
    return _Layer(place.node.name, place.first, place.words, *sizes, module.reads or 0)
