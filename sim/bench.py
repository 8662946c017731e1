"""The bench inside the simulator: events in, a trace out, and a checker that says exactly what is wrong."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from bittrigger.simulate.simulators.stimulus import Schedule

FOLDER = Path(os.environ["BITTRIGGER_BENCH"])
CLOCK_NS = 2


@dataclass(frozen=True)
class Bench:
    """What the design is fed with and what must come out.

    Attributes:
        words: ``in_data`` of each event.
        expected: ``out_data`` of each event according to the oracle.
        width: bits of ``out_data``.
        latency: cycles from ``in_valid`` to ``out_valid``.
        gapped: how many events, from the last backwards, are also sent with gaps.
        seed: of everything random.
    """

    words: list[int]
    expected: list[int]
    width: int
    latency: int
    gapped: int
    seed: int

    @classmethod
    def load(cls) -> Bench:
        """The bench that lies in the folder that ``BITTRIGGER_BENCH`` names."""
        setup = json.loads((FOLDER / "bench.json").read_text(encoding="utf-8"))
        words, expected = (
            [int.from_bytes(row.tobytes(), "little") for row in np.load(FOLDER / f"{name}.npy")]
            for name in ("words", "expected")
        )
        return cls(words, expected, setup["width"], setup["latency"], setup["gapped"], setup["seed"])

    def rng(self) -> np.random.Generator:
        """A fresh generator; each test draws the same numbers wherever it runs."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Trace:
    """``out_valid`` and ``out_data`` at the start of each cycle, as binary text."""

    valid: list[str]
    data: list[str]


async def play(dut: HierarchyObject, schedule: Schedule, words: list[int]) -> Trace:
    """Drive ``schedule`` and record what comes out: driver and monitor in one loop, one wake-up a cycle.

    Inputs change at the falling edge, so that no simulator's order of events at the rising edge matters.
    """
    trace = Trace([], [])
    # The handles below the public ones: a value as text, without building an object for each bit of each cycle.
    read_valid = dut.out_valid._handle.get_signal_val_binstr
    read_data = dut.out_data._handle.get_signal_val_binstr
    add_valid, add_data = trace.valid.append, trace.data.append
    clock = Clock(dut.clk, CLOCK_NS, unit="ns", impl="gpi")
    clock.start()
    edge = FallingEdge(dut.clk)
    await edge
    before: tuple[bool, bool, int] | tuple[None, None, None] = (None, None, None)
    data_in = dut.in_data
    for now in zip(schedule.rst.tolist(), schedule.valid.tolist(), schedule.event.tolist(), strict=True):
        add_valid(read_valid())
        add_data(read_data())
        rst, valid, event = now
        if rst != before[0]:
            dut.rst.value = int(rst)
        if valid != before[1]:
            dut.in_valid.value = int(valid)
        if event != before[2]:
            data_in.value = words[event]
        before = now
        await edge
    clock.stop()
    return trace


def check(bench: Bench, schedule: Schedule, trace: Trace, pattern: str) -> None:
    """Compare every cycle of ``trace`` with what is due.

    Raises:
        AssertionError: at the first cycle that differs; the facts of the first failing test are left in ``mismatch.json``.
    """
    due = schedule.due(bench.latency)
    valid = np.array(trace.valid)
    wrong = np.flatnonzero(schedule.known() & (valid != np.where(due >= 0, "1", "0")))
    if wrong.size:
        _fail(
            kind="latency",
            pattern=pattern,
            cycle=int(wrong[0]),
            event=int(due[wrong[0]]),
            out_valid=str(valid[wrong[0]]),
            measured=_measured_latency(schedule, valid),
        )
    texts = [f"{word:0{bench.width}b}" for word in bench.expected]
    for cycle in np.flatnonzero(due >= 0).tolist():
        event = int(due[cycle])
        if trace.data[cycle] != texts[event]:
            _fail(
                kind="value",
                pattern=pattern,
                cycle=cycle,
                event=event,
                expected=texts[event],
                got=trace.data[cycle],
            )


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
