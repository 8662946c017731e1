"""The matrices of firmware that hls4ml wrote, ours against alkaid's best: ``python benchmarks/adders/imported.py PROJECT``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from alkaid_peer import FUSED, SHALLOW, solve_with_alkaid
from cases import Case
from measure import solve_case

from bittrigger.errors import InternalError
from bittrigger.frontend.hls4ml_project.lower import lower_project
from bittrigger.frontend.hls4ml_project.project import read_project
from bittrigger.ir.graph import Linear, intervals, operand
from bittrigger.solver import graph_luts

LEAST = 30
"""Fewest non-zero weights of a matrix that is compared."""


def matrices(project: Path) -> Iterator[Case]:
    """The matrices of a project with the ranges of their operands."""
    graph = lower_project(read_project(project))
    ranges = intervals(graph)
    for node in graph.nodes:
        if isinstance(node, Linear) and np.count_nonzero(node.weights) >= LEAST:
            source = operand(node, ranges)[: node.weights.shape[0]]
            yield Case(node.name, "models, multi-bit", np.asarray(node.weights, dtype=np.int64), source)


def main() -> None:
    """Print a row a matrix, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    totals = np.zeros(3, dtype=np.int64)
    print("| matrix | shape | weights | default, LUT | max, LUT | alkaid's best, LUT | ratio, default | ratio, max |")
    print("|---|---|---|---|---|---|---|---|")
    for case in matrices(parser.parse_args().project):
        ours = [solve_case(case, effort) for effort in ("default", "max")]
        try:
            peers = [solve_with_alkaid(case.weights, case.source, setting) for setting in (FUSED, SHALLOW)]
        except InternalError as error:
            print(f"| {case.name} | | | | | alkaid's graph is another matrix: {error} | | |")
            continue
        best = min(graph_luts(peer.graph, carry_out=False) for peer in peers)
        found = [graph_luts(result.graph) for result in ours if result is not None]
        totals += [*found, best]
        shape = "x".join(map(str, case.weights.shape))
        ratios = " | ".join(f"{luts / best:.3f}" for luts in found)
        print(
            f"| {case.name} | {shape} | {case.terms} | {found[0]:,} | {found[1]:,} | {best:,} | {ratios} |", flush=True
        )
    default, most, best = totals.tolist()
    print(f"| sum | | | {default:,} | {most:,} | {best:,} | {default / best:.3f} | {most / best:.3f} |")


if __name__ == "__main__":
    main()
