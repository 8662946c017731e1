"""Two forms of one module, register for register: the same outputs and the same next state, from every state and input."""

from __future__ import annotations

from pathlib import Path

from bittrigger.prove.circuits.aig import Aig, Vector
from bittrigger.prove.circuits.bits import input_nets, step
from bittrigger.prove.circuits.equivalence import BEFORE, decide, same_ports
from bittrigger.prove.circuits.stages import clock_of, registers
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Bits, Netlist


def prove_same(gold: Netlist, gate: Netlist, work: Path) -> str:
    """Prove that both do the same for ever once their registers, which bear the same names, hold the same.

    Args:
        work: folder for ABC's files.

    Raises:
        Unproven: if a state exists from which they go apart, a register has no name or no counterpart, or ABC cannot tell.
        ToolError: if ABC fails.
    """
    same_ports(gold, gate)
    named = _registers(gold)
    pairs = [
        (bit, other) for name, bits in named.items() for bit, other in zip(bits, _named(gate, name, bits), strict=True)
    ]
    if len({other for _, other in pairs}) != len(pairs):
        raise Unproven("two registers of one form are one of the other", refuted=False)
    states = {"gold": [bit for bit, _ in pairs], "gate": [other for _, other in pairs]}
    for side, netlist in (("gold", gold), ("gate", gate)):
        _write(netlist, states[side], work / f"{side}.aig")
    done = f"{len(pairs)} registers, {sum(map(len, gold.outputs.values()))} outputs, {len(gate.cells)} cells"
    return done + (BEFORE if decide(work) else "")


def _held(netlist: Netlist) -> set[int]:
    """The nets that registers drive."""
    clock = clock_of(netlist)
    return {bit.q for cell in netlist.cells for bit in registers(cell, clock)}


def _registers(netlist: Netlist) -> dict[str, Bits]:
    """Names that hold every register once, the widest first."""
    held, found = _held(netlist), dict[str, Bits]()
    left = set(held)
    names = [name for name in netlist.wires if name.isidentifier()]
    for name in sorted(names, key=lambda name: (-len(netlist.wires[name]), name)):
        bits = netlist.wires[name]
        if len(set(bits)) == len(bits) and set(bits) <= left:
            found[name] = bits
            left -= set(bits)
    if left:
        raise Unproven(f"{len(left)} bits of registers have no name", refuted=False)
    return found


def _named(netlist: Netlist, name: str, due: Bits) -> Bits:
    bits = netlist.wires.get(name, ())
    if len(bits) != len(due) or not set(bits) <= _held(netlist):
        raise Unproven(f"{name} is a register in one form only", refuted=False)
    return bits


def _write(netlist: Netlist, state: list[int], path: Path) -> None:
    """Outputs and next state over inputs and state."""
    nets = input_nets(netlist)
    aig = Aig(len(nets) + len(state))
    driven = {net: aig.input(k) for k, net in enumerate(nets)}
    now = {net: aig.input(len(nets) + k) for k, net in enumerate(state)}

    def no_other() -> int:
        raise Unproven("a register without a counterpart", refuted=False)

    values, after = step(aig, netlist, driven, now, no_other)
    outputs: Vector = [values[net] for port in sorted(netlist.outputs) for net in netlist.outputs[port]]
    aig.write(path, [*outputs, *(after[net] for net in state)])
