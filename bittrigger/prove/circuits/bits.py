"""What each cell is on single bits: word-level cells as Verilog defines them, FPGA cells as Yosys' ``cells_sim.v`` does.

Registers are wires here; that they stand in step is proven apart (``stages``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig, Vector, extended
from bittrigger.prove.circuits.order import cone, flat
from bittrigger.prove.circuits.stages import REGISTERS, Register, clock_of, registers, running
from bittrigger.prove.circuits.words import number
from bittrigger.prove.claims import Unproven
from bittrigger.synth.memory import BLOCK_CYCLES, BLOCK_MEMORIES, MEMORIES, stored_in
from bittrigger.synth.netlist import HIGH, Bits, Cell, Netlist

_FpgaCell = Callable[[Aig, Cell, dict[str, Vector]], dict[str, Vector]]
"""The literals of each output pin, given those of the input pins."""

_WordCell = Callable[[Aig, Cell, dict[str, Vector]], Vector]
"""The literals of the output."""


def input_nets(netlist: Netlist) -> list[int]:
    """The nets of all inputs but the clock, port after port in the order of their names."""
    return flat(netlist.inputs[port] for port in sorted(netlist.inputs) if port != "clk")


def literals(aig: Aig, netlist: Netlist, outputs: Bits) -> list[int]:
    """The literals of the nets ``outputs``; input ``k`` of ``aig`` is net ``k`` of ``input_nets``.

    Raises:
        Unproven: if a cell is not known, or lies on a loop.
    """
    clock = clock_of(netlist)
    nets = {0: FALSE, 1: FALSE ^ 1}
    nets.update((net, aig.input(k)) for k, net in enumerate(input_nets(netlist)))
    for cell in cone(netlist, outputs):
        if cell.type in REGISTERS:
            for bit in running(cell, clock):
                forced = nets[bit.force]
                held = nets[bit.d]
                nets[bit.q] = aig.either(held, forced) if bit.value else aig.both(held, forced ^ 1)
            continue
        pins = {pin: [nets[net] for net in bits] for pin, bits in cell.inputs.items() if pin != "clk"}
        for pin, values in _outputs(aig, cell, pins).items():
            nets.update(zip(cell.outputs.get(pin, ()), values, strict=False))
    return [nets[net] for net in outputs]


_OLDEST = 64
"""More cycles than a shift register has."""


def unknowns(netlist: Netlist) -> int:
    """At least as many as ``step`` may ask for what registers hold."""
    driven = sum(len(bits) for cell in netlist.cells for bits in cell.outputs.values())
    driven += sum(len(stored_in(cell)) for cell in netlist.cells if cell.type in BLOCK_MEMORIES)
    return driven + _OLDEST * sum(cell.type.startswith("SRL") for cell in netlist.cells)


Read = Callable[[Cell, int, Vector], int]
"""What is read of a memory: the cell, the number of a bit of its words, and the place."""


def no_memory(cell: Cell, _: int, __: Vector) -> int:
    """Of a design without memory."""
    raise Unproven(f"cell {cell.name} ({cell.type}) is a memory, which has no meaning here", refuted=False)


@dataclass(frozen=True)
class Order:
    """What of a netlist each cycle is evaluated by.

    Attributes:
        held: its registers, those of block RAM among them, which are told by their nets.
        blocks: what is read of a block RAM, by the net that it comes out at: the cell, the number of the bit, and the place.
        cells: all others, each after what it reads.
    """

    held: tuple[Register, ...]
    blocks: Mapping[int, tuple[Cell, int, Bits]]
    cells: tuple[Cell, ...]


def order_of(netlist: Netlist) -> Order:
    """How ``step`` goes through a netlist; to be made once where there are many steps.

    Raises:
        Unproven: if a register has another clock, or a cell lies on a loop.
    """
    clock = clock_of(netlist)
    held = [bit for cell in netlist.cells if cell.type in REGISTERS for bit in registers(cell, clock)]
    memories = [cell for cell in netlist.cells if cell.type in MEMORIES]
    blocks = {q: (c, k, at) for c in memories if c.type in BLOCK_MEMORIES for k, q, at in _read_of(c)}
    wanted = [*flat(netlist.outputs.values()), *(net for _, _, at in blocks.values() for net in at)]
    wanted += [net for bit in held for net in (bit.d, bit.force, bit.enable)]
    wanted += [net for cell in memories for one in stored_in(cell) for net in (one.write, *one.to, one.d)]
    held += [Register(-q, q, BLOCK_CYCLES) for q in blocks]
    rest = tuple(cell for cell in netlist.cells if cell.type not in REGISTERS | BLOCK_MEMORIES)
    given = {f"q{bit.q}": (bit.q,) for bit in held}
    combinational = replace(netlist, cells=rest, inputs={**netlist.inputs, **given})
    return Order(tuple(held), blocks, tuple(cone(combinational, wanted)))


def step(  # noqa: PLR0917 - a circuit, its inputs, what it holds in three ways
    aig: Aig,
    netlist: Netlist | Order,
    driven: Mapping[int, int],
    state: Mapping[int, int],
    unknown: Callable[[], int],
    read: Read = no_memory,
) -> tuple[dict[int, int], dict[int, int]]:
    """The literals of all nets in a clock cycle, and those of the registers in the next one.

    Args:
        driven: literals of the nets of the inputs but the clock.
        state: literals of the registers' outputs; those that are missing are ``unknown``.
        read: what memories give; what they take is left to the caller.

    Raises:
        Unproven: if a cell is not known, or lies on a loop.
    """
    order = netlist if isinstance(netlist, Order) else order_of(netlist)
    nets = {0: FALSE, 1: FALSE ^ 1, **driven}
    nets.update((bit.q, state[bit.q] if bit.q in state else unknown()) for bit in order.held)
    for cell in order.cells:
        if cell.type in MEMORIES:
            nets.update((q, read(cell, k, [nets[net] for net in at])) for k, q, at in _read_of(cell))
            continue
        pins = {pin: [nets[net] for net in bits] for pin, bits in cell.inputs.items()}
        for pin, values in _outputs(aig, cell, pins).items():
            nets.update(zip(cell.outputs.get(pin, ()), values, strict=False))
    nets.update((-q, read(cell, k, [nets[net] for net in at])) for q, (cell, k, at) in order.blocks.items())
    after: dict[int, int] = {}
    for bit in order.held:
        d, forced = aig.choose(nets[bit.enable], nets[bit.d], nets[bit.q]), nets[bit.force]
        newest = aig.either(d, forced) if bit.value else aig.both(d, forced ^ 1)
        for age in range(1, bit.cycles):  # what a shift register holds and does not show yet
            inside = -(bit.q * _OLDEST + age)
            after[inside], newest = newest, state[inside] if inside in state else unknown()
        after[bit.q] = newest
    return nets, after


def _read_of(cell: Cell) -> list[tuple[int, int, Bits]]:
    """The bits of a memory that are read: their numbers, what is read, and where."""
    return [(k, bit.q, bit.at) for k, bit in enumerate(stored_in(cell)) if bit.q is not None]


def _outputs(aig: Aig, cell: Cell, pins: dict[str, Vector]) -> dict[str, Vector]:
    if cell.type.startswith("$"):
        if cell.type not in _WORD_CELLS:
            raise Unproven(f"cell {cell.name} ({cell.type}) has no meaning here", refuted=False)
        return {"Y": _WORD_CELLS[cell.type](aig, cell, pins)}
    if cell.type not in _FPGA_CELLS:
        raise Unproven(f"cell {cell.name} ({cell.type}) has no meaning here", refuted=False)
    return _FPGA_CELLS[cell.type](aig, cell, pins)


@lru_cache(maxsize=4096)
def _entries(init: str, size: int, known: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """The bits of a table of ``size`` inputs in the rows in which the inputs that are constant are what they are."""
    table = int(init.replace("x", "0"), 2)
    rows = (row for row in range(1 << size) if all(row >> k & 1 == literal for k, literal in known))
    return tuple(table >> row & 1 for row in rows)


def _table(aig: Aig, cell: Cell, inputs: Vector) -> int:
    known = tuple((k, literal) for k, literal in enumerate(inputs) if literal in (FALSE, TRUE))
    level = list(_entries(cell.parameters["INIT"], len(inputs), known))
    for literal in inputs:
        if literal in (FALSE, TRUE):
            continue
        level = [aig.choose(literal, high, low) for low, high in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def _lut(size: int) -> _FpgaCell:
    return lambda aig, cell, pins: {"O": [_table(aig, cell, [pins[f"I{k}"][0] for k in range(size)])]}


def _lut6_2(aig: Aig, cell: Cell, pins: dict[str, Vector]) -> dict[str, Vector]:
    inputs = [pins[f"I{k}"][0] for k in range(6)]
    return {"O6": [_table(aig, cell, inputs)], "O5": [_table(aig, cell, inputs[:5])]}


def _mux(aig: Aig, _: Cell, pins: dict[str, Vector]) -> dict[str, Vector]:
    return {"O": [aig.choose(pins["S"][0], pins["I1"][0], pins["I0"][0])]}


def _carry4(aig: Aig, _: Cell, pins: dict[str, Vector]) -> dict[str, Vector]:
    return _carry(aig, aig.either(pins["CI"][0], pins["CYINIT"][0]), pins)


def _carry8(aig: Aig, cell: Cell, pins: dict[str, Vector]) -> dict[str, Vector]:
    if cell.parameters.get("CARRY_TYPE", "").strip() == "DUAL_CY4":
        raise Unproven(f"cell {cell.name} is split into two carry chains", refuted=False)
    return _carry(aig, pins["CI"][0], pins)


def _carry(aig: Aig, carry: int, pins: dict[str, Vector]) -> dict[str, Vector]:
    sums, carries = [], []
    for data, propagate in zip(pins["DI"], pins["S"], strict=True):
        sums.append(aig.odd(propagate, carry))
        carry = aig.choose(propagate, carry, data)
        carries.append(carry)
    return {"O": sums, "CO": carries}


def _sum(aig: Aig, cell: Cell, pins: dict[str, Vector]) -> Vector:
    a, b = (_operand(cell, pins, pin) for pin in "AB")
    return _two_operands(aig, cell.type, a, b)


def _test(decide: Callable[[Aig, Vector, Vector], int]) -> _WordCell:
    """A cell whose output is one bit, and zeros above it."""

    def evaluate(aig: Aig, cell: Cell, pins: dict[str, Vector]) -> Vector:
        return extended([decide(aig, pins["A"], pins.get("B", []))], len(cell.outputs["Y"]), signed=False)

    return evaluate


def _comparison(aig: Aig, cell: Cell, pins: dict[str, Vector]) -> Vector:
    signed = number(cell, "A_SIGNED") == number(cell, "B_SIGNED") == 1
    width = max(len(pins["A"]), len(pins["B"]))
    a, b = (extended(pins[pin], width, signed=signed) for pin in "AB")
    found = {
        "$lt": lambda: aig.less(a, b, signed=signed),
        "$ge": lambda: aig.less(a, b, signed=signed) ^ 1,
        "$gt": lambda: aig.less(b, a, signed=signed),
        "$le": lambda: aig.less(b, a, signed=signed) ^ 1,
        "$eq": lambda: aig.equal(a, b),
        "$ne": lambda: aig.equal(a, b) ^ 1,
    }[cell.type]()
    return extended([found], len(cell.outputs["Y"]), signed=False)


def _two_operands(aig: Aig, kind: str, a: Vector, b: Vector) -> Vector:
    match kind:
        case "$add":
            return aig.add(a, b)
        case "$sub":
            return aig.add(a, [bit ^ 1 for bit in b], 1)
        case "$and":
            return [aig.both(x, y) for x, y in zip(a, b, strict=True)]
        case "$or":
            return [aig.either(x, y) for x, y in zip(a, b, strict=True)]
        case _:
            return [aig.odd(x, y) for x, y in zip(a, b, strict=True)]


def _operand(cell: Cell, pins: dict[str, Vector], pin: str) -> Vector:
    return extended(pins[pin], len(cell.outputs["Y"]), signed=number(cell, f"{pin}_SIGNED") == 1)


def _shifted(_: Aig, cell: Cell, pins: dict[str, Vector]) -> Vector:
    width = len(cell.outputs["Y"])
    if any(net > HIGH for net in cell.inputs["B"]):
        raise Unproven(f"cell {cell.name} shifts by a variable", refuted=False)
    by = sum(bit << k for k, bit in enumerate(cell.inputs["B"]))
    signed = number(cell, "A_SIGNED") == 1
    own = len(pins["A"])
    if cell.type in ("$shl", "$sshl"):
        return ([FALSE] * by + extended(pins["A"], width, signed=signed))[:width]
    wide = extended(pins["A"], max(width, own), signed=signed)
    fill = wide[-1] if signed and cell.type == "$sshr" else FALSE
    return (wide[by:] + [fill] * width)[:width]


_FPGA_CELLS: dict[str, _FpgaCell] = {
    **{f"LUT{size}": _lut(size) for size in range(1, 7)},
    "LUT6_2": _lut6_2,
    "INV": lambda aig, cell, pins: {"O": [pins["I"][0] ^ 1]},  # noqa: ARG005
    "MUXF7": _mux,
    "MUXF8": _mux,
    "MUXF9": _mux,
    "CARRY4": _carry4,
    "CARRY8": _carry8,
}


def _picked(aig: Aig, cell: Cell, pins: dict[str, Vector]) -> Vector:
    """One bit of ``A``, the one whose number is ``B``; there is one for every number."""
    level, index = pins["A"], pins["B"]
    if len(level) != 1 << len(index) or len(cell.outputs["Y"]) != 1 or number(cell, "B_SIGNED"):
        raise Unproven(f"cell {cell.name} ({cell.type}) may pick a bit that is not there", refuted=False)
    if all(bit in (FALSE, TRUE) for bit in index):
        return [level[sum(bit << k for k, bit in enumerate(index))]]
    for bit in index:
        level = [aig.choose(bit, high, low) for low, high in zip(level[::2], level[1::2], strict=True)]
    return level


_WORD_CELLS: dict[str, _WordCell] = {
    "$shiftx": _picked,
    **dict.fromkeys(("$add", "$sub", "$and", "$or", "$xor"), _sum),
    **dict.fromkeys(("$lt", "$le", "$gt", "$ge", "$eq", "$ne"), _comparison),
    **dict.fromkeys(("$shl", "$sshl", "$shr", "$sshr"), _shifted),
    **dict.fromkeys(("$reduce_or", "$reduce_bool"), _test(lambda aig, a, _: aig.any(a))),
    "$reduce_and": _test(lambda aig, a, _: aig.all(a)),
    "$logic_not": _test(lambda aig, a, _: aig.any(a) ^ 1),
    "$logic_and": _test(lambda aig, a, b: aig.both(aig.any(a), aig.any(b))),
    "$logic_or": _test(lambda aig, a, b: aig.either(aig.any(a), aig.any(b))),
    "$pos": lambda aig, cell, pins: _operand(cell, pins, "A"),  # noqa: ARG005
    "$not": lambda aig, cell, pins: [bit ^ 1 for bit in _operand(cell, pins, "A")],  # noqa: ARG005
    "$neg": lambda aig, cell, pins: aig.negate(_operand(cell, pins, "A")),
    "$mux": lambda aig, cell, pins: aig.mux(pins["S"][0], pins["B"], pins["A"]),  # noqa: ARG005
}
