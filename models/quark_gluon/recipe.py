"""Train a permutation-invariant network on the leading constituents of quark and gluon jets, and its float twin.

Run from the repository root:

    bittrigger data make quark-gluon --events 6000 --seed 21 -o qg_fresh.npz
    python models/quark_gluon/recipe.py --data quark_gluon.npz --test qg_fresh.npz

Each training stays in --work, goes on where it was stopped, and is not done again. model.h5, sample.npz, roc.png and
card.md go to --out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from deep_sets import BITS, EACH, FEATURES, MEAN, THRESHOLD_FACTOR, build_ternary, build_twin, constituent_features
from qg_jets import COLUMNS, SPLIT_SEED, Jets, Scores, area_gain, baselines, cells, figures_of, load

from bittrigger.explore.firmware import FirmwareCost, firmware_cost
from bittrigger.layers import export_stock
from bittrigger.layers.keras_types import Model
from bittrigger.settings import Settings
from bittrigger.train import FitSettings, calibrate, fit, roc_auc
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
from bittrigger.train.study import TERNARY, Run, run_twins, summary_rows

CONSTITUENTS = 16
BUDGET = "cms-phase2-correlator-layer2"
FLOAT_EPOCHS = 40
EPOCHS = 40
BATCH_SIZE = 128
LEARNING_RATE = 3e-3
SAMPLE_ROWS = 1024


@dataclass(frozen=True)
class Inputs:
    """The features `(n, 16, 5)` of the jets to train on and of the test jets, and the jets."""

    known: npt.NDArray[np.float32]
    fresh: npt.NDArray[np.float32]
    jets: Jets


def run(options: RecipeOptions) -> None:
    """Train the float twin and the ternary network with each seed, and write the folder of the first ternary one.

    Raises:
        ConfigError: the data file is missing, damaged or too small, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load(options.data, options.test)
    inputs = Inputs(*(constituent_features(part, CONSTITUENTS) for part in (jets.known, jets.fresh)), jets)

    twin, network = partial(train_twin, inputs), partial(train_ternary, inputs)
    runs = run_twins(options, FLOAT_EPOCHS, twin, {TERNARY: network}, {"jets": str(jets)})
    chosen = max((run for run in runs if run.variant == TERNARY), key=lambda run: run.figures["validation AUC"] or 0.0)
    write_folder(options, inputs, runs, chosen)


def train_twin(inputs: Inputs, seed: int, folder: Path) -> dict[str, float | None]:
    """Train the float twin, save it to `folder` and return its figures."""
    tf.keras.utils.set_random_seed(seed)
    model = build_twin(CONSTITUENTS)
    best = train(model, inputs, FLOAT_EPOCHS, seed, folder)
    model.save(folder / "model.h5", include_optimizer=False)
    return {**figures_of(scores_of(model, inputs.fresh), inputs.jets.fresh.y), "validation AUC": best}


def train_ternary(inputs: Inputs, twin: Path, seed: int, epochs: int, folder: Path) -> dict[str, float | None]:
    """Train the ternary network from the twin in the folder `twin`, export it to `folder` and return its figures."""
    model = build_ternary(tf.keras.models.load_model(twin / "model.h5", compile=False), CONSTITUENTS)
    calibrate(model, inputs.known[inputs.jets.train])
    best = train(model, inputs, epochs, seed, folder)
    export_stock(model).save(folder / "model.h5", include_optimizer=False)
    scores = scores_of(reload(folder / "model.h5"), inputs.fresh)
    return {**figures_of(scores, inputs.jets.fresh.y), "validation AUC": best}


def train(model: Model, inputs: Inputs, epochs: int, seed: int, folder: Path) -> float:
    """Train on the training jets; keep the epoch with the best AUC on the validation jets, and return that."""
    y, rows, validation = inputs.jets.known.y, inputs.jets.train, inputs.jets.validation
    return fit(
        model,
        (inputs.known[rows], y[rows].astype(np.float32)),
        FitSettings(epochs, BATCH_SIZE, LEARNING_RATE, seed=seed),
        loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
        score=lambda net: roc_auc(scores_of(net, inputs.known[validation]), y[validation] == 1),
        folder=folder,
    ).best


def scores_of(model: Model, x: npt.NDArray[np.float32]) -> Scores:
    """Return the logits `(n,)`."""
    return predict(model, x)[:, 0]


def write_folder(options: RecipeOptions, inputs: Inputs, runs: Sequence[Run], chosen: Run) -> None:
    """Write model.h5, sample.npz, roc.png and card.md to the folder of the model."""
    out, y = options.out, inputs.jets.fresh.y
    out.mkdir(parents=True, exist_ok=True)
    model = reload(chosen.folder / "model.h5")
    model.save(out / "model.h5", include_optimizer=False)
    rows = slice(SAMPLE_ROWS)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(y))[rows]
    np.savez_compressed(out / "sample.npz", x=inputs.fresh[order].reshape(len(order), -1), y=y[order])
    without = baselines(inputs.jets)
    curves = [RocCurve("ternary network", scores_of(model, inputs.fresh), y == 1)]
    curves += [RocCurve(name, scores, y == 1) for name, scores in without.items()]
    plot_roc(curves, out / "roc.png", title="quark jets against gluon jets, test jets")
    cost = firmware_cost(out / "model.h5", Settings(budget=BUDGET))
    rows_without = [[name, *cells(figures_of(scores, y))] for name, scores in without.items()]
    gain = area_gain(scores_of(model, inputs.fresh), list(without.values())[-1], y)
    text = card(model, inputs.jets, Outcome(runs, chosen, cost, rows_without, gain))
    write_text(out / "card.md", text.replace("COMMAND", options.command("models/quark_gluon/recipe.py")))


@dataclass(frozen=True)
class Outcome:
    """What the card tells: all trainings, the shipped one, its firmware, rows without a network, what it gains over the trees."""

    runs: Sequence[Run]
    chosen: Run
    cost: FirmwareCost
    without: Sequence[Sequence[str]]
    gain: str


def card(model: Model, jets: Jets, outcome: Outcome) -> str:
    """Return the text of card.md with `model`, the ternary network; `COMMAND` stands where the command belongs."""
    runs, cost = outcome.runs, outcome.cost
    test, seeds = len(jets.fresh.y), len({run.seed for run in runs})
    error = 50 / test**0.5
    each = " and ".join(map(str, EACH))
    return f"""# Quark and gluon jets

A permutation-invariant network (DeepSets) on the {CONSTITUENTS} leading constituents of a jet: {len(FEATURES)} features of
each, layers of {each} units on every constituent alike, their mean, {MEAN[0]} units, and one logit, positive for a quark.
Every kernel is ternary by the absmean rule with threshold factor {THRESHOLD_FACTOR} and a power of two as scale, activations
have {BITS} bits.

## Result

On {test} fresh test jets, mean and standard deviation over {seeds} seed(s) of weights and batches; the jets are the
same for all, so that the error of the test sample, at most {error:.1f} points of accuracy, is common to all and comes on top:

{markdown_table(["score", "accuracy (%)", *list(COLUMNS)[1:]], [*outcome.without, *summary_rows(runs, COLUMNS)])}
The last column is one over the share of gluons that pass where half of the quarks do. The first three rows need no network and
are what to beat; `model.h5` has {outcome.gain} points of AUC more than the trees (bootstrap of the paired jets).
How networks of such a size stand beside trees where both learn from 90,000 jets: [architectures.md](architectures.md).
Nearly all jets fill the {CONSTITUENTS} slots, so a network on them cannot count, and without the number of constituents as a
feature it loses to that number alone. The float twin has the same shape, float32 weights and activations, and gives the
ternary network its first weights. Other networks than these were not tried with these features.

## Firmware

`model.h5` is the ternary network of seed {outcome.chosen.seed}, the best of its seeds on the validation jets.
By `bittrigger convert model.h5 --budget {BUDGET}`:

| | | origin |
|---|---|---|
| LUT | {cost.luts.value:,} | {cost.origin} |
| FF | {cost.flip_flops.value:,} | {cost.flip_flops.origin.value}, {cost.flip_flops.tool} {cost.flip_flops.version} |
| latency | {cost.latency_ns.value:.2f} ns | {cost.latency_ns.origin.value} |

The port takes the constituents one after the other by falling pT, the features of each together; the features are computed
before it. The last feature, the number of all constituents of the jet, is the same for each. A jet with fewer constituents
has the features -4, 0, 0, 0 and that number in the place of each that is missing.

{markdown_table(["layer", "inputs x units", "kernel quantizer", "zero weights"], kernel_rows(model))}
## Data and command

- Data: `quark_gluon.npz`, {len(jets.known.y)} jets of 500 to 550 GeV made with Pythia 8.317 and FastJet 3.5.2, half of
  them of light quarks; particle level. Test jets: all of `qg_fresh.npz`, looked at once, which
  `bittrigger data make quark-gluon --events {test} --seed 21 -o qg_fresh.npz` makes. Figures are not to be set beside those of
  the public sample with the same settings. Cite Pythia 8.3 and FastJet.
- Split by seed {SPLIT_SEED}: {jets}. The epoch is chosen on the validation jets.
- `--data` and `--test` also take files of EnergyFlow (`QG_jets.npz`); a jet is then what its constituents add up to.
- Features: {", ".join(FEATURES)}; `constituent_features` in `deep_sets.py`.
- Command: `COMMAND`
- Training: {FLOAT_EPOCHS} epochs of the float twin, then the ternary network from its weights; Adam from {LEARNING_RATE} with
  cosine decay, batches of {BATCH_SIZE}.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
- `sample.npz`: {min(SAMPLE_ROWS, test)} test jets; `x` the features, constituent after constituent; `y` 1 for a quark.
- P-DAT and P-DAT-Bit of BitHEP on the same jets: `pdat_recipe.py`, which writes `pdat.md`.
"""


if __name__ == "__main__":
    sys.exit(
        run_recipe(
            run,
            __doc__,
            Path(__file__).parent,
            data="quark_gluon.npz",
            test="qg_fresh.npz",
            epochs=EPOCHS,
            seeds=(1, 2, 3),
        )
    )
