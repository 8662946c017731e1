"""Public models, as they are published: which convert without an option, with which grade, how large and how fast.

Nobody's files are part of this repository. Clone what you want to see into one folder, as OWNER/REPOSITORY, and run

    python benchmarks/public_models.py FOLDER [--of keras onnx firmware] [--synth] [--effort fast] [--minutes 10] [--json FILE]

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
    """A model, the repository that publishes it, and where it lies there: a folder is firmware of hls4ml.

    Attributes:
        commit: where the file is in the repository's history only, on any branch.
    """

    name: str
    repository: str
    place: str
    commit: str = ""


_CICADA = ("v1", "v1p1", "v1p1p1", "v1p1p2", "v2", "v2p1", "v2p1p1", "v2p1p2", "v2p2p0")

_TINY = "hls4ml-finn-mlperftiny/AnomalyDetection"
"""The search for hls4ml's submissions to MLPerf Tiny v0.7: QKeras autoencoders of 72 to 128 inputs."""
_SEARCHED = {
    "8896384cbcc22bb23361193973c4b54244b8236d": (
        *("96input_depth2_x32_8b", "96input_depth2_x56_8b", "96input_depth2_x64_8b", "96input_depth2_x64_10b"),
        *("96input_depth2_x64_16b", "96input_depth2_x64_10b_flipped_relu", "96input_depth2_x64_12b_flipped_relu"),
        *("84input_depth2_x64_10b", "84input_depth2_x64_12b", "84input_depth2_x64_16b", "84input_depth2_x72_8b"),
        *("84input_depth2_x72_10b", "84input_depth2_x72_12b", "84input_depth2_x72_14b", "84input_depth2_x72_16b"),
        *("72input_depth2_x72_10b", "72input_depth2_x72_12b", "64input_depth3_x64_8b", "64input_depth3_x64_12b"),
    ),
    "243a52d671128a28e2a4f2b4355836bb2e7edffc": ("128input_depth1_x64_10b", "128input_depth2_x64_14b"),
}

_LLP = "Brainz22/L1JetTagDaniel"
_LLP_FILES = "hls4mlModifications/10-08-23/02-02_Scripts/stop_4b_4c"

KERAS_MODELS = (
    PublicModel("jet tagger, baseline", "CMS-L1T-Jet-Tagging/TrainTagger", "output/baseline/saved_model.h5"),
    PublicModel("AD07", _TINY, "models/ad07/model.h5", "40d52a29d93335028b1821ec4c4de575b7044f66"),
    PublicModel("AD08", "mlcommons/tiny_results_v0.7", "open/hls4ml-finn/code/ad/AD08/training/trained_model/model.h5"),
    PublicModel("AD05", _TINY, "model/ad05/model_ToyCar.h5", "8896384cbcc22bb23361193973c4b54244b8236d"),
    PublicModel("AD06", _TINY, "model/ad06/model_ToyCar.h5", "8896384cbcc22bb23361193973c4b54244b8236d"),
    PublicModel(
        "AD baseline", _TINY, "hls/results/config/baseline/keras_model.h5", "7f37f5fba80b2cc6bc752be74017ee70604d9aca"
    ),
    *(
        PublicModel(f"AD {name}", _TINY, f"model/model_config/{name}/model_ToyCar.h5", commit)
        for commit, names in _SEARCHED.items()
        for name in names
    ),
    *(
        PublicModel(place, "fastmachinelearning/example-models", f"keras/{place}")
        for place in (
            *("hgq_jet_classifier.h5", "hgq_mnist_homogeneous.h5", "hgq_mnist_heterogeneous.h5"),
            "qkeras-v3_3layer.keras",
        )
    ),
    *(
        PublicModel(f"OpenML jets 3.1_{k}", "Lrozzy/hls4ml_OpenML", f"model_3.1_{k}/hls4ml_prj/keras_model.keras")
        for k in range(1, 6)
    ),
    PublicModel("LLP jet tagger", "Brainz22/L1JetTagger", "qkL1JetTagModel.h5"),
    PublicModel("LLP jet tagger, QActivation of 14 bits", _LLP, f"{_LLP_FILES}/qAct_14_8_bits/qkL1JetTagModel.h5"),
    PublicModel(
        "LLP jet tagger, no normalisation",
        _LLP,
        f"{_LLP_FILES}/noNorm_noSigmoid/noNorm/noNorm_train_qkL1JetTagModel.h5",
    ),
    PublicModel("LLP jet tagger, TOoLLiP v3", "Brainz22/L1LLPJetTagger", "TOoLLiP_v3/keras_model.keras"),
    PublicModel("Topo2A anomaly trigger", "max-cohen54/AD_trigger_training", "L1AD/HLS/2A_AE_model_FDL_GAN_23e.h5"),
    *(
        PublicModel(f"hls4ml-tutorial, part 4, {owner}", f"{owner}/{name}", "model_3/KERAS_check_best_model.h5")
        for owner, name in (("Hector-Plata", "hls4ml-tutorial"), ("nycu-pcs-lab", "hls4ml_tuto_extension_vivadoflow"))
    ),
    PublicModel(
        "hls4ml-tutorial, part 6", "nycu-pcs-lab/hls4ml_tuto_extension_vivadoflow", "quantized_pruned_cnn_model.h5"
    ),
    PublicModel("temperatures", "josema060603/capstone-hls4ml", "hls4ml_prj/keras_model.keras"),
    PublicModel("pointwise convolution", "jmduarte/hls4mlprj_pointwise_conv1d", "keras_model.h5"),
    *(
        PublicModel(f"encoder, {name}", "Berk-Bilgin/ML-fpga", f"{name}.h5")
        for name in ("real_Qencoder", "really_Qencoder")
    ),
    *(
        PublicModel(f"poker, {name}", "RishThakkar/PokerML", f"models/qkeras/{name}.h5")
        for name in ("Ranks_model", "suits_model")
    ),
    PublicModel("poker, both", "RishThakkar/PokerML", "projects/qat_hls4ml_prj/keras_model.h5"),
    PublicModel(
        "RN06",
        "fastmachinelearning/hls4ml-live-demo",
        "webcam-ic-pynq/camera_demo_overlay/pynqz2_rn06_v8/keras_model.h5",
    ),
    PublicModel("RN07", "hls4ml-finn-mlperftiny/CIFAR10", "hls4ml/resnet_v1_eembc_quantized_tiny2/model_best.h5"),
)
"""Files of Keras, QKeras and HGQ."""

ONNX_MODELS = tuple(
    PublicModel(name, "fastmachinelearning/qonnx_model_zoo", f"models/{place}.onnx")
    for name, place in (
        ("jets, three layers", "JetTagging/QKeras_hls4ml_3layer/qkeras_jettagging"),
        ("UNSW NB15, w2a2", "UNSW_NB15/unsw_nb15_mlp_w2a2/unsw_nb15-mlp-w2a2"),
    )
)
"""Files of QONNX."""

FIRMWARE = (
    *(PublicModel(f"AXOL1TL {v}", "cms-hls4ml/AXOL1TL", f"AXOL1TL_{v}/NN") for v in ("v1", "v3", "v4", "v5", "v6")),
    *(PublicModel(f"CICADA {v}", "cms-hls4ml/CICADA", f"CICADA_{v}") for v in _CICADA),
    *(PublicModel(f"TOoLLiP {v}", "cms-hls4ml/TOoLLiP", f"TOoLLiP_{v}/NN") for v in ("v1", "v2", "v3")),
    PublicModel("EMTF NN v1", "cms-hls4ml/EMTF_NN", "EMTFnn_v1"),
    PublicModel("TOPO HHbbWW", "cms-hls4ml/TOPO", "TOPO_HHbbWW_1mu_v1/NN"),
    *(PublicModel(f"TOPO HHbbWW {v}", "LukasEbeling/TOPO", f"TOPO_HHbbWW_1mu_{v}/NN") for v in ("v2", "v3")),
    PublicModel("NNPuppiTau v1", "cms-hls4ml/NNPuppiTauModel", "NNPuppiTauModel_v1/NN"),
    PublicModel("SC4 jet tagger v0", "cms-hls4ml/L1TSC4NGJetModel", "L1TSC4NGJetModel_v0/NN"),
)
"""Projects that hls4ml wrote."""

KINDS = {"keras": KERAS_MODELS, "onnx": ONNX_MODELS, "firmware": FIRMWARE}


def command(path: Path, build: Path, facts: Path, options: argparse.Namespace) -> list[str]:
    """The command line of one model."""
    verb = "import-hls4ml" if path.is_dir() else "convert"
    words = [sys.executable, "-m", "bittrigger", verb, str(path), "-o", str(build), "--quiet", "--json", str(facts)]
    return [*words, "--effort", options.effort, *([] if options.synth else ["--no-synth"])]


def found(model: PublicModel, folder: Path, scratch: Path) -> Path | None:
    """Where the model is, taken out of the clone's history if need be; None if it is not there."""
    clone = folder / model.repository
    if not model.commit:
        return clone / model.place if (clone / model.place).exists() else None
    words = ["git", "-C", str(clone), "show", f"{model.commit}:{model.place}"]
    shown = subprocess.run(words, capture_output=True, check=False) if clone.exists() else None
    if shown is None or shown.returncode:
        return None
    path = scratch / Path(model.place).name
    path.write_bytes(shown.stdout)
    return path


def row(model: PublicModel, options: argparse.Namespace) -> dict[str, object]:
    """What became of one model."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        path = found(model, options.folder, Path(scratch))
        if path is None:
            return {"outcome": "not there"}
        facts = Path(scratch) / "facts.json"
        words = command(path, Path(scratch) / "build", facts, options)
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=60 * options.minutes, check=False)
        except subprocess.TimeoutExpired:
            return {"outcome": f"stopped after {options.minutes:g} minutes"}
        if done.returncode:
            said = " ".join(done.stderr.split())
            return {"outcome": "refused", "reason": said[said.find("error:") :][:300]}
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
    parser.add_argument("--of", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--synth", action="store_true")
    parser.add_argument("--effort", default="fast")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = {}
    for model in (model for kind in KINDS if kind in options.of for model in KINDS[kind]):
        rows[model.name] = outcome = row(model, options)
        print(model.name, json.dumps(outcome), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
