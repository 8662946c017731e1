"""Compare the adder-graph solver with alkaid 0.8.2, case by case, in one process on one core.

    python benchmarks/adders/run.py --quick
    python benchmarks/adders/run.py --effort default --effort max --budget-minutes 600

Both are priced by the same cost model (``bittrigger.device.lut_prices``), both are proven, and both go through the same emitter
and Yosys; alkaid's adders take a LUT for every bit, as tools infer them. What its graphs would take in the adders
of the firmware library, whose top bits are carries, is shown as well. alkaid fuses adders into three-input adders at
``hard_dc`` -1 ("fused") and 0 ("fused shallow"); its best is the cheaper of the two. "two-input" is ``hard_dc`` 2 without
fusing, what hls4ml's ``distributed_arithmetic`` does by default.

alkaid takes hours for all. A run that is stopped goes on where it was: alkaid's solutions are kept in --cache, by version and
case, and ours in --out for as long as the solver's sources stay the same. The tables hold the cases that are done.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import single
from alkaid_peer import SETTINGS, SHALLOW
from cases import Case, suite
from measure import Row, SynthCache, figures, peer_figures, solve_case, solver_digest, write_whole
from peer_cache import PeerCache, processor
from table import markdown

from bittrigger.ir.adders import depth
from bittrigger.solver import EFFORTS, graph_luts

SYNTH_AREA = 64 * 64
"""Largest matrix that goes through Yosys, unless all do."""


def main() -> None:
    """Run the suite, as far as the budget goes, and write ``results.json`` and ``results.md``."""
    options = _arguments()
    cases = [case for case in suite(quick=options.quick) if options.only in case.name]
    run = _Run(options, PeerCache(options.cache), SynthCache(options.cache / "yosys.json"))
    try:
        for case in cases:
            run.measure(case)
        if options.single:
            run.measure_singles()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on from here\n")
    rows = run.chosen(cases)
    if rows:
        text = markdown(rows, run.chosen_singles(), options.effort)
        write_whole(options.out / "results.md", text)
        print(text)
    sys.stderr.write(f"{len(rows)} of {len(cases)} cases are done\n")


class _Run:
    """The state of a run: what is done, and where it is kept."""

    def __init__(self, options: argparse.Namespace, peer: PeerCache, synth: SynthCache) -> None:
        self.options, self.peer, self.synth = options, peer, synth
        self.end = time.monotonic() + 60 * options.budget_minutes
        self.path = options.out / "results.json"
        self.data: dict[str, Any] = {}
        if self.path.is_file():
            self.data = json.loads(self.path.read_text(encoding="utf-8"))
        key = {"solver": solver_digest(), "processor": processor()}
        if self.data.get("key") != key:
            self.data = {"key": key, "cases": {}, "singles": {}}

    def is_over(self) -> bool:
        """Whether the time is spent."""
        return time.monotonic() > self.end

    def measure(self, case: Case) -> None:
        """All solvers on one case; what is known already is left as it is.

        Once the time is spent, only cases are taken that alkaid has solved already.
        """
        if self.is_over() and any(self.peer.find(case, setting) is None for setting in SETTINGS):
            return
        row = self.data["cases"].setdefault(
            case.digest, {"case": case.name, "family": case.family, "seed": case.seed, "terms": case.terms}
        )
        before = json.dumps(row)
        graphs = {}
        for setting in SETTINGS:
            graphs[setting.name] = self.peer.solve(case, setting)
        row["alkaid"] = {name: peer_figures(result, case) for name, result in graphs.items()}
        ours = row.setdefault("ours", {})
        wanted = self._wants_synth(case)
        for effort in self.options.effort:
            if effort not in ours or wanted:
                result = solve_case(case, effort)
                assert result is not None  # noqa: S101 - without a bound there is a solution
                graphs[effort] = result
                ours.setdefault(effort, figures(result.graph, case, result.cpu_s))
            if self.options.bounded:
                self._bound(case, row, effort, depth(graphs[SHALLOW.name].graph))
        if wanted:
            row["synth"] = {
                name: self.synth.luts(r.graph, case.weights, carry_out=name in self.options.effort)
                for name, r in graphs.items()
            }
        if json.dumps(row) != before:
            self._save()
            sys.stderr.write(_line(row) + "\n")

    def _bound(self, case: Case, row: Row, effort: str, levels: int) -> None:
        """Our LUTs within ``levels`` adder levels, None if that cannot be had."""
        known = row.setdefault("bounded", {"depth": levels})
        if effort not in known:
            result = solve_case(case, effort, levels)
            known[effort] = None if result is None else graph_luts(result.graph)

    def _wants_synth(self, case: Case) -> bool:
        match self.options.synth:
            case "none":
                return False
            case "all":
                return True
        return case.seed == 0 and case.weights.size <= SYNTH_AREA

    def measure_singles(self) -> None:
        """The large matrices, each in a process of its own."""
        for n_in, n_out in single.SHAPES:
            for effort in self.options.effort:
                name = f"{n_in}x{n_out} {effort}"
                if effort != "max" and name not in self.data["singles"]:
                    self.data["singles"][name] = single.run(n_in, n_out, effort)
                    self._save()

    def chosen(self, cases: list[Case]) -> list[Row]:
        """The rows of ``cases`` that hold every effort that was asked for."""
        rows = [self.data["cases"].get(case.digest, {}) for case in cases]
        return [row for row in rows if all(effort in row.get("ours", {}) for effort in self.options.effort)]

    def chosen_singles(self) -> list[Row]:
        """The large matrices that are done."""
        return list(self.data["singles"].values())

    def _save(self) -> None:
        write_whole(self.path, json.dumps(self.data, indent=1) + "\n")


def _line(row: Row) -> str:
    best = min(row["alkaid"]["fused"]["luts"], row["alkaid"]["fused shallow"]["luts"])
    ratios = ", ".join(f"{effort} {ours['luts'] / best if best else 1:.3f}" for effort, ours in row["ours"].items())
    return f"{row['case']}: {ratios}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small shapes and one seed only, for CI")
    parser.add_argument(
        "--effort", action="append", choices=EFFORTS, help="may be repeated; default only, unless given"
    )
    parser.add_argument("--only", default="", help="only cases whose name contains this, for example 64x64")
    parser.add_argument(
        "--synth",
        choices=("none", "subset", "all"),
        default="subset",
        help="which cases go through Yosys: by default those of seed 0 up to 64x64",
    )
    parser.add_argument("--no-bounded", dest="bounded", action="store_false", help="leave out the depth-bounded runs")
    parser.add_argument("--no-single", dest="single", action="store_false", help="leave out 256x128 and 1024x1024")
    parser.add_argument(
        "--budget-minutes",
        type=float,
        default=60.0,
        help="let alkaid begin no case after so many; 0: only cases in --cache",
    )
    parser.add_argument("--cache", type=Path, default=Path("build/adders/cache"), help="alkaid's solutions")
    parser.add_argument("--out", type=Path, default=Path("build/adders"))
    options = parser.parse_args()
    options.effort = options.effort or ["default"]
    return options


if __name__ == "__main__":
    main()
