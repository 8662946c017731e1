"""Proof that a queue hands out what it took, copy after copy: its registers are followed, cycle by cycle, on symbols."""

from __future__ import annotations

from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig
from bittrigger.prove.circuits.bits import step, unknowns
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Netlist


def prove_queue(module: Module, width: int, netlist: Netlist) -> str:
    """Prove that ``y`` holds the operands of copies ``lanes * n`` and up, ``n + 1`` cycles after ``x`` was loaded.

    Whatever the registers held before, and whatever ``x`` is later; ``load`` is low until the last copies are out.

    Args:
        width: bits of the operand of one copy.

    Raises:
        Unproven: naming the first bit that may hold something else.
    """
    size, lanes, phases = module.copies * width, module.lanes * width, module.phases
    check_ports(netlist, {"load": 1, "x": size}, {"y": lanes})
    registers = unknowns(netlist)
    aig = Aig(size * (phases + 1) + registers)
    fresh = iter(range(aig.n_inputs))
    taken = [aig.input(next(fresh)) for _ in range(size)]
    state: dict[int, int] = {}
    for cycle in range(phases + 1):
        x = taken if cycle == 0 else [aig.input(next(fresh)) for _ in range(size)]
        driven = dict(zip(netlist.inputs["x"], x, strict=True)) | {netlist.inputs["load"][0]: FALSE if cycle else TRUE}
        nets, state = step(aig, netlist, driven, state, lambda: aig.input(next(fresh)))
        if not cycle:
            continue
        due = (taken + [FALSE] * (phases * lanes - size))[lanes * (cycle - 1) : lanes * cycle]
        for k, (net, literal) in enumerate(zip(netlist.outputs["y"], due, strict=True)):
            if nets[net] != literal:
                raise Unproven(f"bit {k} of y may hold something else {cycle} cycles after an event was taken")
    return f"{module.copies} operands of {width} bits in {phases} cycles"
