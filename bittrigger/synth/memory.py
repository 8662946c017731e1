"""Cells that are memories: which nets write and read each bit of their words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bittrigger.synth.netlist import Bits, Cell

LETTERS = "ABCDEFGH"
"""Of the eight LUTs of a memory; all are written at the address of the last one."""

LUT_MEMORIES = {"RAM32M16": 2, "RAM64M8": 1}
"""LUTs of SLICEM, eight a cell, and the bits of a word in each."""

MEMORIES = frozenset({*LUT_MEMORIES, "$mem_v2"})
"""Cells that are memories, of the netlist and of Verilog as Yosys reads it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One bit of every word of a memory: at a rising edge the one at ``to`` becomes ``d`` where ``write`` is high.

    Attributes:
        at: where it is read.
        q: what is read there, in the same cycle; None where nothing takes it.
    """

    write: int
    to: Bits
    d: int
    at: Bits
    q: int | None


def stored_in(cell: Cell) -> list[Stored]:
    """The bits of the words of a memory, in a fixed order."""
    return list(_of_verilog(cell) if cell.type == "$mem_v2" else _of_luts(cell, LUT_MEMORIES[cell.type]))


def is_written(cell: Cell, pin: str) -> bool:
    """Whether what comes to a pin of a memory in LUTs is taken at the next edge; the address at which it is read is not."""
    return cell.type in LUT_MEMORIES and (not pin.startswith("ADDR") or pin.endswith(LETTERS[-1]))


def _of_luts(cell: Cell, each: int) -> Iterator[Stored]:
    (write,), to = cell.inputs["WE"], cell.inputs[f"ADDR{LETTERS[-1]}"]
    for letter in LETTERS:
        q = cell.outputs.get(f"DO{letter}") or (None,) * each
        for k in range(each):
            yield Stored(write, to, cell.inputs[f"DI{letter}"][k], cell.inputs[f"ADDR{letter}"], q[k])


def _of_verilog(cell: Cell) -> Iterator[Stored]:
    """Of a memory with one port that writes, and one that reads at once."""
    wires = zip(cell.inputs["WR_EN"], cell.inputs["WR_DATA"], cell.outputs["RD_DATA"], strict=True)
    for write, d, q in wires:
        yield Stored(write, cell.inputs["WR_ADDR"], d, cell.inputs["RD_ADDR"], q)


def clocks_of(cell: Cell) -> list[Bits]:
    """The clock of each port that writes, by its rising edge; an empty one where it is another kind of port."""
    if cell.type != "$mem_v2":
        return [cell.inputs["WCLK"]]
    numbers = {
        name: int(cell.parameters[name].replace("x", "0"), 2)
        for name in ("RD_PORTS", "WR_PORTS", "OFFSET", "RD_CLK_ENABLE")
    }
    plain = numbers == {"RD_PORTS": 1, "WR_PORTS": 1, "OFFSET": 0, "RD_CLK_ENABLE": 0}
    whole = int(cell.parameters["SIZE"], 2) == 1 << int(cell.parameters["ABITS"], 2) and len(cell.inputs["WR_CLK"]) == 1
    rising = cell.parameters["WR_CLK_ENABLE"] == cell.parameters["WR_CLK_POLARITY"] == "1"
    return [cell.inputs["WR_CLK"] if plain and whole and rising else ()]
