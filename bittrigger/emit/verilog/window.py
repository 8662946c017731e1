"""A queue of operands that overlap: cells that move past the windows."""

from __future__ import annotations

from collections.abc import Sequence

from bittrigger.emit.render import render
from bittrigger.ir.forms.window import Window
from bittrigger.ir.layout import Bus
from bittrigger.ir.nodes.wire import ZERO
from bittrigger.ir.pipeline import Module


def window_text(module: Module, window: Window, bus: Bus, mark: str) -> str:
    """The Verilog of the queue of ``module``, whose copies read ``bus``."""
    width, used = bus.element.width, max(window.cells) + 1
    turn_bits = (len(window.ends) - 1).bit_length()
    bits = "".join(str(int(end)) for end in window.ends).ljust(1 << turn_bits, "0")[::-1]
    return render(
        "window.sv.j2",
        name=module.queue_name,
        module=module.name,
        copies=module.copies,
        lanes=module.lanes,
        phases=module.phases,
        used=used,
        width=width,
        codes=bus.size,
        cells=len(window.cells),
        near=window.near,
        far=window.far,
        counts=window.counts,
        shifts=[("near", window.near), *([("far", window.far)] if window.counts else [])],
        turn_bits=turn_bits,
        room=1 << turn_bits,
        ends=bits,
        taken=runs("x", window.cells, width),
        read=runs("row", window.taps, width),
        digits=len(str(max(used, module.lanes * bus.size) * width - 1)),
        mark=mark,
    )


def runs(name: str, places: Sequence[int], width: int) -> list[str]:
    """``places`` of the bus ``name`` as part-selects of neighbours, and zeros; the first lowest."""
    found: list[tuple[int, int]] = []
    for place in places:
        first, size = found[-1] if found else (0, 0)
        joined = place == first == ZERO or (ZERO not in (place, first) and place == first + size)
        if found and joined:
            found[-1] = (first, size + 1)
        else:
            found.append((place, 1))
    return [
        f"{size * width}'d0" if first == ZERO else f"{name}[{(first + size) * width - 1}:{first * width}]"
        for first, size in found
    ]
