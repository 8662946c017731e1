"""The executor ``gates``: the netlist that synthesis made, cell by cell and cycle by cycle."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.errors import MismatchError, ToolError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import intervals
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import Field, common_type, input_fields, output_fields, pack, unpack
from bittrigger.simulate.simulators.cells import Words
from bittrigger.simulate.simulators.program import Program
from bittrigger.synth.strict import read_strict
from bittrigger.synth.yosys import netlist_files

BLOCK = 8192
"""Clock cycles that are evaluated at a time; bounds the memory, 1 kB a net."""


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
    def program(self) -> Program:
        """The netlist, ready to run.

        Raises:
            ToolError: if it is absent, or holds what a pipeline cannot.
        """
        files = netlist_files(self.pipeline, self.folder)
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise ToolError(f"netlist {missing[0]} not found; convert the model again, without --no-synth")
        return Program(read_strict(files))

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`.

        Raises:
            ToolError: if the netlist is absent, or holds what a pipeline cannot.
            MismatchError: if ``out_valid`` is not high in exactly the cycles in which results are due.
        """
        step = max(1, (BLOCK - 1 - self.pipeline.latency_cycles) // self.pipeline.ii)
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
        outputs = self._drive(Program(replace(netlist, outputs={**netlist.outputs, **buses})), codes)
        graph, ranges = self.pipeline.graph, intervals(self.pipeline.graph)
        found = {}
        for module in self.pipeline.modules:
            name = module.node.name
            kind = common_type(ranges[name], graph[name].frac)
            if len(buses.get(f"{name}_codes", ())) == graph[name].size * kind.width:
                fields = tuple(Field(name, k, k * kind.width, kind) for k in range(graph[name].size))
                first = 1 + module.done
                bits = _cycles(outputs[f"{name}_codes"])[self._slots(first, len(codes))]
                found[name] = unpack(np.packbits(bits, axis=1, bitorder="little"), fields)
        return found

    def _run_block(self, codes: IntArray) -> IntArray:
        events, latency = codes.shape[0], self.pipeline.latency_cycles
        outputs = self._drive(self.program, codes)
        cycles = outputs["out_valid"].shape[1] * 64
        due = np.zeros(cycles, dtype=np.uint8)
        due[self._slots(1 + latency, events)] = 1
        wrong = np.flatnonzero(_cycles(outputs["out_valid"])[:, 0] != due)
        if wrong.size:
            raise MismatchError(
                f"gates: out_valid is {1 - due[wrong[0]]} in cycle {wrong[0]}; reset was in cycle 0, {events} events "
                f"entered from cycle 1 on, {self.pipeline.ii} cycles apart, and the latency is {latency} cycles"
            )
        bits = _cycles(outputs["out_data"])[self._slots(1 + latency, events)]
        return unpack(np.packbits(bits, axis=1, bitorder="little"), output_fields(self.pipeline.graph))

    def _slots(self, first: int, events: int) -> slice:
        """The cycles of as many events, the first one's being ``first``."""
        return slice(first, first + events * self.pipeline.ii, self.pipeline.ii)

    def _drive(self, program: Program, codes: IntArray) -> dict[str, Words]:
        """What ``program`` gives for a cycle of reset, then one event every cycle, then empty cycles."""
        events, latency = codes.shape[0], self.pipeline.latency_cycles
        cycles = -(-(1 + events * self.pipeline.ii + latency) // 64) * 64
        width = len(program.netlist.inputs["in_data"])
        data = np.zeros((cycles, width), dtype=np.uint8)
        words = pack(codes, input_fields(self.pipeline.graph))
        data[self._slots(1, events)] = np.unpackbits(words, axis=1, bitorder="little")[:, :width]
        reset = np.zeros((cycles, 1), dtype=np.uint8)
        reset[0] = 1
        valid = np.zeros((cycles, 1), dtype=np.uint8)
        valid[self._slots(1, events)] = 1
        return program.run({"in_data": _histories(data), "rst": _histories(reset), "in_valid": _histories(valid)})


def _histories(bits: npt.NDArray[np.uint8]) -> Words:
    """`(nets, words)` from `(cycles, nets)` single bits."""
    return np.packbits(np.ascontiguousarray(bits.T), axis=1, bitorder="little").view(np.uint64)


def _cycles(values: Words) -> npt.NDArray[np.uint8]:
    """`(cycles, nets)` single bits from `(nets, words)`."""
    return np.unpackbits(np.ascontiguousarray(values).view(np.uint8), axis=1, bitorder="little").T
