"""The RTL executor: the emitted SystemVerilog in a simulator, checked to the bit and to the cycle by cocotb."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from bittrigger.errors import ConfigError, MismatchError, ToolError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.arrival import to_words, word_fields
from bittrigger.ir.graph import evaluate
from bittrigger.ir.held.bus import writes
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import Field, bus_width, output_fields, pack, unpack
from bittrigger.simulate.simulators.model import SIMULATORS, build_model, launch, options
from bittrigger.simulate.simulators.stimulus import Pace
from bittrigger.simulate.vectors import corner_codes, other_numbers
from bittrigger.system.locks import locked

TESTS = ("back_to_back", "with_gaps", "too_soon", "reloaded", "with_resets")
"""The cocotb tests that every run passes; see sim/test_design.py."""

_GAPPED_EVENTS = 1000
_GAPPED_VHDL = 100
"""GHDL takes milliseconds a cycle."""
_GRACE_S = 30.0
"""The simulator stops itself at the time limit, with a stack trace in the log; this much later it is killed."""


@dataclass(frozen=True)
class RtlSim:
    """Executor: SystemVerilog under Verilator or Icarus, VHDL under GHDL.

    A run streams the events given (without any, the corner vectors) back to back, then with random gaps, then sooner than the
    design takes them (where it does not take one every cycle), then with resets in mid-stream, and checks every bit of every
    output and the cycle in which it comes against the integer graph.

    Attributes:
        pipeline: the design; its graph is the oracle.
        folder: holds the SystemVerilog, as ``emit_verilog`` leaves it, or the VHDL; every .sv or .vhd file is read.
        cache: for the compiled model, logs and ``results.xml`` (JUnit); kept, so that a second run starts at once.
        simulator: ``verilator``; ``icarus`` or ``ghdl`` where that is installed.
        seed: of gaps and resets.
        timeout_s: after which a run that has not ended is stopped.

    Raises:
        ConfigError: if ``simulator`` is unknown.
    """

    pipeline: Pipeline
    folder: Path
    cache: Path
    simulator: str = "verilator"
    seed: int = 1
    timeout_s: float = 3600.0

    @property
    def name(self) -> str:
        """``rtl``, or ``vhdl``."""
        return "vhdl" if self.simulator == "ghdl" else "rtl"

    def __post_init__(self) -> None:
        if self.simulator not in SIMULATORS:
            raise ConfigError(f"simulator {self.simulator!r} is unknown; allowed are {', '.join(SIMULATORS)}")

    @property
    def results(self) -> Path:
        """The JUnit report of the last run."""
        return self.cache / self.simulator / "results.xml"

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`, as the simulated design gives them.

        Raises:
            MismatchError: if any output of any event differs from the oracle in a bit or in its cycle.
            ConfigError: if there is no SystemVerilog.
            ToolNotFoundError: if the simulator or a compiler is missing.
            ToolError: if the build or the simulator fails, dies or takes too long.
        """
        with locked(self.cache / self.simulator, "the bench in"):
            return self._run(codes)

    def build(self) -> Path:
        """Build the model unless it is in the cache, and return it.

        Raises:
            ConfigError: if there is no SystemVerilog.
            ToolNotFoundError: if the simulator or a compiler is missing.
            ToolError: if the build fails.
        """
        with locked(self.cache / self.simulator, "the bench in"):
            return build_model(self.pipeline.graph.name, self._sources(), self.cache / self.simulator, self.simulator)

    def _run(self, codes: IntArray) -> IntArray:
        """The run itself; model, bench and log belong to it alone."""
        graph = self.pipeline.graph
        target = self.cache / self.simulator
        model = build_model(graph.name, self._sources(), target, self.simulator)
        bench = self._write_bench(codes.astype(np.int64) if len(codes) else corner_codes(graph))
        log = target / "test.log"
        job = {
            "simulator": self.simulator,
            "options": options(self.simulator, target),
            "top": graph.name,
            "build_dir": str(model.parent),
            "test_dir": str(bench),
            "results": str(self.results.absolute()),
            "seed": self.seed,
        }
        environment = {
            "BITTRIGGER_BENCH": str(bench),
            "BITTRIGGER_TIMEOUT_S": f"{self.timeout_s:g}",
            "COCOTB_REWRITE_ASSERTION_FILES": "",  # cocotb would import pytest to make assertions prettier
        }
        try:
            launch("test", job, log=log, environment=environment, timeout_s=self.timeout_s + _GRACE_S)
        except ToolError:
            self._report_mismatch(bench / "mismatch.json", log)
            raise
        self._report_mismatch(bench / "mismatch.json", log)
        self._check_report(log)
        return unpack(np.load(bench / "outputs.npy"), output_fields(graph))[: len(codes)]

    def _sources(self) -> list[Path]:
        name = self.pipeline.graph.name
        if self.simulator == "ghdl":
            if not (self.folder / f"{name}.vhd").is_file():
                raise ConfigError(f"{self.folder}: no {name}.vhd; convert the model again, with --hdl vhdl")
            return sorted(self.folder.glob("*.vhd"))
        if not (self.folder / f"{name}.sv").is_file():
            raise ConfigError(f"{self.folder}: no {name}.sv; convert the model again")
        return sorted(self.folder.glob("*.sv"))

    def _write_bench(self, stimulus: IntArray) -> Path:
        """Write what the bench inside the simulator reads, and remove what an earlier one left."""
        graph = self.pipeline.graph
        bench = (self.cache / self.simulator / "bench").absolute()
        bench.mkdir(parents=True, exist_ok=True)
        for stale in ("mismatch.json", "outputs.npy"):
            (bench / stale).unlink(missing_ok=True)
        arrival = self.pipeline.arrival
        np.save(bench / "words.npy", pack(to_words(graph, arrival, stimulus), word_fields(graph, arrival)))
        np.save(bench / "expected.npy", pack(evaluate(graph, stimulus), output_fields(graph)))
        others = other_numbers(graph, self.seed)
        np.save(bench / "expected_of_others.npy", pack(evaluate(others, stimulus), output_fields(graph)))
        setup = {
            "width": bus_width(output_fields(graph)),
            "pace": asdict(Pace.of(self.pipeline)),
            "gapped": min(len(stimulus), _GAPPED_VHDL if self.simulator == "ghdl" else _GAPPED_EVENTS),
            "seed": self.seed,
            "writes": writes(graph),
            "others": writes(others),
        }
        (bench / "bench.json").write_text(json.dumps(setup) + "\n", encoding="utf-8")
        return bench

    def _report_mismatch(self, record: Path, log: Path) -> None:
        if record.is_file():
            facts = json.loads(record.read_text(encoding="utf-8"))
            if facts["kind"] == "dropped":
                raise MismatchError(
                    f"rtl ({self.simulator}): dropped is {facts['got']} in cycle {facts['cycle']} of pattern {facts['pattern']}, "
                    f"{facts['expected']} is due; full log: {log}"
                )
            if facts["kind"] == "latency":
                raise MismatchError(f"{self._latency_text(facts)}; full log: {log}")
            fields = output_fields(self.pipeline.graph)
            pairs = [[_bits(facts[key], field) for key in ("expected", "got")] for field in fields]
            column = next(k for k, (expected, got) in enumerate(pairs) if expected != got)
            codes = [_code(bits, fields[column]) for bits in pairs[column]]
            raise MismatchError(
                f"{self._value_text(facts, fields[column], codes)}; full log: {log}",
                event=facts["event"],
                column=column,
                codes=None if isinstance(codes[0], str) or isinstance(codes[1], str) else (codes[0], codes[1]),
            )

    def _latency_text(self, facts: dict[str, Any]) -> str:
        latency, measured = self.pipeline.latency_cycles, facts["measured"]
        due = f"event {facts['event']} is due" if facts["event"] >= 0 else "nothing is due"
        seen = "never came" if measured is None else f"first came {measured} cycles after in_valid"
        return (
            f"oracle and {self.name} ({self.simulator}) differ in their timing: out_valid is {facts['out_valid']} in cycle "
            f"{facts['cycle']} of pattern {facts['pattern']}, where {due}; the pipeline's latency is {latency} cycles, "
            f"out_valid {seen}"
        )

    def _value_text(self, facts: dict[str, Any], wrong: Field, codes: list[int | str]) -> str:
        return (
            f"oracle and {self.name} ({self.simulator}) differ at event {facts['event']}, output "
            f"{wrong.port}[{wrong.index}] ({wrong.type}): oracle {codes[0]}, {self.name} {codes[1]} (codes); "
            f"pattern {facts['pattern']}, cycle {facts['cycle']}"
        )

    def _check_report(self, log: Path) -> None:
        """Make sure that each test ran and passed, whatever else the simulator did."""
        cases = ElementTree.parse(self.results).getroot().iter("testcase")  # noqa: S314 (our own file)
        passed = {case.get("name") for case in cases if not any(child.tag in ("failure", "error") for child in case)}
        missing = [test for test in TESTS if test not in passed]
        if missing:
            raise ToolError(f"cocotb test {missing[0]!r} did not pass in {self.simulator}; full log: {log}")


def _bits(word: str, field: Field) -> str:
    """The bits of ``field`` in a word that is binary text, most significant bit first."""
    end = len(word) - field.offset
    return word[end - field.width : end]


def _code(bits: str, field: Field) -> int | str:
    """The code that ``bits`` are, or the bits themselves where the simulator gives no value for one of them."""
    if set(bits) - {"0", "1"}:
        return f"0b{bits}"
    value = int(bits, 2)
    return value - (1 << field.width) if field.type.signed and bits[0] == "1" else value
