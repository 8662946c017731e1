"""One large matrix in a process of its own: ``python benchmarks/adders/single.py 1024 1024`` prints seconds and memory."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from cases import random_case
from measure import solve_case

from bittrigger.ir.adders import depth
from bittrigger.solver import graph_luts

SHAPES = ((256, 128), (1024, 1024))
LIMITS = {(256, 128): (5.0, None), (1024, 1024): (60.0, 4.0)}
"""Goals: CPU seconds, and GiB of memory."""


def run(n_in: int, n_out: int, effort: str) -> dict[str, object]:
    """Measure in a fresh process, so that its peak memory is that of this solution alone."""
    command = [sys.executable, str(Path(__file__).resolve()), str(n_in), str(n_out), "--effort", effort]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, object] = json.loads(done.stdout)
    return result


def main() -> None:
    """Solve a random ternary matrix of density 2/3 with 8-bit inputs, and print what it took as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_in", type=int)
    parser.add_argument("n_out", type=int)
    parser.add_argument("--effort", default="default")
    options = parser.parse_args()
    case = random_case("uniform", options.n_in, options.n_out)
    result = solve_case(case, options.effort)
    if result is None:
        raise SystemExit("no solution")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # kilobytes on Linux
    facts = {
        "case": case.name,
        "effort": options.effort,
        "luts": graph_luts(result.graph),
        "depth": depth(result.graph),
        "cpu_s": round(result.cpu_s, 2),
        "peak_gib": round(peak, 3),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
