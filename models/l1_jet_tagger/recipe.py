"""Train a permutation-invariant tagger of Level-1-like jets at pile-up 200, and its float twin.

Run from the repository root:

    bittrigger data make l1-jets --events 7500 --seed 42 -o l1_jets.npz
    bittrigger data make l1-jets --events 7500 --seed 43 -o l1_fresh.npz
    python models/l1_jet_tagger/recipe.py --data l1_jets.npz --test l1_fresh.npz

With the same file twice a fifth of it is held out to measure on.

Each training stays in --work, goes on where it was stopped, and is not done again. model.h5, sample.npz, two plots and card.md
go to --out.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from jet_card import BUDGET, MIXED, SAMPLE_ROWS, Outcome, card, cells
from trigger_jets import (
    FIRST_BITS,
    SPLIT_SEED,
    Jets,
    build_mixed,
    build_twin,
    features,
    load,
    observables,
)

from bittrigger.data.level1.jets import PT_GEV, PT_LSB_GEV
from bittrigger.explore.firmware import firmware_cost
from bittrigger.layers import export_stock
from bittrigger.layers.keras_types import Model
from bittrigger.settings import Settings
from bittrigger.train import FitSettings, accuracy, calibrate, fit, log_odds, one_vs_rest_auc
from bittrigger.train.baselines import baseline_logits
from bittrigger.train.plots import COLORS, MARKERS, RocCurve, figure_axes, plot_roc
from bittrigger.train.probabilities import log_probabilities
from bittrigger.train.recipes import (
    RecipeOptions,
    predict,
    prepare_tensorflow,
    reload,
    run_recipe,
    write_text,
)
from bittrigger.train.study import TERNARY, Run, run_twins

FLOAT_EPOCHS, EPOCHS = 30, 45
BATCH_SIZE, LEARNING_RATE, FREEZE_FROM = 128, 3e-3, 0.5
INTERVALS = (1, 9, 54)
"""Clocks between jets; above 1 the layers on the candidates are built in fewer copies."""

Logits = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Inputs:
    """The features `(n, 16, 10)` of the jets to train on and of the test jets, and the jets."""

    known: npt.NDArray[np.float32]
    fresh: npt.NDArray[np.float32]
    jets: Jets


def run(options: RecipeOptions) -> None:
    """Train the three networks with each seed, and write the folder of the best mixed one.

    Raises:
        ConfigError: a data file is missing, damaged or of another set, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load(options.data, options.test)
    inputs = Inputs(features(jets.known), features(jets.fresh), jets)

    networks = {
        name: partial(train_mixed, inputs, first_bits=bits) for name, bits in ((TERNARY, 0), (MIXED, FIRST_BITS))
    }
    runs = run_twins(options, FLOAT_EPOCHS, partial(train_twin, inputs), networks, {"jets": str(jets)})
    mixed = [run for run in runs if run.variant == MIXED]
    write_folder(options, inputs, runs, max(mixed, key=lambda run: run.figures["validation likelihood"] or -math.inf))


def train_twin(inputs: Inputs, seed: int, folder: Path) -> dict[str, float | None]:
    """Train the float twin, save it to `folder` and return its figures."""
    tf.keras.utils.set_random_seed(seed)
    model = build_twin(len(inputs.jets.known.classes))
    best = train(model, inputs, FitSettings(FLOAT_EPOCHS, BATCH_SIZE, LEARNING_RATE, seed=seed), folder)
    model.save(folder / "model.h5", include_optimizer=False)
    return {**figures_of(predict(model, inputs.fresh), inputs.jets), "validation likelihood": best}


def train_mixed(
    inputs: Inputs, twin: Path, seed: int, epochs: int, folder: Path, *, first_bits: int
) -> dict[str, float | None]:
    """Train a network from the weights of its twin, export it to `folder` and return its figures.

    Args:
        first_bits: of the first layer, 0 for ternary.
    """
    model = build_mixed(tf.keras.models.load_model(twin / "model.h5", compile=False), first_bits)
    calibrate(model, inputs.known[inputs.jets.train])
    settings = FitSettings(epochs, BATCH_SIZE, LEARNING_RATE, seed=seed, freeze_from=FREEZE_FROM)
    best = train(model, inputs, settings, folder)
    export_stock(model).save(folder / "model.h5", include_optimizer=False)
    return {
        **figures_of(predict(reload(folder / "model.h5"), inputs.fresh), inputs.jets),
        "validation likelihood": best,
    }


def train(model: Model, inputs: Inputs, settings: FitSettings, folder: Path) -> float:
    """Train on the training jets; keep the epoch with the best likelihood of the validation jets, and return that."""
    y, rows, validation = inputs.jets.known.y, inputs.jets.train, inputs.jets.validation

    def likelihood(net: Model) -> float:
        logits = log_probabilities(predict(net, inputs.known[validation]))
        return float(logits[np.arange(len(validation)), y[validation]].mean())

    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return fit(model, (inputs.known[rows], y[rows]), settings, loss=loss, score=likelihood, folder=folder).best


def figures_of(logits: Logits, jets: Jets) -> dict[str, float]:
    """Accuracy, macro AUC and AUC of each class on the test jets."""
    y = jets.fresh.y
    areas = one_vs_rest_auc(logits, y)
    of_each = {f"AUC {name}": float(area) for name, area in zip(jets.fresh.classes, areas, strict=True)}
    return {"accuracy": accuracy(logits, y), "macro AUC": float(areas.mean()), **of_each}


def without_network(jets: Jets) -> dict[str, Logits]:
    """Logits of the test jets by classifiers of ten observables."""
    rows = observables(jets.known)[jets.train]
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    fresh = (observables(jets.fresh) - mean) / deviation
    return {**baseline_logits((rows - mean) / deviation, jets.known.y[jets.train].astype(np.int64), fresh)}


def write_folder(options: RecipeOptions, inputs: Inputs, runs: Sequence[Run], chosen: Run) -> None:
    """Write model.h5, sample.npz, the plots and card.md to the folder of the model."""
    out, jets = options.out, inputs.jets
    out.mkdir(parents=True, exist_ok=True)
    model = reload(chosen.folder / "model.h5")
    model.save(out / "model.h5", include_optimizer=False)
    rows = np.random.default_rng(SPLIT_SEED).permutation(len(jets.fresh.y))[:SAMPLE_ROWS]
    np.savez_compressed(out / "sample.npz", x=inputs.fresh[rows].reshape(len(rows), -1), y=jets.fresh.y[rows])
    logits = predict(model, inputs.fresh)
    without = without_network(jets)
    curves = [RocCurve(name, log_odds(logits, i), jets.fresh.y == i) for i, name in enumerate(jets.fresh.classes)]
    plot_roc(curves, out / "roc.png", title="Each class against the other four, test jets")
    plot_against({"ternary behind the first layer": logits, **without}, jets, out / "accuracy.png")
    costs = {ii: firmware_cost(out / "model.h5", Settings(budget=BUDGET, ii=ii), synthesize=False) for ii in INTERVALS}
    others = [[name, *cells(figures_of(found, jets))] for name, found in without.items()]
    best = max(without.values(), key=lambda found: accuracy(found, jets.fresh.y))
    right = (logits.argmax(axis=1) == jets.fresh.y, best.argmax(axis=1) == jets.fresh.y)
    facts = {"float_epochs": FLOAT_EPOCHS, "learning_rate": LEARNING_RATE, "batch_size": BATCH_SIZE}
    text = card(model, jets, Outcome(runs, chosen, costs, others, right), facts)
    write_text(out / "card.md", text.replace("COMMAND", options.command("models/l1_jet_tagger/recipe.py")))


def plot_against(logits: Mapping[str, Logits], jets: Jets, path: Path) -> None:
    """Draw the accuracy against the pT of the jet."""
    pt = jets.fresh.jet[:, 0] * PT_LSB_GEV
    edges = np.geomspace(*PT_GEV, 7)
    place = np.clip(np.searchsorted(edges, pt) - 1, 0, len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    with figure_axes(path, (5.4, 4.0)) as axes:
        for i, (name, found) in enumerate(logits.items()):
            right = found.argmax(axis=1) == jets.fresh.y
            share = np.bincount(place, right, len(edges) - 1) / counts
            error = np.sqrt(share * (1 - share) / counts)
            centres = np.sqrt(edges[1:] * edges[:-1]) * (1 + 0.02 * (i - 1))
            axes.errorbar(centres, 100 * share, 100 * error, color=COLORS[i], marker=MARKERS[i], capsize=2, label=name)
        axes.set(xscale="log", xlabel="jet pT (GeV)", ylabel="accuracy (%)", title="Five classes, test jets")
        axes.set_xticks([30, 50, 100, 200], ["30", "50", "100", "200"])
        axes.minorticks_off()
        axes.legend(fontsize=8)


if __name__ == "__main__":
    names = {"data": "l1-jets to train on", "test": "l1-jets of another seed to measure on"}
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, **names, epochs=EPOCHS, seeds=(1, 2, 3)))
