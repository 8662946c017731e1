"""What a netlist uses: cells by kind, carry chains, and levels of logic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from bittrigger.errors import ToolError
from bittrigger.synth.memory import BLOCK_MEMORIES, LETTERS, LUT_MEMORIES, is_written
from bittrigger.synth.netlist import HIGH, Cell, Netlist

FLIP_FLOPS = frozenset({"FDRE", "FDSE", "FDCE", "FDPE"})
SHIFT_REGISTERS = frozenset({"SRL16E", "SRLC16E", "SRLC32E"})
CARRIES = frozenset({"CARRY4", "CARRY8"})
LUTRAMS = frozenset(LUT_MEMORIES)
_LUTS = frozenset({"LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "LUT6_2", "INV"})
_DSPS = frozenset({"DSP48E1", "DSP48E2"})
_BRAM18 = frozenset({"RAMB18E1", "RAMB18E2"})
_BRAM36 = frozenset({"RAMB36E1", "RAMB36E2"})


@dataclass(frozen=True)
class Utilization:
    """Primitives of a netlist.

    Attributes:
        lut: look-up tables: LUT1 to LUT6, LUT6_2 (one each), INV (an inverter occupies a LUT), shift registers and memories.
            Two small functions are never packed into one LUT, which Vivado does.
        shift_register: LUTs used as shift registers, part of ``lut``.
        ff: flip-flops.
        carry_bits: bits of all carry chains, from each chain's first to its last used one.
        carry8: CARRY8 blocks, eight bits of one chain each.
        dsp: DSP slices.
        bram36: block RAMs of 36 kbit, halves counted as 0.5.
        logic_levels: cells on the longest path between registers or ports; a carry chain is one.
        cells: every cell by its type.
    """

    lut: int
    shift_register: int
    ff: int
    carry_bits: int
    carry8: int
    dsp: int
    bram36: float
    logic_levels: int
    cells: Mapping[str, int] = field(default_factory=dict)

    def times(self, copies: int) -> Utilization:
        """That of as many copies, side by side."""
        return Utilization(
            lut=copies * self.lut,
            shift_register=copies * self.shift_register,
            ff=copies * self.ff,
            carry_bits=copies * self.carry_bits,
            carry8=copies * self.carry8,
            dsp=copies * self.dsp,
            bram36=copies * self.bram36,
            logic_levels=self.logic_levels,
            cells={kind: copies * count for kind, count in self.cells.items()},
        )

    def plus(self, other: Utilization) -> Utilization:
        """That of both, side by side."""
        kinds = sorted({*self.cells, *other.cells})
        return Utilization(
            lut=self.lut + other.lut,
            shift_register=self.shift_register + other.shift_register,
            ff=self.ff + other.ff,
            carry_bits=self.carry_bits + other.carry_bits,
            carry8=self.carry8 + other.carry8,
            dsp=self.dsp + other.dsp,
            bram36=self.bram36 + other.bram36,
            logic_levels=max(self.logic_levels, other.logic_levels),
            cells={kind: self.cells.get(kind, 0) + other.cells.get(kind, 0) for kind in kinds},
        )


def utilization(netlist: Netlist) -> Utilization:
    """Count ``netlist``.

    Raises:
        ToolError: if combinational cells form a loop.
    """
    cells = Counter(cell.type for cell in netlist.cells)

    def total(kinds: frozenset[str]) -> int:
        return sum(cells[kind] for kind in kinds)

    shift_registers = total(SHIFT_REGISTERS)
    chains = _chain_bits(netlist)
    return Utilization(
        lut=total(_LUTS) + shift_registers + len(LETTERS) * total(LUTRAMS),
        shift_register=shift_registers,
        ff=total(FLIP_FLOPS),
        carry_bits=sum(chains),
        carry8=sum(-(-bits // 8) for bits in chains),
        dsp=total(_DSPS),
        bram36=total(_BRAM36) + total(_BRAM18) / 2,
        logic_levels=_logic_levels(netlist),
        cells=dict(sorted(cells.items())),
    )


def _chain_bits(netlist: Netlist) -> list[int]:
    """The used bits of each carry chain."""
    carries = [cell for cell in netlist.cells if cell.type in CARRIES]
    read = {net for cell in netlist.cells for bits in cell.inputs.values() for net in bits}
    read |= {net for bits in netlist.outputs.values() for net in bits}
    following = {cell.inputs["CI"][0]: cell for cell in carries if cell.inputs["CI"][0] > HIGH}
    inner = {cell.outputs["CO"][-1] for cell in carries} & following.keys()
    chains = []
    for cell in carries:
        if cell.inputs["CI"][0] in inner:
            continue
        bits, last = 0, cell
        while last.outputs["CO"][-1] in inner:
            bits += len(last.outputs["CO"])
            last = following[last.outputs["CO"][-1]]
        chains.append(bits + _used_bits(last, read))
    return chains


def _used_bits(cell: Cell, read: set[int]) -> int:
    pairs = zip(cell.outputs.get("O", cell.outputs["CO"]), cell.outputs["CO"], strict=True)
    return max((k + 1 for k, pair in enumerate(pairs) if any(net in read for net in pair)), default=0)


def _is_register(cell: Cell) -> bool:
    return cell.type in FLIP_FLOPS or cell.type in SHIFT_REGISTERS or cell.type in BLOCK_MEMORIES


def is_stored(cell: Cell, pin: str) -> bool:
    """Whether what comes to a pin is stored at the next edge; where a LUT that is memory is read is not."""
    return _is_register(cell) or is_written(cell, pin)


def _reads_all(_: Cell, __: str) -> bool:
    return False


def topological(cells: tuple[Cell, ...], stores: Callable[[Cell, str], bool] = _reads_all) -> list[Cell]:
    """``cells`` in an order in which each comes after those that drive it.

    Args:
        stores: whether what comes to a pin of a cell is stored there, so that its driver may come later.

    Raises:
        ToolError: if there is no such order.
    """
    drivers = {net: k for k, cell in enumerate(cells) for bits in cell.outputs.values() for net in bits if net > HIGH}
    readers: list[list[int]] = [[] for _ in cells]
    waiting = [0] * len(cells)
    for k, cell in enumerate(cells):
        read = [bits for pin, bits in cell.inputs.items() if not stores(cell, pin)]
        sources = {drivers[net] for bits in read for net in bits if net in drivers}
        waiting[k] = len(sources)
        for source in sources:
            readers[source].append(k)
    ready = [k for k, count in enumerate(waiting) if not count]
    for k in ready:
        for reader in readers[k]:
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    if len(ready) != len(cells):
        stuck = next(cell for cell, count in zip(cells, waiting, strict=True) if count)
        raise ToolError(f"netlist: cell {stuck.name!r} ({stuck.type}) lies on or behind a loop; a pipeline has none")
    return [cells[k] for k in ready]


def _read_by(cell: Cell, output: str) -> list[int]:
    """The nets that an output of ``cell`` depends on."""
    if cell.type in LUTRAMS:
        return [net for pin, bits in cell.inputs.items() if not is_written(cell, pin) for net in bits]
    if cell.type != "LUT6_2":
        return [net for bits in cell.inputs.values() for net in bits]
    return [cell.inputs[pin][0] for pin in _pins_read(cell.parameters["INIT"], 6 if output == "O6" else 5)]


@lru_cache(maxsize=256)
def _pins_read(init: str, size: int) -> tuple[str, ...]:
    """The inputs that one output of a LUT6_2 depends on.

    The sum of a three-input adder reads the carry that is saved beside it; the carry that it saves itself does not.
    """
    table = int(init, 2) & ((1 << (1 << size)) - 1)
    return tuple(
        f"I{k}" for k in range(size) if any((table >> row ^ table >> (row ^ 1 << k)) & 1 for row in range(1 << size))
    )


def _logic_levels(netlist: Netlist) -> int:
    level: dict[int, int] = {}
    for cell in topological(netlist.cells, is_stored):
        for output, bits in cell.outputs.items():
            own = 0
            if cell.type in CARRIES:
                entering = [net for pin, nets in cell.inputs.items() if pin != "CI" for net in nets]
                own = max(1 + max(level.get(net, 0) for net in entering), level.get(cell.inputs["CI"][0], 0))
            elif not _is_register(cell):
                own = 1 + max((level.get(net, 0) for net in _read_by(cell, output)), default=0)
            level.update(dict.fromkeys(bits, own))
    return max(level.values(), default=0)
