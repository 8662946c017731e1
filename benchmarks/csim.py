"""What compiling and running the C-simulation costs: python benchmarks/csim.py [--sizes 64 256 256 10] [--events 20000].

A random ternary network of density 2/3 with 8-bit inputs and activations; CPU seconds of all compilers together.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.hls import HlsOptions, emit_hls
from bittrigger.ir.fixed import FixedPoint, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, evaluate, frozen_array
from bittrigger.settings import DEFAULT_PART, Settings
from bittrigger.simulate.executors.csim import CSim
from bittrigger.simulate.vectors import random_codes


def network(sizes: list[int]) -> Graph:
    """A random ternary network with ReLUs between its layers."""
    rng = np.random.default_rng(0)
    kind = FixedPoint(signed=True, width=8, frac=4)
    nodes: list[Input | Linear | Requantize] = [Input("x", sizes[0], kind, kind.interval)]
    for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        weights, bias = rng.integers(-1, 2, (n_in, n_out)), rng.integers(-30, 31, n_out)
        nodes.append(Linear(f"dense_{k}", (nodes[-1].name,), frozen_array(weights), frozen_array(bias), 4))
        if k < len(sizes) - 2:
            nodes.append(Requantize(f"relu_{k}", (nodes[-1].name,), n_out, 3, Rounding.RND_CONV, 0, 255, 1))
    return Graph("network", tuple(nodes), (nodes[-1].name,))


def main() -> None:
    """Print one row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 64, 32, 32, 5])
    parser.add_argument("--events", type=int, default=20_000)
    options = parser.parse_args()
    graph = network(options.sizes)
    pipeline = create_pipeline(graph, Settings())
    with tempfile.TemporaryDirectory() as scratch:
        emit_hls(pipeline, Path(scratch), HlsOptions(part=DEFAULT_PART))
        simulation = CSim(graph, Path(scratch), Path(scratch) / "cache")
        simulation.build()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        codes = random_codes(graph, options.events, 0)
        started = time.process_time()
        equal = np.array_equal(simulation.run(codes), evaluate(graph, codes))
        seconds = time.process_time() - started
    adders = sum(len(module.adders.adders) for module in pipeline.modules if module.adders is not None)
    print(
        "| network | adders | compile CPU s | largest compiler MB | events/s | every bit equal |\n|---|---|---|---|---|---|"
    )
    print(
        f"| {'-'.join(map(str, options.sizes))} | {adders} | {used.ru_utime + used.ru_stime:.1f} | "
        f"{used.ru_maxrss / 1024:.0f} | {options.events / seconds:,.0f} | {'yes' if equal else 'NO'} |"
    )


if __name__ == "__main__":
    main()
