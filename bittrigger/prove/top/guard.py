"""Proof that the guard of an interval lets in what it must and drops the rest: every state that it can reach is visited."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig
from bittrigger.prove.circuits.bits import step, unknowns
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Netlist

_State = tuple[tuple[int, int], ...]
"""The value of each register, by its net."""


@dataclass(frozen=True)
class _Wait:
    """A state by the definition: cycles until an event may start, words still to come, and whether ``dropped`` is due."""

    left: int = 0
    due: int = 0
    late: bool = False


def prove_guard(ii: int, words: int, netlist: Netlist) -> str:
    """Prove that an event is accepted where none was in the ``ii - 1`` cycles before it, and else reported a cycle later.

    Where an event has more words than one: that its end is told where none is missing, and that each word which is not taken,
    or is missing, is reported.

    The registers start with what one edge with ``rst`` leaves; from there on every value of the inputs is tried in each state
    that comes up, beside that of the definition.

    Raises:
        Unproven: if a state lets in or drops what it must not, or a reset leaves a register undefined.
    """
    flags = ("in_valid", "in_start") if words > 1 else ("in_valid",)
    told = ("accept", "whole", "dropped") if words > 1 else ("accept", "dropped")
    check_ports(netlist, dict.fromkeys(("rst", *flags), 1), dict.fromkeys(told, 1))
    start = _after_reset(netlist, flags)
    seen = {(_Wait(), start)}
    pending = list(seen)
    while pending:
        wait, state = pending.pop()
        for values in product((False, True), repeat=len(flags) + 1):
            given = dict(zip(("rst", *flags), values, strict=True))
            found, after = _cycle(netlist, dict(state), given, told)
            wanted, then = _definition(wait, ii, words, given)
            wrong = [name for name in told if found[name] != wanted[name]]
            if wrong:
                inputs = ", ".join(f"{name} {int(given[name])}" for name in flags)
                raise Unproven(
                    f"{wait.left} cycles before the next event may come, {inputs}: {wrong[0]} is {int(found[wrong[0]])}; "
                    f"{int(wanted[wrong[0]])} is due"
                )
            if (then, after) not in seen:
                seen.add((then, after))
                pending.append((then, after))
    return f"{len(seen)} states, {2 ** (len(flags) + 1)} inputs each"


def _definition(wait: _Wait, ii: int, words: int, given: dict[str, bool]) -> tuple[dict[str, bool], _Wait]:
    """What is due in a cycle, and the state after it."""
    valid, first = given["in_valid"], given.get("in_start", True)
    accept = valid and first and not wait.left
    goes_on = valid and not first and wait.due > 0
    told = {"accept": accept, "whole": goes_on and wait.due == 1, "dropped": wait.late}
    if given["rst"]:
        return told, _Wait()
    late = (valid and not accept and not goes_on) or (wait.due > 0 and not goes_on)
    left = ii - 1 if accept else max(wait.left - 1, 0)
    return told, _Wait(left, words - 1 if accept else wait.due - 1 if goes_on else 0, late)


def _after_reset(netlist: Netlist, flags: tuple[str, ...]) -> _State:
    """What the registers hold after an edge with ``rst``, whatever they held before."""
    registers = unknowns(netlist)
    aig = Aig(len(flags) + registers)
    fresh = iter(range(registers))
    driven = {netlist.inputs["rst"][0]: TRUE}
    driven |= {netlist.inputs[flag][0]: aig.input(registers + k) for k, flag in enumerate(flags)}
    _, after = step(aig, netlist, driven, {}, lambda: aig.input(next(fresh)))
    unknown = [net for net, literal in after.items() if literal not in (FALSE, TRUE)]
    if unknown:
        raise Unproven(f"register {unknown[0]} is not defined by a reset")
    return tuple(sorted(after.items()))


def _cycle(
    netlist: Netlist, state: dict[int, int], given: dict[str, bool], told: tuple[str, ...]
) -> tuple[dict[str, bool], _State]:
    """The outputs of a cycle, and the state after it."""
    driven = {netlist.inputs[port][0]: int(value) for port, value in given.items()}
    nets, after = step(Aig(0), netlist, driven, state, lambda: FALSE)
    return {port: nets[netlist.outputs[port][0]] == TRUE for port in told}, tuple(sorted(after.items()))
