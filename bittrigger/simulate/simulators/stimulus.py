"""What is driven in each clock cycle, and what must therefore come out in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.int64]
RESET_CYCLES = 2


@dataclass(frozen=True)
class Schedule:
    """The inputs of a run, cycle by cycle, all of shape `(cycles,)`.

    Attributes:
        rst: reset.
        valid: ``in_valid``.
        event: number of the event on ``in_data``, whether it is valid or not.
        ii: cycles from one event to the next at least; what comes sooner is dropped by the design.
    """

    rst: BoolArray
    valid: BoolArray
    event: IndexArray
    ii: int = 1

    def entered(self) -> BoolArray:
        """Whether an event is let in, for each cycle: where none was in the ``ii - 1`` cycles before, or since a reset."""
        if self.ii == 1:
            return self.valid & ~self.rst
        entered, left = np.zeros(self.valid.size, dtype=bool), 0
        for cycle, (valid, rst) in enumerate(zip(self.valid.tolist(), self.rst.tolist(), strict=True)):
            entered[cycle] = valid and not left and not rst
            left = 0 if rst else self.ii - 1 if entered[cycle] else max(left - 1, 0)
        return entered

    def dropped(self) -> BoolArray:
        """What ``dropped`` must be at the start of each cycle."""
        late = self.valid & ~self.rst & ~self.entered()
        return np.concatenate([[False], late[:-1]])

    def due(self, latency: int) -> IndexArray:
        """The event that must be on ``out_data`` at the start of each cycle, or -1 where ``out_valid`` must be low."""
        resets = np.concatenate([[0], np.cumsum(self.rst)])
        due = np.full(self.valid.size, -1, dtype=np.int64)
        came = np.arange(self.valid.size - latency)
        survived = self.entered()[came] & (resets[came + latency] == resets[came])
        due[latency:] = np.where(survived, self.event[came], -1)
        return due

    def known(self) -> BoolArray:
        """Whether a reset has gone before each cycle, so that ``out_valid`` is defined."""
        return np.concatenate([[False], np.cumsum(self.rst)[:-1] > 0])


def _framed(valid: BoolArray, event: IndexArray, latency: int, ii: int, rst: BoolArray | None = None) -> Schedule:
    """A schedule that starts with a reset and goes on until the pipeline is empty."""
    idle = latency + 2
    body = np.zeros(valid.size, dtype=bool) if rst is None else rst
    return Schedule(
        rst=np.concatenate([np.ones(RESET_CYCLES, dtype=bool), body, np.zeros(idle, dtype=bool)]),
        valid=np.concatenate([np.zeros(RESET_CYCLES, dtype=bool), valid, np.zeros(idle, dtype=bool)]),
        event=np.concatenate([np.zeros(RESET_CYCLES, dtype=np.int64), event, np.zeros(idle, dtype=np.int64)]),
        ii=ii,
    )


def back_to_back(events: int, latency: int, ii: int = 1) -> Schedule:
    """Every event once, one every ``ii`` cycles; in between the next one lies on the bus, invalid."""
    number = np.arange(events * ii)
    event = np.minimum(-(-number // ii), events - 1)
    return _framed(number % ii == 0, event, latency, ii)


def with_gaps(order: IndexArray, events: int, latency: int, rng: np.random.Generator, ii: int = 1) -> Schedule:
    """The events of ``order``, each after a gap of random length in which another event lies on the bus, invalid.

    Gaps are mostly short; some let the pipeline run empty. Events are ``ii`` cycles apart or more.
    """
    gaps = rng.choice([0, 0, 0, 1, 1, 2, 3, latency - 1, latency, latency + 2], size=order.size)
    slots = np.cumsum(gaps + 1) - 1 + (ii - 1) * np.arange(order.size)
    event = rng.integers(0, events, size=int(slots[-1]) + 1)
    valid = np.zeros(event.size, dtype=bool)
    event[slots], valid[slots] = order, True
    return _framed(valid, event, latency, ii)


def with_resets(events: int, latency: int, rng: np.random.Generator, ii: int = 1) -> Schedule:
    """A dense stream that is reset again and again, for one to three cycles, while events keep coming, ``ii`` cycles apart."""
    cycles = 12 * (latency + 4) * ii
    rst = np.zeros(cycles, dtype=bool)
    for start in rng.choice(np.arange(latency + 1, cycles), size=5, replace=False):
        rst[start : start + int(rng.integers(1, 4))] = True
    valid = (rng.random(cycles) < 0.8) & (np.arange(cycles) % ii == 0)
    return _framed(valid, rng.integers(0, events, size=cycles), latency, ii, rst)


def too_soon(events: int, latency: int, rng: np.random.Generator, ii: int) -> Schedule:
    """Events that come whenever they like, many of them sooner than ``ii`` cycles after the one before."""
    cycles = 12 * (latency + 4) * ii
    valid = rng.random(cycles) < rng.choice([1 / ii, 0.5, 1.0], size=cycles)
    return _framed(valid, rng.integers(0, events, size=cycles), latency, ii)
