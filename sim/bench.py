"""The bench inside the simulator: a driver, a monitor, a model of what is due, and a checker that says exactly what is wrong."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import cocotb
import numpy as np
import numpy.typing as npt
import settings
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from bittrigger.ir.held.bus import SETTLING
from bittrigger.simulate.simulators.stimulus import Pace, Schedule

FOLDER = Path(os.environ["BITTRIGGER_BENCH"])
CLOCK_NS = 2

SWITCHING = 40
"""Cycles without words of ours behind a command at least; busy is low long before they are over."""

MORE_EVENTS = 5
"""Events that may come while no words are written."""


@dataclass(frozen=True)
class Bench:
    """What the design is fed with and what must come out.

    Attributes:
        words: ``in_data`` of each event, or of each word of it, event after event.
        expected: ``out_data`` of each event according to the oracle.
        width: bits of ``out_data``.
        pace: how often an event may come, in how many words, and when its result is due.
        gapped: how many events, from the last backwards, are also sent with gaps.
        seed: of everything random.
        writes: address and data of all that the design holds, the command last; empty if it holds nothing.
        others: the same of other numbers.
        expected_of_others: ``out_data`` of each event with these.
    """

    words: list[int]
    expected: list[int]
    width: int
    pace: Pace
    gapped: int
    seed: int
    writes: list[list[int]]
    others: list[list[int]]
    expected_of_others: list[int]

    @classmethod
    def load(cls) -> Bench:
        """The bench that lies in the folder that ``BITTRIGGER_BENCH`` names."""
        setup = json.loads((FOLDER / "bench.json").read_text(encoding="utf-8"))
        words, expected, others = (
            [int.from_bytes(row.tobytes(), "little") for row in np.load(FOLDER / f"{name}.npy")]
            for name in ("words", "expected", "expected_of_others")
        )
        facts = (setup[name] for name in ("gapped", "seed", "writes", "others"))
        return cls(words, expected, setup["width"], Pace(**setup["pace"]), *facts, others)

    def rng(self) -> np.random.Generator:
        """A fresh generator; each test draws the same numbers wherever it runs."""
        return np.random.default_rng(self.seed)


class Driver:
    """Puts the events of a schedule on the ports, one cycle at a time; a port is written only when it changes."""

    def __init__(self, dut: HierarchyObject, words: list[int]) -> None:
        self._dut, self._words = dut, words
        self._start = getattr(dut, "in_start", None)
        self._now: tuple[bool | int | None, ...] = (None, None, None, None)

    def drive(self, cycle: tuple[bool, bool, bool, int]) -> None:
        """Apply reset, ``in_valid``, ``in_start`` where there is one, and the number of the word of a cycle."""
        (rst, valid, start, row), before = cycle, self._now
        if rst != before[0]:
            self._dut.rst.value = int(rst)
        if valid != before[1]:
            self._dut.in_valid.value = int(valid)
        if start != before[2] and self._start is not None:
            self._start.value = int(start)
        if row != before[3]:
            self._dut.in_data.value = self._words[row]
        self._now = cycle


class Monitor:
    """Records ``out_valid`` of every cycle, and ``out_data`` of those that are valid, as binary text.

    A value as text keeps undefined bits: ``x`` is never taken for 0.
    """

    def __init__(self, dut: HierarchyObject) -> None:
        self._valid, self._data = dut.out_valid, dut.out_data
        self.valid: list[str] = []
        self.data: dict[int, str] = {}
        self.dropped: list[str] = []
        self._dropped = getattr(dut, "dropped", None)

    def sample(self) -> None:
        """Look at the ports, once a cycle."""
        valid = str(self._valid.value)
        if valid == "1":
            self.data[len(self.valid)] = str(self._data.value)
        self.valid.append(valid)
        self.dropped.append("0" if self._dropped is None else str(self._dropped.value))


class Model:
    """What is due: which event in which cycle, and its bits according to the oracle."""

    def __init__(self, bench: Bench, schedule: Schedule) -> None:
        self.due = schedule.due()
        self.known = schedule.known()
        self.dropped = np.where(schedule.dropped(), "1", "0")
        self.schedule = schedule
        self.words = [f"{word:0{bench.width}b}" for word in bench.expected]

    @property
    def valid(self) -> npt.NDArray[np.str_]:
        """``out_valid`` of each cycle, as text."""
        return np.where(self.due >= 0, "1", "0")


class Checker:
    """Compares what a monitor saw with what a model says is due, every cycle and every bit."""

    def __init__(self, model: Model, pattern: str) -> None:
        self._model, self._pattern = model, pattern

    def check(self, monitor: Monitor) -> None:
        """Compare every cycle.

        Raises:
            AssertionError: at the first cycle that differs; the facts of the first failing test are left in ``mismatch.json``.
        """
        model, valid = self._model, np.array(monitor.valid)
        wrong = np.flatnonzero(model.known & (valid != model.valid))
        if wrong.size:
            _fail(
                kind="latency",
                pattern=self._pattern,
                cycle=int(wrong[0]),
                event=int(model.due[wrong[0]]),
                out_valid=str(valid[wrong[0]]),
                measured=_measured_latency(model.schedule, valid),
            )
        late = np.array(monitor.dropped)
        wrong = np.flatnonzero(model.known & (late != model.dropped))
        if wrong.size:
            cycle = int(wrong[0])
            _fail(
                kind="dropped",
                pattern=self._pattern,
                cycle=cycle,
                expected=str(model.dropped[cycle]),
                got=str(late[cycle]),
            )
        for cycle in np.flatnonzero(model.due >= 0).tolist():
            event = int(model.due[cycle])
            expected, got = model.words[event], monitor.data[cycle]
            if got != expected:
                _fail(kind="value", pattern=self._pattern, cycle=cycle, event=event, expected=expected, got=got)


async def hold(dut: HierarchyObject, bench: Bench) -> None:
    """Write all that the design holds while no event comes."""
    for port in (dut.rst, dut.in_valid, dut.in_data):
        port.value = 0
    await settings.hold(dut, dut.clk, bench.writes, bench.pace.latency + SETTLING)


async def play(dut: HierarchyObject, bench: Bench, schedule: Schedule, pattern: str) -> Monitor:
    """Drive ``schedule``, watch what comes out, and check it.

    Inputs change at the falling edge, so that no simulator's order of events at the rising edge matters.

    Raises:
        AssertionError: at the first cycle that differs.
    """
    driver, monitor = Driver(dut, bench.words), Monitor(dut)
    clock = Clock(dut.clk, CLOCK_NS, unit="ns", impl="gpi")
    clock.start()
    edge = FallingEdge(dut.clk)
    if bench.writes:
        await hold(dut, bench)
    await edge
    driven = (schedule.rst, schedule.valid, schedule.start, schedule.row)
    for cycle in zip(*(values.tolist() for values in driven), strict=True):
        monitor.sample()
        driver.drive(cycle)
        await edge
    clock.stop()
    Checker(Model(bench, schedule), pattern).check(monitor)
    return monitor


async def switched(dut: HierarchyObject, bench: Bench) -> None:
    """Stream events as soon as they may come through three sets of numbers: as they are, others, and as they are again.

    A command that is on the bus in one cycle counts for the events that begin in the third cycle after it and later; while
    ``settings_busy`` is high, zeros are written everywhere, which must be left out.

    Raises:
        AssertionError: at the first event that is not whole of its own set, or where ``settings_busy`` is wrong.
    """
    edge, rng, pace = FallingEdge(dut.clk), bench.rng(), bench.pace
    clock = Clock(dut.clk, CLOCK_NS, unit="ns", impl="gpi")
    clock.start()
    await hold(dut, bench)
    idle = [None] * max(SWITCHING, pace.latency + SETTLING + MORE_EVENTS * pace.ii)
    bus = [*bench.others, *idle, *bench.writes, *idle]
    commands = [len(bench.others) - 1, len(bench.others) + len(idle) + len(bench.writes) - 1]
    zeros = [word for word in bench.writes if word[0]]
    due: dict[int, tuple[int, bool]] = {}  # by the cycle of its result: an event, and which set it meets
    begins, event, began = 0, 0, -pace.words
    driver = Driver(dut, bench.words)
    for cycle in range(len(bus) + pace.latency):
        word = bus[cycle] if cycle < len(bus) else None
        busy = str(dut.settings_busy.value) == "1"
        if busy and word is None:  # must be left out
            word = [zeros[int(rng.integers(len(zeros)))][0], 0]
        dut.settings_write.value = int(word is not None)
        if word is not None:
            dut.settings_address.value, dut.settings_data.value = word
        if cycle == begins:
            event, began = int(rng.integers(len(bench.expected))), cycle
            begins += pace.ii + (int(rng.choice([0, 0, 0, 1, 2])) if pace.ii > 1 else 0)
            others = sum(cycle >= command + 3 for command in commands) % 2 == 1
            due[cycle + pace.latency - 1] = event, others
        number = cycle - began
        there = number < pace.words
        row = event * pace.words + number if there else int(rng.integers(len(bench.words)))
        driver.drive((False, there, number == 0, row))
        await edge
        _check_switched(dut, bench, cycle, due.get(cycle))
    dut.in_valid.value, dut.settings_write.value = 0, 0
    clock.stop()


def _check_switched(dut: HierarchyObject, bench: Bench, cycle: int, due: tuple[int, bool] | None) -> None:
    """Compare what comes out in a cycle with the event that is due, and the set of numbers that it met."""
    if due is None:
        if cycle >= bench.pace.latency and str(dut.out_valid.value) != "0":
            _fail(
                kind="value", pattern="reloaded", cycle=cycle, event=-1, expected="nothing", got=str(dut.out_data.value)
            )
        return
    event, others = due
    wanted, got = (bench.expected_of_others if others else bench.expected)[event], str(dut.out_data.value)
    expected = f"{wanted:0{bench.width}b}"
    if str(dut.out_valid.value) != "1" or got != expected:
        _fail(kind="value", pattern="reloaded", cycle=cycle, event=event, expected=expected, got=got)


def _measured_latency(schedule: Schedule, valid: npt.NDArray[np.str_]) -> int | None:
    """Cycles from the first event to the first ``out_valid`` after it, if any came."""
    first = int(np.flatnonzero(schedule.valid)[0])
    out = np.flatnonzero(valid[first:] == "1")
    return int(out[0]) if out.size else None


def _fail(**facts: object) -> None:
    record = FOLDER / "mismatch.json"
    if not record.exists():
        record.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    cocotb.log.error("%s", facts)
    raise AssertionError(f"{facts}")
