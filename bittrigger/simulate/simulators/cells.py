"""UltraScale+ cells on bit vectors: what each output is, for many cells of one type at a time.

Values are arrays of uint64 words `(cells, words)`; bit ``t`` of a row is the value of the net in clock cycle ``t``. The
semantics are those of Yosys' ``xilinx/cells_sim.v``; the tests compare each cell with that file, in a real simulator,
over all its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bittrigger.synth.netlist import Cell

Words = npt.NDArray[np.uint64]
Pins = Mapping[str, list[Words]]
"""For each pin of a cell type the values of its bits, lowest first, each `(cells, words)`."""

Evaluator = Callable[[list[Cell], Pins], dict[str, list[Words]]]
"""The values of the output bits of many cells of one type, given those of their inputs."""

ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def _masks(bits: npt.NDArray[np.bool_]) -> Words:
    """`(cells, 1)` words, all ones where a bit is set."""
    return np.where(bits, ONES, np.uint64(0)).astype(np.uint64)[:, None]


def parameter(cell: Cell, name: str, width: int, default: int = 0) -> int:
    """A numeric parameter of ``cell``; undefined digits are 0."""
    text = cell.parameters.get(name)
    if text is None:
        return default
    return int(text.strip().replace("x", "0").replace("z", "0") or "0", 2) & ((1 << width) - 1)


class Cells(list[Cell]):
    """Cells that are evaluated again and again, with what their parameters say."""

    @cached_property
    def entries(self) -> list[Words]:
        """The entries of their look-up tables, lowest first."""
        inits = np.array([parameter(cell, "INIT", 64) for cell in self], dtype=np.uint64)
        return [_masks((inits >> np.uint64(k) & np.uint64(1)).astype(np.bool_)) for k in range(64)]


def _table(cells: list[Cell], n_inputs: int) -> list[Words]:
    known = cells if isinstance(cells, Cells) else Cells(cells)
    return known.entries[: 1 << n_inputs]


def _select(table: list[Words], inputs: list[Words]) -> Words:
    """The entry of ``table`` that ``inputs`` address, as a tree of multiplexers."""
    for value in inputs:
        table = [low ^ ((low ^ high) & value) for low, high in zip(table[::2], table[1::2], strict=True)]
    return table[0]


def _lut(n_inputs: int) -> Evaluator:
    def evaluate(cells: list[Cell], pins: Pins) -> dict[str, list[Words]]:
        inputs = [pins[f"I{k}"][0] for k in range(n_inputs)]
        return {"O": [_select(_table(cells, n_inputs), inputs)]}

    return evaluate


def _lut6_2(cells: list[Cell], pins: Pins) -> dict[str, list[Words]]:
    inputs = [pins[f"I{k}"][0] for k in range(6)]
    return {"O6": [_select(_table(cells, 6), inputs)], "O5": [_select(_table(cells, 5), inputs[:5])]}


def _inverter(_: list[Cell], pins: Pins) -> dict[str, list[Words]]:
    return {"O": [~pins["I"][0]]}


def _mux(_: list[Cell], pins: Pins) -> dict[str, list[Words]]:
    low, high, choice = (pins[pin][0] for pin in ("I0", "I1", "S"))
    return {"O": [low ^ ((low ^ high) & choice)]}


def _carry(carry: Words, data: list[Words], propagate: list[Words]) -> tuple[list[Words], list[Words]]:
    sums, carries = [], []
    for bit, choice in zip(data, propagate, strict=True):
        sums.append(choice ^ carry)
        carry = bit ^ ((bit ^ carry) & choice)
        carries.append(carry)
    return sums, carries


def _carry4(_: list[Cell], pins: Pins) -> dict[str, list[Words]]:
    sums, carries = _carry(pins["CI"][0] | pins["CYINIT"][0], pins["DI"], pins["S"])
    return {"O": sums, "CO": carries}


def _carry8(cells: list[Cell], pins: Pins) -> dict[str, list[Words]]:
    dual = _masks(np.array([cell.parameters.get("CARRY_TYPE", "").strip() == "DUAL_CY4" for cell in cells]))
    low = _carry(pins["CI"][0], pins["DI"][:4], pins["S"][:4])
    middle = low[1][3] ^ ((low[1][3] ^ pins["CI_TOP"][0]) & dual)
    high = _carry(middle, pins["DI"][4:], pins["S"][4:])
    return {"O": low[0] + high[0], "CO": low[1] + high[1]}


def later(values: Words, cycles: int, first: Words) -> Words:
    """``values`` delayed by ``cycles`` (1 to 63) clock cycles; the cycles before take ``first``, `(rows, 1)` masks."""
    up, down = np.uint64(cycles), np.uint64(64 - cycles)
    result = values << up
    result[:, 1:] |= values[:, :-1] >> down
    result[:, 0] |= first[:, 0] >> down
    return result


def _bits(values: Words) -> npt.NDArray[np.bool_]:
    return np.unpackbits(values.view(np.uint8), axis=1, bitorder="little").astype(np.bool_)


def _hold(load: Words, data: Words, first: Words) -> Words:
    """A register that takes ``data`` in the cycles in which ``load`` is set and else keeps what it has."""
    if (load == ONES).all():
        return later(data, 1, first)
    loads, values = _bits(load), _bits(data)
    cycle = np.where(loads, np.arange(loads.shape[1]), -1)
    latest = np.maximum.accumulate(cycle, axis=1)
    kept = np.where(latest < 0, _bits(first)[:, :1], np.take_along_axis(values, np.maximum(latest, 0), axis=1))
    return later(np.packbits(kept, axis=1, bitorder="little").view(np.uint64), 1, first)


def _flip_flop(force: str, value: int) -> Evaluator:
    def evaluate(cells: list[Cell], pins: Pins) -> dict[str, list[Words]]:
        def inverted(pin: str) -> Words:
            return _masks(np.array([parameter(cell, f"IS_{pin}_INVERTED", 1) == 1 for cell in cells]))

        first = _masks(np.array([parameter(cell, "INIT", 1, value) == 1 for cell in cells]))
        forced = pins[force][0] ^ inverted(force)
        data = pins["D"][0] ^ inverted("D")
        data = data | forced if value else data & ~forced
        return {"Q": [_hold(forced | pins["CE"][0], data, first)]}

    return evaluate


def _shift_register(size: int, address: Callable[[Pins], list[Words]]) -> Evaluator:
    """A shift register that is always enabled: bit ``k`` is the data ``k + 1`` cycles later."""

    def evaluate(cells: list[Cell], pins: Pins) -> dict[str, list[Words]]:
        inits = [parameter(cell, "INIT", size) for cell in cells]
        # before the first cycle the register holds INIT, whose bit 0 is the newest
        past = np.array([[sum((init >> k & 1) << (63 - k) for k in range(size))] for init in inits], dtype=np.uint64)
        table = [later(pins["D"][0], k + 1, past) for k in range(size)]
        outputs = {"Q": [_select(table, address(pins))]}
        return outputs | {"Q31": [table[-1]]} if size == 32 else outputs

    return evaluate


EVALUATORS: Mapping[str, Evaluator] = {
    **{f"LUT{k}": _lut(k) for k in range(1, 7)},
    "LUT6_2": _lut6_2,
    "INV": _inverter,
    "MUXF7": _mux,
    "MUXF8": _mux,
    "MUXF9": _mux,
    "CARRY4": _carry4,
    "CARRY8": _carry8,
    "FDRE": _flip_flop("R", 0),
    "FDSE": _flip_flop("S", 1),
    "SRL16E": _shift_register(16, lambda pins: [pins[f"A{k}"][0] for k in range(4)]),
    "SRLC32E": _shift_register(32, lambda pins: pins["A"]),
}
"""Every cell type that the executor knows."""
