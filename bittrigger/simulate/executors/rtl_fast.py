"""The executor ``rtl-fast``: the emitted SystemVerilog, verilated into a shared library, about a million events a second."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bittrigger.errors import ConfigError, InternalError, MismatchError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import output_fields
from bittrigger.simulate.simulators import stimulus
from bittrigger.simulate.simulators.harness import Played, play
from bittrigger.simulate.simulators.stimulus import Pace, Schedule
from bittrigger.simulate.simulators.verilated import build_library

BLOCK = 1 << 16
"""Events that are streamed between two resets; bounds the memory, and each block is a thread's work."""

GAPPED_EVENTS = 1000


@dataclass(frozen=True, eq=False)
class RtlFast:
    """Executor: SystemVerilog in a harness of compiled C++, without VPI.

    Every event is streamed, one a cycle; the last thousand are sent again with random gaps and other data in the gaps,
    and a dense stream is reset again and again. ``out_valid`` must be right in every cycle of all three, and an event must
    give the same bits each time. Registers start with random contents.

    Attributes:
        pipeline: the design.
        folder: holds the SystemVerilog, as ``emit_verilog`` leaves it; every .sv file is read.
        cache: for libraries, one a content; may be deleted, shared and used at the same time by several builds.
        seed: of gaps, resets and register contents.
        jobs: threads and compilers at a time, by default one a core.
    """

    pipeline: Pipeline
    folder: Path
    cache: Path
    seed: int = 1
    jobs: int | None = None

    @property
    def name(self) -> str:
        """``rtl-fast``."""
        return "rtl-fast"

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`.

        Raises:
            MismatchError: if ``out_valid`` is wrong in a cycle, or an event's outputs depend on what surrounds it.
            ConfigError: if there is no SystemVerilog.
            ToolNotFoundError: if Verilator or g++ is missing.
            ToolError: if one of them fails, or the design stops the simulation.
        """
        graph, pace = self.pipeline.graph, Pace.of(self.pipeline)
        if codes.ndim != 2 or codes.shape[1] != graph.n_inputs:
            raise InternalError(f"codes of shape {codes.shape} into a design of {graph.n_inputs} inputs")
        codes = np.ascontiguousarray(codes, dtype=np.int64)
        events = codes.shape[0]
        results = np.empty((events, graph.n_outputs), dtype=np.int64)
        if not events:
            return results
        self._library  # noqa: B018 (built before the threads need it)

        def stream(start: int) -> None:
            part = codes[start : start + BLOCK]
            results[start : start + BLOCK] = self._play(
                stimulus.back_to_back(len(part), pace), part, f"back_to_back from event {start}"
            )

        with ThreadPoolExecutor(self.jobs or os.cpu_count() or 1) as pool:
            list(pool.map(stream, range(0, events, BLOCK)))
        self._play_protocol(codes[-GAPPED_EVENTS:], results[-GAPPED_EVENTS:], max(0, events - GAPPED_EVENTS))
        return results

    def _play_protocol(self, codes: IntArray, wanted: IntArray, first: int) -> None:
        """Gaps and resets: the same events must give what they gave back to back, and at the right time."""
        events, pace = codes.shape[0], Pace.of(self.pipeline)
        rng = np.random.default_rng(self.seed)
        plans = {
            "with_gaps": stimulus.with_gaps(np.arange(events), events, pace, rng),
            "with_resets": stimulus.with_resets(events, pace, rng),
        }
        if self.pipeline.ii > 1:
            plans["too_soon"] = stimulus.too_soon(events, pace, rng)
        for pattern, plan in plans.items():
            found = self._play(plan, codes, pattern)
            due = plan.due()
            again = wanted[due[due >= 0]]
            different = np.argwhere(found != again)
            if different.size:
                row, column = (int(k) for k in different[0])
                field = output_fields(self.pipeline.graph)[column]
                raise MismatchError(
                    f"rtl-fast: event {first + int(due[due >= 0][row])}, output {field.port}[{field.index}]: "
                    f"{again[row, column]} when events come back to back, {found[row, column]} in pattern {pattern} (codes)"
                )

    def _play(self, plan: Schedule, codes: IntArray, pattern: str) -> IntArray:
        """The outputs of each event that ``plan`` makes due, in that order; ``out_valid`` is checked in every cycle."""
        played = play(self._library, self.pipeline, plan, codes, seed=self.seed)
        self._check_valid(plan, played, pattern)
        return played.results

    def _check_valid(self, plan: Schedule, played: Played, pattern: str) -> None:
        due, out_valid = played.due, played.out_valid
        wrong = np.flatnonzero(plan.known() & (out_valid != (due >= 0)))
        if not wrong.size:
            return
        cycle = int(wrong[0])
        first = int(np.flatnonzero(plan.valid)[0])
        came = np.flatnonzero(out_valid[first:])
        seen = f"first came {int(came[0])} cycles after in_valid" if came.size else "never came"
        expected = f"event {int(due[cycle])} is due" if due[cycle] >= 0 else "nothing is due"
        raise MismatchError(
            f"oracle and rtl-fast differ in their timing: out_valid is {out_valid[cycle]} in cycle {cycle} of pattern "
            f"{pattern}, where {expected}; the pipeline's latency is {self.pipeline.latency_cycles} cycles, out_valid {seen}"
        )

    @cached_property
    def _library(self) -> Path:
        return self.build()

    def build(self) -> Path:
        """Verilate and compile unless that is in the cache, and return the shared library.

        Raises:
            ConfigError: if there is no SystemVerilog.
            ToolNotFoundError: if Verilator or g++ is missing.
            ToolError: if one of them fails.
        """
        name = self.pipeline.graph.name
        if not (self.folder / f"{name}.sv").is_file():
            raise ConfigError(f"{self.folder}: no {name}.sv; convert the model again")
        sources = sorted(self.folder.glob("*.sv"))
        return build_library(name, sources, self.cache, jobs=self.jobs or os.cpu_count() or 1)
