"""What feeds columns that take turns: the numbers that are held for each, and the operand codes of an event."""

from __future__ import annotations

from bittrigger.emit.render import render
from bittrigger.emit.verilog.held import held_node
from bittrigger.ir.held.bus import fed_ports, reader_ports
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module


def columns_text(vectors: BusLayout, module: Module, mark: str) -> str:
    """The Verilog of what feeds the columns of ``module``, some at a time."""
    node, (bus,) = held_node(module), vectors.operands(module)
    given, driven = fed_ports(node, bus.width, module.columns, module.lanes)
    return render(
        "columns.sv.j2",
        mark=mark,
        name=module.feed_name,
        layer=node.name,
        columns=module.columns,
        lanes=module.lanes,
        turns=module.phases,
        turn_bits=(module.phases - 1).bit_length(),
        format=bus.format,
        x_width=bus.width,
        given=list(given.items()),
        driven=list(driven.items()),
        digits=len(str(max(*given.values(), *driven.values()) - 1)),
        picked=[
            (port, [_picked(module, port, width, bit) for bit in range(module.lanes * width)])
            for port, width in reader_ports(node).items()
        ],
    )


def _picked(module: Module, port: str, width: int, bit: int) -> list[str]:
    """What a bit is in each turn; after the last one it may be anything, which is what it was long before."""
    room = 1 << (module.phases - 1).bit_length()
    turns = [turn if turn < module.phases else turn - room // 2 for turn in range(room)]
    places = [module.lanes * width * turn + bit for turn in turns]
    return [f"{port}[{place}]" if place < module.columns * width else "1'd0" for place in places]
