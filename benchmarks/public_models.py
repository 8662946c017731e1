"""Public models, as they are published: which convert without an option, with which grade, how large and how fast.

Nobody's files are part of this repository. Clone what you want to see into one folder, as OWNER/REPOSITORY, and run

    python benchmarks/public_models.py FOLDER [--synth] [--effort fast] [--minutes 10] [--json FILE]

Each row is one command line; a refusal is shown with its reason. LUTs are the estimate of the cost model, or with ``--synth``
those of Yosys.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PublicModel:
    """A model, the repository that publishes it, and where it lies there: a folder is firmware of hls4ml."""

    name: str
    repository: str
    place: str


_CICADA = ("v1", "v1p1", "v1p1p1", "v1p1p2", "v2", "v2p1", "v2p1p1", "v2p1p2", "v2p2p0")

MODELS = (
    *(PublicModel(f"AXOL1TL {v}", "cms-hls4ml/AXOL1TL", f"AXOL1TL_{v}/NN") for v in ("v1", "v3", "v4", "v5", "v6")),
    *(PublicModel(f"CICADA {v}", "cms-hls4ml/CICADA", f"CICADA_{v}") for v in _CICADA),
    *(PublicModel(f"TOoLLiP {v}", "cms-hls4ml/TOoLLiP", f"TOoLLiP_{v}/NN") for v in ("v1", "v2", "v3")),
    PublicModel("EMTF NN v1", "cms-hls4ml/EMTF_NN", "EMTFnn_v1"),
    PublicModel("TOPO HHbbWW", "cms-hls4ml/TOPO", "TOPO_HHbbWW_1mu_v1/NN"),
    PublicModel("NNPuppiTau v1", "cms-hls4ml/NNPuppiTauModel", "NNPuppiTauModel_v1/NN"),
    PublicModel("SC4 jet tagger v0", "cms-hls4ml/L1TSC4NGJetModel", "L1TSC4NGJetModel_v0/NN"),
    PublicModel("jet tagger, baseline", "CMS-L1T-Jet-Tagging/TrainTagger", "output/baseline/saved_model.h5"),
    *(
        PublicModel(place, "fastmachinelearning/example-models", f"keras/{place}")
        for place in ("hgq_jet_classifier.h5", "hgq_mnist_homogeneous.h5", "qkeras-v3_3layer.keras")
    ),
)


def command(path: Path, build: Path, facts: Path, options: argparse.Namespace) -> list[str]:
    """The command line of one model."""
    verb = "import-hls4ml" if path.is_dir() else "convert"
    words = [sys.executable, "-m", "bittrigger", verb, str(path), "-o", str(build), "--quiet", "--json", str(facts)]
    return [*words, "--effort", options.effort, *([] if options.synth else ["--no-synth"])]


def row(model: PublicModel, options: argparse.Namespace) -> dict[str, object]:
    """What became of one model."""
    path = options.folder / model.repository / model.place
    if not path.exists():
        return {"outcome": "not there"}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        facts = Path(scratch) / "facts.json"
        words = command(path, Path(scratch) / "build", facts, options)
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=60 * options.minutes, check=False)
        except subprocess.TimeoutExpired:
            return {"outcome": f"stopped after {options.minutes:g} minutes"}
        if done.returncode:
            return {"outcome": "refused", "reason": " ".join(done.stderr.split())[-300:]}
        report = json.loads(facts.read_text(encoding="utf-8"))["report"]
    totals = report["totals"]
    figures = totals["synth" if options.synth else "estimate"]
    return {
        "outcome": "converted",
        "grade": report["grade"]["name"],
        "bits of": report["grade"]["reference"],
        "lut": figures["lut"]["value"],
        "ff": figures["ff"]["value"],
        "ns": totals["latency_ns"]["value"],
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Convert what is there and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--synth", action="store_true")
    parser.add_argument("--effort", default="fast")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = {}
    for model in MODELS:
        rows[model.name] = found = row(model, options)
        print(model.name, json.dumps(found), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
