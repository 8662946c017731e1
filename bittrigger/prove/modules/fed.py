"""Proof of what feeds columns that take turns: each turn gets its own numbers, as memory holds them, and its event's codes.

A memory keeps what was written last at each place: that is what one is. Which memory and which place a bit of a turn is read at
is followed through the cycles of an event, and which bit of the bus goes there by what writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bittrigger.ir.held.bus import WORD_BITS, Place
from bittrigger.ir.held.memory import fed_ports, row_bits
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig, Vector
from bittrigger.prove.circuits.bits import Order, order_of, step, unknowns
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.circuits.stages import clock_of
from bittrigger.prove.claims import Unproven
from bittrigger.synth.memory import MEMORIES, Stored, is_plain, stored_in
from bittrigger.synth.netlist import Cell, Netlist

Bit = tuple[str, int]
"""A memory, by the name of its cell, and a bit of its words."""


class Due(NamedTuple):
    """A bit of what is handed to a column."""

    column: int
    word: int
    bit: int

    def __str__(self) -> str:
        return f"bit {self.bit} of word {self.word} of column {self.column}"


@dataclass
class _Memory:
    """What is read of memories in a cycle: a new unknown for each bit and place."""

    aig: Aig
    fresh: Iterator[int]
    found: dict[int, tuple[Bit, int, int]] = field(default_factory=dict)
    """By the unknown: the bit, the place and the cycle."""
    now: int = 0

    def unknown(self) -> int:
        """A literal that may be anything."""
        return self.aig.input(next(self.fresh))

    def read(self, cell: Cell, k: int, at: Vector) -> int:
        """What is read of bit ``k`` of the words; where the place is not known nothing is known."""
        literal = self.unknown()
        if all(bit in (FALSE, TRUE) for bit in at):
            self.found[literal] = (cell.name, k), sum(bit << i for i, bit in enumerate(at)), self.now
        return literal

    def bit_read(self, literal: int, row: int, cycle: int, what: str) -> Bit:
        """The bit of which ``literal`` is what was read in ``row`` in a cycle."""
        if literal not in self.found or self.found[literal][2] != cycle:
            raise Unproven(f"{what} may be something else than what memory held in the cycle before")
        bit, at, _ = self.found[literal]
        if at != row:
            raise Unproven(f"{what} is read in row {at}; {row} is due")
        return bit


def prove_columns(place: Place, module: Module, vectors: BusLayout, netlist: Netlist) -> str:
    """Prove that each turn of an event is handed its operand codes, and what was held for its columns in the cycle before.

    Whatever registers and memories hold, in every cycle anew, and whatever comes later; ``load`` is low until the next event may
    come. What is held for a word is what was written last to its row in the bank of the event, where its hit was high.

    Raises:
        Unproven: naming the first thing that may be something else.
    """
    (bus,) = vectors.operands(module)
    given, driven = fed_ports(module, bus.width)
    check_ports(netlist, {"load": 1, **given}, driven)
    memories = [cell for cell in netlist.cells if cell.type in MEMORIES]
    if not all(is_plain(cell, clock_of(netlist)) for cell in memories):
        raise Unproven("a memory is not clocked by clk, or of another kind")
    order = order_of(netlist)
    banks = [_locations(place, module, netlist, order, bank) for bank in (FALSE, TRUE)]
    if banks[0] != banks[1]:
        raise Unproven("the banks lie in different memories")
    _check_writes(place, netlist, order, banks[0])
    return (
        f"{module.columns} columns in {module.phases} turns, {len(banks[0])} bits of {1 << row_bits(module)} words each"
    )


def _locations(place: Place, module: Module, netlist: Netlist, order: Order, bank: int) -> dict[Bit, Due]:
    """Which bit of which word of which lane each bit of a memory is, followed through the cycles of an event of ``bank``."""
    inputs = {port: len(nets) for port, nets in netlist.inputs.items() if port != "clk"}
    cycles, turns = module.feeding + module.phases, module.phases
    bits = sum(len(stored_in(cell)) for cell in netlist.cells if cell.type in MEMORIES)
    aig = Aig(cycles * (sum(inputs.values()) + bits) + unknowns(netlist))
    memory = _Memory(aig, iter(range(aig.n_inputs)))
    came: list[dict[str, Vector]] = []
    state: dict[int, int] = {}
    located: dict[Bit, Due] = {}
    for now in range(cycles):
        came.append({port: [memory.unknown() for _ in range(width)] for port, width in inputs.items()})
        came[now] |= {"load": [FALSE if now else TRUE]} if now < turns else {}
        came[now] |= {"bank": [bank]} if now == 0 else {}
        driven = {net: bit for port in inputs for net, bit in zip(netlist.inputs[port], came[now][port], strict=True)}
        memory.now = now
        nets, state = step(aig, order, driven, state, memory.unknown, memory.read)
        turn = now - module.feeding
        if turn < 0:
            continue
        found = {port: [nets[net] for net in bits] for port, bits in netlist.outputs.items()}
        if found["now_codes"] != came[0]["x"]:
            raise Unproven(f"operand codes may be other ones in turn {turn}")
        row = bank << row_bits(module) - 1 | turn
        for lane in range(min(module.lanes, module.columns - module.lanes * turn)):
            for due, literal in _handed(place, lane, found):
                bit = memory.bit_read(literal, row, now - module.reading, f"{due} in turn {turn}")
                if located.setdefault(bit, due) != due:
                    raise Unproven(f"{due} is another one in another turn")
    return located


def _handed(place: Place, lane: int, found: dict[str, Vector]) -> Iterator[tuple[Due, int]]:
    """Lane, word and bit of what is handed to a column, and the literals."""
    weights, bias = len(found["now_weights"]), len(found["now_bias"])
    own, bits = place.weight_total, place.node.bits
    if weights % own or bias % bits:
        raise Unproven("numbers of another width are handed out")
    for k in range(own):
        yield Due(lane, k // WORD_BITS, k % WORD_BITS), found["now_weights"][own * lane + k]
    for k in range(bits):
        yield Due(lane, place.stride - 1, k), found["now_bias"][bits * lane + k]


def _check_writes(place: Place, netlist: Netlist, order: Order, located: dict[Bit, Due]) -> None:
    """Check that each bit takes its bit of the bus, at the row that is given, where its word is hit, and nothing else."""
    aig = Aig(sum(map(len, netlist.inputs.values())) + unknowns(netlist) + len(located) * 64)
    memory = _Memory(aig, iter(range(aig.n_inputs)))
    driven = {net: memory.unknown() for port, nets in netlist.inputs.items() if port != "clk" for net in nets}
    nets, _ = step(aig, order, driven, {}, memory.unknown, memory.read)
    given = {port: [driven[net] for net in bits] for port, bits in netlist.inputs.items() if port != "clk"}
    stored = {
        (cell.name, k): bit for cell in netlist.cells if cell.type in MEMORIES for k, bit in enumerate(stored_in(cell))
    }
    for key, due in located.items():
        hit, bit = given["hits"][place.stride * due.column + due.word], stored[key]
        if nets[bit.write] != hit:
            raise Unproven(f"{due} is written where another word is hit")
        if not _same(aig, hit, nets[bit.d], given["data"][due.bit]):
            raise Unproven(f"{due} takes another bit of the bus")
        if not _same_place(aig, hit, nets, bit, given["row"]):
            raise Unproven(f"{due} is written in another row")


def _same(aig: Aig, hit: int, found: int, due: int) -> bool:
    """Whether a literal is the one that is due where ``hit`` is high."""
    return found in (due, aig.both(hit, due))


def _same_place(aig: Aig, hit: int, nets: dict[int, int], bit: Stored, row: Vector) -> bool:
    own, above = [nets[net] for net in bit.to[: len(row)]], [nets[net] for net in bit.to[len(row) :]]
    return len(own) == len(row) and all(map(_same, [aig] * len(row), [hit] * len(row), own, row)) and not any(above)
