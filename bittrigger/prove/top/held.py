"""Proof of the registers of what is held, and of their bus.

The registers of a column are traced bit by bit: a bit that counts takes the one that was written where ``turn`` is high and else
stays, and that one takes its bit of ``data`` where its word is hit and else stays. Of the bus, every hit and ``busy`` are
compared with their definition, from any state, and the chain of turns is followed back. Where numbers lie in memory, what follows
a load is told of each word, and tells when a command counts (``load``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bittrigger.ir.held.bus import APPLY, WORD_BITS, Place, column_ports
from bittrigger.ir.held.memory import in_memory, memory_ports, placed, settings_ports
from bittrigger.ir.pipeline import Pipeline
from bittrigger.prove.circuits.aig import Aig, Vector, constant
from bittrigger.prove.circuits.bits import step, unknowns
from bittrigger.prove.circuits.equivalence import BEFORE, decide
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.circuits.stages import REGISTERS, Tracer, clock_of
from bittrigger.prove.claims import Unproven
from bittrigger.prove.top.entry import only_cell
from bittrigger.synth.netlist import LOW, Bits, Cell, Netlist


def prove_column(place: Place, netlist: Netlist) -> str:
    """Prove that the registers of a column are written, switched and kept bit by bit as they must be.

    Raises:
        Unproven: naming the first bit that is not.
    """
    given, driven = column_ports(place)
    check_ports(netlist, given, driven)
    tracer, turn = Tracer(netlist), netlist.inputs["turn"][0]
    bits = 0
    for word, net, bit in _due(place, netlist.outputs):
        what = f"bit {bit} of word {word}"
        counts = tracer.held.get(net)
        if counts is None or counts.enable != turn or counts.force != LOW or counts.cycles != 1:
            raise Unproven(f"{what} does not switch with turn, or does not stay")
        written = tracer.held.get(counts.d)
        if written is None or written.force != LOW or written.cycles != 1:
            raise Unproven(f"{what} does not take what was written")
        if written.enable != netlist.inputs["hits"][word] or written.d != netlist.inputs["data"][bit]:
            raise Unproven(f"{what} is written with another bit, or where another word is hit")
        bits += 1
    return f"{bits} bits, each twice"


def _due(place: Place, outputs: Mapping[str, Bits]) -> list[tuple[int, int, int]]:
    """For each output net its word and bit."""
    found = []
    for word in range(place.stride - 1):
        nets = outputs["weights"][WORD_BITS * word : WORD_BITS * word + place.weight_bits(word)]
        found += [(word, net, bit) for bit, net in enumerate(nets)]
    return found + [(place.stride - 1, net, bit) for bit, net in enumerate(outputs["bias"])]


def prove_settings(pipeline: Pipeline, netlist: Netlist, work: Path) -> str:
    """Prove the bus: which word is hit when, when each layer switches, and what ``busy`` tells.

    Raises:
        Unproven: if a pin is connected otherwise, or a state exists in which another word is hit.
    """
    given, driven = settings_ports(pipeline)
    check_ports(netlist, given, driven)
    tracer, turns = Tracer(netlist), pipeline.switching
    state = _registers(pipeline, netlist, tracer, turns)
    if pipeline.loader_name:
        _check_loader(pipeline, netlist, state)
    hits: list[tuple[int, int]] = []
    for place, module in placed(pipeline):
        if module.is_fed:
            continue
        cells = _cells(netlist, module.held_name, place.columns)
        for column, cell in enumerate(cells):
            if cell.inputs["clk"] != (clock_of(netlist),):
                raise Unproven(f"{cell.name} is not clocked by clk")
            turn = state["turn"][module.held_stage(column)]
            if cell.inputs["turn"] != (turn,) or cell.inputs["data"][: len(state["word"])] != state["word"]:
                stage = module.held_stage(column)
                raise Unproven(f"{cell.name} is not switched in stage {stage}, or reads another word")
            for port, width in column_ports(place)[1].items():
                nets = netlist.outputs[f"{place.node.name}_{port}"][width * column : width * (column + 1)]
                if cell.outputs[port] != nets:
                    raise Unproven(f"{port} of {cell.name} is not that of column {column}")
            first = place.first + place.stride * column
            hits += [(net, first + k) for k, net in enumerate(cell.inputs["hits"])]
    known = _decoded(netlist, state, hits, work)
    return f"{len(hits)} words, {turns} stages" + (BEFORE if known else "")


def _check_loader(pipeline: Pipeline, netlist: Netlist, state: dict[str, Bits]) -> None:
    """Check that what follows a load is told of each word, and that layers are told what it says."""
    cell = only_cell(netlist, str(pipeline.loader_name))
    told = {
        "clk": (clock_of(netlist),),
        "writes": state["writes"],
        "place": state["place"],
        "command": state["word"][:1],
    }
    for port, nets in told.items():
        if cell.inputs[port] != nets:
            raise Unproven(f"{port} of {cell.name} is something else")
    for place, module in in_memory(pipeline):
        for port in memory_ports(place, module):
            if cell.outputs[port] != netlist.outputs[port]:
                raise Unproven(f"{port} is not that of {cell.name}")
    if netlist.outputs["settings_word"] != state["word"]:
        raise Unproven("settings_word is not the word that was written")


def _cells(netlist: Netlist, kind: str, count: int) -> list[Cell]:
    """The instances of a module, by their numbers."""
    cells = {_number(cell, count): cell for cell in netlist.cells if cell.type == kind}
    if sorted(cells) != list(range(count)):
        raise Unproven(f"module {kind} occurs {len(cells)} times; it is due {count} times")
    return [cells[k] for k in range(count)]


def _number(cell: Cell, count: int) -> int:
    head, _, _ = cell.name.rpartition("]")
    return int(head.rpartition("[")[2]) if count > 1 and head else 0


def _registers(pipeline: Pipeline, netlist: Netlist, tracer: Tracer, turns: int) -> dict[str, Bits]:
    """The nets of the registers of the bus, found from what they hold, each checked."""
    forward: dict[int, int] = {}
    for q, bit in tracer.back.items():
        if bit.cycles != 1:
            raise Unproven("a register of the bus is more than one cycle long")
        if bit.force == LOW:
            forward.setdefault(bit.d, q)
    if tracer.held:
        raise Unproven("a register of the bus has an enable")
    found: dict[str, Bits] = {}
    for port, name, needed in (("data", "word", _word_bits(pipeline)), ("address", "place", WORD_BITS)):
        nets = tuple(forward.get(net, -1) for net in netlist.inputs[port][:needed])
        if -1 in nets:
            raise Unproven(f"a bit of {port} is taken by no register")
        found[name] = nets
    found["turn"] = _turns(pipeline, netlist, tracer, turns)
    # bits of a word that no register of a column takes
    unread = {forward.get(net, -1) for net in netlist.inputs["data"]}
    others = set(tracer.back) - unread - {net for nets in found.values() for net in nets}
    if len(others) != 1:
        raise Unproven(f"the bus has {len(others)} registers beside word, place and turns; one is due")
    found["writes"] = tuple(others)
    return found


def _turns(pipeline: Pipeline, netlist: Netlist, tracer: Tracer, turns: int) -> Bits:
    """The chain of turns, the first one first: each register is that of the cycle before."""
    if pipeline.loader_name:
        return _turns_behind(only_cell(netlist, pipeline.loader_name), tracer, turns)
    ends = {module.held_stage(place.columns - 1): (place, module) for place, module in placed(pipeline)}
    place, latest = ends[turns - 1]
    chain = [_cells(netlist, latest.held_name, place.columns)[-1].inputs["turn"][0]]
    while len(chain) < turns:
        if chain[-1] not in tracer.back or tracer.back[chain[-1]].force != LOW:
            raise Unproven(f"the chain of turns has {len(chain)} stages; {turns} are due")
        chain.append(tracer.back[chain[-1]].d)
    if any(net not in tracer.back for net in chain):
        raise Unproven("a turn is no register")
    return tuple(reversed(chain))


def _turns_behind(loader: Cell, tracer: Tracer, turns: int) -> Bits:
    """The chain of turns behind what says that a command counts."""
    later = {bit.d: q for q, bit in tracer.back.items() if bit.force == LOW}
    chain = list(loader.outputs["applies"])
    while len(chain) <= turns:
        if chain[-1] not in later:
            raise Unproven(f"the chain of turns has {len(chain) - 1} stages; {turns} are due")
        chain.append(later[chain[-1]])
    return tuple(chain[1:])


def _word_bits(pipeline: Pipeline) -> int:
    """Bits of a word that some register or memory may take."""
    return WORD_BITS if in_memory(pipeline) else max(max(place.word_bits) for place, _ in placed(pipeline))


def _decoded(netlist: Netlist, state: dict[str, Bits], hits: list[tuple[int, int]], work: Path) -> bool:
    """Decide that hits, ``busy``, the first turn and ``writes`` are as defined, from every state; whether it was known."""
    apart = [cell for cell in netlist.cells if _is_apart(cell)]
    own = tuple(cell for cell in netlist.cells if not _is_apart(cell))
    applies = tuple(net for cell in apart for net in cell.outputs.get("applies", ()))
    outputs = {"hits": tuple(net for net, _ in hits), "busy": netlist.outputs["busy"]}
    read = {net for cell in own for bits in cell.inputs.values() for net in bits}.union(*outputs.values())
    made = {net for cell in apart for bits in cell.outputs.values() for net in bits}
    others = tuple(sorted(made & read - set(applies)))  # none is due; one that counts is seen
    flat = replace(netlist, cells=own, inputs={**netlist.inputs, "applies": applies, "others": others}, outputs=outputs)
    buses = [*(netlist.inputs[port] for port in ("write", "address", "data")), applies, others]
    count = sum(map(len, state.values())) + sum(map(len, buses))
    for name in ("gold", "gate"):
        aig = Aig(count + unknowns(flat))
        fresh = iter(range(count + unknowns(flat)))
        held = {net: aig.input(next(fresh)) for nets in state.values() for net in nets}
        driven = {net: aig.input(next(fresh)) for nets in buses for net in nets}
        if name == "gold":
            told = driven[applies[0]] if applies else None
            found = _bus_definition(aig, netlist, state, hits, held | driven, told)
        else:
            nets, after = step(aig, flat, driven, held, lambda aig=aig, fresh=fresh: aig.input(next(fresh)))  # type: ignore[misc]
            found = [nets[net] for net, _ in hits]
            found += [nets[netlist.outputs["busy"][0]], after[state["turn"][0]], after[state["writes"][0]]]
        aig.write(work / f"{name}.aig", found)
    return decide(work)


def _is_apart(cell: Cell) -> bool:
    """Whether a cell is a module that is proven by itself: what follows a load, or the registers of a column."""
    return "command" in cell.inputs or (cell.type not in REGISTERS and "turn" in cell.inputs)


def _bus_definition(  # noqa: PLR0917 - a module, what it holds and reads, and what is told
    aig: Aig,
    netlist: Netlist,
    state: dict[str, Bits],
    hits: list[tuple[int, int]],
    nets: Mapping[int, int],
    told: int | None,
) -> Vector:
    """What is due.

    Args:
        told: whether a command counts, where that is decided elsewhere.
    """
    place = [nets[net] for net in state["place"]]
    writes, first_bit = nets[state["writes"][0]], nets[state["word"][0]]

    def hit(address: int) -> int:
        return aig.both(writes, aig.equal(place, constant(address, len(place))))

    applies = aig.both(hit(APPLY), first_bit) if told is None else told
    busy = aig.any([applies, *(nets[net] for net in state["turn"])])
    taken = aig.both(nets[netlist.inputs["write"][0]], busy ^ 1)
    return [*(hit(address) for _, address in hits), busy, applies, taken]
