"""A netlist as a straight-line program on bit vectors: all clock cycles of a run at once.

A pipeline has no feedback, so its registers need no clocking one cycle at a time: a register delays the whole history of a
net by one cycle. Cells are grouped by depth and type, and NumPy evaluates each group in one go, 64 cycles a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ToolError
from bittrigger.simulate.simulators.cells import EVALUATORS, ONES, Cells, Words, parameter
from bittrigger.synth.count import LUTRAMS, SHIFT_REGISTERS, topological
from bittrigger.synth.memory import BLOCK_MEMORIES, is_plain
from bittrigger.synth.netlist import HIGH, LOW, Cell, Netlist

_CLOCK_PINS = frozenset({"C", "CLK", "WCLK"})

NetArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Cells of one type and depth, and the nets on their pins, `(cells,)` for each bit of a pin."""

    type: str
    cells: list[Cell]
    inputs: dict[str, list[NetArray]]
    outputs: dict[str, list[NetArray]]


class Program:
    """An executable netlist.

    Raises:
        ToolError: if the netlist has feedback, a cell of unknown type, or a register that the clock does not drive.
    """

    def __init__(self, netlist: Netlist, clock: str = "clk") -> None:
        self.netlist = netlist
        clock_net = netlist.inputs[clock][0]
        for cell in netlist.cells:
            check_cell(cell, clock_net)
        self._groups = groups_of(topological(netlist.cells))

    def run(self, ports: dict[str, Words]) -> dict[str, Words]:
        """The values of the output ports, `(bits, words)`, for those of the input ports, the clock left out.

        Bit ``t`` of a row is the value in cycle ``t``; registers start with their INIT.
        """
        words = next(iter(ports.values())).shape[1]
        values = np.zeros((self.netlist.n_nets, words), dtype=np.uint64)
        values[HIGH] = ONES
        for port, bits in self.netlist.inputs.items():
            if port in ports:
                values[list(bits)] = ports[port]
        evaluate(self._groups, values)
        return {port: values[list(bits)] for port, bits in self.netlist.outputs.items()}


def evaluate(groups: Sequence[Group], values: Words) -> None:
    """Give the nets that ``groups`` drive, in this order, their values in ``values``."""
    for group in groups:
        pins = {pin: [values[nets] for nets in bits] for pin, bits in group.inputs.items()}
        results = EVALUATORS[group.type](group.cells, pins)
        for pin, driven in group.outputs.items():
            for nets, result in zip(driven, results[pin], strict=True):
                values[nets] = result
        values[LOW] = 0  # where pins that are not connected leave their results


def has_feedback(netlist: Netlist) -> bool:
    """Whether a value depends on itself, of an earlier cycle or not."""
    try:
        topological(netlist.cells)
    except ToolError:
        return True
    return False


def check_cell(cell: Cell, clock: int) -> None:
    """Check that a cell is known and, if it is a register, clocked by net ``clock``.

    Raises:
        ToolError: if it is not.
    """
    if cell.type not in EVALUATORS and cell.type not in LUTRAMS | BLOCK_MEMORIES:
        known = ", ".join(sorted({*EVALUATORS, *LUTRAMS, *BLOCK_MEMORIES}))
        raise ToolError(
            f"netlist: cell {cell.name!r} is a {cell.type}; the gate-level executor knows {known}; "
            "use the executor rtl for this design"
        )
    for pin in _CLOCK_PINS & cell.inputs.keys():
        if cell.inputs[pin][0] != clock or parameter(cell, f"IS_{pin}_INVERTED", 1):
            raise ToolError(f"netlist: register {cell.name!r} is not clocked by the rising edge of the port")
    if cell.type in LUTRAMS | BLOCK_MEMORIES and not is_plain(cell, clock):
        raise ToolError(f"netlist: memory {cell.name!r} has another clock, or is used in another way")
    if cell.type in SHIFT_REGISTERS and cell.inputs["CE"] != (HIGH,):
        raise ToolError(f"netlist: shift register {cell.name!r} can be halted; a pipeline has no stall")


def groups_of(order: list[Cell], stores: Callable[[Cell, str], bool] = lambda *_: False) -> list[Group]:
    """Cells, each after those that it reads, as groups of one type and depth, in an order in which they can be evaluated.

    Args:
        stores: as for ``topological``.
    """
    depth: dict[int, int] = {}
    members: dict[tuple[int, str], list[Cell]] = defaultdict(list)
    for cell in order:
        read = (bits for pin, bits in cell.inputs.items() if not stores(cell, pin))
        own = 1 + max((depth.get(net, 0) for bits in read for net in bits), default=0)
        members[own, cell.type].append(cell)
        for bits in cell.outputs.values():
            depth.update(dict.fromkeys(bits, own))
    return [_group(kind, cells) for (_, kind), cells in sorted(members.items(), key=lambda item: item[0])]


def _group(kind: str, cells: list[Cell]) -> Group:
    inputs = {pin for cell in cells for pin in cell.inputs} - _CLOCK_PINS
    outputs = {pin for cell in cells for pin in cell.outputs}
    return Group(
        kind,
        Cells(cells),
        {pin: _nets([cell.inputs.get(pin) for cell in cells], LOW) for pin in sorted(inputs)},
        {pin: _nets([cell.outputs.get(pin) for cell in cells], LOW) for pin in sorted(outputs)},
    )


def _nets(pins: list[tuple[int, ...] | None], absent: int) -> list[NetArray]:
    width = max(len(bits) for bits in pins if bits is not None)
    rows = [bits if bits is not None else (absent,) * width for bits in pins]
    return list(np.array(rows, dtype=np.int64).T)
