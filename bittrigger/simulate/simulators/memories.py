"""Memories of a netlist that is clocked one cycle at a time: what each word holds, in many runs side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from bittrigger.simulate.simulators.cells import ONES, Words
from bittrigger.synth.count import FLIP_FLOPS
from bittrigger.synth.memory import is_written, stored_in
from bittrigger.synth.netlist import HIGH, LOW, Cell, Netlist


def loading_cells(netlist: Netlist) -> frozenset[str]:
    """The cells that decide what is written to memories, and to registers that keep numbers: no operand code reaches these."""
    readers: dict[int, list[Cell]] = defaultdict(list)
    makers: dict[int, Cell] = {}
    for cell in netlist.cells:
        for bits in cell.inputs.values():
            for net in bits:
                readers[net].append(cell)
        makers.update((net, cell) for bits in cell.outputs.values() for net in bits)
    driven = {cell.name: [net for bits in cell.outputs.values() for net in bits] for cell in netlist.cells}
    codes = _spread(
        netlist.inputs.get("in_data", ()), lambda net: (n for cell in readers[net] for n in driven[cell.name])
    )
    keeping = [cell for cell in netlist.cells if cell.type in FLIP_FLOPS and cell.inputs["CE"] != (HIGH,)]
    kept = [cell for cell in keeping if cell.outputs["Q"][0] not in codes]
    wanted = [net for cell in kept for bits in (*cell.inputs.values(), cell.outputs["Q"]) for net in bits]
    wanted += [net for c in netlist.cells for pin, bits in c.inputs.items() if is_written(c, pin) for net in bits]
    needed = _spread(wanted, lambda net: (n for b in makers[net].inputs.values() for n in b) if net in makers else ())
    return frozenset(makers[net].name for net in needed if net in makers)


def _spread(nets: Iterable[int], following: Callable[[int], Iterable[int]]) -> set[int]:
    """All nets that are reached from ``nets``."""
    found, pending = set(nets), list(nets)
    while pending:
        new = set(following(pending.pop())) - found
        found |= new
        pending += new
    return found


class Memories:
    """Memories of one kind, bit by bit of their words; all hold 0 after configuration.

    Attributes:
        q: the nets that take what is read, one a bit.

    Args:
        cells: with as many places each.
    """

    def __init__(self, cells: list[Cell]) -> None:
        bits = [bit for cell in cells for bit in stored_in(cell) if bit.q is not None]
        self._write, self._d = (
            np.array(nets, dtype=np.int64) for nets in ([b.write for b in bits], [b.d for b in bits])
        )
        self._to, self._at = (np.array(nets, dtype=np.int64).T for nets in ([b.to for b in bits], [b.at for b in bits]))
        self.q = np.array([bit.q or LOW for bit in bits], dtype=np.int64)
        self._addresses, self._own = np.unique(self._at, axis=1, return_inverse=True)

    def empty(self, words: int) -> npt.NDArray[np.uint64]:
        """What they hold after configuration, `(bits, places, words)`: bit ``r`` of the words is that of run ``r``."""
        return np.zeros((len(self.q), 1 << len(self._at), words), dtype=np.uint64)

    def read(self, values: Words, held: npt.NDArray[np.uint64]) -> None:
        """Give the nets that they drive their values."""
        chosen = values[self._addresses]
        first = chosen[:, :, :1] & np.uint64(1)
        if (chosen == first * ONES).all():  # all runs read the same places
            places = (first[:, :, 0].T.astype(np.int64) << np.arange(len(chosen))).sum(axis=1)
            values[self.q] = held[np.arange(len(self.q)), places[self._own]]
            return
        table = held
        for nets in self._at:
            table = table[:, ::2] ^ ((table[:, ::2] ^ table[:, 1::2]) & values[nets][:, None])
        values[self.q] = table[:, 0]

    def clock(self, values: Words, held: npt.NDArray[np.uint64]) -> None:
        """A rising edge: words at the places that are written become what is written."""
        rows = np.flatnonzero(values[self._write].any(axis=1))
        if not rows.size:
            return
        hit = values[self._write[rows]][:, None]
        for nets in self._to[::-1]:
            chosen = values[nets[rows]][:, None]
            hit = np.stack([hit & ~chosen, hit & chosen], axis=2).reshape(len(rows), -1, hit.shape[2])
        held[rows] ^= (held[rows] ^ values[self._d[rows]][:, None]) & hit
