"""What is driven in each clock cycle, and what must therefore come out in each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bittrigger.ir.pipeline import Pipeline

BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.int64]
RESET_CYCLES = 2


@dataclass(frozen=True)
class Pace:
    """What a design takes: an event every ``ii`` cycles at most, in ``words`` words, and its result after ``latency`` cycles."""

    latency: int
    ii: int = 1
    words: int = 1

    @classmethod
    def of(cls, pipeline: Pipeline) -> Pace:
        """That of ``pipeline``."""
        return cls(pipeline.latency_cycles, pipeline.ii, 1 + pipeline.arriving)


@dataclass(frozen=True)
class Schedule:
    """The inputs of a run, cycle by cycle, all of shape `(cycles,)`.

    Attributes:
        rst: reset.
        valid: ``in_valid``.
        start: ``in_start``; where an event is one word, that is ``valid``.
        row: number of the word on ``in_data``, whether it is valid or not; those of an event follow each other.
        pace: what the design takes; what comes sooner, or is not whole, is dropped by it.
    """

    rst: BoolArray
    valid: BoolArray
    start: BoolArray
    row: IndexArray
    pace: Pace

    @cached_property
    def _taken(self) -> tuple[BoolArray, BoolArray, BoolArray]:
        """For each cycle whether an event is let in, whether its last word is, and whether ``dropped`` is due in the next one."""
        found = np.zeros((3, self.valid.size), dtype=bool)
        left = due = 0
        columns = (self.valid.tolist(), self.start.tolist(), self.rst.tolist())
        for cycle, (valid, start, rst) in enumerate(zip(*columns, strict=True)):
            if rst:
                left = due = 0
                continue
            enters = valid and start and not left
            goes_on = valid and not start and due > 0
            whole = enters if self.pace.words == 1 else goes_on and due == 1
            found[:, cycle] = enters, whole, (valid and not enters and not goes_on) or (due > 0 and not goes_on)
            left = self.pace.ii - 1 if enters else max(left - 1, 0)
            due = self.pace.words - 1 if enters else due - 1 if goes_on else 0
        return found[0], found[1], found[2]

    def entered(self) -> BoolArray:
        """Whether an event is let in, for each cycle: where none was in the ``ii - 1`` cycles before, or since a reset."""
        return self.valid & ~self.rst if self.pace.ii == 1 else self._taken[0]

    def dropped(self) -> BoolArray:
        """What ``dropped`` must be at the start of each cycle."""
        if self.pace.ii == 1:
            return np.zeros(self.valid.size, dtype=bool)
        return np.concatenate([[False], self._taken[2][:-1]])

    def due(self) -> IndexArray:
        """The event that must be on ``out_data`` at the start of each cycle, or -1 where ``out_valid`` must be low."""
        latency, later = self.pace.latency, self.pace.words - 1
        resets = np.concatenate([[0], np.cumsum(self.rst)])
        due = np.full(self.valid.size, -1, dtype=np.int64)
        came = np.arange(self.valid.size - latency)
        survived = self.entered()[came] & (resets[came + latency] == resets[came])
        if later:
            survived &= self._taken[1][came + later]
        due[latency:] = np.where(survived, self.row[came] // self.pace.words, -1)
        return due

    def known(self) -> BoolArray:
        """Whether a reset has gone before each cycle, so that ``out_valid`` is defined."""
        return np.concatenate([[False], np.cumsum(self.rst)[:-1] > 0])


def _framed(pace: Pace, valid: BoolArray, event: IndexArray, rst: BoolArray | None = None) -> Schedule:
    """A schedule that starts with a reset and goes on until the pipeline is empty.

    Args:
        valid: where events begin; the words of each follow it, whatever lies there.
        event: what lies on the bus.
    """
    idle = pace.latency + 2
    body = np.zeros(valid.size, dtype=bool) if rst is None else rst
    row, there = event * pace.words, valid.copy()
    for begin in np.flatnonzero(valid) if pace.words > 1 else ():
        end = min(begin + pace.words, valid.size)
        row[begin:end] = event[begin] * pace.words + np.arange(end - begin)
        there[begin:end] = True
    none = np.zeros(RESET_CYCLES, dtype=np.int64), np.zeros(idle, dtype=np.int64)
    return Schedule(
        rst=np.concatenate([none[0] == 0, body, none[1] > 0]),
        valid=np.concatenate([none[0] > 0, there, none[1] > 0]),
        start=np.concatenate([none[0] > 0, valid, none[1] > 0]),
        row=np.concatenate([none[0], row, none[1]]),
        pace=pace,
    )


def back_to_back(events: int, pace: Pace) -> Schedule:
    """Every event once, one every ``ii`` cycles; in between the next one lies on the bus, invalid."""
    number = np.arange(events * pace.ii)
    event = np.minimum(-(-number // pace.ii), events - 1)
    return _framed(pace, number % pace.ii == 0, event)


def with_gaps(order: IndexArray, events: int, pace: Pace, rng: np.random.Generator) -> Schedule:
    """The events of ``order``, each after a gap of random length in which another event lies on the bus, invalid.

    Gaps are mostly short; some let the pipeline run empty. Events are ``ii`` cycles apart or more.
    """
    latency = pace.latency
    gaps = rng.choice([0, 0, 0, 1, 1, 2, 3, latency - 1, latency, latency + 2], size=order.size)
    slots = np.cumsum(gaps + 1) - 1 + (pace.ii - 1) * np.arange(order.size)
    event = rng.integers(0, events, size=int(slots[-1]) + pace.words)
    valid = np.zeros(event.size, dtype=bool)
    event[slots], valid[slots] = order, True
    return _framed(pace, valid, event)


def with_resets(events: int, pace: Pace, rng: np.random.Generator) -> Schedule:
    """A dense stream that is reset again and again, for one to three cycles, while events keep coming, ``ii`` cycles apart."""
    cycles = 12 * (pace.latency + 4) * pace.ii
    rst = np.zeros(cycles, dtype=bool)
    for start in rng.choice(np.arange(pace.latency + 1, cycles), size=5, replace=False):
        rst[start : start + int(rng.integers(1, 4))] = True
    valid = (rng.random(cycles) < 0.8) & (np.arange(cycles) % pace.ii == 0)
    return _framed(pace, valid, rng.integers(0, events, size=cycles), rst)


def too_soon(events: int, pace: Pace, rng: np.random.Generator) -> Schedule:
    """Events that come whenever they like, many of them sooner than ``ii`` cycles after the one before.

    Where they come in words, some lack one, some are cut short by the next, and some words belong to none.
    """
    cycles = 12 * (pace.latency + 4) * pace.ii
    valid = rng.random(cycles) < rng.choice([1 / pace.ii, 0.5, 1.0], size=cycles)
    if pace.words == 1:
        return _framed(pace, valid, rng.integers(0, events, size=cycles))
    busy = np.repeat(rng.random(cycles // pace.ii + 1) < 0.5, pace.ii)[
        :cycles
    ]  # stretches of one event after the other
    ordered = np.arange(cycles) % pace.ii == 0
    plan = _framed(
        pace, np.where(busy, valid & (rng.random(cycles) < 0.3), ordered), rng.integers(0, events, size=cycles)
    )
    missing, more = rng.random(plan.valid.size) < 0.02, rng.random(plan.valid.size) < 0.02
    more[:RESET_CYCLES] = more[-pace.latency - 2 :] = False
    there = (plan.valid & ~missing) | more
    return replace(plan, valid=there, start=plan.start | (more & missing))
