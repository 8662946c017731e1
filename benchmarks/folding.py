"""Layers that repeat, folded in time: LUTs, flip-flops and cycles for several intervals between events, each proven.

python benchmarks/folding.py                                  # models/quark_gluon and models/jet_tagger
python benchmarks/folding.py --interval 1 9 54 -- model.h5    # others, as those of benchmarks/models_in_time.py
python benchmarks/folding.py --interval 9 54 --port stream -- model.h5

Seconds are those of the processor, of this process and its children, for the conversion with synthesis; with --cold nothing
is kept of the one before. The memory is the most that one process had.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from networks import ROOT
from spent import cpu_seconds, peak_gb

from bittrigger.compile.convert import convert
from bittrigger.prove import prove
from bittrigger.settings import Settings

NAMES = ("quark_gluon", "jet_tagger")
HEAD = (
    "| model | clocks between events | LUT | of the first | FF | latency (cycles) | Verilog (kB) | claims proven | "
    "convert (CPU s) | memory (GB) |"
)


def measure(model: Path, settings: Settings, folder: Path) -> tuple[int, str]:
    """The LUTs of a design, and its row of the table without the column that compares."""
    before = cpu_seconds()
    build, report = convert(model, folder, settings)
    seconds, memory = cpu_seconds() - before, peak_gb()
    proof = prove(build)
    proof.raise_unless_proven()
    totals = report.totals
    size = sum(path.stat().st_size for path in (folder / "rtl").glob("*.sv")) / 1000
    facts = (
        f"{totals.synth.ff.value:,}",
        totals.latency_cycles.value,
        f"{size:.0f}",
        len(proof.claims),
        f"{seconds:.0f}",
    )
    rest = " | ".join(map(str, (*facts, f"{memory:.1f}"))) + " |"
    return int(totals.synth.lut.value or 0), rest


def main() -> None:
    """Measure each model at each interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, default=[ROOT / "models" / name / "model.h5" for name in NAMES])
    parser.add_argument("--interval", nargs="+", type=int, default=[1, 9, 54])
    parser.add_argument("--port", default="whole")
    parser.add_argument("--cold", action="store_true", help="Keep nothing from one run to the next.")
    options = parser.parse_args()
    print(HEAD)
    print("|" + "---|" * HEAD.count("|", 1))
    for model in options.models:
        first = None
        for interval in options.interval:
            with tempfile.TemporaryDirectory() as scratch:
                if options.cold:
                    os.environ["BITTRIGGER_CACHE"] = f"{scratch}/cache"
                lut, rest = measure(model, Settings(ii=interval, port=options.port), Path(scratch) / "build")
            first = first or lut
            name = model.stem if model.stem != "model" else model.parent.name
            print(f"| {name} | {interval} | {lut:,} | {lut / first:.2f} | {rest}", flush=True)


if __name__ == "__main__":
    main()
