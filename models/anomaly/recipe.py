"""Train the anomaly trigger: 57 Level-1 integers to one score, a ternary student of an autoencoder.

Run from the repository root:

    bittrigger data make l1-objects --events 42000 --seed 11 -o l1_train.npz
    bittrigger data make l1-objects --events 28000 --seed 12 -o l1_test.npz
    python models/anomaly/recipe.py --data l1_train.npz --test l1_test.npz

It writes model.h5, sample.npz, card.md and plots into --out, by default the folder of this file, and goes on after a stop
with the runs in --work. The training sees the zero bias of --data alone.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from anomaly_card import Result, card
from baselines import (
    BACKGROUND,
    FLOAT_NETWORKS,
    RATES,
    Score,
    Scores,
    efficiencies,
    figures,
    fitted_scores,
    momentum_sums,
    signals,
)
from teacher_student import autoencoder, float_student, mean_output, object_scales, objective_score, ternary_student

from bittrigger.data import Table, load_l1_objects
from bittrigger.errors import ConfigError
from bittrigger.explore.firmware import firmware_cost
from bittrigger.layers import export_stock
from bittrigger.layers.keras_types import Model
from bittrigger.train import FitSettings, fit
from bittrigger.train.plots import RocCurve, plot_efficiencies, plot_roc
from bittrigger.train.recipes import RecipeOptions, predict, prepare_tensorflow, reload, run_recipe, write_text
from bittrigger.train.study import Run, run_study

HIDDEN = (32, 16)
SEEDS = (1, 2, 3)
VALIDATION_FRACTION = 0.1
SAMPLE_ROWS = 400
"""Crossings of each kind in sample.npz."""

STRETCHED_COPIES = 3
COMMON_STRETCH, SINGLE_STRETCH = 1.0, 0.5
"""Standard deviations of log2 of the factors of all momenta of a crossing, and of each one."""

EXTRA_MUON, EXTRA_MUON_PT = 0.1, 20.0
"""Share of the stretched crossings that get a leading muon, and the mean of its momentum in units of 0.5 GeV."""

CODE_EPOCHS = 20
CODE_BATCH, BATCH = 512, 1024
LEARNING_RATE = 4e-3

PLOTTED = ("ternary, exported", "float twin", "HT (sum of jet pT)", "PCA residual, 5 components")

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Crossings:
    """Zero bias to train and to validate on, `(n, 57)`, and what is measured on."""

    train: Integers
    validation: Integers
    test: Table


def run(options: RecipeOptions) -> None:
    """Train for each seed, measure on the test file, export the first seed and write its folder.

    Raises:
        ConfigError: a data file is missing, damaged or of another set, or both come from one seed; there is no epoch.
    """
    prepare_tensorflow(options.seeds[0])
    crossings, record = load_crossings(options)

    def work(_: str, settings: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        return figures(crossings.test, train_and_score(crossings, settings, seed, folder))

    variants = {"ternary": {"hidden": list(HIDDEN), "epochs": options.epochs}}
    runs = run_study(variants, options.seeds, options.work, work, identity=record)
    options.out.mkdir(parents=True, exist_ok=True)
    model = options.out / "model.h5"
    model.write_bytes((runs[0].folder / "model.h5").read_bytes())
    known = measured(crossings, runs[0])
    plot(crossings.test, known, options.out)
    write_sample(crossings.test, options.out / "sample.npz")
    command = options.command("models/anomaly/recipe.py")
    result = Result(reload(model), runs, known, crossings.test, record, firmware_cost(model), command)
    write_text(options.out / "card.md", card(result))


def load_crossings(options: RecipeOptions) -> tuple[Crossings, dict[str, Any]]:
    """The crossings, and what the files say about themselves."""
    if options.test is None:
        raise ConfigError("no test file: expected one of another seed than --data; give it with --test")
    tables = {"data": load_l1_objects(options.data), "test": load_l1_objects(options.test)}
    seeds = {name: (table.provenance.record or {}).get("seed") for name, table in tables.items()}
    same = options.data.samefile(options.test) or (seeds["data"] is not None and seeds["data"] == seeds["test"])
    if same:
        raise ConfigError(
            f"--data {options.data} and --test {options.test}: both are of seed {seeds['data']}, so they share "
            "crossings; expected two seeds; make one of them again with another --seed"
        )
    zero_bias = tables["data"].x[tables["data"].y == tables["data"].classes.index(BACKGROUND)]
    rows = np.random.default_rng(0).permutation(len(zero_bias))
    held = round(VALIDATION_FRACTION * len(rows))
    if not 0 < held < len(rows):
        raise ConfigError(f"--data {options.data}: {len(rows)} crossings of zero bias are too few; make a larger file")
    chosen = zero_bias.astype(np.int64)[rows]
    digests = {
        name: hashlib.sha256(np.ascontiguousarray(table.x).tobytes()).hexdigest() for name, table in tables.items()
    }
    record = {"train": len(rows) - held, "validation": held, "seeds": seeds, "digests (SHA-256)": digests}
    return Crossings(chosen[held:], chosen[:held], tables["test"]), record


def train_and_score(crossings: Crossings, settings: Mapping[str, Any], seed: int, folder: Path) -> dict[str, Scores]:
    """Train the three networks of a seed in `folder`, and return the scores of all trained ones on the test crossings."""
    score = train_teacher(crossings, seed, folder / "autoencoder")
    generator = np.random.default_rng([seed, 1])
    seen, held = (
        np.concatenate([rows, *(stretched(rows, generator) for _ in range(STRETCHED_COPIES))])
        for rows in (crossings.train, crossings.validation)
    )
    lesson = (seen, score(seen)), (held, score(held))
    twin = float_student(settings["hidden"], seed)
    train_student(twin, lesson, settings["epochs"], seed, folder / "float_twin")
    ternary = ternary_student(settings["hidden"], seed, twin)
    train_student(ternary, lesson, settings["epochs"], seed, folder / "ternary")
    export_stock(ternary).save(folder / "model.h5", include_optimizer=False)
    scores: dict[str, Score] = {
        "ternary, exported": _output(reload(folder / "model.h5")),
        FLOAT_NETWORKS[0]: _output(twin),
        FLOAT_NETWORKS[1]: score,
        **fitted_scores(crossings.train, seed),
    }
    found = {name: each(crossings.test.x) for name, each in scores.items()}
    np.savez_compressed(folder / "scores.npz", **found)
    return found


def train_teacher(crossings: Crossings, seed: int, folder: Path) -> Score:
    """Return the score of an autoencoder trained on zero bias; the epoch of the least validation loss is kept."""
    scaled = [rows @ object_scales() for rows in (crossings.train, crossings.validation)]
    center = scaled[0].mean(axis=0)
    train, validation = ((momenta - center).astype(np.float32) for momenta in scaled)
    model = autoencoder(seed)
    settings = FitSettings(CODE_EPOCHS, CODE_BATCH, LEARNING_RATE, seed=seed)
    nothing = np.zeros((len(train), 1), np.float32)
    fit(
        model,
        (train, nothing),
        settings,
        loss=mean_output,
        score=lambda net: -float(predict(net, validation).mean()),
        folder=folder,
    )
    return objective_score(model, center)


Lesson = tuple[tuple[Integers, Scores], tuple[Integers, Scores]]


def train_student(model: Model, lesson: Lesson, epochs: int, seed: int, folder: Path) -> None:
    """Let a student learn the teacher's score; the epoch of the least validation error is kept."""
    (seen, wanted), (held, held_wanted) = lesson

    def kept(net: Model) -> float:
        return -float(np.mean((predict(net, held.astype(np.float32))[:, 0] - held_wanted) ** 2))

    settings = FitSettings(epochs, BATCH, LEARNING_RATE, seed=seed)
    fit(model, (seen.astype(np.float32), wanted[:, np.newaxis]), settings, loss="mse", score=kept, folder=folder)


def stretched(rows: Integers, generator: np.random.Generator) -> Integers:
    """Crossings of zero bias with their momenta multiplied at random, `(n, 57)`, each kind of object sorted again.

    They lie where zero bias is rare, so that a student learns there what the teacher thinks of it. No signal is used.
    """
    count = len(rows)
    momenta = rows[:, ::3].astype(np.float64)
    common = generator.normal(0, COMMON_STRETCH, (count, 1)) * generator.uniform(0, 1, (count, 1))
    momenta *= np.exp2(common + generator.normal(0, SINGLE_STRETCH, momenta.shape))
    muons = generator.random(count) < EXTRA_MUON
    momenta[muons, 5] += generator.exponential(EXTRA_MUON_PT, np.count_nonzero(muons))
    for first, last in ((1, 5), (5, 9), (9, 19)):
        momenta[:, first:last] = -np.sort(-momenta[:, first:last], axis=1)
    result = rows.copy()
    result[:, ::3] = np.minimum(momenta, 2047).astype(np.int64)
    return result


def _output(model: Model) -> Score:
    """The only output of a model on integers, `(n,)`."""
    return lambda x: predict(model, x.astype(np.float32))[:, 0]


def measured(crossings: Crossings, run: Run) -> dict[str, Scores]:
    """All scores of the test crossings: those of one run, and the sums that need no training."""
    with np.load(run.folder / "scores.npz") as archive:
        found = {name: archive[name] for name in archive.files}
    return found | {name: score(crossings.test.x.astype(np.int64)) for name, score in momentum_sums().items()}


def plot(test: Table, known: Mapping[str, Scores], out: Path) -> None:
    """Write the ROC curves of the exported network, and the efficiencies of some scores."""
    score, background = known[PLOTTED[0]], test.classes.index(BACKGROUND)
    curves = []
    for i, name in enumerate(test.classes):
        if name != BACKGROUND:
            rows = (test.y == background) | (test.y == i)
            curves.append(RocCurve(name, score[rows], test.y[rows] == i))
    plot_roc(curves, out / "roc.png", title="Anomaly score, ternary")
    for rate in RATES:
        values = {name: efficiencies(test, known[name], rate) for name in PLOTTED}
        path = out / f"efficiency_{rate:g}.png"
        plot_efficiencies(values, signals(test.classes), path, title=f"{rate:.1%} of zero bias passes")


def write_sample(test: Table, path: Path) -> None:
    """Write some test crossings of each kind."""
    rows = np.concatenate([np.flatnonzero(test.y == i)[:SAMPLE_ROWS] for i in range(len(test.classes))])
    np.savez_compressed(path, x=test.x[rows].astype(np.float32), y=test.y[rows], classes=np.array(test.classes))


if __name__ == "__main__":
    sys.exit(
        run_recipe(
            run,
            __doc__,
            Path(__file__).parent,
            data="l1-objects to train on",
            test="l1-objects of another seed to measure on",
            epochs=12,
            seeds=SEEDS,
        )
    )
