"""What it costs to hold weights or biases, beside the same network with constants: each design proven.

python benchmarks/reload.py                                  # jet_tagger of benchmarks/networks
python benchmarks/reload.py model.h5 --ii 9                  # others
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from networks import network

from bittrigger.compile.convert import convert
from bittrigger.ir.held.bus import held_nodes, writes
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.synth.netlist import read_netlist
from bittrigger.synth.sta import analyse
from bittrigger.synth.yosys import netlist_files

WEIGHTS = {"reloadable": "weights"}
FORMS: tuple[tuple[str, int, dict[str, str]], ...] = (
    ("constants", 1, {}),
    ("biases", 1, {"tunable": "bias"}),
    *(("weights", ii, WEIGHTS) for ii in (1, 9, 54)),
)
"""What is held, the interval between events in cycles, and the settings."""
HEAD = (
    "| model | held | interval | numbers | LUT | of constants | FF | latency (cycles) | logic levels "
    "| slack at 360 MHz (ns, sta) | words to write | claims proven |"
)
"""LUT, FF and levels are those of Yosys' netlist."""


def measure(model: Path, ii: int, chosen: dict[str, str], folder: Path) -> tuple[int, int, str]:
    """The numbers that a design holds, its LUTs, and the rest of its row."""
    build, report = convert(model, folder, Settings(ii=ii, **chosen))
    proof = prove(build)
    proof.raise_unless_proven()
    totals, graph = report.totals, build.graph
    held = sum(int(getattr(node, "weights", node.bias[:0]).size + node.bias.size) for node in held_nodes(graph))
    netlist = read_netlist(graph.name, netlist_files(build.pipeline, folder / "synth"))
    stages = {f"u_{module.label}": module.stop for module in build.pipeline.modules}
    slack_ns = analyse(netlist, build.settings.clock_mhz, stages).slack_ps / 1000
    levels = totals.synth.logic_levels.value
    rest = f"{totals.synth.ff.value:,} | {totals.latency_cycles.value} | {levels} | {slack_ns:.2f} | "
    return held, int(totals.synth.lut.value or 0), rest + f"{len(writes(graph))} | {len(proof.claims)} |"


def main() -> None:
    """Measure each model in each form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, default=[network("jet_tagger")])
    parser.add_argument("--ii", nargs="*", type=int, default=[9, 54], help="intervals beside one clock")
    options = parser.parse_args()
    print(HEAD)
    print("|" + "---|" * HEAD.count("|", 1))
    forms = [form for form in FORMS if form[1] in (1, *options.ii)]
    for model in options.models:
        first = None
        for form, ii, chosen in forms:
            with tempfile.TemporaryDirectory() as scratch:
                held, lut, rest = measure(model, ii, chosen, Path(scratch) / "build")
            first = first or lut
            name = model.stem if model.stem != "model" else model.parent.name
            print(f"| {name} | {form} | {ii} | {held:,} | {lut:,} | {lut / first:.2f} | {rest}", flush=True)


if __name__ == "__main__":
    main()
