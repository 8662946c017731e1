"""A random ternary network of 1024-512-512-8 (0.8 M weights), multiplied step by step: LUTs and CPU seconds to the netlist.

python benchmarks/large_network.py BUILD --interval 162                 # weights as constants
python benchmarks/large_network.py BUILD --interval 162 --reloadable    # in memory; then: bittrigger prove BUILD
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from spent import cpu_seconds, peak_gb

from bittrigger.build.folder import save_build, write_firmware
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Node, Requantize, frozen_array
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.settings import Settings
from bittrigger.synth.yosys import synthesize

SIZES = (1024, 512, 512, 8)
SHARES = (0.3, 0.4, 0.3)
"""Of the weights -1, 0 and 1."""


def network() -> Graph:
    """The network, with inputs of 8 bits and activations of 6."""
    random = np.random.default_rng(0)
    nodes: list[Node] = [Input("x", SIZES[0], FixedPoint(True, 8, 4), Interval(-128, 127))]
    for k, (n_in, n_out) in enumerate(itertools.pairwise(SIZES)):
        weights = frozen_array(random.choice([-1, 0, 1], size=(n_in, n_out), p=SHARES))
        bias = frozen_array(random.integers(-30, 30, n_out))
        nodes.append(Linear(f"dense_{k}", (nodes[-1].name,), weights, bias, nodes[-1].frac))
        if n_out != SIZES[-1]:
            nodes.append(Requantize(f"relu_{k}", (nodes[-1].name,), n_out, 5, Rounding.RND, 0, 63, nodes[-1].frac - 5))
    return Graph("large_network", tuple(nodes), (nodes[-1].name,))


def main() -> None:
    """Build it and say what it takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--interval", type=int, default=162)
    parser.add_argument("--reloadable", action="store_true", help="weights in memory")
    options = parser.parse_args()
    settings, graph = Settings(ii=options.interval, reloadable="weights" if options.reloadable else None), network()
    if options.reloadable:
        graph = simplify(graph, held=Holding(weights=True, bias=False))
    verify(graph)
    pipeline = create_pipeline(graph, settings)
    write_firmware(pipeline, options.build, settings)
    used = synthesize(pipeline, options.build / "rtl", options.build / "synth").total
    save_build(options.build, pipeline, settings, {})
    print(f"{used.lut:,} LUT, {used.ff:,} FF, {used.bram36:g} BRAM36, {pipeline.latency_cycles} cycles;")
    print(f"{cpu_seconds():.0f} CPU s, {peak_gb():.1f} GB")


if __name__ == "__main__":
    main()
