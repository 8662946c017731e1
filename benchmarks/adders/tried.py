"""Ideas for cheaper adders, measured: ``python benchmarks/adders/tried.py carries``, ``... ranges`` and ``... tables``.

carries: LUTs of our graphs with top bits that are carries, and with a LUT for each; by the cost model and by Yosys.
ranges: LUTs (cost model) with the ranges of linear forms, which are exact, and with interval arithmetic over the adders.
tables: the sum of up to six 1-bit inputs as a table of LUT6, and three-input adders over those, against shared adders; by Yosys.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from alkaid_peer import FUSED
from cases import Case, model_cases, random_case
from measure import synthesize_graph
from peer_cache import PeerCache

from bittrigger.ir.adders import AdderGraph, value_intervals
from bittrigger.ir.fixed import IntArray, Interval
from bittrigger.solver import SolverOptions, adder_luts, graph_luts, solve
from bittrigger.synth.count import utilization
from bittrigger.synth.netlist import read_netlist
from bittrigger.synth.worker import WORKER

FAST = SolverOptions(effort="fast")
BITS = Interval(0, 1)
GROUP = 6
"""Inputs of a LUT, and so of a table."""


def luts_by_interval_arithmetic(graph: AdderGraph) -> int:
    """LUTs of ``graph`` if each adder's range is the sum of its operands' ranges."""
    spans, luts = list(graph.inputs), 0
    for adder in graph.adders:
        parts = [term.interval(spans) for term in adder.terms]
        lo, hi = adder.constant + sum(p.lo for p in parts), adder.constant + sum(p.hi for p in parts)
        spans.append(Interval(lo, hi))
        luts += adder_luts(adder, spans, spans[-1])
    return luts


def compare_carries() -> Iterator[str]:
    """A line a case: how many adders there are, how many have a carry as top bit, and LUTs both ways."""
    yield "| case | adders | a carry on top | LUT, none | LUT | Yosys, none | Yosys |\n|---|---|---|---|---|---|---|"
    for case in [random_case(family, 64, 32) for family in ("uniform", "half", "absmean", "sparse")] + list(
        model_cases()
    ):
        graph = solve(case.weights, case.zero_bias, case.source, FAST)
        ranges = value_intervals(graph)
        results = list(zip(graph.adders, ranges[graph.n_inputs :], strict=True))
        carries = sum(adder_luts(a, ranges, r) < adder_luts(a, ranges, r, carry_out=False) for a, r in results)
        luts = [graph_luts(graph, carry_out=out) for out in (False, True)]
        luts += [synthesize_graph(graph, case.weights, carry_out=out).total.lut for out in (False, True)]
        yield f"| {case.name} | {len(results)} | {carries} | " + " | ".join(f"{figure:,}" for figure in luts) + " |"


def compare_ranges(cache: PeerCache) -> Iterator[str]:
    """A line a case: LUTs both ways, ours and alkaid's."""
    yield "| case | ours, arithmetic | ours, exact | alkaid, arithmetic | alkaid, exact |\n|---|---|---|---|---|"
    cases = [random_case(f, *s, seed=k) for f in ("lowrank", "uniform") for s in ((16, 64), (64, 32)) for k in (0, 1)]
    for n_in, n_out in ((16, 8), (32, 16)):
        weights = np.random.default_rng(0).integers(-15, 16, size=(n_in, n_out))
        cases.append(Case(f"5-bit weights {n_in}x{n_out}", "multi-bit", weights, (Interval(-128, 127),) * n_in))
    for case in [*cases, *model_cases()]:
        graphs = [solve(case.weights, case.zero_bias, case.source, FAST)]
        peer = cache.find(case, FUSED)
        graphs += [peer.graph] if peer is not None else []
        cells = [f"{figure:,}" for g in graphs for figure in (luts_by_interval_arithmetic(g), graph_luts(g))]
        yield f"| {case.name} | {' | '.join(cells)} |"


def compare_tables() -> Iterator[str]:
    """A line a matrix of 1-bit inputs: LUTs of shared adders, and of tables with adders behind them."""
    yield "| matrix, 1-bit inputs | shared adders | tables | adders behind them |\n|---|---|---|---|"
    named = {"64x1, all ones": np.ones((64, 1), dtype=np.int64)}
    for family, n_out in (("uniform", 1), ("uniform", 32), ("sparse", 32)):
        named[f"64x{n_out}, {family}"] = random_case(family, 64, n_out).weights
    for name, weights in named.items():
        shared = solve(weights, np.zeros(weights.shape[1], dtype=np.int64), (BITS,) * len(weights), FAST)
        groups = [(j, rows) for j, column in enumerate(weights.T) for rows in _groups(np.flatnonzero(column))]
        spans = tuple(_span(weights[rows, j]) for j, rows in groups)
        sums = np.zeros((len(groups), weights.shape[1]), dtype=np.int64)
        sums[np.arange(len(groups)), [j for j, _ in groups]] = 1
        behind = solve(sums, np.zeros(sums.shape[1], dtype=np.int64), spans, FAST)
        figures = (
            synthesize_graph(shared, weights).total.lut,
            _table_luts(weights, groups),
            synthesize_graph(behind, sums).total.lut,
        )
        yield f"| {name} | " + " | ".join(f"{figure:,}" for figure in figures) + " |"


def _groups(rows: IntArray) -> list[IntArray]:
    return [rows[k : k + GROUP] for k in range(0, len(rows), GROUP)]


def _span(signs: IntArray) -> Interval:
    return Interval(int(signs[signs < 0].sum()), int(signs[signs > 0].sum()))


def _table_luts(weights: IntArray, groups: list[tuple[int, IntArray]]) -> int:
    """LUTs by Yosys of all tables, each written as a constant that is indexed."""
    lines, names = [], []
    for k, (j, rows) in enumerate(groups):
        signs = weights[rows, j]
        width = _span(signs).width
        codes = np.arange(1 << len(rows))[:, None] >> np.arange(len(rows)) & 1
        table = sum(int(value) % (1 << width) << width * code for code, value in enumerate(codes @ signs))
        index = "{" + ", ".join(f"x[{row}]" for row in reversed(rows.tolist())) + "}"
        lines.append(f"wire [{(width << len(rows)) - 1}:0] t{k} = {width << len(rows)}'h{table:x};")
        lines.append(f"wire [{width - 1}:0] g{k} = t{k}[{index} * {width} +: {width}];")
        names.append(f"g{k}")
    ports = f"input [{len(weights) - 1}:0] x, output [{4 * len(groups)}:0] y"
    text = "\n".join([f"module top({ports});", *lines, f"assign y = {{{', '.join(names)}}};", "endmodule"])
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "top.v").write_text(text + "\n", encoding="utf-8")
        commands = ("read_verilog -sv top.v", "synth_xilinx -family xcup -top top -flatten -noiopad -noclkbuf")
        (Path(scratch) / "top.ys").write_text("\n".join([*commands, "json -o top.json"]) + "\n", encoding="utf-8")
        subprocess.run([sys.executable, str(WORKER), "top.ys"], cwd=scratch, check=True, capture_output=True)
        return utilization(read_netlist("top", [Path(scratch) / "top.json"])).lut


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("carries", "ranges", "tables"))
    parser.add_argument("--cache", type=Path, default=Path("build/adders/cache"), help="alkaid's solutions")
    options = parser.parse_args()
    match options.what:
        case "carries":
            lines = compare_carries()
        case "ranges":
            lines = compare_ranges(PeerCache(options.cache))
        case _:
            lines = compare_tables()
    for line in lines:
        print(line)


if __name__ == "__main__":
    main()
