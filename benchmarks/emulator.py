"""How fast the emulator compiles and runs: ``python benchmarks/emulator.py [--sizes 16 64 32 32 5] [--events 1000000]``.

A ternary network of the jet tagger's shape with random weights (two thirds not zero), as plain trees and as the solver
shares them, for every processor of the family, with AVX2, and for the one at hand. Figures are CPU seconds of one core;
the first 20,000 events are compared with the oracle, every bit.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from bittrigger.emit.emulator import emit_emulator
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.fixed import FixedPoint, IntArray, Interval, Rounding
from bittrigger.ir.graph import (
    Graph,
    Input,
    Linear,
    Node,
    Requantize,
    evaluate,
    frozen_array,
    intervals,
    operand,
)
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import decode_outputs, encode_events
from bittrigger.passes.lower_trees import lower_trees
from bittrigger.schedule.schedule import Schedule
from bittrigger.simulate.compare import compare
from bittrigger.simulate.executors.emulator import Emulator
from bittrigger.solver import SolverOptions, solve

CHECKED = 20_000
REPEATS = 7
ARCHES = {"any x86-64": "", "AVX2": "-mavx2", "native": "-march=native"}


def random_network(sizes: list[int], seed: int = 0, density: float = 2 / 3) -> Graph:
    """A ternary multi-layer perceptron: 8-bit inputs, hidden activations of at most 8 unsigned bits."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input("x", sizes[0], FixedPoint(True, 8, 4), Interval(-128, 127))]
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        weights = rng.choice([-1, 0, 1], size=(n_in, n_out), p=[density / 2, 1 - density, density / 2])
        bias = rng.integers(-30, 30, n_out)
        nodes.append(Linear(f"dense_{k}", (nodes[-1].name,), frozen_array(weights), frozen_array(bias), 4))
        if k < len(sizes) - 2:
            nodes.append(Requantize(f"relu_{k}", (nodes[-1].name,), n_out, 3, Rounding.RND_CONV, 0, 255, 1))
    return Graph("random_network", tuple(nodes), (nodes[-1].name,))


def lowered(graph: Graph, lower: Callable[[Linear, tuple[Interval, ...]], AdderGraph]) -> Pipeline:
    """The pipeline of ``graph`` with ``lower`` for every layer."""
    ranges = intervals(graph)
    layers = [node for node in graph.nodes if isinstance(node, Linear)]
    return Schedule(360.0).apply(graph, {node.name: lower(node, operand(node, ranges)) for node in layers})


def cpu_seconds(action: Callable[[], object]) -> float:
    """The fewest CPU seconds that ``action`` took."""
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        action()
        seconds.append(time.process_time() - started)
    return min(seconds)


def measure(pipeline: Pipeline, arch: str, codes: IntArray, folder: Path) -> list[float]:
    """Compile CPU seconds, then million events a CPU second on codes, doubles and floats."""
    graph = pipeline.graph
    emit_emulator(pipeline, folder / "source")
    emulator = Emulator(graph, folder / "source", folder / "cache", arch=arch)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    emulator.build()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    compile_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    compare(graph, evaluate(graph, codes[:CHECKED]), emulator.run(codes[:CHECKED]), ("oracle", "emulator"))
    doubles = np.random.default_rng(2).normal(0, 4, size=codes.shape)
    floats = doubles.astype(np.float32)
    for values in (doubles[:CHECKED], floats[:CHECKED]):
        wanted = decode_outputs(graph, evaluate(graph, encode_events(graph, values)))
        np.testing.assert_array_equal(emulator.run_values(values), wanted)
    actions = [lambda: emulator.run(codes), lambda: emulator.run_values(doubles), lambda: emulator.run_values(floats)]
    return [compile_seconds, *(codes.shape[0] / cpu_seconds(action) / 1e6 for action in actions)]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 64, 32, 32, 5])
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    graph = random_network(options.sizes)
    codes = np.random.default_rng(1).integers(-128, 128, size=(options.events, graph.n_inputs))
    pipelines = {
        "trees": lowered(graph, lambda node, source: lower_trees(node.weights, node.bias, source)),
        "solver": lowered(graph, lambda node, source: solve(node.weights, node.bias, source, SolverOptions())),
    }
    print(
        f"{'-'.join(map(str, options.sizes))}, ternary, {options.events} events, one core, CPU time, Python call included"
    )
    print("| adders | processor | compile s | codes Mev/s | double Mev/s | float Mev/s |\n|---|---|---|---|---|---|")
    for name, pipeline in pipelines.items():
        adders = sum(len(module.adders.adders) for module in pipeline.modules if module.adders)
        for arch, flags in ARCHES.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds, *rates = measure(pipeline, flags, codes, Path(folder))
            print(
                f"| {name}, {adders} | {arch} | {seconds:.2f} | " + " | ".join(f"{rate:.1f}" for rate in rates) + " |"
            )


if __name__ == "__main__":
    main()
