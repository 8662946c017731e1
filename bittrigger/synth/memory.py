"""Cells that are memories: which nets write and read each bit of their words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bittrigger.synth.netlist import HIGH, LOW, Bits, Cell

LETTERS = "ABCDEFGH"
"""Of the eight LUTs of a memory; all are written at the address of the last one."""

LUT_MEMORIES = {"RAM32M16": 2, "RAM64M8": 1}
"""LUTs of SLICEM, eight a cell, and the bits of a word in each."""

BLOCK_MEMORIES = frozenset({"RAMB18E2"})
"""Block RAM: as a simple dual port of 512 words of 32 bits, read through its output register."""

BLOCK_CYCLES = 2
"""Edges from the cycle in which a place of a block RAM is read to that in which its word comes out."""

MEMORIES = frozenset({*LUT_MEMORIES, *BLOCK_MEMORIES, "$mem_v2"})
"""Cells that are memories, of the netlist and of Verilog as Yosys reads it."""

_HALVES = (("DINADIN", "DOUTADOUT"), ("DINBDIN", "DOUTBDOUT"))
_ONES = ("ENARDEN", "ENBWREN", "ADDRENA", "ADDRENB", "REGCEAREGCE", "REGCEB")
_ZEROS = ("RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG", "RSTREGB", "SLEEP", "WEA")
_FREE = 5
"""Lowest bits of an address that a word of 36 bits leaves free."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One bit of every word of a memory: at a rising edge the one at ``to`` becomes ``d`` where ``write`` is high.

    Attributes:
        at: where it is read.
        q: what is read there, in the same cycle, or in a block RAM ``BLOCK_CYCLES`` later; None where nothing takes it.
    """

    write: int
    to: Bits
    d: int
    at: Bits
    q: int | None


def stored_in(cell: Cell) -> list[Stored]:
    """The bits of the words of a memory, in a fixed order."""
    if cell.type in BLOCK_MEMORIES:
        return list(_of_block(cell))
    return list(_of_verilog(cell) if cell.type == "$mem_v2" else _of_luts(cell, LUT_MEMORIES[cell.type]))


def is_written(cell: Cell, pin: str) -> bool:
    """Whether what comes to a pin of a memory is taken at the next edge; the address at which LUTs are read is not."""
    return cell.type in BLOCK_MEMORIES or (
        cell.type in LUT_MEMORIES and (not pin.startswith("ADDR") or pin.endswith(LETTERS[-1]))
    )


def _of_luts(cell: Cell, each: int) -> Iterator[Stored]:
    (write,), to = cell.inputs["WE"], cell.inputs[f"ADDR{LETTERS[-1]}"]
    for letter in LETTERS:
        q = cell.outputs.get(f"DO{letter}") or (None,) * each
        for k in range(each):
            yield Stored(write, to, cell.inputs[f"DI{letter}"][k], cell.inputs[f"ADDR{letter}"], q[k])


def _of_block(cell: Cell) -> Iterator[Stored]:
    to, at = cell.inputs["ADDRBWRADDR"][_FREE:], cell.inputs["ADDRARDADDR"][_FREE:]
    for taken, given in _HALVES:
        q = cell.outputs.get(given) or (None,) * len(cell.inputs[taken])
        for d, net in zip(cell.inputs[taken], q, strict=True):
            yield Stored(cell.inputs["WEBWE"][0], to, d, at, net)


def _of_verilog(cell: Cell) -> Iterator[Stored]:
    """Of a memory with one port that writes, and one that reads at once."""
    wires = zip(cell.inputs["WR_EN"], cell.inputs["WR_DATA"], cell.outputs["RD_DATA"], strict=True)
    for write, d, q in wires:
        yield Stored(write, cell.inputs["WR_ADDR"], d, cell.inputs["RD_ADDR"], q)


def is_plain(cell: Cell, clock: int) -> bool:
    """Whether a memory is one that ``stored_in`` describes, clocked by the rising edge of ``clock``."""
    if cell.type in LUT_MEMORIES:
        return cell.inputs.get("WCLK") == (clock,)
    if cell.type in BLOCK_MEMORIES:
        clocked = cell.inputs.get("CLKARDCLK") == cell.inputs.get("CLKBWRCLK") == (clock,)
        ones = all(cell.inputs.get(pin) == (HIGH,) for pin in _ONES) and len(set(cell.inputs.get("WEBWE", ()))) == 1
        return clocked and ones and not any(net != LOW for pin in _ZEROS for net in cell.inputs.get(pin, (HIGH,)))
    numbers = ("RD_PORTS", "WR_PORTS", "OFFSET", "RD_CLK_ENABLE", "WR_CLK_ENABLE", "WR_CLK_POLARITY")
    found = [int(cell.parameters[name].replace("x", "0"), 2) for name in numbers]
    whole = int(cell.parameters["SIZE"], 2) == 1 << int(cell.parameters["ABITS"], 2)
    return found == [1, 1, 0, 0, 1, 1] and whole and cell.inputs["WR_CLK"] == (clock,)
