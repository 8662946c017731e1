"""The LUT cost model against Yosys for UltraScale+: by kind of adder, and by family of matrix.

    python benchmarks/adders/cost_model.py --seeds 1 --out build/adders/cost_model.md

By kind: random single adders, each a module of its own, so that every adder's error is seen. By family: whole graphs of the
suite, ours with three- and with two-input adders, and alkaid's where its solution is in --cache. Errors are
``(cost model - Yosys) / Yosys``; positive ones are pessimistic.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from alkaid_peer import FUSED, TWO_INPUT
from cases import FAMILIES, Case, model_cases, random_case
from measure import ONE_STAGE_MHZ, SynthCache, write_whole
from peer_cache import PeerCache

from bittrigger.emit.verilog import emit_verilog
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term, linear_form
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, Linear, Node, frozen_array
from bittrigger.schedule.schedule import Schedule
from bittrigger.solver import SolverOptions, graph_luts, solve
from bittrigger.synth.yosys import synthesize

SHAPES = ((64, 32),)
MAX_BITS = 12


@dataclass(frozen=True)
class Kind:
    """A kind of adder.

    Attributes:
        name: as a formula.
        signs: of its operands, -1 or 1.
        shifted: the operand that is shifted by a random amount, or None.
        constant: whether a random constant is added.
    """

    name: str
    signs: tuple[int, ...]
    shifted: int | None = None
    constant: bool = False


KINDS = (
    Kind("x + y", (1, 1)),
    Kind("x - y", (1, -1)),
    Kind("x + (y << k)", (1, 1), 1),
    Kind("x - (y << k)", (1, -1), 1),
    Kind("(x << k) - y", (1, -1), 0),
    Kind("x + c", (1,), None, constant=True),
    Kind("c - x", (-1,), None, constant=True),
    Kind("-x", (-1,)),
    Kind("x + y + z", (1, 1, 1)),
    Kind("x + y - z", (1, 1, -1)),
    Kind("x - y - z", (1, -1, -1)),
    Kind("x + y + (z << k)", (1, 1, 1), 2),
    Kind("(x << k) + y - z", (1, 1, -1), 0),
    Kind("x + y + c", (1, 1), None, constant=True),
    Kind("x - y + c", (1, -1), None, constant=True),
)


def random_adder(kind: Kind, rng: np.random.Generator) -> AdderGraph:
    """One adder of ``kind`` over operands of 2 to 12 bits, signed or not."""
    source = [FixedPoint(bool(rng.integers(2)), int(rng.integers(2, MAX_BITS + 1)), 0).interval for _ in kind.signs]
    shift = int(rng.integers(1, 4))
    terms = tuple(Term(k, shift if k == kind.shifted else 0, sign < 0) for k, sign in enumerate(kind.signs))
    constant = int(rng.choice([-1, 1]) * rng.integers(1, 200)) if kind.constant else 0
    return AdderGraph(tuple(source), (Adder(terms, constant),), (Output(len(source)),))


def synthesize_adders(graphs: list[AdderGraph]) -> list[int]:
    """LUTs of each graph by Yosys, each as a module."""
    nodes: list[Node] = []
    solved: dict[str, AdderGraph] = {}
    for k, graph in enumerate(graphs):
        ports = [_port(f"x{k}_{i}", span) for i, span in enumerate(graph.inputs)]
        weights, bias = linear_form(graph)
        names = tuple(port.name for port in ports)
        nodes += [*ports, Linear(f"layer{k}", names, frozen_array(weights), frozen_array(bias), 0)]
        solved[f"layer{k}"] = graph
    design = Graph("adders", tuple(nodes), tuple(solved))
    pipeline = Schedule(ONE_STAGE_MHZ).apply(design, solved)
    with tempfile.TemporaryDirectory() as scratch:
        emit_verilog(pipeline, Path(scratch) / "rtl")
        made = synthesize(pipeline, Path(scratch) / "rtl", Path(scratch) / "synth", jobs=1)
    return [made.modules[module.name].lut for module in pipeline.modules]


def _port(name: str, span: Interval) -> Input:
    return Input(name, 1, FixedPoint.holding(span, 0), span)


def _errors(pairs: list[tuple[int, int]]) -> str:
    """Cells: how many, LUTs of both, error of the sum, mean and worst error of one."""
    estimate, counted = (sum(column) for column in zip(*pairs, strict=True))
    each = [(e - c) / c for e, c in pairs if c]
    worst = max(each, key=abs) if each else 0.0
    mean = statistics.mean(map(abs, each)) if each else 0.0
    total = f"{estimate / counted - 1:+.1%}" if counted else ""
    return f"{len(pairs)} | {estimate:,} | {counted:,} | {total} | {mean:.1%} | {worst:+.1%}"


_HEAD = "| graphs | cost model | Yosys | error of the sum | mean error of one | worst |\n|---|---|---|---|---|---|---|"


def kinds_table(count: int, seed: int) -> list[str]:
    """Errors of ``count`` random adders of each kind."""
    rng = np.random.default_rng(seed)
    graphs = [(kind, random_adder(kind, rng)) for kind in KINDS for _ in range(count)]
    counted = synthesize_adders([graph for _, graph in graphs])
    lines = ["| adder " + _HEAD.replace("graphs", "adders")]
    for kind in KINDS:
        pairs = []
        for (own, graph), luts in zip(graphs, counted, strict=True):
            if own is kind:
                pairs.append((graph_luts(graph), luts))
        lines.append(f"| `{kind.name}` | {_errors(pairs)} |")
    return lines


def _suite_graphs(cases: list[Case], peer: PeerCache) -> Iterator[tuple[str, Case, AdderGraph]]:
    for case in cases:
        for inputs in (3, 2):
            graph = solve(case.weights, case.zero_bias, case.source, SolverOptions(inputs, effort="fast"))
            yield f"ours, {'three' if inputs == 3 else 'two'}-input", case, graph
        for setting in (FUSED, TWO_INPUT):
            result = peer.find(case, setting)
            if result is not None:
                yield f"alkaid, {setting.name}", case, result.graph


def families_table(cases: list[Case], peer: PeerCache, synth: SynthCache) -> list[str]:
    """Errors of whole graphs, by family and by solver."""
    groups: dict[str, list[tuple[int, int]]] = {}
    for solver, case, graph in _suite_graphs(cases, peer):
        pair = (graph_luts(graph), synth.luts(graph, case.weights))
        for name in ("all", case.family, solver):
            groups.setdefault(name, []).append(pair)
    return ["| graphs of " + _HEAD, *(f"| {name} | {_errors(pairs)} |" for name, pairs in groups.items())]


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="random adders of each kind")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each random matrix")
    parser.add_argument("--seed", type=int, default=0, help="of the random adders")
    parser.add_argument("--cache", type=Path, default=Path("build/adders/cache"), help="alkaid's solutions")
    parser.add_argument("--out", type=Path, default=Path("build/adders/cost_model.md"))
    options = parser.parse_args()
    cases = [random_case(f, *shape, seed=s) for shape in SHAPES for f in FAMILIES for s in range(options.seeds)]
    cases += [random_case("uniform", 64, 32, bits=bits, signed=signed) for bits in (4, 2) for signed in (True, False)]
    cases += model_cases()
    synth = SynthCache(options.cache / "yosys.json")
    lines = [*kinds_table(options.count, options.seed), "", *families_table(cases, PeerCache(options.cache), synth)]
    write_whole(options.out, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
