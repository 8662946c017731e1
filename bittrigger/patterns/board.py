"""What a pattern file holds: a board, its links, and one frame of 64 bits with flags for each clock cycle and link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

FrameArray = npt.NDArray[np.void]

FLAGS = ("start_of_orbit", "start", "last", "valid", "strobe")
"""The flags of a frame, in the order of EMP; ``strobe`` is high unless a link is slower than its clock."""

FRAME = np.dtype([("data", np.uint64), *((flag, np.bool_) for flag in FLAGS)])
"""One 64-bit word of one link in one clock cycle, with its flags."""

MAX_LINK = 9999


@dataclass(frozen=True, eq=False)
class Board:
    """The content of a pattern file; two boards are equal if they hold the same, to the bit.

    Attributes:
        id: name of the board; one line of printable ASCII that neither begins nor ends with a blank, or empty.
        links: number of each link, all different, in the order of the file.
        frames: `(frames, links)` of type ``FRAME``; taken over, and read-only from then on.

    Raises:
        ConfigError: if the name, the link numbers or the shape will not do.
    """

    id: str
    links: tuple[int, ...]
    frames: FrameArray

    def __post_init__(self) -> None:
        if not (self.id.isascii() and (self.id.isprintable() and self.id == self.id.strip())):
            raise ConfigError(f"board id {self.id!r}; allowed is one line of ASCII without blanks at its ends")
        bad = [link for link in self.links if not 0 <= link <= MAX_LINK]
        if bad:
            raise ConfigError(f"link {bad[0]}; allowed are numbers from 0 to {MAX_LINK}")
        twice = [link for k, link in enumerate(self.links) if link in self.links[:k]]
        if twice:
            raise ConfigError(f"link {twice[0]} is there twice; each may be there once")
        if not self.links:
            raise ConfigError("a board without links; at least one is needed")
        if self.frames.dtype != FRAME or self.frames.ndim != 2 or self.frames.shape[1] != len(self.links):
            raise ConfigError(
                f"frames of shape {self.frames.shape} and type {self.frames.dtype}; "
                f"expected (frames, {len(self.links)}) of bittrigger.patterns.FRAME"
            )
        self.frames.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Board):
            return NotImplemented
        return (self.id, self.links) == (other.id, other.links) and np.array_equal(self.frames, other.frames)

    __hash__ = None  # type: ignore[assignment]

    def column(self, link: int) -> int:
        """The column of ``frames`` that holds ``link``.

        Raises:
            ConfigError: if there is no such link.
        """
        if link not in self.links:
            raise ConfigError(f"link {link} is not there; the board has {', '.join(map(str, self.links))}")
        return self.links.index(link)


def idle_frames(frames: int, links: int) -> FrameArray:
    """Invalid frames of zeros, `(frames, links)`, writable; the strobe is high, as it is on a link at full speed."""
    empty = np.zeros((frames, links), dtype=FRAME)
    empty["strobe"] = True
    return empty


def make_board(id: str, links: Sequence[int], **columns: npt.ArrayLike) -> Board:  # noqa: A002 - the format's word
    """A board of ``data`` `(frames, links)` and any of the flags in that shape; flags left out are low, strobe high.

    Raises:
        ConfigError: if a column is unknown, ``data`` is missing, or the shapes differ.
    """
    unknown = sorted(set(columns) - set(FRAME.names or ()))
    if unknown or "data" not in columns:
        raise ConfigError(f"columns {sorted(columns)}; needed is data, allowed are {', '.join(FLAGS)}")
    data: npt.NDArray[Any] = np.asarray(columns["data"], dtype=np.uint64)
    if data.ndim != 2:
        raise ConfigError(f"data of shape {data.shape}; expected (frames, {len(links)})")
    frames = idle_frames(*data.shape)
    for name, values in columns.items():
        if np.shape(values) != data.shape:
            raise ConfigError(f"{name} of shape {np.shape(values)}; data has {data.shape}")
        frames[name] = values
    return Board(id, tuple(links), frames)


def infer_packets(board: Board) -> Board:
    """``board`` with ``start`` and ``last`` where ``valid`` rises and falls, for files that cannot carry them (EMPv1).

    Packets without an invalid frame between them become one. The first ``start`` of each link is its start of orbit.
    """
    frames = board.frames.copy()
    valid = board.frames["valid"]
    edge = np.zeros((1, len(board.links)), dtype=bool)
    frames["start"] = valid & ~np.concatenate([edge, valid[:-1]])
    frames["last"] = valid & ~np.concatenate([valid[1:], edge])
    frames["start_of_orbit"] = frames["start"] & (np.cumsum(frames["start"], axis=0) == 1)
    return Board(board.id, board.links, frames)
