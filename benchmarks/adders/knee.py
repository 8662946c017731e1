"""LUTs against CPU seconds of each effort, on the kernels of the models: ``python benchmarks/adders/knee.py [--effort max]``."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

from cases import model_cases

from bittrigger.ir.adders import depth
from bittrigger.solver import EFFORTS, SolverOptions, graph_luts, solve


def main() -> None:
    """Print a line a model: LUTs (cost model) of all of its kernels, CPU seconds, and adder levels of each kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", action="append", choices=EFFORTS)
    options = parser.parse_args()
    efforts = options.effort or ["fast", "default"]
    found: dict[tuple[str, str], list[tuple[int, float, int]]] = defaultdict(list)
    for case in model_cases():
        for effort in efforts:
            start = time.process_time()
            graph = solve(case.weights, case.zero_bias, case.source, SolverOptions(effort=effort))
            spent = time.process_time() - start
            found[case.name.split("/")[0], effort].append((graph_luts(graph), spent, depth(graph)))
    print("| model | effort | LUT | CPU s | levels |\n|---|---|---|---|---|")
    for (model, effort), rows in found.items():
        luts, seconds, levels = zip(*rows, strict=True)
        print(f"| {model} | {effort} | {sum(luts):,} | {sum(seconds):.2f} | {' '.join(map(str, levels))} |")


if __name__ == "__main__":
    main()
