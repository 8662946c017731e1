"""Registers on every path: which clock cycle each net belongs to, and the wiring of the top.

Data registers have no reset, no enable and no feedback, so a net of stage ``s`` is a function of the inputs ``s`` cycles
earlier and of nothing else: by induction over the cells, for every stream of events and every pattern of gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bittrigger.prove.circuits.order import cone, flat
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import HIGH, LOW, Bits, Cell, Netlist

CLOCK_PINS = ("CLK", "C")
REGISTERS = frozenset({"$dff", "FDRE", "FDSE", "SRL16E", "SRLC32E"})


@dataclass(frozen=True)
class Register:
    """One register bit: net ``q`` is net ``d``, ``cycles`` cycles later; where ``force`` is 1 it is ``value`` instead.

    Attributes:
        enable: where this is 0, and ``force`` too, it keeps what it has.
    """

    d: int
    q: int
    cycles: int
    force: int = LOW
    value: int = LOW
    enable: int = HIGH


def _clock(cell: Cell, clock: int) -> None:
    pin = next(name for name in (*CLOCK_PINS, "CLK") if name in cell.inputs)
    falling = int(cell.parameters.get("CLK_POLARITY", "1"), 2) == 0 or any(
        int(cell.parameters.get(name, "0"), 2) for name in ("IS_C_INVERTED", "IS_CLK_INVERTED")
    )
    if cell.inputs[pin] != (clock,) or falling:
        raise Unproven(f"register {cell.name} is not clocked by the rising edge of clk")


def _always(cell: Cell) -> None:
    if cell.inputs["CE"] != (HIGH,):
        raise Unproven(f"register {cell.name} has an enable")


def running(cell: Cell, clock: int) -> list[Register]:
    """As ``registers``, of a cell that must not be halted.

    Raises:
        Unproven: also if it has an enable.
    """
    found = registers(cell, clock)
    if any(bit.enable != HIGH for bit in found):
        raise Unproven(f"register {cell.name} has an enable")
    return found


def registers(cell: Cell, clock: int) -> list[Register]:
    """The register bits that ``cell`` consists of; empty if it is none.

    Raises:
        Unproven: if it has another clock, an inverted data pin or a variable delay, or is a shift register with an enable.
    """
    if cell.type not in REGISTERS:
        return []
    _clock(cell, clock)
    if cell.type == "$dff":
        return [Register(d, q, 1) for d, q in zip(cell.inputs["D"], cell.outputs["Q"], strict=True)]
    if any(int(value, 2) for name, value in cell.parameters.items() if name.startswith("IS_")):
        raise Unproven(f"register {cell.name} has an inverted pin")
    d, q = cell.inputs["D"][0], cell.outputs["Q"][0]
    match cell.type:
        case "FDRE":
            return [Register(d, q, 1, cell.inputs["R"][0], LOW, cell.inputs["CE"][0])]
        case "FDSE":
            return [Register(d, q, 1, cell.inputs["S"][0], HIGH, cell.inputs["CE"][0])]
        case _:
            _always(cell)
            return _shift_register(cell, d, q)


def _shift_register(cell: Cell, d: int, q: int) -> list[Register]:
    address = cell.inputs["A"] if "A" in cell.inputs else tuple(cell.inputs[f"A{k}"][0] for k in range(4))
    if any(net > HIGH for net in address):
        raise Unproven(f"shift register {cell.name} has a variable length")
    found = [Register(d, q, 1 + sum(bit << k for k, bit in enumerate(address)))]
    if "Q31" in cell.outputs:
        found.append(Register(d, cell.outputs["Q31"][0], 32))
    return found


def clock_of(netlist: Netlist) -> int:
    """The net of port ``clk``, or -1 where there is none."""
    return netlist.inputs["clk"][0] if "clk" in netlist.inputs else -1


def prove_latency(netlist: Netlist, cycles: int) -> str:
    """Prove that exactly ``cycles`` registers lie on every path from an input to the output ``y``.

    Raises:
        Unproven: naming the first cell whose operands belong to different cycles, or the first output that is early or late.
    """
    clock = clock_of(netlist)
    stages: dict[int, int] = {
        net: 0 for port, bits in netlist.inputs.items() if port != "clk" for net in bits if net != clock
    }
    count = 0
    for cell in cone(netlist, netlist.outputs["y"]):
        bits = running(cell, clock)
        count += len(bits)
        if bits:
            for bit in bits:
                stage = _common(cell, stages, (bit.d, bit.force))
                if stage is not None:
                    stages[bit.q] = stage + bit.cycles
            continue
        stage = _common(cell, stages, flat(cell.inputs.values()))
        if stage is not None:
            stages.update(dict.fromkeys(flat(cell.outputs.values()), stage))
    for position, net in enumerate(netlist.outputs["y"]):
        if stages.get(net, cycles) != cycles:
            raise Unproven(f"bit {position} of y is {stages[net]} cycles behind x; {cycles} are due")
    return f"{cycles} cycles, {count} register bits"


def _common(cell: Cell, stages: Mapping[int, int], nets: Bits | list[int]) -> int | None:
    """The stage of all ``nets``; None if they are constant."""
    found = {stages[net] for net in nets if net in stages}
    if len(found) > 1:
        raise Unproven(f"cell {cell.name} mixes stages {', '.join(map(str, sorted(found)))}")
    return found.pop() if found else None


@dataclass(frozen=True)
class Trail:
    """Where a net comes from: net ``origin``, ``cycles`` registers earlier, with the reset nets of those registers."""

    origin: int
    cycles: int
    resets: tuple[int, ...]


class Tracer:
    """Follows nets of a top back through registers."""

    def __init__(self, netlist: Netlist) -> None:
        clock = clock_of(netlist)
        self.back: dict[int, Register] = {}
        self.held: dict[int, Register] = {}
        """Registers that keep what they have until they are enabled, by their net."""
        muxes: dict[int, tuple[int, int]] = {}
        choices: dict[int, tuple[int, int, int]] = {}
        for cell in netlist.cells:
            for bit in registers(cell, clock):
                (self.back if bit.enable == HIGH else self.held)[bit.q] = bit
            if cell.type == "$mux":
                pins = zip(cell.outputs["Y"], cell.inputs["A"], cell.inputs["B"], strict=True)
                choices.update((y, (a, b, cell.inputs["S"][0])) for y, a, b in pins)
            if cell.type == "$mux" and set(cell.inputs["B"]) == {LOW}:
                force = cell.inputs["S"][0]
                muxes.update((y, (a, force)) for y, a in zip(cell.outputs["Y"], cell.inputs["A"], strict=True))
        for q, bit in self.back.items():  # a synchronous reset as Yosys writes it: d = force ? 0 : something
            if bit.d in muxes and bit.force == LOW:
                d, force = muxes[bit.d]
                self.back[q] = Register(d, q, bit.cycles, force)
        for q, bit in list(self.back.items()):  # an enable as Yosys writes it: d = enable ? something : q
            if bit.d in choices and choices[bit.d][0] == q:
                _, d, enable = choices[bit.d]
                self.held[q] = Register(d, q, 1, enable=enable)
                del self.back[q]

    def trail(self, net: int, until: int = -1) -> Trail:
        """Where ``net`` comes from; no further back than the net ``until``.

        Raises:
            Unproven: if it is on a loop of registers, or forced to 1.
        """
        cycles, resets = 0, []
        seen: set[int] = set()
        while net in self.back and net != until:
            if net in seen:
                raise Unproven(f"net {net} lies on a loop of registers")
            seen.add(net)
            bit = self.back[net]
            if bit.value and bit.force != LOW:
                raise Unproven(f"net {net} is set by a reset")
            cycles, net = cycles + bit.cycles, bit.d
            resets += [bit.force] * bit.cycles
        return Trail(net, cycles, tuple(resets))
