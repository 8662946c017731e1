"""How time and LUTs of the solver grow with the matrix, against pairwise elimination: ``benchmarks/adders/growth.py``.

Sparse convolution kernels (75 % zeros, signed 16-bit inputs) of growing size, up to a million non-zero weights: random ones, and
such as training leaves: low-rank kernels with noise, whose columns are correlated. Each case is a process of its own; what is
done stays in ``--out``, and the same command goes on from there. ``--plot FILE.svg`` draws what is done, with matplotlib.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from pairwise_peer import solve_pairwise

from bittrigger.ir.adders import depth
from bittrigger.ir.fixed import FixedPoint, IntArray
from bittrigger.solver import SolverOptions, graph_luts, solve

SHAPES = (
    (27, 64),
    (144, 64),
    (576, 64),
    (576, 128),
    (1152, 128),
    (1152, 256),
    (2304, 256),
    (4608, 256),
    (4608, 512),
    (8192, 512),
)
FAMILIES = ("random", "correlated")
LARGEST_CORRELATED = 2304 * 256
LARGEST_OF_PEER = 2304 * 256
RANK, NOISE = 16, 0.5
"""Of correlated kernels: their rank, and the deviation of what is added to elements of deviation 1."""


def kernel(family: str, n_in: int, n_out: int, seed: int) -> IntArray:
    """A ternary kernel with 75 % zeros."""
    rng = np.random.default_rng([seed, n_in, n_out])
    values = rng.standard_normal((n_in, n_out))
    if family == "correlated":
        common = rng.standard_normal((n_in, RANK)) @ rng.standard_normal((RANK, n_out)) / RANK**0.5
        values = common + NOISE * values
    threshold = np.quantile(np.abs(values), 0.75)
    return (np.sign(values) * (np.abs(values) > threshold)).astype(np.int64)


def measure(family: str, n_in: int, n_out: int, effort: str, adder_inputs: int) -> dict[str, Any]:
    """Figures of one case: ours, or the peer's where ``effort`` is ``pairwise``."""
    source = (FixedPoint(signed=True, width=16, frac=0).interval,) * n_in
    weights = kernel(family, n_in, n_out, 0)
    if effort == "pairwise":
        graph, cpu_s = solve_pairwise(weights, source, adder_inputs)
    else:
        start = time.process_time()
        graph = solve(weights, np.zeros(n_out, dtype=np.int64), source, SolverOptions(adder_inputs, effort=effort))
        cpu_s = time.process_time() - start
    return {
        "terms": int(np.count_nonzero(weights)),
        "luts": graph_luts(graph),
        "adders": len(graph.adders),
        "depth": depth(graph),
        "cpu_s": round(cpu_s, 2),
    }


def plot(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """CPU seconds, and LUTs a non-zero weight, against the number of these."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "growth"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for family in FAMILIES:
        for effort, mark in (("pairwise", "s"), ("fast", "^"), ("default", "o")):
            parts = [key.split() for key in rows]
            chosen = [rows[" ".join(p)] for p in parts if p[0] == family and p[2] == effort and p[3] == "3"]
            chosen.sort(key=lambda row: row["terms"])
            terms = [row["terms"] for row in chosen]
            style = "-" if family == "random" else "--"
            axes[0].plot(terms, [row["cpu_s"] for row in chosen], style, marker=mark, label=f"{family}, {effort}")
            axes[1].plot(terms, [row["luts"] / row["terms"] for row in chosen], style, marker=mark)
    axes[0].set(xscale="log", yscale="log", xlabel="non-zero weights", ylabel="CPU s")
    axes[1].set(xscale="log", xlabel="non-zero weights", ylabel="LUTs a non-zero weight")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure what is not done yet, print a table, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/adders/growth.json"))
    parser.add_argument("--plot", type=Path, help="an .svg")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--largest", type=int, default=10**9, help="most weights, zeros included")
    options = parser.parse_args()
    if options.one:
        family, n_in, n_out, effort, inputs = options.one
        print(json.dumps(measure(family, int(n_in), int(n_out), effort, int(inputs))))
        return
    rows: dict[str, dict[str, Any]] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for n_in, n_out in SHAPES:
        for family in FAMILIES:
            for effort, inputs in (("pairwise", 3), ("pairwise", 2), ("fast", 3), ("default", 3), ("default", 2)):
                key = f"{family} {n_in}x{n_out} {effort} {inputs}"
                size = n_in * n_out
                beyond = (effort == "pairwise" or inputs == 2) and size > LARGEST_OF_PEER
                if (
                    key in rows
                    or beyond
                    or size > options.largest
                    or (family == "correlated" and size > LARGEST_CORRELATED)
                ):
                    continue
                command = [sys.executable, __file__, "--one", family, str(n_in), str(n_out), effort, str(inputs)]
                rows[key] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for key, row in rows.items():
        print(key, row)
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
