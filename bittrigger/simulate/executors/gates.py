"""The executor ``gates``: the netlist that synthesis made, cell by cell and cycle by cycle."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.errors import MismatchError, ToolError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.arrival import to_words, word_fields
from bittrigger.ir.graph import intervals
from bittrigger.ir.held.bus import SETTLING, WORD_BITS, address_bits, writes
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import Field, common_type, output_fields, pack, unpack
from bittrigger.simulate.simulators.cells import Words
from bittrigger.simulate.simulators.clocked import Clocked
from bittrigger.simulate.simulators.program import Program, has_feedback
from bittrigger.synth.memory import BLOCK_MEMORIES
from bittrigger.synth.netlist import Netlist
from bittrigger.synth.strict import read_strict
from bittrigger.synth.yosys import netlist_files

BLOCK = 8192
"""Clock cycles that are evaluated at a time; bounds the memory, 1 kB a net."""

RUNS = 1024
"""Runs side by side of a netlist with feedback."""

BLOCK_RUNS = 64
"""The same where there is block RAM."""

RUN_CYCLES = 256
"""Cycles in which events enter such a run, unless one event takes more."""

Bits = npt.NDArray[np.uint8]


class GateSim:
    """Runs the synthesised netlist of a design.

    Each block of events is one run from power-up: a cycle of reset, then one event every cycle, then as many empty
    cycles as the pipeline is long. Outputs are read ``latency_cycles`` after their inputs and nowhere else, and
    ``out_valid`` must be high in exactly these cycles.

    Args:
        folder: where ``synthesize`` left the netlists.
    """

    name = "gates"

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline = pipeline
        self.folder = folder

    @cached_property
    def program(self) -> Program | Clocked:
        """The netlist, ready to run.

        Raises:
            ToolError: if it is absent, or holds what a pipeline cannot.
        """
        files = netlist_files(self.pipeline, self.folder)
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise ToolError(f"netlist {missing[0]} not found; convert the model again, without --no-synth")
        return _executable(read_strict(files))

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`.

        Raises:
            ToolError: if the netlist is absent, or holds what a pipeline cannot.
            MismatchError: if ``out_valid`` is not high in exactly the cycles in which results are due.
        """
        step = max(1, (BLOCK - 1 - self.pipeline.latency_cycles) // self.pipeline.ii)
        if self._loops:
            step = self._most_runs * max(1, RUN_CYCLES // self.pipeline.ii)
        blocks = [self._run_block(codes[start : start + step]) for start in range(0, codes.shape[0], step)]
        if not blocks:
            return np.empty((0, self.pipeline.graph.n_outputs), dtype=np.int64)
        return np.concatenate(blocks)

    def layer_codes(self, codes: IntArray) -> dict[str, IntArray]:
        """The codes of each node whose bus synthesis has kept, `(events, size)`, for at most a block of events.

        Raises:
            ToolError: if the netlist is absent, or holds what a pipeline cannot.
        """
        netlist = self.program.netlist
        buses = {name: nets for name, nets in netlist.wires.items() if name.endswith("_codes")}
        outputs = self._drive(_executable(replace(netlist, outputs={**netlist.outputs, **buses})), codes)
        graph, ranges = self.pipeline.graph, intervals(self.pipeline.graph)
        found = {}
        for module in self.pipeline.modules:
            name = module.node.name
            kind = common_type(ranges[name], graph[name].frac)
            if len(buses.get(f"{name}_codes", ())) == graph[name].size * kind.width:
                fields = tuple(Field(name, k, k * kind.width, kind) for k in range(graph[name].size))
                first = 1 + module.done
                bits = self._picked(outputs[f"{name}_codes"], first, len(codes))
                found[name] = unpack(np.packbits(bits, axis=1, bitorder="little"), fields)
        return found

    def _run_block(self, codes: IntArray) -> IntArray:
        events, latency = codes.shape[0], self.pipeline.latency_cycles
        outputs = self._drive(self.program, codes)
        runs, each = self._shape(events)
        due = np.zeros((outputs["out_valid"].shape[0], 1, runs), dtype=np.uint8)
        come = np.arange(each * runs) < events  # run after run of each slot
        due[self._slots(1 + latency, each), 0] = come.reshape(each, runs)
        wrong = np.argwhere(outputs["out_valid"] != due)
        if wrong.size:
            cycle, _, run = wrong[0]
            raise MismatchError(
                f"gates: out_valid is {1 - due[cycle, 0, run]} in cycle {cycle}; reset was in cycle 0, {events} events "
                f"entered from cycle 1 on, {self.pipeline.ii} cycles apart"
                + (f", in {runs} runs" if runs > 1 else "")
                + f", and the latency is {latency} cycles"
            )
        bits = self._picked(outputs["out_data"], 1 + latency, events)
        return unpack(np.packbits(bits, axis=1, bitorder="little"), output_fields(self.pipeline.graph))

    @property
    def _loops(self) -> bool:
        return isinstance(self.program, Clocked)

    @property
    def _most_runs(self) -> int:
        """Fewer where there is block RAM: each run holds all of it."""
        return BLOCK_RUNS if any(cell.type in BLOCK_MEMORIES for cell in self.program.netlist.cells) else RUNS

    def _shape(self, events: int) -> tuple[int, int]:
        """Runs side by side, and the events of each at most: event ``k`` is number ``k // runs`` of run ``k % runs``."""
        runs = min(events, self._most_runs) if self._loops else 1
        return runs, -(-events // runs)

    def _slots(self, first: int, events: int) -> slice:
        """The cycles of as many events, the first one's being ``first``."""
        return slice(first, first + events * self.pipeline.ii, self.pipeline.ii)

    def _picked(self, values: Bits, first: int, events: int) -> Bits:
        """`(events, nets)` from `(cycles, nets, runs)`: what each event gives where the first one's cycle is ``first``."""
        _, each = self._shape(events)
        return values[self._slots(first, each)].transpose(0, 2, 1).reshape(-1, values.shape[1])[:events]

    def _written(self) -> dict[str, Bits]:
        """The bus, `(cycles, bits)`, while all that the design holds is written; empty if it holds nothing."""
        words = writes(self.pipeline.graph)
        if not words:
            return {}
        table = np.zeros((len(words) + self.pipeline.latency_cycles + SETTLING, 3), dtype=np.int64)
        table[: len(words)] = [(1, address, data) for address, data in words]
        sizes = {"write": 1, "address": address_bits(self.pipeline.graph), "data": WORD_BITS}
        return {
            f"settings_{port}": (table[:, column, None] >> np.arange(size) & 1).astype(np.uint8)
            for column, (port, size) in enumerate(sizes.items())
        }

    def _drive(self, program: Program | Clocked, codes: IntArray) -> dict[str, Bits]:
        """What ``program`` gives, `(cycles, nets, runs)`: a cycle of reset, one event every interval, then empty cycles."""
        events, latency, width = codes.shape[0], self.pipeline.latency_cycles, len(program.netlist.inputs["in_data"])
        runs, each = self._shape(events)
        cycles = 1 + each * self.pipeline.ii + latency
        graph, arrival = self.pipeline.graph, self.pipeline.arrival
        rows = pack(to_words(graph, arrival, codes), word_fields(graph, arrival))
        words = np.unpackbits(rows, axis=1, bitorder="little")[:, :width].reshape(events, -1, width)
        filled = np.zeros((each * runs, words.shape[1], width + 1), dtype=np.uint8)
        filled[:events, :, :width], filled[:events, :, width] = words, 1
        data = np.zeros((cycles, width + 1, runs), dtype=np.uint8)
        for k in range(words.shape[1]):
            data[self._slots(1 + k, each)] = filled[:, k].reshape(each, runs, width + 1).transpose(0, 2, 1)
        start = np.zeros((cycles, 1, runs), dtype=np.uint8)
        start[self._slots(1, each)] = data[self._slots(1, each), width:]
        reset = np.zeros((cycles, 1, runs), dtype=np.uint8)
        reset[0] = 1
        ports = {"in_data": data[:, :width], "rst": reset, "in_valid": data[:, width:]}
        ports |= {"in_start": start} if arrival else {}
        if isinstance(program, Clocked):
            side_by_side = {port: _side_by_side(bits) for port, bits in ports.items()}
            clocked = program.run(side_by_side, self._written())
            return {port: _runs(values, runs) for port, values in clocked.items()}
        found = program.run({port: _histories(bits[:, :, 0]) for port, bits in ports.items()})
        return {port: _cycles(values)[:cycles, :, None] for port, values in found.items()}


def _executable(netlist: Netlist) -> Program | Clocked:
    return Clocked(netlist) if has_feedback(netlist) else Program(netlist)


def _side_by_side(bits: Bits) -> npt.NDArray[np.uint64]:
    """`(cycles, nets, words)` from `(cycles, nets, runs)` single bits."""
    padded = np.pad(bits, ((0, 0), (0, 0), (0, -bits.shape[2] % 64)))
    return np.packbits(padded, axis=2, bitorder="little").view(np.uint64)


def _runs(words: npt.NDArray[np.uint64], runs: int) -> Bits:
    """`(cycles, nets, runs)` single bits from `(cycles, nets, words)`."""
    return np.unpackbits(words.view(np.uint8), axis=2, bitorder="little")[:, :, :runs]


def _histories(bits: Bits) -> Words:
    """`(nets, words)` from `(cycles, nets)` single bits; the last word is filled up with zeros."""
    bits = np.pad(bits, ((0, -bits.shape[0] % 64), (0, 0)))
    return np.packbits(np.ascontiguousarray(bits.T), axis=1, bitorder="little").view(np.uint64)


def _cycles(values: Words) -> Bits:
    """`(cycles, nets)` single bits from `(nets, words)`."""
    return np.unpackbits(np.ascontiguousarray(values).view(np.uint8), axis=1, bitorder="little").T
