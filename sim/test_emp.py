"""Play pattern files into an EMP wrapper and capture what comes out, as the buffers of a board do."""

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

from bittrigger.patterns import FRAME, Board, Format, read, write

faulthandler.dump_traceback_later(float(os.environ["BITTRIGGER_TIMEOUT_S"]), exit=True)
FOLDER = Path(os.environ["BITTRIGGER_BENCH"])
CLOCK_NS = 2
RESET_CYCLES = 3
FLAGS = ("valid", "start", "last", "start_of_orbit", "strobe")


class Driver:
    """Puts one frame of a board on the ports ``d_*``."""

    def __init__(self, dut: HierarchyObject, links: int) -> None:
        self._ports = {name: getattr(dut, f"d_{name}") for name in ("data", *FLAGS)}
        self._links = range(links)

    def send(self, row: np.ndarray) -> None:
        """Drive ``row``, `(links,)` of ``FRAME``."""
        data = row["data"].tolist()
        self._ports["data"].value = sum(data[k] << (64 * k) for k in self._links)
        for flag in FLAGS:
            values = row[flag].tolist()
            self._ports[flag].value = sum(values[k] << k for k in self._links)


class Monitor:
    """Takes one frame of a board from the ports ``q_*``, and the errors beside them."""

    def __init__(self, dut: HierarchyObject) -> None:
        self._dut = dut
        self._ports = {name: getattr(dut, f"q_{name}") for name in ("data", *FLAGS)}
        self.links = len(dut.q_valid)
        self.errors: dict[str, list[int]] = {"packet_error": [], "overrun": []}

    def take(self, frame: int) -> np.ndarray:
        """The frame of this cycle, `(links,)` of ``FRAME``."""
        row = np.zeros(self.links, dtype=FRAME)
        data = int(str(self._ports["data"].value), 2)
        row["data"] = [data >> (64 * k) & (2**64 - 1) for k in range(self.links)]
        for flag in FLAGS:
            bits = int(str(self._ports[flag].value), 2)
            row[flag] = [bits >> k & 1 for k in range(self.links)]
        for name, cycles in self.errors.items():
            if str(getattr(self._dut, name).value) != "0":
                cycles.append(frame)
        return row


async def play(dut: HierarchyObject, board: Board) -> tuple[Board, dict[str, list[int]]]:
    """Reset, then one frame a cycle; what comes out in the same cycle is the frame of the same number."""
    driver, monitor = Driver(dut, len(dut.d_valid)), Monitor(dut)
    idle = np.zeros(len(board.links), dtype=FRAME)
    out = np.zeros((len(board.frames), monitor.links), dtype=FRAME)
    dut.rst.value = 1
    driver.send(idle)
    for _ in range(RESET_CYCLES):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    for number, row in enumerate(board.frames):
        out[number] = monitor.take(number)
        driver.send(row)
        await FallingEdge(dut.clk)
    return Board(board.id, tuple(range(monitor.links)), out), monitor.errors


@cocotb.test()
async def play_and_capture(dut: HierarchyObject) -> None:
    """Each ``in_<k>.txt`` gives ``out_<k>.txt``; the cycles of errors are left in ``errors.json``."""
    Clock(dut.clk, CLOCK_NS, unit="ns", impl="gpi").start()
    await FallingEdge(dut.clk)
    errors, setup = [], json.loads((FOLDER / "bench.json").read_text(encoding="utf-8"))
    if setup["writes"]:
        await hold(dut, dut.clk, setup["writes"], setup["idle"])
    for number in range(setup["files"]):
        captured, seen = await play(dut, read(FOLDER / f"in_{number}.txt", form=Format.EMPV2))
        write(FOLDER / f"out_{number}.txt", captured, Format.EMPV2)
        errors.append(seen)
    (FOLDER / "errors.json").write_text(json.dumps(errors) + "\n", encoding="utf-8")
