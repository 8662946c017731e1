"""Train CaloINN and its ternary variants on showers, sample from each, and tell what a classifier can tell apart.

Run from the repository root:

    bittrigger data make showers --events 20000 --seed 61 -o showers.npz
    bittrigger data make showers --events 5000 --seed 62 -o showers_fresh.npz
    python models/calo_inn/recipe.py --data showers.npz --test showers_fresh.npz

Files of the CaloChallenge (ds1-photons, HDF5) serve as well. Each training stays in --work, goes on where it was stopped, and
is not done again. card.md goes to --out. It is a study of physics, not firmware.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from flow import VARIANTS, Flow, FlowSettings, built, parameter_counts
from showers import Real, Scale, condition, events, observables, separation, voxels_of

from bittrigger.data import Showers, load_showers
from bittrigger.train import FitSettings, fit, roc_auc
from bittrigger.train.recipes import (
    RecipeOptions,
    markdown_table,
    predict,
    prepare_tensorflow,
    run_recipe,
    versions,
    write_text,
)
from bittrigger.train.study import Run, run_study, summary_rows

SETTINGS = FlowSettings(blocks=8, width=64, layers=4, bins=10)
"""Fewer and narrower blocks than the authors' 12 of 256: a study on one core."""

EPOCHS, BATCH_SIZE, LEARNING_RATE = 30, 256, 1e-3
CLASSIFIER_EPOCHS, CLASSIFIER_UNITS = 20, 128
VALIDATION_FRACTION, SPLIT_SEED = 0.1, 1


def run(options: RecipeOptions) -> None:
    """Train the variants with each seed, and write card.md.

    Raises:
        ConfigError: a data file is missing, damaged or of another binning, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    known, fresh = load_showers(options.data), load_showers(options.test or options.data)
    logs = events(known.voxels_mev, known.incident_mev, np.random.default_rng(SPLIT_SEED))
    scale = Scale(logs.mean(axis=0), logs.std(axis=0) + 1e-6)
    rows = np.random.default_rng(SPLIT_SEED).permutation(len(logs))
    table = np.concatenate([(logs - scale.mean) / scale.deviation, condition(known.incident_mev)], axis=1)[rows]
    table = table.astype(np.float32)
    held = round(VALIDATION_FRACTION * len(table))

    def work(variant: str, _: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        tf.keras.backend.clear_session()
        flow = built(replace(SETTINGS, variant=variant), seed)  # type: ignore[arg-type]
        best = train(
            flow, table[held:], table[:held], FitSettings(options.epochs, BATCH_SIZE, LEARNING_RATE, seed=seed), folder
        )
        flow.save_weights(str(folder / "weights.h5"))
        return {**measured(flow, scale, fresh, seed), "log likelihood": best, **shares_of(flow)}

    identity = {"showers": f"{len(table)} and {len(fresh.incident_mev)}", "flow": str(SETTINGS)}
    variants = {variant: {"epochs": options.epochs} for variant in VARIANTS}
    runs = run_study(variants, options.seeds, options.work, work, identity=identity)
    options.out.mkdir(parents=True, exist_ok=True)
    text = card(runs, options.epochs, (len(table) - held, len(fresh.incident_mev)), known)
    write_text(options.out / "card.md", text.replace("COMMAND", options.command("models/calo_inn/recipe.py")))


def train(flow: Flow, rows: Real, validation: Real, settings: FitSettings, folder: Path) -> float:
    """Maximise the likelihood; keep the epoch that is best on the validation showers, and return the mean of its logarithm."""

    def likelihood(net: Flow) -> float:
        return -float(predict(net, validation).mean())

    def loss(_: Any, found: Any) -> Any:  # noqa: ANN401 - tensors
        return tf.reduce_mean(found)

    targets = np.zeros((len(rows), 1), np.float32)
    return fit(flow, (rows, targets), settings, loss=loss, score=likelihood, folder=folder).best


def measured(flow: Flow, scale: Scale, fresh: Showers, seed: int) -> dict[str, float | None]:
    """Separations of the observables from those of fresh showers of the same energies, and the areas of classifiers."""
    found = flow.sample(condition(fresh.incident_mev), np.random.default_rng(seed))
    sampled = voxels_of(found * scale.deviation + scale.mean, fresh.incident_mev)
    real, made = (observables(voxels, fresh.incident_mev) for voxels in (fresh.voxels_mev, sampled))
    apart = {name: separation(real[name], made[name]) for name in real}
    high = [np.stack([np.log(np.maximum(values, 1e-6)) for values in one.values()], axis=1) for one in (real, made)]
    low = [np.log(voxels / fresh.incident_mev[:, None] + 1e-6) for voxels in (fresh.voxels_mev, sampled)]
    energy = condition(fresh.incident_mev)
    return {
        "AUC of voxels": classifier_area(*low, energy, seed),
        "AUC of observables": classifier_area(*high, energy, seed),
        "mean separation": float(np.mean(list(apart.values()))),
        **apart,
    }


def classifier_area(real: Real, made: Real, energy: Real, seed: int) -> float:
    """Area of a dense network that tells real from made showers, on a held-out fifth; 0.5 if it cannot."""
    layers = tf.keras.layers
    x = np.concatenate([np.concatenate([real, energy], axis=1), np.concatenate([made, energy], axis=1)])
    y = np.repeat([0, 1], [len(real), len(made)]).astype(np.float32)
    rows = np.random.default_rng(seed).permutation(len(x))
    held = len(x) // 5
    test, kept = rows[:held], rows[held:]
    x = ((x - x[kept].mean(axis=0)) / (x[kept].std(axis=0) + 1e-6)).astype(np.float32)
    units = [layers.Dense(CLASSIFIER_UNITS, tf.nn.leaky_relu) for _ in range(2)]
    net = tf.keras.Sequential([tf.keras.Input(x.shape[1]), *units, layers.Dense(1)], name="classifier")
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    net.compile(tf.keras.optimizers.Adam(1e-3), loss)
    net.fit(x[kept], y[kept], batch_size=256, epochs=CLASSIFIER_EPOCHS, verbose=0)
    return roc_auc(predict(net, x[test])[:, 0], y[test] == 1)


def shares_of(flow: Flow) -> dict[str, float | None]:
    """Parameters, and the share of them in ternary layers, in percent."""
    total, quantised = parameter_counts(flow)
    return {"parameters": float(total), "quantised (%)": 100 * quantised / total}


def card(runs: Sequence[Run], epochs: int, counts: tuple[int, int], known: Showers) -> str:
    """Return the text of card.md; `COMMAND` stands where the command belongs."""
    (trained, tested), seeds = counts, len({run.seed for run in runs})
    names = [name for name in runs[0].figures if name not in {"parameters", "quantised (%)", "log likelihood"}]
    first = {"parameters": (0, 1.0), "quantised (%)": (1, 1.0), "log likelihood": (1, 1.0)}
    head = [name for name in names if name.startswith(("AUC", "mean"))]
    rest = [name for name in names if name not in head]
    summary = summary_rows(runs, {**first, **dict.fromkeys(head, (3, 1.0))})
    details = summary_rows(runs, dict.fromkeys(rest, (4, 1.0)))
    return f"""# CaloINN and its ternary variants

A normalising flow for showers of photons in the {known.voxels_mev.shape[1]} voxels of ds1-photons: {SETTINGS.blocks} coupling
blocks with rational-quadratic splines of {SETTINGS.bins} bins, subnets of {SETTINGS.layers} layers of {SETTINGS.width} units.
The variants are those of BitHEP (arXiv:2504.03387), with its own layer: ternary are the middle layers of every subnet
(NNCentral), all layers of the central blocks (BlockCentral), or all. **A study of physics, not firmware**: a generator of
showers stands in no trigger; it says where in a network ternary layers may stand.

## Result

{trained} showers train, for up to {epochs} epochs, {tested} fresh ones of the same energies are compared; mean and standard
deviation over {seeds} seed(s). An area of 0.5 means that a classifier cannot tell the samples from showers:

{markdown_table(["variant", *first, *head], summary)}
Separation of histograms of 50 bins, 0 for equal and 1 for disjoint ones:

{markdown_table(["variant", *rest], details)}
The authors train 18.8 million parameters for 450 epochs on 100,000 showers of Geant4; these are {known.provenance.source}.
The figures are not to be set beside theirs.

## Data and command

- Command: `COMMAND`
- Training: Adam from {LEARNING_RATE} with cosine decay, batches of {BATCH_SIZE}; the epoch is chosen by the likelihood of a
  tenth of the showers. Classifiers: two layers of {CLASSIFIER_UNITS} units, {CLASSIFIER_EPOCHS} epochs.
- Made with {versions(["tensorflow-cpu", "numpy"])}.
"""


if __name__ == "__main__":
    names = {"data": "showers to train on", "test": "showers of another seed to compare with"}
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, **names, epochs=EPOCHS, seeds=(1,)))
