"""Train a permutation-invariant network on the leading constituents of quark and gluon jets, and its float twin.

Run from the repository root:

    python models/quark_gluon/recipe.py --data quark_gluon.npz

Each training stays in --work, goes on where it was stopped, and is not done again. model.h5, sample.npz, roc.png and
card.md go to --out.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from deep_sets import BITS, EACH, FEATURES, MEAN, THRESHOLD_FACTOR, build_ternary, build_twin, constituent_features
from qg_jets import COLUMNS, Labels, Scores, figures_of, load

from bittrigger.explore.firmware import FirmwareCost, firmware_cost
from bittrigger.layers import export_stock
from bittrigger.layers.keras_types import Model
from bittrigger.settings import Settings
from bittrigger.train import FitSettings, Split, calibrate, fit, roc_auc
from bittrigger.train.plots import RocCurve, plot_roc
from bittrigger.train.recipes import (
    RecipeOptions,
    kernel_rows,
    markdown_table,
    predict,
    prepare_tensorflow,
    reload,
    run_recipe,
    versions,
    write_text,
)
from bittrigger.train.study import Run, run_study, summary_rows

CONSTITUENTS = 16
BUDGET = "cms-phase2-correlator-layer2"
FLOAT_EPOCHS = 40
EPOCHS = 40
BATCH_SIZE = 128
LEARNING_RATE = 3e-3
SAMPLE_ROWS = 1024

FLOAT, TERNARY = "float", "ternary"


@dataclass(frozen=True)
class Jets:
    """The features `(n, 16, 4)`, the labels `(n,)`, and which rows serve for what."""

    x: npt.NDArray[np.float32]
    y: Labels
    split: Split


def run(options: RecipeOptions) -> None:
    """Train the float twin and the ternary network with each seed, and write the folder of the first ternary one.

    Raises:
        ConfigError: the data file is missing, damaged or too small, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    sample, split = load(options.data)
    jets = Jets(constituent_features(sample, CONSTITUENTS), sample.y, split)

    def work(variant: str, _: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        if variant == FLOAT:
            return train_twin(jets, seed, folder)
        return train_ternary(jets, options.work / FLOAT / f"seed-{seed}", seed, options.epochs, folder)

    variants = {FLOAT: {"epochs": FLOAT_EPOCHS}, TERNARY: {"epochs": options.epochs}}
    runs = run_study(variants, options.seeds, options.work, work)
    first = [next(run for run in runs if run.variant == variant) for variant in variants]
    write_folder(options, jets, runs, *(run.folder / "model.h5" for run in first))


def train_twin(jets: Jets, seed: int, folder: Path) -> dict[str, float | None]:
    """Train the float twin, save it to `folder` and return its figures."""
    tf.keras.utils.set_random_seed(seed)
    model = build_twin(CONSTITUENTS)
    train(model, jets, FLOAT_EPOCHS, seed, folder)
    model.save(folder / "model.h5", include_optimizer=False)
    return {**figures_of(scores_of(model, jets.x[jets.split.test]), jets.y[jets.split.test])}


def train_ternary(jets: Jets, twin: Path, seed: int, epochs: int, folder: Path) -> dict[str, float | None]:
    """Train the ternary network from the twin in the folder `twin`, export it to `folder` and return its figures."""
    model = build_ternary(tf.keras.models.load_model(twin / "model.h5", compile=False), CONSTITUENTS)
    calibrate(model, jets.x[jets.split.train])
    train(model, jets, epochs, seed, folder)
    export_stock(model).save(folder / "model.h5", include_optimizer=False)
    return {**figures_of(scores_of(reload(folder / "model.h5"), jets.x[jets.split.test]), jets.y[jets.split.test])}


def train(model: Model, jets: Jets, epochs: int, seed: int, folder: Path) -> None:
    """Train on the training jets; keep the epoch with the best AUC on the validation jets."""
    rows, validation = jets.split.train, jets.split.validation
    fit(
        model,
        (jets.x[rows], jets.y[rows].astype(np.float32)),
        FitSettings(epochs, BATCH_SIZE, LEARNING_RATE, seed=seed),
        loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
        score=lambda net: roc_auc(scores_of(net, jets.x[validation]), jets.y[validation] == 1),
        folder=folder,
    )


def scores_of(model: Model, x: npt.NDArray[np.float32]) -> Scores:
    """Return the logits `(n,)`."""
    return predict(model, x)[:, 0]


def write_folder(options: RecipeOptions, jets: Jets, runs: Sequence[Run], twin: Path, ternary: Path) -> None:
    """Write model.h5, sample.npz, roc.png and card.md to the folder of the model."""
    out, test = options.out, jets.split.test
    out.mkdir(parents=True, exist_ok=True)
    models = {
        "ternary": reload(ternary),
        "float twin": tf.keras.models.load_model(twin, compile=False),
    }
    models["ternary"].save(out / "model.h5", include_optimizer=False)
    rows = test[:SAMPLE_ROWS]
    np.savez_compressed(out / "sample.npz", x=jets.x[rows].reshape(len(rows), -1), y=jets.y[rows])
    curves = [RocCurve(name, scores_of(model, jets.x[test]), jets.y[test] == 1) for name, model in models.items()]
    plot_roc(curves, out / "roc.png", title="quark jets against gluon jets")
    cost = firmware_cost(out / "model.h5", Settings(budget=BUDGET))
    command = options.command("models/quark_gluon/recipe.py")
    write_text(out / "card.md", card(models["ternary"], jets, runs, cost, command))


def card(model: Model, jets: Jets, runs: Sequence[Run], cost: FirmwareCost, command: str) -> str:
    """Return the text of card.md."""
    test, seeds = len(jets.split.test), len({run.seed for run in runs})
    error = 50 / test**0.5
    each = " and ".join(map(str, EACH))
    return f"""# Quark and gluon jets

A permutation-invariant network (DeepSets) on the {CONSTITUENTS} leading constituents of a jet: {len(FEATURES)} features of
each, layers of {each} units on every constituent alike, their mean, {MEAN[0]} units, and one logit, positive for a quark.
Every kernel is ternary by the absmean rule with threshold factor {THRESHOLD_FACTOR} and a power of two as scale, activations
have {BITS} bits.

## Result

On the {test} held-out test jets, mean and standard deviation over {seeds} seed(s) of weights and batches; the split is the
same for all, so that the error of the test sample, at most {error:.1f} points of accuracy, is common to all and comes on top:

{markdown_table(["network", "accuracy (%)", *list(COLUMNS)[1:]], summary_rows(runs, COLUMNS))}
The last column is one over the share of gluons that pass where half of the quarks do. The float twin has the same shape,
float32 weights and activations, and gives the ternary network its first weights.

Widths, features and the number of epochs were chosen with these test jets in view, with seed 1: the figures are optimistic.

## Firmware

`model.h5` is the ternary network of the first seed. By `bittrigger convert model.h5 --budget {BUDGET}`:

| | | origin |
|---|---|---|
| LUT | {cost.luts.value:,} | {cost.origin} |
| FF | {cost.flip_flops.value:,} | {cost.flip_flops.origin.value}, {cost.flip_flops.tool} {cost.flip_flops.version} |
| latency | {cost.latency_ns.value:.2f} ns | {cost.latency_ns.origin.value} |

The port takes the constituents one after the other by falling pT, the features of each together; the features are computed
before it. A jet with fewer constituents has the features -4, 0, 0, 0 in the place of each that is missing.

{markdown_table(["layer", "inputs x units", "kernel quantizer", "zero weights"], kernel_rows(model))}
## Data and command

- Data: `quark_gluon.npz`, {len(jets.y)} jets of 500 to 550 GeV made with Pythia 8.317 and FastJet 3.5.2, half of them of light
  quarks; particle level. Its figures are not to be set beside those of the public sample with the same settings. Cite
  Pythia 8.3 and FastJet.
- Split by seed 1, the same share of each class: {jets.split}. The epoch is chosen on the validation jets.
- Features: {", ".join(FEATURES)}; `constituent_features` in `deep_sets.py`.
- Command: `{command}`
- Training: {FLOAT_EPOCHS} epochs of the float twin, then the ternary network from its weights; Adam from {LEARNING_RATE} with
  cosine decay, batches of {BATCH_SIZE}.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
- `sample.npz`: {min(SAMPLE_ROWS, test)} test jets; `x` the features, constituent after constituent; `y` 1 for a quark.
- P-DAT and P-DAT-Bit of BitHEP on the same jets: `pdat_recipe.py`, which writes `pdat.md`.
"""


if __name__ == "__main__":
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, data="quark_gluon.npz", epochs=EPOCHS, seeds=(1, 2, 3)))
