"""Compare the adder-graph solver with alkaid, case by case, in one process on one core.

    python benchmarks/adders/run.py --quick
    python benchmarks/adders/run.py --large --effort default --effort max --out build/adders

Both are priced by the same function, ``bittrigger.solver.cost``, and both solutions are proven. Per case: alkaid 0.8.2
with three-input fusing, the cheaper of its settings ``hard_dc`` -1 and 0 ("best"), and without fusing at ``hard_dc`` 2,
which stands in for what hls4ml's ``distributed_arithmetic`` does by default.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from alkaid_peer import PeerResult, solve_with_alkaid
from cases import Case, suite

from bittrigger.adders import AdderGraph, depth
from bittrigger.solver import EFFORTS, SolverOptions, graph_luts, solve

Row = dict[str, Any]


def _figures(graph: AdderGraph, cpu_s: float) -> Row:
    return {"luts": graph_luts(graph), "adders": len(graph.adders), "depth": depth(graph), "cpu_s": round(cpu_s, 4)}


def _peer_figures(result: PeerResult) -> Row:
    return _figures(result.graph, result.cpu_s)


def measure(case: Case, efforts: list[str]) -> Row:
    """All solvers on one case."""
    weights = case.weights()
    fused = [_peer_figures(solve_with_alkaid(weights, case.source, hard_dc=hard_dc, fuse=True)) for hard_dc in (-1, 0)]
    row: Row = {"case": case.name, "family": case.family, "terms": int(np.count_nonzero(weights))}
    row["alkaid best"] = min(fused, key=lambda figures: figures["luts"])
    row["alkaid two-input"] = _peer_figures(solve_with_alkaid(weights, case.source, hard_dc=2, fuse=False))
    for effort in efforts:
        start = time.process_time()
        graph = solve(weights, np.zeros(case.n_out, dtype=np.int64), case.source, SolverOptions(effort=effort))
        row[effort] = _figures(graph, time.process_time() - start)
    return row


def _ratio(row: Row, effort: str, peer: str, key: str) -> float:
    return row[effort][key] / row[peer][key] if row[peer][key] else math.nan


def _summary(rows: list[Row], effort: str) -> list[str]:
    lines = []
    for family in ("all", *sorted({row["family"] for row in rows})):
        chosen = [row for row in rows if family in ("all", row["family"])]
        best = [_ratio(row, effort, "alkaid best", "luts") for row in chosen]
        plain = [_ratio(row, effort, "alkaid two-input", "luts") for row in chosen]
        speed = [_ratio(row, effort, "alkaid best", "cpu_s") for row in chosen if row["terms"] > 1000]
        deeper = sum(row[effort]["depth"] > row["alkaid best"]["depth"] for row in chosen)
        worst = max(zip(best, [row["case"] for row in chosen], strict=True))
        lines.append(
            f"| {effort} | {family} | {len(chosen)} | {statistics.geometric_mean(best):.3f} | {worst[0]:.3f} ({worst[1]}) "
            f"| {statistics.geometric_mean(plain):.3f} | {statistics.median(speed) if speed else math.nan:.3f} "
            f"| {max(speed, default=math.nan):.3f} | {deeper} |"
        )
    return lines


def markdown(rows: list[Row], efforts: list[str]) -> str:
    """The tables: ratios by effort and family, then every case."""
    lines = [
        "| effort | family | cases | LUT ratio to alkaid best, geometric mean | worst case | to alkaid two-input "
        "| CPU ratio over 1,000 terms, median | largest | cases deeper than alkaid |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for effort in efforts:
        lines += _summary(rows, effort)
    names = ["alkaid best", "alkaid two-input", *efforts]
    lines += ["", "LUT / adder levels / CPU seconds:", "", "| case | terms | " + " | ".join(names) + " |"]
    lines.append("|" + "---|" * (len(names) + 2))
    for row in rows:
        cells = [f"{row[n]['luts']:,} / {row[n]['depth']} / {row[n]['cpu_s']:.3g}" for n in names]
        lines.append(f"| {row['case']} | {row['terms']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the suite and write ``results.json`` and ``results.md``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small shapes and one seed only, for CI")
    parser.add_argument("--large", action="store_true", help="also shapes up to 256x256, where alkaid takes minutes")
    parser.add_argument(
        "--effort", action="append", choices=EFFORTS, help="may be repeated; default only, unless given"
    )
    parser.add_argument("--only", default="", help="only cases whose name contains this, for example 64x64")
    parser.add_argument("--out", type=Path, default=Path("build/adders"))
    args = parser.parse_args()
    efforts = args.effort or ["default"]
    rows = []
    for case in suite(quick=args.quick, large=args.large):
        if args.only not in case.name:
            continue
        rows.append(measure(case, efforts))
        last = rows[-1]
        ratios = ", ".join(f"{e} {_ratio(last, e, 'alkaid best', 'luts'):.3f}" for e in efforts)
        sys.stderr.write(f"{case.name}: {ratios}\n")
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (args.out / "results.md").write_text(markdown(rows, efforts), encoding="utf-8")
    print(markdown(rows, efforts))


if __name__ == "__main__":
    main()
