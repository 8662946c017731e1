"""Train CaloINN and its ternary variants on showers, sample from each, and tell what a classifier can tell apart.

Run from the repository root:

    bittrigger data make showers --events 12000 --seed 61 -o showers.npz
    bittrigger data make showers --events 8000 --seed 62 -o showers_fresh.npz
    python models/calo_inn/recipe.py --data showers.npz --test showers_fresh.npz

Files of the CaloChallenge (ds1-photons, HDF5) serve as well. Each training stays in --work, goes on where it was stopped, and
is not done again. card.md and observables.png go to --out. It is a study of physics, not firmware.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from flow import VARIANTS, Flow, FlowSettings, built

from bittrigger.data import Showers, load_showers
from bittrigger.data.shower_shares import Real, Scale, condition, events, voxels_of
from bittrigger.train import FitSettings, fit
from bittrigger.train.generators import (
    BASELINES,
    CLASSIFIER,
    CLASSIFIER_EPOCHS,
    HEAD,
    area_error,
    baseline,
    compared,
    comparison_tables,
    differences,
    losers,
    lost_somewhere,
    parameter_counts,
    plot_observables,
    seeds_text,
    source_of,
)
from bittrigger.train.recipes import (
    RecipeOptions,
    predict,
    prepare_tensorflow,
    run_recipe,
    versions,
    write_text,
)
from bittrigger.train.study import Run, run_study, spread_of

NARROW = {"narrow": 16, "narrowest": 4}
"""Units of the narrower subnets, by the name that the runs carry."""

SETTINGS = FlowSettings(blocks=8, width=64, layers=4, bins=6)
"""Fewer and narrower blocks than the authors' 12 of 256: a study on one core."""

VARIANTS_OF_WIDTH = {
    **{
        variant: {"variant": variant, "width": SETTINGS.width}
        for variant in ("float", "All", "BlockCentral", "NNCentral")
    },
    **{
        f"{variant}-{name}": {"variant": variant, "width": width}
        for name, width in NARROW.items()
        for variant in ("float", "All")
    },
}
"""The runs: those of BitHEP, the extremes first, and those of narrower subnets, since larger networks are said to lose less."""

EPOCHS, BATCH_SIZE, LEARNING_RATE = 12, 64, 1e-3
SAMPLED_AT_ONCE = 1000
VALIDATION_FRACTION, SPLIT_SEED = 0.1, 1


def run(options: RecipeOptions) -> None:
    """Train the variants with each seed, and write card.md and observables.png anew after each of them.

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

    def work(name: str, chosen: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        if name in BASELINES:
            made = baseline(name, known, fresh.incident_mev, seed)
            return compared(made, fresh, seed)
        tf.keras.backend.clear_session()
        flow = built(replace(SETTINGS, **{name: chosen[name] for name in ("variant", "width")}), seed)
        best = train(
            flow, table[held:], table[:held], FitSettings(options.epochs, BATCH_SIZE, LEARNING_RATE, seed=seed), folder
        )
        flow.save_weights(str(folder / "weights.h5"))
        sampled = samples(flow, scale, fresh.incident_mev, seed)
        np.savez_compressed(folder / "samples.npz", showers=sampled)
        return {**compared(sampled, fresh, seed), "log likelihood": best, **shares_of(flow)}

    identity = {"showers": f"{len(table)} and {len(fresh.incident_mev)}", "flow": str(SETTINGS)}
    variants: dict[str, dict[str, Any]] = {name: {} for name in BASELINES}
    variants |= {name: {"epochs": options.epochs, **chosen} for name, chosen in VARIANTS_OF_WIDTH.items()}
    for count in range(len(BASELINES) + 1, len(variants) + 1):
        some = dict(list(variants.items())[:count])
        runs = run_study(some, options.seeds, options.work, work, identity=identity)
        finish(options, runs, len(table) - held, known, fresh)


def finish(options: RecipeOptions, runs: Sequence[Run], trained: int, known: Showers, fresh: Showers) -> None:
    """Write card.md and observables.png of the runs so far."""
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = {run.variant: run.folder for run in runs if run.seed == options.seeds[0]}
    shown = {name: np.load(chosen[name] / "samples.npz")["showers"] for name in VARIANTS if name in chosen}
    title = "Showers of photons, and samples of CaloINN"
    plot_observables({"showers": fresh.voxels_mev, **shown}, fresh.incident_mev, options.out / "observables.png", title)
    text = card(runs, options.epochs, (trained, len(fresh.incident_mev)), known)
    write_text(options.out / "card.md", text.replace("COMMAND", options.command("models/calo_inn/recipe.py")))


def train(flow: Flow, rows: Real, validation: Real, settings: FitSettings, folder: Path) -> float:
    """Maximise the likelihood; keep the epoch that is best on the validation showers, and return the mean of its logarithm."""

    def likelihood(net: Flow) -> float:
        return -float(predict(net, validation).mean())

    def loss(_: Any, found: Any) -> Any:  # noqa: ANN401 - tensors
        return tf.reduce_mean(found)

    targets = np.zeros((len(rows), 1), np.float32)
    return fit(flow, (rows, targets), settings, loss=loss, score=likelihood, folder=folder).best


def samples(flow: Flow, scale: Scale, incident: Real, seed: int) -> Real:
    """Showers of the flow at incident energies, voxels in MeV."""
    random, found = np.random.default_rng(seed), []
    for start in range(0, len(incident), SAMPLED_AT_ONCE):
        energies = incident[start : start + SAMPLED_AT_ONCE]
        drawn = flow.sample(condition(energies), random)
        found.append(voxels_of(drawn * scale.deviation + scale.mean, energies))
    return np.concatenate(found)


def shares_of(flow: Flow) -> dict[str, float | None]:
    """Parameters, and the share of them in ternary layers, in percent."""
    total, quantised = parameter_counts(flow)
    return {"parameters": float(total), "quantised (%)": 100 * quantised / total}


def lost(runs: Sequence[Run]) -> str:
    """What the ternary network loses against the float one of the same width, seed by seed, in words."""
    likelihood = {(run.variant, run.seed): run.figures.get("log likelihood") for run in runs}
    words: list[str] = []
    for suffix, width in {"": SETTINGS.width, **{f"-{name}": width for name, width in NARROW.items()}}.items():
        pairs = [
            (likelihood.get((f"float{suffix}", seed)), likelihood[name, seed])
            for name, seed in likelihood
            if name == f"All{suffix}"
        ]
        spread = spread_of(one - other for one, other in pairs if one is not None and other is not None)
        if spread:
            words.append(f"{spread.text(1)} with {width} units")
    return f"Ternary throughout loses {'; '.join(words)}, against float of the same width and seed." if words else ""


def card(runs: Sequence[Run], epochs: int, counts: tuple[int, int], known: Showers) -> str:
    """Return the text of card.md; `COMMAND` stands where the command belongs."""
    trained, tested = counts
    first = {"parameters": (0, 1.0), "quantised (%)": (1, 1.0), "log likelihood": (1, 1.0)}
    areas, separations = comparison_tables(runs, first)
    untrained = [name for name in VARIANTS_OF_WIDTH if name not in {run.variant for run in runs}]
    missing = f"- Not trained yet, for want of hours: {', '.join(untrained)}.\n" if untrained else ""
    narrow = ", ".join(f"{width} in those called {name}" for name, width in NARROW.items())
    units, error = " and ".join(map(str, CLASSIFIER)), area_error(tested)
    of_baselines = "".join(f"- {name}: {what}.\n" for name, what in BASELINES.items()) + losers(runs)
    apart = differences(runs, "float", {**dict.fromkeys(HEAD, 3), "log likelihood": 1})
    return f"""# CaloINN and its ternary variants

{lost_somewhere(runs)}

A normalising flow for showers of photons in the {known.voxels_mev.shape[1]} voxels of ds1-photons: {SETTINGS.blocks} coupling
blocks with rational-quadratic splines of {SETTINGS.bins} bins, subnets of {SETTINGS.layers} layers of {SETTINGS.width} units
({narrow}). The variants are those of
BitHEP (arXiv:2504.03387), with its own layer: ternary are the middle layers of every subnet
(NNCentral), all layers of the central blocks (BlockCentral), or all. **A study of physics, not
firmware**: a generator of showers stands in no trigger; it says where in a network ternary layers may stand.

## Result

{trained} showers train, for {epochs} epochs, {tested} fresh ones of the same energies are compared; {seeds_text(runs)}. An area
of 0.5 means that a classifier cannot tell the samples from showers; its own error is about {error:.2f}:

{areas}
{of_baselines}{apart}- The log likelihood is that of the held-out tenth of the training showers. {lost(runs)}
{missing}
Separation of histograms of 50 bins, 0 for equal and 1 for disjoint ones; the first row is what chance leaves:

{separations}
![observables](observables.png)

The authors train 18.8 million parameters for 450 epochs on 100,000 showers of Geant4; these are
{source_of(known)}. The figures are not to be set beside theirs. No weights are
shipped: the command makes them.

## Data and command

- Command: `COMMAND`
- Training: Adam from {LEARNING_RATE} with cosine decay, batches of {BATCH_SIZE}; the epoch is chosen by the likelihood of the
  held-out showers. Classifiers: two layers of {units} units, {CLASSIFIER_EPOCHS} epochs, tested on a fifth.
- Made with {versions(["tensorflow-cpu", "numpy"])}.
"""


if __name__ == "__main__":
    names = {"data": "showers to train on", "test": "showers of another seed to compare with"}
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, **names, epochs=EPOCHS, seeds=(1, 2, 3)))
