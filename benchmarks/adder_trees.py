"""LUTs and latency of a model against plain adder trees, both through the same Yosys: python benchmarks/adder_trees.py."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from networks import network

from bittrigger.compile.pipeline import solve_layers
from bittrigger.compile.read import read_file
from bittrigger.emit.verilog import emit_verilog
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import Settings
from bittrigger.synth.yosys import synthesize


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["jet_tagger", "event_filter"])
    parser.add_argument("--clock-mhz", type=float, default=360.0)
    options = parser.parse_args()
    settings = Settings(clock_mhz=options.clock_mhz)
    print("| model | lowering | adders | LUT | FF | latency (cycles) |\n|---|---|---|---|---|---|")
    for name in options.models:
        path = network(name)
        graph = read_file(path, settings, check=False).graph
        for kind, adders in (
            ("plain trees", lower_graph_to_trees(graph)),
            ("bittrigger", solve_layers(graph, settings)),
        ):
            pipeline = Schedule(options.clock_mhz).apply(graph, adders)
            with tempfile.TemporaryDirectory() as scratch:
                emit_verilog(pipeline, Path(scratch) / "rtl")
                total = synthesize(pipeline, Path(scratch) / "rtl", Path(scratch) / "synth").total
            count = sum(adder.operands - 1 for solved in adders.values() for adder in solved.adders)
            print(f"| {name} | {kind} | {count} | {total.lut} | {total.ff} | {pipeline.latency_cycles} |")


if __name__ == "__main__":
    main()
