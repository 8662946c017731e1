"""A queue of operands: registers that take those of all copies, and multiplexers that choose those of a turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bittrigger.device.feed_cost import MUX_CHOICES
from bittrigger.emit.render import render
from bittrigger.emit.verilog.serial import PICK_CHOICES
from bittrigger.emit.verilog.window import runs, window_text
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.queue import Choosing, keeps_all, least_distance
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.wire import ZERO
from bittrigger.ir.pipeline import Module, Pipeline, queued_codes, turned_codes, waits_once

Pick = tuple[str, ...]
"""What a bit of the output is, turn by turn."""


def queue_text(pipeline: Pipeline, vectors: BusLayout, module: Module, mark: str) -> str:
    """The Verilog of the queue of ``module``."""
    (bus,) = vectors.operands(module)
    if module.window:
        return window_text(module, module.window, bus, mark)
    taken, chosen = queued_codes(pipeline.graph, module)[0], turned_codes(pipeline.graph, module)
    once, width = waits_once(pipeline.graph, module), bus.element.width
    kept = _kept(module, chosen)
    picks = [_picked(column, width, bit, kept) for column in chosen.T.tolist() for bit in range(width)]
    held = keeps_all(module.choosing, module.phases, pipeline.ii)
    several = {pick: None for pick in picks if not (once and len(set(pick)) == 1) or (held and "'" not in pick[0])}
    in_primitives = {pick for pick in several if len(pick) == PICK_CHOICES and len(set(pick)) > MUX_CHOICES}
    names = {pick: f"p{k}" if pick in in_primitives else f"p{k}[turn]" for k, pick in enumerate(several)}
    registers = {pick: f"chosen[{k}]" for k, pick in enumerate(several)}
    early = module.choosing is not Choosing.READING
    return render(
        "queue.sv.j2",
        name=module.queue_name,
        module=module.name,
        copies=module.copies,
        lanes=module.lanes,
        distance=least_distance(module.choosing, module.phases, pipeline.ii),
        phases=module.phases,
        taken=len(taken) * width,
        waiting=len(kept) * width if kept else len(taken) * width,
        waits=runs("x", sorted(kept), width) if kept else [],
        taking=module.choosing is Choosing.TAKING,
        early=early,
        once=once,
        width=bus.width,
        turn_bits=(module.phases - 1).bit_length(),
        picks=[(pick, pick in in_primitives) for pick in several],
        chosen=[names[pick] for pick in several],
        read=[(registers if early else names).get(pick, pick[0]) for pick in picks],
        digits=len(str(max(len(taken) * width, module.lanes * bus.width) - 1)),
        mark=mark,
    )


def _kept(module: Module, chosen: IntArray) -> dict[int, int] | None:
    """Where each code lies that waits, if not all do: those of the first turn alone are chosen while they are taken."""
    if module.choosing is not Choosing.TAKING:
        return None
    later = np.unique(chosen[1:])
    return {code: place for place, code in enumerate(later[later != ZERO].tolist())}


def _picked(codes: Sequence[int], width: int, bit: int, kept: dict[int, int] | None) -> Pick:
    """What a bit of a queue's output is in each turn; after the last one it may be anything, which is what it was long before.

    Args:
        codes: which code of ``width`` bits it belongs to, turn by turn.
        kept: see ``_kept``; what is the same in all turns waits.
    """
    room = 1 << (len(codes) - 1).bit_length()
    turns = [turn if turn < len(codes) else turn - room // 2 for turn in range(room)]
    alike = len(set(codes)) == 1

    def source(turn: int) -> str:
        code = codes[turn]
        if code == ZERO:
            return "1'd0"
        if kept is None:
            return f"waiting[{width * code + bit}]"
        return f"waiting[{width * kept[code] + bit}]" if turn or alike else f"x[{width * code + bit}]"

    return tuple(map(source, turns))
