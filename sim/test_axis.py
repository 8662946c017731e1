"""Send packets into an AXI4-Stream wrapper with random gaps, and take the results with random back-pressure."""

from __future__ import annotations

import faulthandler
import json
import os
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge
from settings import hold

faulthandler.dump_traceback_later(float(os.environ["BITTRIGGER_TIMEOUT_S"]), exit=True)
FOLDER = Path(os.environ["BITTRIGGER_BENCH"])
CLOCK_NS = 2
RESET_CYCLES = 3
PAYLOAD = ("tdata", "tkeep", "tlast", "tuser")


class Driver:
    """Offers beats, each until it is taken, with random gaps between them."""

    def __init__(
        self, dut: HierarchyObject, beats: list[tuple[int, int, int]], gap: float, rng: np.random.Generator
    ) -> None:
        self._dut, self._beats, self._gap, self._rng = dut, beats, gap, rng
        self._next = 0
        self._offered = False
        self.taken: list[int] = []

    def cycle(self, number: int) -> bool:
        """Drive this cycle; returns whether a beat is taken at its end."""
        if not self._offered and self._next < len(self._beats) and self._rng.random() >= self._gap:
            self._offered = True
            for port, value in zip(("tdata", "tkeep", "tlast"), self._beats[self._next], strict=True):
                getattr(self._dut, f"s_axis_{port}").value = value
        self._dut.s_axis_tvalid.value = int(self._offered)
        if not (self._offered and str(self._dut.s_axis_tready.value) == "1"):
            return False
        self._offered = False
        self._next += 1
        self.taken.append(number)
        return True


class Monitor:
    """Takes beats with random back-pressure, and checks that an offer stands until it is taken."""

    def __init__(self, dut: HierarchyObject, stall: float, rng: np.random.Generator) -> None:
        self._dut, self._stall, self._rng = dut, stall, rng
        self._waiting: tuple[int, ...] | None = None
        self._silent = 0
        self.beats: list[tuple[int, ...]] = []
        self.taken: list[int] = []

    def cycle(self, number: int) -> None:
        """Look at the ports, and decide whether to take what they offer."""
        valid = str(self._dut.m_axis_tvalid.value) == "1"
        offer = tuple(int(str(getattr(self._dut, f"m_axis_{port}").value), 2) for port in PAYLOAD) if valid else None
        assert self._waiting in (None, offer), (
            f"cycle {number}: the offer {self._waiting} became {offer} before it was taken"
        )
        if self._silent == 0 and self._stall and self._rng.random() < 0.02:
            self._silent = 60  # long enough for every place to fill up
        ready = self._silent == 0 and self._rng.random() >= self._stall
        self._silent = max(0, self._silent - 1)
        self._dut.m_axis_tready.value = int(ready)
        self._waiting = None if ready else offer
        if ready and offer is not None:
            self.beats.append(offer)
            self.taken.append(number)


async def stream(
    dut: HierarchyObject, run: dict[str, float | None], beats: list[tuple[int, int, int]], results: int
) -> dict[str, object]:
    """One run: reset, all ``beats``, and on until ``results`` packets came out and nothing more; or for some cycles."""
    rng = np.random.default_rng(int(run["seed"]))
    driver, monitor = Driver(dut, beats, run["gap"], rng), Monitor(dut, run["stall"], rng)
    dut.aresetn.value = 0
    dut.s_axis_tvalid.value = 0
    dut.m_axis_tready.value = 0
    for _ in range(RESET_CYCLES):
        await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    quiet = number = full = 0
    while quiet < 200 and number != run["cycles"]:
        monitor.cycle(number)
        taken = driver.cycle(number)
        full += str(dut.s_axis_tready.value) == "0"
        done = len(driver.taken) == len(beats) and sum(beat[2] for beat in monitor.beats) >= results
        quiet = quiet + 1 if done or (not taken and quiet and len(driver.taken) == len(beats)) else 0
        number += 1
        assert number < 120 * (len(beats) + 100), (
            f"{len(driver.taken)} of {len(beats)} beats taken, {len(monitor.beats)} came"
        )
        await FallingEdge(dut.aclk)
    return {"beats": monitor.beats, "taken": driver.taken, "came": monitor.taken, "full_cycles": full}


@cocotb.test()
async def stream_packets(dut: HierarchyObject) -> None:
    """Each run of ``bench.json`` gives an entry of ``out.json``."""
    Clock(dut.aclk, CLOCK_NS, unit="ns", impl="gpi").start()
    await FallingEdge(dut.aclk)
    setup = json.loads((FOLDER / "bench.json").read_text(encoding="utf-8"))
    beats = [(int(data, 16), int(keep, 16), int(last)) for data, keep, last in setup["beats"]]
    packets = sum(last for _, _, last in beats)
    if setup["writes"]:
        await hold(dut, dut.aclk, setup["writes"], setup["idle"])
    found = [await stream(dut, run, beats, packets) for run in setup["runs"]]
    (FOLDER / "out.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
