"""The tests that every design passes in the simulator, before anybody reads its outputs."""

from __future__ import annotations

import faulthandler
import os

import cocotb
import numpy as np
from bench import FOLDER, Bench, play, switched
from cocotb.handle import HierarchyObject

from bittrigger.simulate.simulators import stimulus

faulthandler.dump_traceback_later(float(os.environ["BITTRIGGER_TIMEOUT_S"]), exit=True)
BENCH = Bench.load()


@cocotb.test()
async def back_to_back(dut: HierarchyObject) -> None:
    """Every event, one a cycle: all bits, all latencies; the outputs are kept."""
    plan = stimulus.back_to_back(len(BENCH.expected), BENCH.pace)
    seen = await play(dut, BENCH, plan, "back_to_back")
    size = (BENCH.width + 7) // 8
    out = [int(seen.data[cycle], 2).to_bytes(size, "little") for cycle in np.flatnonzero(plan.due() >= 0)]
    np.save(FOLDER / "outputs.npy", np.frombuffer(b"".join(out), dtype=np.uint8).reshape(-1, size))


@cocotb.test()
async def with_gaps(dut: HierarchyObject) -> None:
    """Events with random gaps between them and other data in the gaps."""
    events = len(BENCH.expected)
    order = np.arange(events - BENCH.gapped, events)
    await play(dut, BENCH, stimulus.with_gaps(order, events, BENCH.pace, BENCH.rng()), "with_gaps")


@cocotb.test()
async def too_soon(dut: HierarchyObject) -> None:
    """Events that come before the interval has passed: they are dropped and reported, and all others come out whole."""
    if BENCH.pace.ii > 1:
        await play(dut, BENCH, stimulus.too_soon(len(BENCH.expected), BENCH.pace, BENCH.rng()), "too_soon")


@cocotb.test()
async def reloaded(dut: HierarchyObject) -> None:
    """Other numbers are written while events come back to back, and switched between two of them: no event meets some of both."""
    if BENCH.writes:
        await switched(dut, BENCH)


@cocotb.test()
async def with_resets(dut: HierarchyObject) -> None:
    """Resets in mid-stream: what was in flight is gone, what follows is right."""
    await play(dut, BENCH, stimulus.with_resets(len(BENCH.expected), BENCH.pace, BENCH.rng()), "with_resets")
