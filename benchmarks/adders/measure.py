"""What is measured of an adder graph, and of the making of ours."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from alkaid_peer import PeerResult
from cases import ROOT, Case

from bittrigger.compile.matrix import layer_graph, range_ports
from bittrigger.emit.verilog import emit_verilog
from bittrigger.errors import ConfigError
from bittrigger.ir import adders
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.pipeline import Pipeline
from bittrigger.schedule.schedule import Schedule
from bittrigger.solver import SolverOptions, graph_luts, solve
from bittrigger.synth.yosys import Synthesis, synthesize, tool_version

CLOCK_MHZ = 360.0
"""Clock for which latency is counted: that of the Phase-2 trigger's boards."""

ONE_STAGE_MHZ = 1.0
"""A clock so slow that every adder falls into one stage: no shift register is counted among the LUTs."""

CARRY = "bittrigger/device/carry.py"
"""Where top bits are carries: it decides on prices and on what is emitted."""

CARRYING = ("bittrigger_adder2_carry.sv", "bittrigger_adder3_carry.sv")
"""The adders of the firmware library whose top bit is a carry."""

PLAIN = ROOT / "benchmarks" / "adders" / "plain_adders.sv"
"""The same modules as tools infer them."""

Row = dict[str, Any]


def pipeline_of(graph: AdderGraph, weights: IntArray, clock_mhz: float) -> Pipeline:
    """``graph``, which computes ``weights``, as a design of one layer."""
    layer = layer_graph("product", range_ports(graph.inputs), weights)
    return Schedule(clock_mhz).apply(layer, {"matrix": graph})


def figures(graph: AdderGraph, case: Case, cpu_s: float, *, carry_out: bool = True) -> Row:
    """LUTs by the cost model, adders, levels, latency and CPU seconds.

    Args:
        carry_out: whether the LUTs are those of the firmware library's adders, whose top bits are carries, or of adders as
            tools infer them.
    """
    operands = [adder.operands for adder in graph.adders]
    return {
        "luts": graph_luts(graph, carry_out=carry_out),
        "adders": len(operands),
        "three_input": sum(count > 2 for count in operands),
        "depth": adders.depth(graph),
        "latency_cycles": pipeline_of(graph, case.weights, CLOCK_MHZ).latency_cycles,
        "cpu_s": round(cpu_s, 4),
    }


def peer_figures(result: PeerResult, case: Case) -> Row:
    """The same of alkaid's solution, and its LUTs if it were built of the firmware library's adders."""
    return figures(result.graph, case, result.cpu_s, carry_out=False) | {"luts_carry_out": graph_luts(result.graph)}


def solve_case(case: Case, effort: str, depth: int | None = None) -> PeerResult | None:
    """Our solution, proven as ``solve`` does; None if ``depth`` cannot be had.

    A full collection of the benchmark's own garbage takes ten times as long as a small matrix, so it comes before.
    """
    gc.collect()
    start = time.process_time()
    try:
        graph = solve(case.weights, case.zero_bias, case.source, SolverOptions(effort=effort, depth=depth))
    except ConfigError:
        return None
    return PeerResult(graph, time.process_time() - start)


@lru_cache(maxsize=1)
def solver_digest() -> str:
    """Changes with the sources of the solver and its prices, so that results of others are not taken for those of this one."""
    solver = ROOT / "bittrigger" / "solver"
    files = [*solver.glob("*.py"), *solver.glob("native/*.cpp"), *solver.glob("native/*.h"), ROOT / CARRY]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def synthesize_graph(graph: AdderGraph, weights: IntArray, *, carry_out: bool = True) -> Synthesis:
    """Synthesise the emitted Verilog of ``graph``, without registers inside, with Yosys for UltraScale+.

    Args:
        carry_out: as of ``figures``.
    """
    pipeline = pipeline_of(graph, weights, ONE_STAGE_MHZ)
    with tempfile.TemporaryDirectory() as scratch:
        emit_verilog(pipeline, Path(scratch) / "rtl")
        if not carry_out:
            for name in CARRYING:
                (Path(scratch) / "rtl" / name).unlink(missing_ok=True)
            for path in (PLAIN, ROOT / "firmware" / "bittrigger_adder3.sv"):
                shutil.copy(path, Path(scratch) / "rtl")
        return synthesize(pipeline, Path(scratch) / "rtl", Path(scratch) / "synth", jobs=1)


class SynthCache:
    """LUTs that Yosys counted, by the graph that it was given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def luts(self, graph: AdderGraph, weights: IntArray, *, carry_out: bool = True) -> int:
        """LUTs of ``graph`` by Yosys, synthesised if they are not known; ``carry_out`` as of ``figures``."""
        parts = (tool_version(), _emitters_digest(), adders.text(graph), str(carry_out))
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
        if key not in self.known:
            self.known[key] = synthesize_graph(graph, weights, carry_out=carry_out).total.lut
            write_whole(self.path, json.dumps(self.known, indent=0, sort_keys=True) + "\n")
        return self.known[key]


@lru_cache(maxsize=1)
def _emitters_digest() -> str:
    """Changes with what is emitted and how it is synthesised."""
    files = [*(ROOT / "bittrigger/emit/emit_verilog").glob("*.py"), *(ROOT / "hls_templates").glob("*.sv.j2")]
    files += [
        *(ROOT / "firmware/ultrascale").glob("*.sv"),
        PLAIN,
        *(ROOT / "bittrigger/synth").glob("*.py"),
        ROOT / CARRY,
    ]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(files))).hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write ``path`` so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
