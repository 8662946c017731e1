"""Play accesses of a control computer into a design's AXI4-Lite or IPbus slave, while events go through the design.

``bench.json`` holds the runs; ``out.json`` gets what each access was answered with, and what came out for each event.
"""

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

faulthandler.dump_traceback_later(float(os.environ["BITTRIGGER_TIMEOUT_S"]), exit=True)
FOLDER = Path(os.environ["BITTRIGGER_BENCH"])
RESET_CYCLES = 4
PATIENCE = 20000
"""Cycles after which an access that has no answer is a fault."""

Access = list[int]  # whether it writes, address, data, strobes
Answer = list[int]  # whether it was refused, data, cycles that it took


class AxiLite:
    """A master that offers address and data of a write in any order, and takes responses late."""

    def __init__(self, dut: HierarchyObject, stall: float, seed: int) -> None:
        self._dut, self._stall, self._rng = dut, stall, np.random.default_rng(seed)
        self._edge = FallingEdge(dut.aclk)

    async def reset(self) -> None:
        """Reset the slave; nothing is offered behind it."""
        for port in ("awvalid", "wvalid", "arvalid", "bready", "rready", "awaddr", "araddr", "wdata", "wstrb"):
            getattr(self._dut, f"s_axi_{port}").value = 0
        self._dut.aresetn.value = 0
        for _ in range(RESET_CYCLES):
            await self._edge
        self._dut.aresetn.value = 1

    async def access(self, write: int, address: int, data: int, strobes: int) -> Answer:
        """One access, from its offer to its response."""
        if not write:
            return await self._transact({"ar": {"addr": address}}, "r")
        return await self._transact({"aw": {"addr": address}, "w": {"data": data, "strb": strobes}}, "b")

    async def rest(self) -> None:
        """Nothing comes next; each valid was lowered behind its access."""

    async def _transact(self, offers: dict[str, dict[str, int]], response: str) -> Answer:
        dut, rng = self._dut, self._rng
        waiting, offered, seen = dict(offers), set(), None
        for cycle in range(PATIENCE):
            for channel in sorted(set(waiting) - offered):
                if rng.random() >= self._stall:
                    offered.add(channel)
                    for name, value in waiting[channel].items():
                        getattr(dut, f"s_axi_{channel}{name}").value = value
                    getattr(dut, f"s_axi_{channel}valid").value = 1
            valid = str(getattr(dut, f"s_axi_{response}valid").value) == "1"
            now = self._response(response) if valid else None
            assert seen in (None, now), f"the response {seen} became {now} before it was taken"
            assert not valid or not waiting, "a response before the access"
            ready = rng.random() >= self._stall
            getattr(dut, f"s_axi_{response}ready").value = int(ready)
            taken = [c for c in sorted(offered) if str(getattr(dut, f"s_axi_{c}ready").value) == "1"]
            seen = now
            await self._edge
            for channel in taken:
                getattr(dut, f"s_axi_{channel}valid").value = 0
                offered.discard(channel)
                del waiting[channel]
            if now is not None and ready:
                getattr(dut, f"s_axi_{response}ready").value = 0
                return [*now, cycle]
        raise AssertionError(f"no answer to {offers}")

    def _response(self, channel: str) -> Answer:
        code = str(getattr(self._dut, f"s_axi_{channel}resp").value)
        assert code in ("00", "10"), code
        return [int(code == "10"), int(str(self._dut.s_axi_rdata.value), 2) if channel == "r" else 0]


class Ipbus:
    """A master as IPbus' own: the strobe stands between accesses that follow each other, and is lowered after an error."""

    def __init__(self, dut: HierarchyObject, stall: float, seed: int) -> None:
        self._dut, self._stall, self._rng = dut, stall, np.random.default_rng(seed)
        self._edge = FallingEdge(dut.ipb_clk)

    async def reset(self) -> None:
        """Reset the slave."""
        for port in ("strobe", "write", "addr", "wdata"):
            getattr(self._dut, f"ipb_{port}").value = 0
        self._dut.ipb_rst.value = 1
        for _ in range(RESET_CYCLES):
            await self._edge
        self._dut.ipb_rst.value = 0

    async def access(self, write: int, address: int, data: int, patience: int) -> Answer:
        """One access; given up after ``patience`` cycles if that is above 15, the strobes of other buses."""
        dut = self._dut
        while self._rng.random() < self._stall:
            await self._lowered()
        dut.ipb_strobe.value, dut.ipb_write.value, dut.ipb_addr.value, dut.ipb_wdata.value = 1, write, address, data
        for cycle in range(patience if patience > 15 else PATIENCE):
            await self._edge
            ack, err = str(dut.ipb_ack.value), str(dut.ipb_err.value)
            assert (ack, err) in (("0", "0"), ("1", "0"), ("0", "1")), (ack, err)
            if "1" in (ack, err):
                found = [int(err), int(str(dut.ipb_rdata.value), 2), cycle]
                if err == "1" or self._rng.random() < 0.5:
                    await self._lowered()
                else:
                    await self._edge  # the strobe stands; what comes next is another access
                return found
        assert patience > 15, f"no answer to {(write, address, data)}"
        await self._lowered()
        return [2, 0, patience]

    async def rest(self) -> None:
        """Nothing comes next."""
        self._dut.ipb_strobe.value = 0
        await self._edge

    async def _lowered(self) -> None:
        await self._edge
        self._dut.ipb_strobe.value = 0
        await self._edge
        assert str(self._dut.ipb_ack.value) == str(self._dut.ipb_err.value) == "0", "an answer that nobody waits for"


MASTERS = {"axi_lite": AxiLite, "ipbus": Ipbus}


class Events:
    """Events through the design, as close as it takes them: which came, and what came out."""

    def __init__(self, dut: HierarchyObject, words: list[int], latency: int, ii: int) -> None:
        self._dut, self._words, self._latency, self._ii = dut, words, latency, ii
        self._sent: list[int] = []
        self.found: list[tuple[int, int]] = []
        self.ends = False

    async def run(self) -> None:
        """Until ``ends``."""
        dut, rng, edge = self._dut, np.random.default_rng(1), FallingEdge(self._dut.clk)
        for _ in range(self._latency + self._ii):  # nothing of an earlier run is under way
            await edge
        cycle = 0
        while not self.ends:
            comes = cycle % self._ii == 0
            dut.in_valid.value = int(comes)
            if comes:
                self._sent.append(int(rng.integers(len(self._words))))
                dut.in_data.value = self._words[self._sent[-1]]
            await edge
            cycle += 1
            due = cycle >= self._latency and (cycle - self._latency) % self._ii == 0
            assert str(dut.out_valid.value) == str(int(due)), cycle
            if due:
                self.found.append((self._sent[len(self.found)], int(str(dut.out_data.value), 2)))
        dut.in_valid.value = 0


async def play(dut: HierarchyObject, kind: type[AxiLite | Ipbus], run: dict[str, object]) -> list[Answer]:
    """What the accesses of ``run`` are answered with; reads and writes apart where they are parallel."""
    accesses: list[Access] = run["accesses"]
    await FallingEdge(dut.aclk if kind is AxiLite else dut.ipb_clk)
    if not run["parallel"]:
        master = kind(dut, run["stall"], run["seed"])
        if run["reset"]:
            await master.reset()
        answers = [await master.access(*access) for access in accesses]
        await master.rest()
        return answers
    found: dict[int, Answer] = {}

    async def some(write: int) -> None:
        master = kind(dut, run["stall"], run["seed"] + write)
        for k, access in enumerate(accesses):
            if access[0] == write:
                found[k] = await master.access(*access)

    both = [cocotb.start_soon(some(write)) for write in (0, 1)]
    for task in both:
        await task
    return [found[k] for k in range(len(accesses))]


@cocotb.test()
async def control(dut: HierarchyObject) -> None:
    """Each run of ``bench.json`` gives an entry of ``out.json``."""
    setup = json.loads((FOLDER / "bench.json").read_text(encoding="utf-8"))
    bus_clock = dut.aclk if setup["bus"] == "axi_lite" else dut.ipb_clk
    Clock(bus_clock, setup["bus_ps"], unit="ps", impl="gpi").start()
    Clock(dut.clk, setup["clk_ps"], unit="ps", impl="gpi").start()
    dut.rst.value, dut.in_valid.value, dut.in_data.value = 1, 0, 0
    kind = MASTERS[setup["bus"]]
    await kind(dut, 0.0, 1).reset()
    for _ in range(setup["idle"]):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    out = []
    for run in setup["runs"]:
        events = Events(dut, [int(word, 16) for word in setup["events"]], setup["latency"], setup["ii"])
        task = cocotb.start_soon(events.run()) if run["events"] else None
        answers = await play(dut, kind, run)
        for _ in range(2 * setup["latency"]):
            await FallingEdge(dut.clk)
        events.ends = True
        if task is not None:
            await task
        out.append({"answers": answers, "events": [(k, f"{word:x}") for k, word in events.found]})
    (FOLDER / "out.json").write_text(json.dumps(out) + "\n", encoding="utf-8")
