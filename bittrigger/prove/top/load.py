"""Proof of what follows a load of the numbers that lie in memory: where each word goes, and when the other bank counts.

One step is compared with its definition from every state, whose registers are outputs. The definition itself is then followed
through all words of a load, and each of them has to go where it belongs.
"""

from __future__ import annotations

from pathlib import Path

from bittrigger.ir.held.bus import APPLY, Place
from bittrigger.ir.held.memory import due_bits, in_memory, loader_ports, placed, row_bits, slot_bits, slots
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.prove.circuits.aig import TRUE, Aig, Vector, constant, extended
from bittrigger.prove.circuits.bits import step, unknowns
from bittrigger.prove.circuits.equivalence import BEFORE, decide
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.circuits.stages import Tracer
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Netlist

FIRST = APPLY + 1
"""The address of the first word."""


def prove_loader(pipeline: Pipeline, netlist: Netlist, work: Path) -> str:
    """Prove that each word of a load goes to its memory and row, and that a command counts behind all of them alone.

    Raises:
        Unproven: if a state exists in which it does another thing, or a layer is told of another bank, or too soon or late.
    """
    given, driven = loader_ports(pipeline)
    check_ports(netlist, given, driven)
    tracer, (half,) = Tracer(netlist), netlist.outputs["bank"]
    for place, module in in_memory(pipeline):
        trail = tracer.trail(netlist.outputs[f"{place.node.name}_bank"][0], until=half)
        if trail.origin != half or trail.cycles != (module.reads or 0) + 1 or any(trail.resets):
            raise Unproven(f"the bank of {place.node.name} does not follow that of the load by {module.reads} stages")
    words = sum(_follow(place, module) for place, module in in_memory(pipeline))
    known = _one_step(pipeline, netlist, work)
    return f"{words} words" + (BEFORE if known else "")


def _state(pipeline: Pipeline) -> list[str]:
    """The outputs that are registers."""
    names = [place.node.name for place, _ in in_memory(pipeline)]
    return ["due", "bank", *(f"{name}_{kind}" for name in names for kind in ("slot", "turn"))]


def _told(pipeline: Pipeline) -> list[str]:
    """The outputs that are functions of the state and of the word that is there."""
    names = [place.node.name for place, _ in in_memory(pipeline)]
    return ["applies", *(f"{name}_{kind}" for name in names for kind in ("row", "hits"))]


def _one_step(pipeline: Pipeline, netlist: Netlist, work: Path) -> bool:
    """Decide that outputs and next state are as defined, from every state; whether that was known."""
    given, driven = loader_ports(pipeline)
    count = sum(given.values()) + sum(driven[port] for port in _state(pipeline))
    for name in ("gold", "gate"):
        aig = Aig(count + unknowns(netlist))
        fresh = iter(range(aig.n_inputs))
        inputs = {port: [aig.input(next(fresh)) for _ in range(width)] for port, width in given.items()}
        state = {port: [aig.input(next(fresh)) for _ in range(driven[port])] for port in _state(pipeline)}
        if name == "gold":
            told, after = _definition(aig, pipeline, inputs, state)
        else:
            nets = {
                net: bit for port, bits in inputs.items() for net, bit in zip(netlist.inputs[port], bits, strict=True)
            }
            held = {
                net: bit for port, bits in state.items() for net, bit in zip(netlist.outputs[port], bits, strict=True)
            }
            values, later = step(aig, netlist, nets, held, lambda aig=aig, fresh=fresh: aig.input(next(fresh)))  # type: ignore[misc]
            if len(held) != sum(map(len, state.values())) or not held.keys() <= later.keys():
                raise Unproven("the state of a load is not what registers hold")
            told = {port: [values[net] for net in netlist.outputs[port]] for port in _told(pipeline)}
            after = {port: [later[net] for net in netlist.outputs[port]] for port in state}
        aig.write(
            work / f"{name}.aig", [bit for found in (told, after) for port in sorted(found) for bit in found[port]]
        )
    return decide(work)


def _definition(
    aig: Aig, pipeline: Pipeline, given: dict[str, Vector], state: dict[str, Vector]
) -> tuple[dict[str, Vector], dict[str, Vector]]:
    """Outputs and next state, from the definition."""
    bits, (writes,), due = due_bits(pipeline.graph), given["writes"], state["due"]
    came = extended(given["place"], bits, signed=False)

    def at(address: int) -> int:
        return aig.equal(came, constant(address, bits))

    end = max(place.first + place.words for place, _ in placed(pipeline))
    begins = at(FIRST)
    takes = aig.all([writes, at(APPLY) ^ TRUE, aig.either(begins, aig.equal(came, due))])
    applies = aig.all([writes, *given["command"], at(APPLY), aig.equal(due, constant(end, bits))])
    next_due = aig.mux(takes, aig.add(came, constant(1, bits)), aig.mux(writes, constant(0, bits), due))
    told: dict[str, Vector] = {"applies": [applies]}
    after: dict[str, Vector] = {"due": next_due, "bank": [aig.odd(state["bank"][0], applies)]}
    for place, module in in_memory(pipeline):
        name, size, rows = place.node.name, slot_bits(module), row_bits(module) - 1
        below, behind = constant(place.first, bits), constant(place.first + place.words, bits)
        mine = aig.all([takes, aig.less(came, below, signed=False) ^ TRUE, aig.less(came, behind, signed=False)])
        starts = at(place.first)
        slot = aig.mux(starts, constant(0, size), state[f"{name}_slot"])
        turn = aig.mux(starts, constant(0, rows), state[f"{name}_turn"])
        wraps = aig.equal(slot, constant(slots(module) - 1, size))
        next_slot = aig.mux(wraps, constant(0, size), aig.add(slot, constant(1, size)))
        next_turn = aig.mux(wraps, aig.add(turn, constant(1, rows)), turn)
        after[f"{name}_slot"] = aig.mux(mine, next_slot, state[f"{name}_slot"])
        after[f"{name}_turn"] = aig.mux(mine, next_turn, state[f"{name}_turn"])
        told[f"{name}_row"] = [*turn, state["bank"][0] ^ TRUE]
        told[f"{name}_hits"] = [aig.both(mine, aig.equal(slot, constant(k, size))) for k in range(slots(module))]
    return told, after


def _follow(place: Place, module: Module) -> int:
    """Follow the definition through the words of a layer in their order; each has to go where its column is read."""
    slot = turn = 0
    for number in range(place.words):
        column, word = divmod(number, place.stride)
        due = column // module.lanes, column % module.lanes * place.stride + word
        if (turn, slot) != due:
            raise Unproven(
                f"word {number} of {place.node.name} goes to memory {slot} in turn {turn}; {due[1]} in {due[0]} is due"
            )
        slot, turn = (0, turn + 1) if slot == slots(module) - 1 else (slot + 1, turn)
    if turn > 1 << row_bits(module) - 1:
        raise Unproven(f"{place.node.name} has more turns than rows")
    return place.words
