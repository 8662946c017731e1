"""Train CaloDREAM and its ternary variants on showers, sample from each, and tell what a classifier can tell apart.

Run from the repository root:

    bittrigger data make showers --events 60000 --seed 61 -o showers.npz
    bittrigger data make showers --events 8000 --seed 63 -o showers_fresh.npz
    python models/calo_dream/recipe.py --data showers.npz --test showers_fresh.npz

Files of the CaloChallenge (ds1-photons, HDF5) serve as well. Each training stays in --work, goes on where it was stopped, and
is not done again. card.md and observables.png go to --out. It is a study of physics, not firmware.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from dream_card import card
from energy import EnergyNet, EnergySettings
from layout import Layout
from matching import Matching
from shape import VARIANTS, ShapeNet, ShapeSettings

from bittrigger.data import Showers, load_showers
from bittrigger.data.shower_shares import Real
from bittrigger.train import FitSettings, fit
from bittrigger.train.generators import BASELINES, baseline, compared, parameter_counts, plot_observables, source_of
from bittrigger.train.recipes import RecipeOptions, predict, prepare_tensorflow, run_recipe, write_text
from bittrigger.train.study import Run, run_study

ENERGY = EnergySettings(dims=5, units=32, heads=4, depth=2, hidden=64, head_units=64, head_layers=3)
SHAPE = ShapeSettings(tokens=46, token_size=8, units=32, depth=3, heads=4, steps=10)
"""Smaller than the authors' 2.4 and 26 million parameters: a study on one core."""

NETS = {
    **{f"energy-{variant}": {"net": "energy", "variant": variant} for variant in ("float", "full")},
    **{f"shape-{variant}": {"net": "shape", "variant": variant} for variant in VARIANTS},
}
PAIRS = {
    f"energy {energy}, shape {shape}": (f"energy-{energy}", f"shape-{shape}")
    for energy, shape in (("float", "float"), ("full", "float"), ("float", "no-embedding"), ("full", "full"))
}
"""The energies of the layers come from one network, the showers in them from another."""

EPOCHS, BATCH_SIZE, LEARNING_RATE = 6, 64, 2e-3
ENERGY_PASSES = 1
"""Passes of the small energy network for one of the shape network."""

SAMPLED, SAMPLED_AT_ONCE = 4000, 500
VALIDATION_FRACTION, SPLIT_SEED = 0.1, 1


def run(options: RecipeOptions) -> None:
    """Train the networks with each seed, sample from pairs of them, and write card.md and observables.png after each network.

    Raises:
        ConfigError: a data file is missing, damaged or of another binning, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    known, fresh = load_showers(options.data), load_showers(options.test or options.data)
    fresh = Showers(fresh.incident_mev[:SAMPLED], fresh.voxels_mev[:SAMPLED], fresh.provenance)
    layout = Layout.of(known, SHAPE, SPLIT_SEED)
    rows = np.random.default_rng(SPLIT_SEED).permutation(len(known.incident_mev))
    tables = {name: table[rows] for name, table in layout.tables(known, SPLIT_SEED).items()}
    held = round(VALIDATION_FRACTION * len(rows))

    def train(_: str, chosen: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        tf.keras.backend.clear_session()
        model, table = built(chosen["net"], chosen["variant"], layout, seed), tables[chosen["net"]]
        settings = FitSettings(chosen["epochs"], BATCH_SIZE, LEARNING_RATE, seed=seed)
        best = fitted(model, table[held:], table[:held], settings, folder)
        model.save_weights(str(folder / "weights.h5"))
        trained, ternary = parameter_counts(model)
        return {"error of the velocity": -best, "parameters": float(trained), "quantised (%)": 100 * ternary / trained}

    def judge(name: str, chosen: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        if "energy" not in chosen:
            made = baseline(name, known, fresh.incident_mev, seed)
        else:
            pair = {chosen[net]: nets[chosen[net], seed] for net in ("energy", "shape")}
            made = sampled(pair, layout, fresh.incident_mev, seed)
        np.savez_compressed(folder / "samples.npz", showers=made)
        return compared(made, fresh, seed)

    passes = {"energy": ENERGY_PASSES * options.epochs, "shape": options.epochs}
    identity = {"showers": f"{len(rows)} and {len(fresh.incident_mev)}", "nets": f"{ENERGY}, {SHAPE}"}
    todo = {name: {"epochs": passes[chosen["net"]], **chosen} for name, chosen in NETS.items()}
    nets: dict[tuple[str, int], Path] = {}
    for count in range(1, len(todo) + 1):
        some = dict(list(todo.items())[:count])
        trained = run_study(some, options.seeds, options.work / "nets", train, identity=identity)
        nets |= {(run.variant, run.seed): run.folder for run in trained}
        pairs: dict[str, dict[str, Any]] = {name: {} for name in BASELINES}
        for name, (energy, shape) in PAIRS.items():
            if energy in some and shape in some:
                pairs[folder_of(name)] = {"energy": energy, "shape": shape, "epochs": options.epochs}
        judged = run_study(pairs, options.seeds, options.work / "pairs", judge, identity=identity)
        names = {folder_of(name): name for name in PAIRS}
        judged = [Run(names.get(run.variant, run.variant), run.seed, run.folder, run.figures) for run in judged]
        finish(options, (trained, judged), (len(rows) - held, known), fresh)


def finish(
    options: RecipeOptions, runs: tuple[list[Run], list[Run]], trained: tuple[int, Showers], fresh: Showers
) -> None:
    """Write card.md and observables.png."""
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = {run.variant: run.folder for run in runs[1] if run.seed == options.seeds[0]}
    shown = {name: np.load(chosen[name] / "samples.npz")["showers"] for name in PAIRS if name in chosen}
    title = "Showers of photons, and samples of CaloDREAM"
    plot_observables({"showers": fresh.voxels_mev, **shown}, fresh.incident_mev, options.out / "observables.png", title)
    facts = {
        "epochs": options.epochs,
        "energy_epochs": ENERGY_PASSES * options.epochs,
        "missing": ", ".join(name for name in NETS if name not in {run.variant for run in runs[0]}),
        "trained": trained[0],
        "tested": len(fresh.incident_mev),
        "source": source_of(trained[1]),
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
    }
    text = card(runs, (ENERGY, SHAPE), facts)
    write_text(options.out / "card.md", text.replace("COMMAND", options.command("models/calo_dream/recipe.py")))


def folder_of(pair: str) -> str:
    """The name of a pair as that of a folder."""
    return pair.replace(", ", "-").replace(" ", "-")


def built(net: str, variant: str, layout: Layout, seed: int) -> Matching:
    """A network with its weights made, and what trains it."""
    tf.keras.utils.set_random_seed(seed)
    if net == "energy":
        inner = EnergyNet(replace(ENERGY, ternary=variant == "full"), seed)
    else:
        inner = ShapeNet(replace(SHAPE, variant=variant), layout.places)
    model = Matching(inner, seed, f"calo_dream_{net}_{variant.replace('-', '_')}")
    model(tf.zeros((2, layout.width(net))))
    return model


def fitted(model: Matching, rows: Real, validation: Real, settings: FitSettings, folder: Path) -> float:
    """Train; keep the epoch whose velocity is best on the validation showers, and return minus its error."""

    def score(net: Matching) -> float:
        return -float(predict(net, validation).mean())

    def loss(_: Any, found: Any) -> Any:  # noqa: ANN401 - tensors
        return tf.reduce_mean(found)

    return fit(
        model, (rows, np.zeros((len(rows), 1), np.float32)), settings, loss=loss, score=score, folder=folder
    ).best


def sampled(nets: Mapping[str, Path], layout: Layout, incident: Real, seed: int) -> Real:
    """Showers at incident energies, voxels in MeV, from an energy and a shape network, given by the folders of their runs."""
    models = []
    for name, folder in nets.items():
        model = built(NETS[name]["net"], NETS[name]["variant"], layout, seed)
        model.load_weights(str(folder / "weights.h5"))
        models.append(model.net)
    random, found = np.random.default_rng(seed), []
    for start in range(0, len(incident), SAMPLED_AT_ONCE):
        energies = incident[start : start + SAMPLED_AT_ONCE]
        condition = layout.condition(energies)
        numbers = models[0].sample(tf.constant(condition), random).numpy()
        voxels = models[1].sample(tf.constant(np.concatenate([condition, numbers], axis=1)), random).numpy()
        found.append(layout.voxels(voxels, numbers, energies))
    return np.concatenate(found)


if __name__ == "__main__":
    names = {"data": "showers to train on", "test": "showers of another seed to compare with"}
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, **names, epochs=EPOCHS, seeds=(1, 2, 3)))
