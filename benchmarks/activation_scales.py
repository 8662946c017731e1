"""Static against dynamic activation scales on jets: accuracy over seeds, LUTs by Yosys, latency.

    python benchmarks/activation_scales.py --data jets5.npz -o build/scales

Trains 16-64-32-32-5 ternary networks that differ in the quantizers of their hidden layers alone, and converts the one of the
first seed of each kind. A model that is in the output folder already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.compile.convert import convert
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.layers.keras_types import Model
from bittrigger.report import Report
from bittrigger.settings import Settings
from bittrigger.train import FitSettings, accuracy, fit, one_vs_rest_auc, split_by_seed
from bittrigger.train.recipes import load_arrays, markdown_table, predict, prepare_tensorflow, write_json

HIDDEN = (64, 32, 32)

BOUNDS = (0, 3)
"""Ranges 1, 2, 4 and 8, where there are biases: without bounds their sums could leave the 24 bits of a float32."""


@dataclass(frozen=True)
class Kind:
    """Quantizers of the hidden layers."""

    dynamic: bool
    bits: int
    bias: bool

    @property
    def name(self) -> str:
        """A word for files and tables."""
        return f"{'dynamic' if self.dynamic else 'static'}{self.bits}{'' if self.bias else '_nobias'}"


KINDS = tuple(Kind(dynamic, bits, bias) for bits in (8, 4) for dynamic in (False, True) for bias in (True, False))


@dataclass(frozen=True)
class Jets:
    """Standardised features `(n, 16)`, labels `(n,)`, and the rows of each part."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int8]
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def main() -> None:
    """Train what is missing, convert, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="jets5.npz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--train-only", action="store_true")
    options = parser.parse_args()
    logging.getLogger("bittrigger").setLevel(logging.ERROR)
    options.output.mkdir(parents=True, exist_ok=True)
    with quiet_tensorflow():
        prepare_tensorflow(1)
        for seed in range(1, options.seeds + 1):
            jets = load(options.data, seed)
            for kind in KINDS:
                train(kind, jets, seed, options.epochs, options.output / f"{kind.name}_{seed}")
    if not options.train_only:
        print(table(options.output, options.seeds))


def load(path: Path, seed: int) -> Jets:
    """The jets, split by `seed`."""
    arrays = load_arrays(path, ("X", "y"))
    x, y = arrays["X"], arrays["y"]
    split = split_by_seed(y, validation=0.07, test=0.14, seed=seed)
    mean, deviation = x[split.train].mean(axis=0), x[split.train].std(axis=0)
    return Jets(((x - mean) / deviation).astype(np.float32), y, split.train, split.validation, split.test)


def build(kind: Kind) -> Model:
    """The untrained network."""
    import tensorflow as tf

    from bittrigger.layers import BitLinear, DynamicQuantizer, StaticQuantizer

    static = StaticQuantizer(kind.bits, signed=False)
    bounds = BOUNDS if kind.bias else (None, None)
    quantizer = DynamicQuantizer(kind.bits, False, *bounds) if kind.dynamic else static
    inputs = tf.keras.Input(16, name="jet")
    tensor = BitLinear(HIDDEN[0], input_quantizer=8, use_bias=kind.bias, name="dense_1")(inputs)
    for number, units in enumerate((*HIDDEN[1:], 5), start=2):
        layer = BitLinear(units, input_quantizer=quantizer, use_bias=kind.bias, name=f"dense_{number}")
        tensor = layer(tensor)
    return tf.keras.Model(inputs, tensor, name=kind.name)


def train(kind: Kind, jets: Jets, seed: int, epochs: int, stem: Path) -> None:
    """Write `<stem>.h5` and `<stem>.json`, unless they are there."""
    import tensorflow as tf

    from bittrigger.train import calibrate

    if stem.with_suffix(".json").exists():
        return
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(seed)
    model = build(kind)
    calibrate(model, jets.x[jets.train][:4096])
    fit(
        model,
        (jets.x[jets.train], jets.y[jets.train]),
        FitSettings(epochs=epochs, batch_size=256, learning_rate=3e-3, seed=seed),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        score=lambda net: accuracy(predict(net, jets.x[jets.validation]), jets.y[jets.validation]),
    )
    logits = predict(model, jets.x[jets.test])
    labels = jets.y[jets.test]
    model.save(stem.with_suffix(".h5"), include_optimizer=False)
    scores = {"accuracy": accuracy(logits, labels), "auc": float(one_vs_rest_auc(logits, labels).mean())}
    write_json(stem.with_suffix(".json"), {**scores, "epochs": epochs, "train": len(jets.train), "test": len(labels)})


def table(folder: Path, seeds: int) -> str:
    """The measured table, in Markdown."""
    header = ["hidden layers", "accuracy (%)", "macro AUC", "LUT (Yosys)", "FF (Yosys)", "LUT (estimate)", "cycles"]
    rows = []
    for kind in KINDS:
        stems = [folder / f"{kind.name}_{seed}" for seed in range(1, seeds + 1)]
        scores = [json.loads(stem.with_suffix(".json").read_text(encoding="utf-8")) for stem in stems]
        right = 100 * np.array([score["accuracy"] for score in scores])
        area = np.array([score["auc"] for score in scores])
        _, report = convert(
            stems[0].with_suffix(".h5"), folder / f"{kind.name}_build", Settings(name=kind.name), overwrite=True
        )
        spread = (f"{right.mean():.2f} ± {right.std(ddof=1):.2f}", f"{area.mean():.4f} ± {area.std(ddof=1):.4f}")
        rows.append([kind.name, *spread, *_figures(report)])
    return markdown_table(header, rows)


def _figures(report: Report) -> list[str]:
    totals = report.totals
    figures = (totals.synth.lut, totals.synth.ff, totals.estimate.lut, totals.latency_cycles)
    return ["missing" if figure.value is None else str(figure.value) for figure in figures]


if __name__ == "__main__":
    main()
