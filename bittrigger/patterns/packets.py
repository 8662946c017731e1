"""Packets on links: the words of an event, framed by flags, one packet a link and event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.patterns.board import Board, FrameArray, idle_frames

WordArray = npt.NDArray[np.uint64]

LHC_BUNCHES = 3564
"""Bunch crossings of an orbit of the LHC."""

FRAMES_PER_BX = 9
"""Frames a bunch crossing at 360 MHz, for links of 25 Gb/s; 6 at 240 MHz. Source: documentation of the EMP framework."""

MAX_FRAMES = 1024
"""Frames of a file where nothing else is asked for."""


@dataclass(frozen=True)
class ChannelSpec:
    """How packets follow each other on a link; a packet of the next event starts every ``period_frames``.

    Attributes:
        tmux: time-multiplexing period in bunch crossings.
        gap_frames: invalid frames that follow each packet, at least.
        offset_frames: invalid frames before the first packet.
        frames_per_bx: frames a bunch crossing.

    Raises:
        ConfigError: if a number is out of range or leaves no frame for data.
    """

    tmux: int
    gap_frames: int = 0
    offset_frames: int = 0
    frames_per_bx: int = FRAMES_PER_BX

    def __post_init__(self) -> None:
        if self.tmux < 1 or self.frames_per_bx < 1:
            raise ConfigError(
                f"TMUX {self.tmux}, {self.frames_per_bx} frames a bunch crossing; each must be at least 1"
            )
        if self.gap_frames < 0 or self.offset_frames < 0:
            raise ConfigError(f"gap {self.gap_frames}, offset {self.offset_frames}; neither may be negative")
        if self.packet_frames < 1:
            raise ConfigError(f"gap {self.gap_frames}; must be below the period of {self.period_frames} frames")

    @property
    def period_frames(self) -> int:
        """Frames from one packet to the next."""
        return self.tmux * self.frames_per_bx

    @property
    def packet_frames(self) -> int:
        """The longest packet in frames."""
        return self.period_frames - self.gap_frames

    def events_in(self, frames: int) -> int:
        """Whole periods that fit into a file of so many frames."""
        return max(0, frames - self.offset_frames) // self.period_frames


def pack_events(
    words: WordArray,
    spec: ChannelSpec,
    *,
    links: Sequence[int] | None = None,
    board_id: str = "bittrigger",
    max_frames: int = MAX_FRAMES,
    events_per_file: int | None = None,
) -> tuple[Board, ...]:
    """Boards, one a file, that send ``words`` `(events, links, words)` as packets; each is padded to ``max_frames``.

    The first packet of each file is flagged as the start of an orbit, as CMSSW does.

    Args:
        links: number of each link; None counts from 0.
        events_per_file: at most so many events in a file; None takes as many as fit.

    Raises:
        ConfigError: if a packet is empty or longer than ``spec`` allows, or a file cannot hold a single period.
    """
    if words.ndim != 3 or words.dtype != np.uint64 or not words.shape[1]:
        raise ConfigError(
            f"words of shape {words.shape} and type {words.dtype}; expected (events, links, words) uint64"
        )
    events, count, length = words.shape
    if not 1 <= length <= spec.packet_frames:
        raise ConfigError(
            f"packets of {length} words; allowed are 1 to {spec.packet_frames} "
            f"(TMUX {spec.tmux}, {spec.period_frames} frames, gap {spec.gap_frames}); use more links"
        )
    room = spec.events_in(max_frames)
    if not room:
        raise ConfigError(
            f"files of {max_frames} frames; at least {spec.offset_frames + spec.period_frames} are needed for one event"
        )
    names = tuple(range(count)) if links is None else tuple(links)
    if events_per_file is not None:
        room = max(1, min(room, events_per_file))
    starts = range(0, max(events, 1), room)
    return tuple(Board(board_id, names, _frames(words[at : at + room], spec, max_frames)) for at in starts)


def _frames(words: WordArray, spec: ChannelSpec, max_frames: int) -> FrameArray:
    events, links, length = words.shape
    frames = idle_frames(max_frames, links)
    begins = spec.offset_frames + spec.period_frames * np.arange(events)
    places = (begins[:, None] + np.arange(length)).reshape(-1)
    frames["data"][places] = words.transpose(0, 2, 1).reshape(-1, links)
    frames["valid"][places] = True
    frames["start"][begins] = True
    frames["last"][begins + length - 1] = True
    frames["start_of_orbit"][begins[:1]] = True
    return frames


@dataclass(frozen=True, eq=False)
class Packets:
    """The packets of a board that starts them on all its links at once.

    Attributes:
        words: `(events, links, words)` uint64.
        frames: frame in which each packet starts, `(events,)`.
        orbits: whether each packet starts an orbit, `(events,)`.
    """

    words: WordArray
    frames: npt.NDArray[np.int64]
    orbits: npt.NDArray[np.bool_]


def extract_packets(board: Board, *, source: str = "board") -> Packets:
    """The packets of ``board``; frames whose strobe is low carry nothing and are passed over.

    Raises:
        ConfigError: if packets are malformed, differ in length, or do not start on all links at once; the message names
            ``source``, the frame and the link.
    """
    checks = [_boundaries(board, column, source) for column in range(len(board.links))]
    first = checks[0]
    for column, found in enumerate(checks[1:], 1):
        if found[0].shape != first[0].shape or (found[0] != first[0]).any():
            raise ConfigError(
                f"{source}: packets of link {board.links[column]} start {_disagreement(first[0], found[0])}"
            )
        if (found[1] != first[1]).any():
            at = int(np.flatnonzero(found[1] != first[1])[0])
            raise ConfigError(
                f"{source}, frame {first[0][at]}: the packet has {found[1][at]} words on link {board.links[column]} "
                f"and {first[1][at]} on link {board.links[0]}; all must agree"
            )
    starts, lengths = first
    if lengths.size and (lengths != lengths[0]).any():
        at = int(np.flatnonzero(lengths != lengths[0])[0])
        raise ConfigError(f"{source}, frame {starts[at]}: a packet of {lengths[at]} words; the first has {lengths[0]}")
    length = int(lengths[0]) if lengths.size else 0
    columns = [_data(board, column, starts, length) for column in range(len(board.links))]
    return Packets(np.stack(columns, axis=1), starts, board.frames["start_of_orbit"][starts].any(axis=1))


def _disagreement(wanted: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> str:
    odd = sorted(set(wanted.tolist()) ^ set(found.tolist()))[0]
    return f"{'too' if odd in found else 'not'} at frame {odd}; all links must start together"


def _boundaries(board: Board, column: int, source: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First frame and number of words of each packet of one link."""
    frames = board.frames[:, column]
    where = f"{source}, link {board.links[column]}"
    if (frames["valid"] & frames["strobe"]).any() and not frames["start"].any():
        raise ConfigError(f"{where}: valid words but no start of a packet; a file without flags needs --infer-packets")
    starts: list[int] = []
    lengths: list[int] = []
    inside = False
    flags = frames[["start", "last", "valid", "strobe"]].tolist()
    for frame, (start, last, valid, strobe) in enumerate(flags):
        if not strobe:
            continue
        if inside and (start or not valid):
            what = "not valid" if not valid else "another start"
            raise ConfigError(f"{where}, frame {frame}: {what} within the packet that starts in frame {starts[-1]}")
        if not valid:
            continue
        if start:
            starts.append(frame)
            lengths.append(0)
        elif not inside:
            raise ConfigError(
                f"{where}, frame {frame}: a valid word outside of packets, which begin with start and end with last"
            )
        lengths[-1] += 1
        inside = not last
    if inside:
        raise ConfigError(f"{where}: the packet that starts in frame {starts[-1]} has no end")
    return np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64)


def _data(board: Board, column: int, starts: npt.NDArray[np.int64], length: int) -> WordArray:
    frames = board.frames[:, column]
    there = np.flatnonzero(frames["valid"] & frames["strobe"])
    data: WordArray = frames["data"][there].reshape(starts.size, length)
    return data
