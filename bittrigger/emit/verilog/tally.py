"""A sum over positions that come some at a time."""

from __future__ import annotations

from bittrigger.emit.render import render
from bittrigger.emit.verilog.views import vector
from bittrigger.ir.forms.tally import Tally
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module


def tally_text(vectors: BusLayout, module: Module, tally: Tally, mark: str) -> str:
    """The Verilog of one sum."""
    (bus,), width = vectors.operands(module), vectors.result(module).width
    own, signed = bus.element.width, bus.element.signed

    def term(k: int) -> dict[str, object]:
        name = f"x{k}" if own <= width else f"x{k}[{width - 1}:0]"
        value = f"{width}'({name})" if own < width else name
        return {"k": k, "type": vector(own, signed=signed), "high": own * (k + 1) - 1, "low": own * k, "value": value}

    return render(
        "tally.sv.j2",
        mark=mark,
        name=module.name,
        layer=module.node.name,
        columns=module.copies,
        lanes=tally.lanes,
        turns=tally.turns,
        bias=tally.bias,
        start=tally.bias % (1 << width),
        format=f"{tally.lanes} x {bus.element}",
        term_list=[term(k) for k in range(tally.lanes)],
        x_width=own,
        width=width,
        digits=len(str(max(tally.lanes * own, width) - 1)),
    )
