"""Proof that the guard of an interval lets in what it must and drops the rest: every state that it can reach is visited."""

from __future__ import annotations

from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig
from bittrigger.prove.circuits.bits import step, unknowns
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Netlist

_State = tuple[tuple[int, int], ...]
"""The value of each register, by its net."""


def prove_guard(ii: int, netlist: Netlist) -> str:
    """Prove that an event is accepted where none was in the ``ii - 1`` cycles before it, and else reported a cycle later.

    The registers start with what one edge with ``rst`` leaves; from there on every value of ``in_valid`` and ``rst`` is tried in
    each state that comes up, beside the number of cycles that have still to pass according to the definition.

    Raises:
        Unproven: if a state lets in or drops what it must not, or a reset leaves a register undefined.
    """
    check_ports(netlist, {"rst": 1, "in_valid": 1}, {"accept": 1, "dropped": 1})
    start = _after_reset(netlist)
    seen = {(0, False, start)}
    pending = list(seen)
    while pending:
        left, late, state = pending.pop()
        for valid in (False, True):
            for reset in (False, True):
                accept, dropped, after = _cycle(netlist, dict(state), valid=valid, reset=reset)
                if accept != (valid and not left) or dropped != late:
                    raise Unproven(
                        f"{left} cycles before the next event may come, in_valid {int(valid)}: accept is {int(accept)}, "
                        f"dropped {int(dropped)}; {int(valid and not left)} and {int(late)} are due"
                    )
                still = 0 if reset else ii - 1 if accept else max(left - 1, 0)
                reached = (still, valid and left > 0 and not reset, after)
                if reached not in seen:
                    seen.add(reached)
                    pending.append(reached)
    return f"{len(seen)} states, 4 inputs each"


def _after_reset(netlist: Netlist) -> _State:
    """What the registers hold after an edge with ``rst``, whatever they held before."""
    registers = unknowns(netlist)
    aig = Aig(1 + registers)
    fresh = iter(range(registers))
    driven = {netlist.inputs["rst"][0]: TRUE, netlist.inputs["in_valid"][0]: aig.input(registers)}
    _, after = step(aig, netlist, driven, {}, lambda: aig.input(next(fresh)))
    unknown = [net for net, literal in after.items() if literal not in (FALSE, TRUE)]
    if unknown:
        raise Unproven(f"register {unknown[0]} is not defined by a reset")
    return tuple(sorted(after.items()))


def _cycle(netlist: Netlist, state: dict[int, int], *, valid: bool, reset: bool) -> tuple[bool, bool, _State]:
    """The outputs of a cycle, and the state after it."""
    driven = {netlist.inputs["rst"][0]: int(reset), netlist.inputs["in_valid"][0]: int(valid)}
    nets, after = step(Aig(0), netlist, driven, state, lambda: FALSE)
    accept, dropped = (nets[netlist.outputs[port][0]] for port in ("accept", "dropped"))
    return accept == TRUE, dropped == TRUE, tuple(sorted(after.items()))
