"""Large tables of constants, mapped to LUT6 and MUXF7/8 without Yosys' own mapping, which takes each of them apart bit by bit.

Runs inside the process of ``yosys_worker``, between two commands of its script. What it makes is proven like any netlist.
"""

from __future__ import annotations

import re
from typing import Any

LEAST_BITS = 1 << 15
"""Of all tables of a module; with fewer Yosys' mapping takes a moment, and shares what tables have in common."""

_LUT_BITS, _BLOCK_BITS = 6, 8


_TABLE = re.compile(r"^ *wire \[\d+:0\] \w+ = \d+'b([01]+);$", re.MULTILINE)


def has_tables(text: str) -> bool:
    """Whether the Verilog of a module holds tables of so many bits."""
    return len(text) > LEAST_BITS and sum(map(len, _TABLE.findall(text))) >= LEAST_BITS


def map_tables(libyosys: Any, design: Any) -> int:  # noqa: ANN401 - an untyped library
    """Replace the selections of a bit from a constant in the modules of ``design``; how many there were."""
    count = 0
    for module in design.selected_modules():
        maker = _Maker(libyosys, module)
        for cell in module.selected_cells():
            if _is_table(libyosys, cell):
                maker.replace(cell)
                count += 1
    return count


def _is_table(libyosys: Any, cell: Any) -> bool:  # noqa: ANN401
    """Whether ``cell`` picks one bit of a constant, by a number that reaches each of them and none beyond."""
    if cell.type.str() != "$shiftx":
        return False
    bits, number = (cell.getPort(libyosys.IdString(port)) for port in ("\\A", "\\B"))
    signed = cell.getParam(libyosys.IdString("\\B_SIGNED")).as_bool()
    one = cell.getPort(libyosys.IdString("\\Y")).size() == 1
    return one and not signed and bits.is_fully_def() and bits.size() == 1 << number.size()


class _Maker:
    """Makes cells in a module; what is the same is made one time."""

    def __init__(self, libyosys: Any, module: Any) -> None:  # noqa: ANN401
        self._yosys, self._module = libyosys, module
        self._made: dict[tuple[str, str], Any] = {}
        self._count = 0

    def replace(self, cell: Any) -> None:  # noqa: ANN401
        """LUTs in the place of ``cell``."""
        port = self._yosys.IdString
        bits = cell.getPort(port("\\A")).as_const().as_string()[::-1]
        number, result = cell.getPort(port("\\B")), cell.getPort(port("\\Y"))
        self._module.remove(cell)
        self._module.connect(result, self._table(bits, number))

    def _table(self, bits: str, number: Any) -> Any:  # noqa: ANN401
        """The signal that is bit ``number`` of ``bits``, the first one lowest."""
        if len(set(bits)) == 1:
            return self._yosys.SigSpec(self._yosys.Const.from_string(bits[0]))
        key = (bits, str(number.as_string() if number.is_fully_const() else number))
        if key not in self._made:
            self._made[key] = self._make(bits, number)
        return self._made[key]

    def _make(self, bits: str, number: Any) -> Any:  # noqa: ANN401
        result = self._wire()
        size = number.size()
        if size <= _LUT_BITS:
            self._cell(f"LUT{size}", [(f"I{k}", number.extract(k, 1)) for k in range(size)], result).setParam(
                self._yosys.IdString("\\INIT"), self._yosys.Const.from_string(bits[::-1])
            )
            return result
        half, below, top = len(bits) // 2, number.extract(0, size - 1), number.extract(size - 1, 1)
        parts = [self._table(part, below) for part in (bits[:half], bits[half:])]
        if size <= _BLOCK_BITS and not any(part.is_fully_const() for part in parts):
            self._cell(f"MUXF{size}", [("I0", parts[0]), ("I1", parts[1]), ("S", top)], result)
        else:
            self._module.addMux(self._name(), *parts, top, result)
        return result

    def _cell(self, kind: str, pins: list[tuple[str, Any]], result: Any) -> Any:  # noqa: ANN401
        """A cell of the library whose output ``O`` is ``result``."""
        cell = self._module.addCell(self._name(), self._yosys.IdString(f"\\{kind}"))
        for port, signal in (*pins, ("O", result)):
            cell.setPort(self._yosys.IdString(f"\\{port}"), signal)
        return cell

    def _wire(self) -> Any:  # noqa: ANN401
        return self._yosys.SigSpec(self._module.addWire(self._name(), 1))

    def _name(self) -> Any:  # noqa: ANN401
        self._count += 1
        return self._yosys.IdString(f"$tables${self._count}")
