"""Groups of slices that change places where the slowest path through them gets faster, as a timing-driven placer has them do.

A placement that only draws together what is connected leaves a few groups far from what they are connected with: these few are
the slowest paths of a large design. Groups of one shape can change places without moving any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bittrigger.device.delays import horizontal_ps, vertical_ps
from bittrigger.synth.placement import Placement

NEAR, TRIED = 60, 12
"""Groups near a place that are looked at, and of these the ones that are tried."""

LEAST_PS = 5.0
"""What an exchange has to gain."""

_NO_PATH = -1e9

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Links:
    """For each group, the groups it is connected with, and the slowest path over each wire, the wire itself left out.

    Attributes:
        start: where the links of a group begin; one longer than there are groups.
        column, row: the tile of each group; changed in place.
    """

    start: _Ints
    other: _Ints
    rest_ps: _Floats
    column: _Ints
    row: _Ints
    across_ps: _Floats
    along_ps: _Floats

    def paths(self, group: int, column: _Ints, row: _Ints) -> _Floats:
        """The slowest path over each link of ``group``, `(places, links)`, were it at each of some places."""
        links = slice(self.start[group], self.start[group + 1])
        other = self.other[links]
        wires = self.across_ps[abs(column[:, None] - self.column[other])]
        wires = wires + self.along_ps[abs(row[:, None] - self.row[other])]
        return np.asarray(self.rest_ps[links] + wires, dtype=float)

    def slowest(self, group: int, places: _Ints) -> _Floats:
        """The slowest path through ``group``, were it where each of the groups ``places`` is."""
        found = self.paths(group, self.column[places], self.row[places])
        return np.asarray(found.max(axis=1, initial=_NO_PATH), dtype=float)


def exchanged(placement: Placement, kinds: _Ints, rests: Mapping[tuple[int, int], float], limit_ps: float) -> Placement:
    """``placement`` with groups on paths slower than ``limit_ps`` moved to where these are faster.

    Args:
        kinds: the number of the shape of each group.
        rests: the slowest path over the wires from one group to another, without that wire, in picoseconds.
    """
    links = _linked(placement, len(kinds), rests)
    alike = {kind: np.flatnonzero(kinds == kind) for kind in np.unique(kinds)}
    here = np.array([links.slowest(group, np.array([group]))[0] for group in range(len(kinds))])
    for group in np.argsort(-here, kind="stable")[: np.count_nonzero(here > limit_ps)]:
        partner = _partner(links, int(group), alike[kinds[group]], limit_ps)
        if partner is not None:
            both = np.array([group, partner])
            links.column[both], links.row[both] = links.column[both[::-1]], links.row[both[::-1]]
    return replace(placement, column=links.column[placement.cluster], row=links.row[placement.cluster])


def _linked(placement: Placement, size: int, rests: Mapping[tuple[int, int], float]) -> _Links:
    first = np.zeros(size, dtype=np.int64)
    first[placement.cluster] = np.arange(len(placement.cluster))
    ends = np.array(list(rests), dtype=np.int64).reshape(-1, 2)
    group, other = np.concatenate([ends, ends[:, ::-1]]).T
    order = np.argsort(group, kind="stable")
    rest = np.tile(np.array(list(rests.values()), dtype=float), 2)
    column, row = placement.column[first], placement.row[first]
    across = np.array([horizontal_ps(tiles) for tiles in range(int(column.max(initial=0)) + 1)])
    along = np.array([vertical_ps(tiles) for tiles in range(int(row.max(initial=0)) + 1)])
    start = np.searchsorted(group[order], np.arange(size + 1))
    return _Links(start, other[order], rest[order], column, row, across, along)


def _partner(links: _Links, group: int, alike: _Ints, limit_ps: float) -> int | None:
    """The group of its shape with which ``group`` had best change places; None where it need not, or gains nothing."""
    (paths,) = links.paths(group, links.column[[group]], links.row[[group]])
    if paths.max() <= limit_ps:
        return None
    far = links.other[links.start[group] + int(paths.argmax())]
    best, partner = float(paths.max()) - LEAST_PS, None
    for share in (1.0, 0.5):  # beside the far end of the slowest wire, and half-way there
        column = links.column[group] + share * (links.column[far] - links.column[group])
        row = links.row[group] + share * (links.row[far] - links.row[group])
        distance = abs(links.column[alike] - column) * 2 + abs(links.row[alike] - row)
        near = alike[np.argsort(distance, kind="stable")[:NEAR]]
        near = near[near != group]
        mine = links.slowest(group, near)
        for k in np.argsort(mine, kind="stable")[:TRIED]:
            if mine[k] >= best:
                break
            slower = max(mine[k], links.slowest(int(near[k]), np.array([group]))[0])
            if slower < best:
                best, partner = float(slower), int(near[k])
    return partner
