"""Proof that a queue hands out what it took, copy after copy: its registers are followed, cycle by cycle, on symbols."""

from __future__ import annotations

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.queue import Choosing
from bittrigger.ir.nodes.wire import ZERO
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig
from bittrigger.prove.circuits.bits import step, unknowns
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Netlist


def prove_queue(module: Module, due: IntArray, width: int, distance: int, netlist: Netlist) -> str:
    """Prove that ``y`` holds the operands of copies ``lanes * n`` and up, ``n + 1`` cycles after ``load`` was high.

    A cycle later where the queue chooses a cycle before they are read. Whatever the registers held before, and whatever ``x``
    is but where ``load`` was high, or a cycle later where it chooses what it takes; ``load`` is low until ``distance`` cycles
    after, when the next event may be loaded.

    Args:
        due: which code of ``x`` each operand code of each copy is, or ``ZERO``, `(copies, codes)`.
        width: bits of a code.
        distance: of ``least_distance``.

    Raises:
        Unproven: naming the first bit that may hold something else.
    """
    size, lanes, phases = (int(due.max()) + 1) * width, module.lanes * due.shape[1], module.phases
    check_ports(netlist, {"load": 1, "x": size}, {"y": lanes * width})
    registers = unknowns(netlist)
    first, there = 1 + (module.choosing is not Choosing.READING), int(module.choosing is Choosing.TAKING)
    aig = Aig((size + 1) * (phases + first) + registers)
    fresh = iter(range(aig.n_inputs))
    taken = [aig.input(next(fresh)) for _ in range(size)]
    codes = due.reshape(-1).tolist()
    state: dict[int, int] = {}
    for cycle in range(phases + first):
        x = taken if cycle == there else [aig.input(next(fresh)) for _ in range(size)]
        load = TRUE if cycle == 0 else FALSE if cycle < distance else aig.input(next(fresh))
        driven = dict(zip(netlist.inputs["x"], x, strict=True)) | {netlist.inputs["load"][0]: load}
        nets, state = step(aig, netlist, driven, state, lambda: aig.input(next(fresh)))
        if cycle < first:
            continue
        for place, code in enumerate(codes[lanes * (cycle - first) : lanes * (cycle - first + 1)]):
            for k in range(width):
                literal = FALSE if code == ZERO else taken[width * code + k]
                if nets[netlist.outputs["y"][width * place + k]] != literal:
                    raise Unproven(
                        f"bit {width * place + k} of y may hold something else {cycle} cycles after an event was taken"
                    )
    return f"{module.copies} operands of {due.shape[1] * width} bits in {phases} cycles"
