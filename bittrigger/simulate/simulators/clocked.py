"""A netlist with feedback, clocked one cycle at a time: many runs side by side, 64 in a word.

Counters and accumulators need the cycle before; what is vectorised is then not time, as in ``program``, but independent runs from
power-up. Cells, and what they mean, are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ToolError
from bittrigger.simulate.simulators.cells import ONES, Words
from bittrigger.simulate.simulators.memories import Memories, loading_cells
from bittrigger.simulate.simulators.program import Group, NetArray, check_cell, evaluate, groups_of
from bittrigger.synth.count import FLIP_FLOPS, LUTRAMS, SHIFT_REGISTERS, is_stored, topological
from bittrigger.synth.memory import BLOCK_CYCLES, BLOCK_MEMORIES
from bittrigger.synth.netlist import HIGH, Cell, Netlist

_STORES = FLIP_FLOPS | SHIFT_REGISTERS | BLOCK_MEMORIES


@dataclass(frozen=True)
class _FlipFlops:
    """Registers that hold 0 after configuration, as arrays of nets, `(registers,)`."""

    d: NetArray
    q: NetArray
    enable: NetArray
    reset: NetArray


@dataclass(frozen=True)
class _Line:
    """Shift registers of one length, always enabled."""

    length: int
    d: NetArray
    q: NetArray


class Clocked:
    """An executable netlist that may have feedback through registers.

    Raises:
        ToolError: if it has feedback without a register, a cell of unknown type, or a register that the clock does not drive.
    """

    def __init__(self, netlist: Netlist, clock: str = "clk") -> None:
        self.netlist = netlist
        for cell in netlist.cells:
            check_cell(cell, netlist.inputs[clock][0])
        order = [cell for cell in topological(netlist.cells, is_stored) if cell.type not in _STORES]
        self._parts = _parts(groups_of(order, is_stored))
        flip_flops = [cell for cell in netlist.cells if cell.type in FLIP_FLOPS]
        self._registers = _flip_flops(flip_flops)
        loads = loading_cells(netlist)
        self._loading = groups_of([cell for cell in order if cell.name in loads and cell.type not in LUTRAMS])
        self._loaded = _flip_flops([cell for cell in flip_flops if cell.name in loads])
        self._lines = list(_lines([cell for cell in netlist.cells if cell.type in SHIFT_REGISTERS]))
        blocks = [cell for cell in netlist.cells if cell.type in BLOCK_MEMORIES]
        self._n_nets = netlist.n_nets
        if blocks:  # what is read goes to nets of its own, and comes out later
            memory = Memories(blocks)
            own = netlist.n_nets + np.arange(memory.q.size)
            self._lines.append(_Line(BLOCK_CYCLES, own, memory.q))
            memory.q, self._n_nets = own, netlist.n_nets + own.size
            self._parts.append(([], memory))

    def run(
        self, ports: Mapping[str, npt.NDArray[np.uint64]], loads: Mapping[str, npt.NDArray[np.uint8]] | None = None
    ) -> dict[str, npt.NDArray[np.uint64]]:
        """The values of the output ports, `(cycles, bits, words)`, for those of the input ports, the clock left out.

        Bit ``r`` of the words is the value in run ``r``.

        Args:
            loads: the input ports before that, `(cycles, bits)`, while numbers are written and no event comes, the same in all
                runs; all that is not written then stands still.
        """
        cycles, _, words = next(iter(ports.values())).shape
        values = np.zeros((self._n_nets, words), dtype=np.uint64)
        values[HIGH] = ONES
        found = {port: np.empty((cycles, len(bits), words), np.uint64) for port, bits in self.netlist.outputs.items()}
        memories = [(memory, memory.empty(words)) for _, memory in self._parts if memory is not None]
        pasts = [np.zeros((line.length, line.q.size, words), dtype=np.uint64) for line in self._lines]
        before = len(next(iter(loads.values()))) if loads else 0
        for cycle in range(before):
            self._drive(values, {port: bits[cycle, :, None] * ONES for port, bits in (loads or {}).items()})
            evaluate(self._loading, values)
            self._clock(self._loaded, values, (memories, pasts), cycle)
        for cycle in range(before, before + cycles):
            self._drive(values, {port: bits[cycle - before] for port, bits in ports.items()})
            self._evaluate(values, iter(memories))
            for port, bits in self.netlist.outputs.items():
                found[port][cycle - before] = values[list(bits)]
            self._clock(self._registers, values, (memories, pasts), cycle)
        return found

    def _drive(self, values: Words, given: Mapping[str, npt.NDArray[np.uint64]]) -> None:
        """The values of input ports; those that are not given are 0."""
        for port, bits in self.netlist.inputs.items():
            values[list(bits)] = given.get(port, 0)

    def _evaluate(self, values: Words, memories: Iterator[tuple[Memories, npt.NDArray[np.uint64]]]) -> None:
        """The values of all nets in a cycle, those of registers and ports being there."""
        for groups, memory in self._parts:
            if memory is None:
                evaluate(groups, values)
            else:
                memory.read(values, next(memories)[1])

    def _clock(
        self, flops: _FlipFlops, values: Words, held: tuple[list[tuple[Memories, Words]], list[Words]], cycle: int
    ) -> None:
        """A rising edge: ``values`` of registers become those of the next cycle.

        Args:
            held: what memories hold, and what shift registers do.
        """
        memories, pasts = held
        for memory, words in memories:
            memory.clock(values, words)
        enable = values[flops.enable]
        after = ((values[flops.d] & enable) | (values[flops.q] & ~enable)) & ~values[flops.reset]
        for line, past in zip(self._lines, pasts, strict=True):
            past[cycle % line.length] = values[line.d]
        values[flops.q] = after
        for line, past in zip(self._lines, pasts, strict=True):
            values[line.q] = past[(cycle + 1) % line.length]


def _parts(groups: list[Group]) -> list[tuple[list[Group], Memories | None]]:
    """Groups that are evaluated one after the other, or memories of one depth, which are read together."""
    found: list[tuple[list[Group], Memories | None]] = []
    for group in groups:
        if group.type in LUTRAMS:
            found.append(([], Memories(group.cells)))
        elif found and found[-1][1] is None:
            found[-1][0].append(group)
        else:
            found.append(([group], None))
    return found


def _flip_flops(cells: list[Cell]) -> _FlipFlops:
    for cell in cells:
        if cell.type != "FDRE" or any(int(value, 2) for value in cell.parameters.values()):
            raise ToolError(f"netlist: register {cell.name!r} ({cell.type}) is no FDRE that starts at 0")
    pins = [np.array([cell.inputs[pin][0] for cell in cells], dtype=np.int64) for pin in ("D", "CE", "R")]
    q = np.array([cell.outputs["Q"][0] for cell in cells], dtype=np.int64)
    return _FlipFlops(pins[0], q, pins[1], pins[2])


def _lines(cells: list[Cell]) -> Iterator[_Line]:
    taps: dict[int, list[tuple[int, int]]] = {}
    for cell in cells:
        address = cell.inputs["A"] if "A" in cell.inputs else tuple(cell.inputs[f"A{k}"][0] for k in range(4))
        if any(net > HIGH for net in address):
            raise ToolError(f"netlist: shift register {cell.name!r} has a variable length")
        d = cell.inputs["D"][0]
        if cell.outputs.get("Q"):
            taps.setdefault(1 + sum(bit << k for k, bit in enumerate(address)), []).append((d, cell.outputs["Q"][0]))
        if cell.outputs.get("Q31"):
            taps.setdefault(32, []).append((d, cell.outputs["Q31"][0]))
    for length, pairs in sorted(taps.items()):
        nets = np.array(pairs, dtype=np.int64)
        yield _Line(length, nets[:, 0], nets[:, 1])
