"""Layers that repeat, folded in time: LUTs, flip-flops and cycles for several intervals between events, each proven.

python benchmarks/folding.py                                  # models/quark_gluon and models/jet_tagger
python benchmarks/folding.py --interval 1 9 54 -- model.h5    # others, as those of benchmarks/models_in_time.py
python benchmarks/folding.py --interval 9 54 --port stream -- model.h5
python benchmarks/folding.py --interval 54 --latency-cycles 180 100 60 -- model.h5

The latency that an interval adds is compared with N + 3 cycles for each layer with weights, sums, products or a pooling on the
longest path, and the whole with the latency of CMS' Correlator Layer 2; which intervals budgets allow is said below the table.
Seconds are those of the processor, of this process and its children, for the conversion with synthesis; with --cold nothing
is kept of the one before. The memory is the most that one process had.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from networks import ROOT
from spent import cpu_seconds, peak_gb

from bittrigger.compile.convert import convert
from bittrigger.device.budgets import find_budget
from bittrigger.ir.graph import Graph, Input, Lookup, Requantize
from bittrigger.ir.nodes.wire import Wire
from bittrigger.prove import prove
from bittrigger.settings import Settings

NAMES = ("quark_gluon", "jet_tagger")
HEAD = (
    "| model | clocks between events | LUT | of the first | FF | latency (cycles) | added | N + 3 a layer | of Layer 2's "
    "latency | Verilog (kB) | claims proven | convert (CPU s) | memory (GB) |"
)
LATENCY, INTERVALS = "cms-phase2-correlator-layer2", ("cms-phase2-correlator-layer2", "cms-phase2-correlator-layer1")
FOLLOWING = Input | Wire | Requantize | Lookup
"""Nodes that are no layer of their own."""


def layers_in_line(graph: Graph) -> int:
    """Layers on the longest path."""
    deep: dict[str, int] = {}
    for node in graph.nodes:
        before = () if isinstance(node, Input) else node.inputs
        deep[node.name] = max((deep[name] for name in before), default=0) + (not isinstance(node, FOLLOWING))
    return max(deep.values())


@dataclass(frozen=True)
class First:
    """The design that the others of a model are compared with."""

    lut: int
    latency: int
    ii: int


def measure(model: Path, settings: Settings, folder: Path, first: First | None) -> tuple[First, str]:
    """The first design of a model, and the row of this one."""
    before = cpu_seconds()
    build, report = convert(model, folder, settings)
    seconds, memory = cpu_seconds() - before, peak_gb()
    proof = prove(build)
    proof.raise_unless_proven()
    totals, latency = report.totals, build.pipeline.latency_cycles
    lut = int(totals.synth.lut.value or 0)
    first = first or First(lut, latency, settings.ii)
    added, bound = latency - first.latency, layers_in_line(build.graph) * (settings.ii + 3)
    size = sum(path.stat().st_size for path in (folder / "rtl").glob("*.sv")) / 1000
    facts = (
        f"{lut:,}",
        f"{lut / first.lut:.2f}",
        f"{totals.synth.ff.value:,}",
        latency,
        "" if settings.ii == first.ii else added,
        "" if settings.ii == first.ii else f"{bound}{'' if added <= bound else ': BROKEN'}",
        f"{100 * latency * 1000 / settings.clock_mhz / (find_budget(LATENCY).latency_ns or math.nan):.0f} %",
        f"{size:.0f}",
        len(proof.claims),
        f"{seconds:.0f}",
        f"{memory:.1f}",
    )
    return first, " | ".join(map(str, facts)) + " |"


def intervals_text(intervals: list[int], clock_mhz: float) -> str:
    """Which budgets allow which intervals."""
    said = []
    for name in INTERVALS:
        most = find_budget(name).ii_ns or 0.0
        kept = [ii for ii in intervals if ii * 1000 / clock_mhz <= most + 1e-9]
        said.append(
            f"{name} (an event every {most:g} ns) allows {', '.join(map(str, kept)) or 'none'} of these intervals"
        )
    return "; ".join(said)


def main() -> None:
    """Measure each model at each interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, default=[ROOT / "models" / name / "model.h5" for name in NAMES])
    parser.add_argument("--interval", nargs="+", type=int, default=[1, 9, 54])
    parser.add_argument("--latency-cycles", nargs="+", type=int, help="Further designs at the last interval.")
    parser.add_argument("--port", default="whole")
    parser.add_argument("--cold", action="store_true", help="Keep nothing from one run to the next.")
    options = parser.parse_args()
    print(HEAD)
    print("|" + "---|" * HEAD.count("|", 1))
    for model in options.models:
        first = None
        bounds = [(interval, None) for interval in options.interval]
        bounds += [(options.interval[-1], latency) for latency in options.latency_cycles or ()]
        for interval, latency in bounds:
            with tempfile.TemporaryDirectory() as scratch:
                if options.cold:
                    os.environ["BITTRIGGER_CACHE"] = f"{scratch}/cache"
                settings = Settings(ii=interval, port=options.port, latency_cycles=latency)
                first, row = measure(model, settings, Path(scratch) / "build", first)
            name = model.stem if model.stem != "model" else model.parent.name
            asked = interval if latency is None else f"{interval}, latency {latency}"
            print(f"| {name} | {asked} | {row}", flush=True)
    print(f"\n{intervals_text(options.interval, Settings().clock_mhz)}.")


if __name__ == "__main__":
    main()
