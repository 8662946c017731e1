"""Where the cells of a netlist might lie, so that the wires between them have a length before any router has seen them.

A quadratic placement: connected slices attract each other, each stays near the column of its pipeline stage, and what overlaps is
spread over columns of slices in the order that comes out. A carry chain is a column of slices with the LUTs and registers that
share them; a lone LUT takes an eighth of a slice. A placer does better and worse; no two runs of this one differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import cg

from bittrigger.synth.count import CARRIES, FLIP_FLOPS, LUTRAMS
from bittrigger.synth.memory import LETTERS
from bittrigger.synth.netlist import HIGH, Netlist

FILL = 0.75
"""Share of the LUTs of a region that a design takes."""

LUTS, COLUMNS_PER_TILE = 8, 2
"""LUTs of a slice; columns of slices that share a column of wires."""

_TURNS = 24
_FIRST, _GROWTH = 0.002, 1.4
"""Of the pull towards where each group was put last, turn by turn."""


@dataclass(frozen=True)
class Placement:
    """The tile of each cell and the cells that share a slice.

    Attributes:
        column, row: tiles, by the number of the cell.
        cluster: the number of the group of slices that a cell lies in.
    """

    column: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    columns: int
    rows: int


class Placer:
    """Places one netlist.

    Args:
        stages: the pipeline stage of each cell, which gives the side of the region towards which it is drawn at first.
    """

    def __init__(self, netlist: Netlist, stages: Sequence[int]) -> None:
        self._cluster, self._heights, self._area = _clusters(netlist)
        self._joined = _joined(netlist, self._cluster)
        size = len(self._area)
        count = np.maximum(np.bincount(self._cluster, minlength=size), 1)
        self._want = np.bincount(self._cluster, weights=np.asarray(stages, dtype=float), minlength=size) / count
        slices = max(1, int(np.ceil(self._area.sum() / LUTS / FILL)))
        self._rows = max(int(np.ceil(np.sqrt(slices * COLUMNS_PER_TILE))), int(self._heights.max(initial=1)))
        self._columns = slices / self._rows

    @property
    def kinds(self) -> npt.NDArray[np.int64]:
        """A number for each group, the same for those of one height that take as many LUTs."""
        shapes = np.stack([self._heights, self._area], axis=1)
        return np.asarray(np.unique(shapes, axis=0, return_inverse=True)[1], dtype=np.int64).reshape(-1)

    def place(self) -> Placement:
        """A placement in which every net pulls alike."""
        cluster, heights, size, rows = self._cluster, self._heights, len(self._area), self._rows
        matrix = _laplacian(*_edges(self._joined), size)
        x, y = self._want * self._columns / max(1.0, float(self._want.max(initial=1.0))), np.full(size, rows / 2)
        legal = x, (np.arange(size) + 0.5) * rows / size
        for turn in range(_TURNS):
            strength = _FIRST * _GROWTH**turn
            anchored = matrix + diags(np.full(size, strength), format="csr")
            x, y = (_solve(anchored, strength * target, start) for target, start in zip(legal, (x, y), strict=True))
            column, row = _legal(x, y, heights, self._area, rows)
            legal = column + 0.0, row + heights / 2
        columns = int(column.max(initial=0)) + 1
        return Placement(column[cluster] // COLUMNS_PER_TILE, row[cluster], cluster, columns, rows)


def _laplacian(pairs: npt.NDArray[np.int64], pulls: npt.NDArray[np.float64], size: int) -> Any:  # noqa: ANN401 - scipy has no types
    one, other = pairs[:, 0], pairs[:, 1]
    rows, columns = np.concatenate([one, other]), np.concatenate([other, one])
    adjacent = coo_matrix((np.concatenate([pulls, pulls]), (rows, columns)), shape=(size, size)).tocsr()
    return diags(np.asarray(adjacent.sum(axis=1)).ravel(), format="csr") - adjacent


def _solve(matrix: Any, right: npt.NDArray[np.float64], start: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:  # noqa: ANN401
    """Conjugate gradients on a matrix that is scaled to a unit diagonal."""
    scale = 1.0 / np.sqrt(matrix.diagonal())
    scaled = diags(scale, format="csr") @ matrix @ diags(scale, format="csr")
    found, _ = cg(scaled, scale * right, x0=start / scale, maxiter=100)
    return np.asarray(found * scale, dtype=float)


def _clusters(netlist: Netlist) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The group of each cell; the slices that each group is high, and the LUTs of it."""
    driver = {net: k for k, cell in enumerate(netlist.cells) for bits in cell.outputs.values() for net in bits}
    group = np.full(len(netlist.cells), -1, dtype=np.int64)
    heights: list[int] = []
    _chains(netlist, driver, group, heights)
    for k, cell in enumerate(netlist.cells):
        if group[k] < 0 and cell.type not in FLIP_FLOPS:
            group[k] = len(heights)
            heights.append(1)
    for k, cell in enumerate(netlist.cells):
        if group[k] < 0:
            before = driver.get(cell.inputs["D"][0])
            alone = before is None or netlist.cells[before].type in FLIP_FLOPS
            group[k] = len(heights) if alone else group[before]
            if alone:
                heights.append(1)
    area = np.zeros(len(heights))
    sizes = {"FF": 0.5, "CARRY": 0.0, **dict.fromkeys(LUTRAMS, float(len(LETTERS)))}
    for k, cell in enumerate(netlist.cells):
        kind = "FF" if cell.type in FLIP_FLOPS else "CARRY" if cell.type in CARRIES else cell.type
        area[group[k]] += sizes.get(kind, 1.0) if kind != "FF" or heights[group[k]] == 1 else 0.0
    tall = np.asarray(heights, dtype=np.int64)
    return group, tall, np.maximum(area, np.where(tall > 1, tall * LUTS, area))


def _chains(netlist: Netlist, driver: Mapping[int, int], group: npt.NDArray[np.int64], heights: list[int]) -> None:
    """Give every carry chain, with the LUTs that feed its S pins, a group of its own."""
    carries = [k for k, cell in enumerate(netlist.cells) if cell.type in CARRIES]
    below = {k: driver.get(netlist.cells[k].inputs["CI"][0]) for k in carries}
    for k in carries:
        chain, lowest = [k], k
        while (before := below[lowest]) is not None and netlist.cells[before].type in CARRIES:
            chain.append(before)
            lowest = before
        if group[lowest] < 0:
            group[lowest] = len(heights)
            heights.append(0)
        number = int(group[lowest])
        heights[number] = max(heights[number], len(chain))
        for member in chain:
            group[member] = number
            for net in netlist.cells[member].inputs["S"]:
                lut = driver.get(net)
                if lut is not None and group[lut] < 0 and netlist.cells[lut].type.startswith("LUT"):
                    group[lut] = number


def _joined(netlist: Netlist, cluster: npt.NDArray[np.int64]) -> list[tuple[int, set[int]]]:
    """Of each net that another cell reads the group that drives it, and those that read it."""
    driver = {net: k for k, cell in enumerate(netlist.cells) for bits in cell.outputs.values() for net in bits}
    readers: dict[int, set[int]] = {}
    for k, cell in enumerate(netlist.cells):
        for pin, bits in cell.inputs.items():
            if pin not in ("C", "CLK"):
                for net in bits:
                    if net > HIGH and net in driver:
                        readers.setdefault(net, set()).add(int(cluster[k]))
    return [(int(cluster[driver[net]]), found) for net, found in readers.items()]


def _edges(
    joined: Sequence[tuple[int, set[int]]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Pairs of groups that a net joins, and weights: a net of many readers pulls less at each."""
    pairs: dict[tuple[int, int], float] = {}
    for start, found in joined:
        for end in found - {start}:
            pairs[start, end] = pairs.get((start, end), 0.0) + 1.0 / len(found)
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2), np.array(list(pairs.values()))


def _legal(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    heights: npt.NDArray[np.int64],
    area: npt.NDArray[np.float64],
    rows: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Columns of slices, filled from the left in the order of ``x``, each from below in the order of ``y``."""
    column, row = np.zeros(len(x), dtype=np.int64), np.zeros(len(x), dtype=np.int64)
    order = np.argsort(x, kind="stable")
    capacity = rows * LUTS * FILL
    filled, number = 0.0, 0
    for k in order:
        if filled + area[k] > capacity and filled:
            filled, number = 0.0, number + 1
        column[k] = number
        filled += area[k]
    for number in range(int(column.max(initial=0)) + 1):
        members = np.flatnonzero(column == number)
        members = members[np.argsort(y[members], kind="stable")]
        ends = np.cumsum(area[members]) / LUTS / FILL
        row[members] = np.minimum((ends - area[members] / LUTS / FILL).astype(np.int64), rows - heights[members])
    return column, row
