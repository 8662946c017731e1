"""Queues of operands that overlap, as the windows of a convolution do: each code waits once, in cells that move past the windows.

The codes that all copies read lie in a row of cells, zeros of the padding among them. Turn by turn the row moves on, and each
operand code is read from a cell that is always the same one: a window that slides over an image, seen from the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.nodes.wire import ZERO
from bittrigger.ir.routes import Route, route

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """How operands are read from moving cells.

    Attributes:
        cells: what each cell takes where an event is there: a number of ``used_codes``, or ``ZERO``.
        taps: the cell of each operand code of the copies that are read at a time, copy after copy; ``ZERO`` for one that is
            always 0.
        near: cells that everything moves down after a turn.
        far: the same after the turns that end a row; ``near`` where there are no rows.
        ends: for each turn whether it ends a row.
    """

    cells: tuple[int, ...]
    taps: tuple[int, ...]
    near: int
    far: int
    ends: tuple[bool, ...]

    @property
    def counts(self) -> bool:
        """Whether turns have to be counted."""
        return self.far != self.near


def used_codes(graph: Graph, names: Sequence[str], copies: int) -> tuple[Route, IntArray]:
    """The codes that ``copies`` read of the nodes ``names``, each one time, and which of them each operand code is.

    Returns:
        A route to them, and `(copies, codes of one)` numbers into it, or ``ZERO``.
    """
    found = route(graph, names)
    stride = int(found.elements.max(initial=0)) + 1
    key = np.where(found.sources == ZERO, ZERO, found.sources * stride + found.elements)
    unique = np.unique(key[key != ZERO])
    numbers = np.where(key == ZERO, ZERO, np.searchsorted(unique, key))
    return Route(found.nodes, unique // stride, unique % stride), numbers.reshape(copies, -1)


def overlap(used: Route, numbers: IntArray) -> bool:
    """Whether copies share operand codes, so that a queue takes each of ``used`` one time; see ``used_codes``."""
    return len(used) < int(np.count_nonzero(numbers != ZERO))


def chosen_codes(numbers: IntArray, lanes: int) -> IntArray:
    """Which code each of the operand codes of ``lanes`` copies is, turn by turn: `(turns, codes)`, or ``ZERO``.

    Where there are no more copies in the last turn, it is what it was the turn before.

    Args:
        numbers: of ``used_codes``.
    """
    size = lanes * numbers.shape[1]
    found = np.full(-(-numbers.size // size) * size, ZERO, dtype=np.int64)
    found[: numbers.size] = numbers.reshape(-1)
    found[numbers.size :] = found[numbers.size - size : len(found) - size]
    return found.reshape(-1, size)


def window_of(graph: Graph, names: Sequence[str], copies: int, lanes: int) -> Window | None:
    """The window through which ``lanes`` of ``copies`` read the nodes ``names`` at a time, with the fewest cells, if any.

    Rows of every length that divides the image are tried, and paddings between them up to what a window spans.
    """
    used, numbers = used_codes(graph, names, copies)
    turns = -(-copies // lanes)
    if len(used.nodes) != 1 or turns < 2:
        return None
    padded = np.full((turns * lanes, numbers.shape[1]), ZERO, dtype=np.int64)
    padded[:copies] = numbers
    there = np.repeat(np.arange(turns * lanes) < copies, numbers.shape[1]).reshape(turns, -1)
    table = padded.reshape(turns, -1)
    size = graph[used.nodes[0]].size
    best: Window | None = None
    for row in (length for length in range(size, 0, -1) if size % length == 0):
        for between in (0,) if row == size else _paddings(numbers, row):
            places = used.elements + between * (used.elements // row)
            found = _moving(table, there, places)
            if found and (best is None or len(found.cells) < len(best.cells)):
                best = found
    return best


def _paddings(numbers: IntArray, row: int) -> list[int]:
    """How many cells of padding there may be between rows: what keeps the steps within a window, up to twice its widest run."""
    inside = numbers[(numbers == ZERO).sum(axis=1) == (numbers == ZERO).sum(axis=1).min()][0]
    run = 1 + int(np.argmax(np.r_[np.diff(inside) != 1, True]))
    return [k for k in range(min(2 * run, row)) if k % max(run // 3, 1) == 0 or k < 4]


def _moving(table: IntArray, there: BoolArray, places: IntArray) -> Window | None:
    """The window in which code ``k`` has the place ``places[k]`` of a long row, if each operand code then moves as all others do.

    Args:
        table: `(turns, operand codes)` numbers or ``ZERO``.
        there: which of them are read.
    """
    real = table != ZERO
    place = np.where(real, places[table], 0)
    turns = len(table)
    moved = np.full(turns, -1, dtype=np.int64)
    first = int(np.argmax(real.sum(axis=1)))
    base, known = place[first].copy(), real[first].copy()
    offset = np.zeros(turns, dtype=np.int64)
    moved[first] = 0
    pending = True
    while pending:
        pending = False
        for turn in np.flatnonzero(moved < 0).tolist():
            both = real[turn] & known
            if not both.any():
                continue
            step = place[turn][both] - base[both]
            if (step != step[0]).any():
                return None
            offset[turn], moved[turn], pending = step[0], 0, True
            fresh = real[turn] & ~known
            base[fresh], known = place[turn][fresh] - offset[turn], known | fresh
    if (moved < 0).any():
        return None
    return _checked(table, there, places, base + offset[0], (offset - offset[0], known))


def _checked(
    table: IntArray, there: BoolArray, places: IntArray, base: IntArray, moves: tuple[IntArray, BoolArray]
) -> Window | None:
    """The window whose operand codes lie at ``base`` in the first turn, if it is one.

    Args:
        moves: how far everything has moved in each turn, and which operand codes are not always 0.
    """
    moved, known = moves
    steps = np.diff(moved)
    kinds = np.unique(steps)
    if not 1 <= kinds.size <= 2 or kinds[0] < 1 or not known.any():
        return None
    low, high = int(base[known].min()), int(base[known].max() + moved[-1])
    at = np.full(high - low + 1, ZERO, dtype=np.int64)
    inside = (places >= low) & (places <= high)
    at[places[inside] - low] = np.flatnonzero(inside)
    seen = at[np.clip(base[None, :] - low + moved[:, None], 0, len(at) - 1)]
    if (np.where(known[None, :], seen, ZERO) != table)[there].any():
        return None
    near = int(kinds[np.argmax([(steps == kind).sum() for kind in kinds])])
    far = int(kinds[kinds != near][0]) if kinds.size == 2 else near
    ends = (*(bool(step == far and far != near) for step in steps.tolist()), False)
    taps = np.where(known, base - low, ZERO)
    return Window(tuple(at.tolist()), tuple(taps.tolist()), near, far, ends)
