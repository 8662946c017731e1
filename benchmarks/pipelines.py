"""LUTs, flip-flops and cycles of the models, pass after pass and under latency bounds: python benchmarks/pipelines.py."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from networks import network

from bittrigger.compile.convert import design_name
from bittrigger.compile.pipeline import create_pipeline, solve_layers
from bittrigger.emit.verilog import emit_verilog
from bittrigger.errors import ConfigError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.parse import parse
from bittrigger.frontend.lower import lower as lower_model
from bittrigger.ir.graph import Graph, Requantize
from bittrigger.ir.pipeline import Pipeline
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.passes.simplify import simplify
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import Settings
from bittrigger.synth.yosys import synthesize


def lowered(name: str, settings: Settings) -> Graph:
    """The integer graph of a shipped model, before any pass."""
    path = network(name)
    return lower_model(parse(load_model(path), design_name(path, None), settings), name=design_name(path, None))


def show(model: str, form: str, pipeline: Pipeline, seconds: float) -> None:
    """One row of the table, counted by Yosys."""
    with tempfile.TemporaryDirectory() as scratch:
        emit_verilog(pipeline, Path(scratch) / "rtl")
        counted = synthesize(pipeline, Path(scratch) / "rtl", Path(scratch) / "synth", jobs=1)
    rounding = sum(counted.modules[m.name].lut for m in pipeline.modules if isinstance(m.node, Requantize))
    total = counted.total
    cells = (model, form, total.lut, rounding, total.ff, pipeline.latency_cycles, f"{seconds:.1f}")
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["jet_tagger", "event_filter"])
    parser.add_argument("--clock-mhz", type=float, default=360.0)
    options = parser.parse_args()
    settings = Settings(clock_mhz=options.clock_mhz)
    print(
        "| model | form | LUT | of these in requantisers | FF | latency (cycles) | CPU s to make |\n|---|---|---|---|---|---|---|"
    )
    for name in options.models:
        graph = lowered(name, settings)
        simple = simplify(graph)
        soon = Schedule(options.clock_mhz, fewest_registers=False)
        show(name, "plain trees, as soon as can be", soon.apply(graph, lower_graph_to_trees(graph)), 0.0)
        show(name, "solver, as soon as can be", soon.apply(graph, solve_layers(graph, settings)), 0.0)
        show(name, "and simplified", soon.apply(simple, solve_layers(simple, settings)), 0.0)
        started = time.process_time()
        default = create_pipeline(simple, settings)
        show(name, "and retimed (what `convert` does)", default, time.process_time() - started)
        for cycles in range(default.latency_cycles, 0, -1):
            started = time.process_time()
            try:
                bounded = create_pipeline(simple, Settings(clock_mhz=options.clock_mhz, latency_cycles=cycles))
            except ConfigError:
                break
            show(name, f"`--latency-cycles {cycles}`", bounded, time.process_time() - started)


if __name__ == "__main__":
    main()
