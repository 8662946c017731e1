"""Layers that repeat, folded in time: LUTs, flip-flops and cycles for several intervals between events, each proven.

python benchmarks/folding.py                                  # models/quark_gluon and models/jet_tagger
python benchmarks/folding.py --interval 1 9 54 -- model.h5    # others
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from networks import network

from bittrigger.compile.convert import convert
from bittrigger.prove import prove
from bittrigger.settings import Settings

NAMES = ("quark_gluon", "jet_tagger")
HEAD = "| model | clocks between events | LUT | of the first | FF | latency (cycles) | Verilog (kB) | claims proven |"


def measure(model: Path, interval: int, folder: Path) -> tuple[int, str]:
    """The LUTs of a design, and its row of the table without the column that compares."""
    build, report = convert(model, folder, Settings(ii=interval))
    proof = prove(build)
    proof.raise_unless_proven()
    totals = report.totals
    size = sum(path.stat().st_size for path in (folder / "rtl").glob("*.sv")) / 1000
    rest = f"{totals.synth.ff.value:,} | {totals.latency_cycles.value} | {size:.0f} | {len(proof.claims)} |"
    return int(totals.synth.lut.value or 0), rest


def main() -> None:
    """Measure each model at each interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, default=[network(name) for name in NAMES])
    parser.add_argument("--interval", nargs="+", type=int, default=[1, 9, 54])
    options = parser.parse_args()
    print(HEAD)
    print("|" + "---|" * HEAD.count("|", 1))
    for model in options.models:
        first = None
        for interval in options.interval:
            with tempfile.TemporaryDirectory() as scratch:
                lut, rest = measure(model, interval, Path(scratch) / "build")
            first = first or lut
            name = model.stem if model.stem != "model" else model.parent.name
            print(f"| {name} | {interval} | {lut:,} | {lut / first:.2f} | {rest}", flush=True)


if __name__ == "__main__":
    main()
