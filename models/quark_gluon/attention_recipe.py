"""What attention buys a trigger: quark-gluon taggers on eight constituents with and without it, float and ternary, and in logic.

Run from the repository root:

    python models/quark_gluon/attention_recipe.py --data quark_gluon.npz --test qg_fresh.npz

Each training stays in --work, goes on where it was stopped, and is not done again. attention.h5, attention.npz and
attention.md go to --out.
"""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from attention_nets import ATTENTION, CONSTITUENTS, DEEP_SETS, SETTINGS, UNITS, build, take_weights
from deep_sets import FEATURES, constituent_features
from in_logic import BUDGET_TEXT, INTERVALS, Built, firmware_table, in_firmware
from qg_jets import COLUMNS, SPLIT_SEED, Jets, area_gain, baselines, cells, figures_of, load

from bittrigger.layers.keras_types import Model
from bittrigger.train import FitSettings, calibrate, fit, roc_auc
from bittrigger.train.recipes import (
    RecipeOptions,
    markdown_table,
    predict,
    prepare_tensorflow,
    reload,
    run_recipe,
    versions,
    write_text,
)
from bittrigger.train.study import Run, Spread, run_study, spread_of, summary_rows

FLOAT_EPOCHS, EPOCHS = 25, 25
BATCH_SIZE, LEARNING_RATE, FREEZE_FROM = 128, 3e-3, 0.5
SAMPLE_ROWS = 1024


def run(options: RecipeOptions) -> None:
    """Train both networks, float and ternary, with each seed, and write the best ternary one with attention.

    Raises:
        ConfigError: a data file is missing, damaged or too small, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load(options.data, options.test)
    known, fresh = (constituent_features(part, CONSTITUENTS) for part in (jets.known, jets.fresh))

    def work(_: str, fields: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        model, best = train_network(fields, seed, folder, known, jets, batch_size=BATCH_SIZE)
        figures = figures_of(predict(model, fresh)[:, 0], jets.fresh.y)
        return {**figures, "validation AUC": best, "weights": float(model.count_params())}

    variants = {
        name_of(kind, ternary=ternary): {"kind": kind, "ternary": ternary, "epochs": epochs}
        for ternary, epochs in ((False, FLOAT_EPOCHS), (True, options.epochs))
        for kind in (DEEP_SETS, ATTENTION)
    }
    runs = run_study(variants, options.seeds, options.work, work, identity={"jets": str(jets), "nets": str(SETTINGS)})
    write_folder(options, fresh, jets, runs)


def name_of(kind: str, *, ternary: bool) -> str:
    """The variant of a study: the name of its folder."""
    return f"{kind}-{'ternary' if ternary else 'float'}"


def train_network(
    fields: Mapping[str, Any],
    seed: int,
    folder: Path,
    known: Any,  # noqa: ANN401
    jets: Jets,
    *,
    batch_size: int,
) -> tuple[Model, float]:
    """Train a network of a study, a ternary one from the weights of its float twin, and save it as model.h5.

    Args:
        fields: its kind, whether it is ternary, and its epochs.
        folder: its own, in that of the study, where its float twin is.
        known: features of the jets to train on, `(n, constituents, features)`.

    Returns:
        The network, and its best AUC on the validation jets.
    """
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(seed)
    model = build(fields["kind"], ternary=fields["ternary"], constituents=known.shape[1])
    if fields["ternary"]:
        twin = folder.parent.parent / name_of(fields["kind"], ternary=False) / folder.name / "model.h5"
        take_weights(model, tf.keras.models.load_model(twin, compile=False))
        calibrate(model, known[jets.train])
    freeze = FREEZE_FROM if fields["ternary"] else None
    settings = FitSettings(fields["epochs"], batch_size, LEARNING_RATE, seed=seed, freeze_from=freeze)
    best = train(model, known, jets, settings, folder)
    model.save(folder / "model.h5", include_optimizer=False)
    return model, best


def train(model: Model, known: Any, jets: Jets, settings: FitSettings, folder: Path) -> float:  # noqa: ANN401
    """Train on the training jets; keep the epoch with the best AUC on the validation jets, and return that."""
    y, rows, validation = jets.known.y, jets.train, jets.validation
    return fit(
        model,
        (known[rows], y[rows].astype(np.float32)),
        settings,
        loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
        score=lambda net: roc_auc(predict(net, known[validation])[:, 0], y[validation] == 1),
        folder=folder,
    ).best


def write_folder(options: RecipeOptions, fresh: Any, jets: Jets, runs: Sequence[Run]) -> None:  # noqa: ANN401
    """Write attention.h5, attention.npz and attention.md."""
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    chosen = {kind: best_of(runs, name_of(kind, ternary=True)) for kind in (DEEP_SETS, ATTENTION)}
    shutil.copyfile(chosen[ATTENTION].folder / "model.h5", out / "attention.h5")
    order = np.random.default_rng(SPLIT_SEED).permutation(len(jets.fresh.y))[:SAMPLE_ROWS]
    np.savez_compressed(out / "attention.npz", x=fresh[order].reshape(len(order), -1), y=jets.fresh.y[order])
    costs = [in_firmware(kind, run.folder / "model.h5", ii) for kind, run in chosen.items() for ii in INTERVALS]
    command = options.command("models/quark_gluon/attention_recipe.py")
    write_text(out / "attention.md", card(jets, runs, costs, chosen[ATTENTION]).replace("COMMAND", command))


def best_of(runs: Sequence[Run], variant: str) -> Run:
    """The run of a variant that is best on the validation jets."""
    return max((run for run in runs if run.variant == variant), key=lambda run: run.figures["validation AUC"] or 0.0)


def gain(runs: Sequence[Run], kind: str) -> Spread | None:
    """How much more area attention gives, seed by seed."""
    areas = {(run.variant, run.seed): run.figures["AUC"] or 0.0 for run in runs}
    seeds = dict.fromkeys(run.seed for run in runs)
    return spread_of(areas[f"{ATTENTION}-{kind}", seed] - areas[f"{DEEP_SETS}-{kind}", seed] for seed in seeds)


def gain_text(runs: Sequence[Run], kind: str) -> str:
    """The same in hundredths, in words."""
    found = gain(runs, kind)
    return "not known" if found is None else found.text(2, 100.0)


def verdict(runs: Sequence[Run], built: Sequence[Built]) -> str:
    """The first paragraph of the card, where attention buys no more than the spread of the seeds; else nothing."""
    found = gain(runs, "ternary")
    if found is None or found.mean > 2 * (found.deviation or 0.0):
        return ""
    luts = {(one.kind, one.interval): one.cost.luts.value or 0 for one in built}
    shares = ", ".join(f"{luts[DEEP_SETS, ii] / luts[ATTENTION, ii]:.0%} (every {ii})" for ii in INTERVALS)
    return f"""**On these jets attention buys nothing that can be told from the spread of the seeds**: a network without it, of
as many weights but for a seventh, is as good, and takes {shares} of its LUTs; boosted
trees of four observables, which need no network, are as good as either. The block is here because it can be built and proven,
and because other jets, more of them, or more constituents may tell otherwise.

"""


def card(jets: Jets, runs: Sequence[Run], built: Sequence[Built], chosen: Run) -> str:
    """Return the text of attention.md; `COMMAND` stands where the command belongs."""
    y, seeds = jets.fresh.y, len({run.seed for run in runs})
    known = baselines(jets)
    own = predict(reload(chosen.folder / "model.h5"), constituent_features(jets.fresh, CONSTITUENTS))[:, 0]
    trees = area_gain(own, list(known.values())[-1], y)
    without = [[name, "-", *cells(figures_of(scores, y))] for name, scores in known.items()]
    rows = summary_rows(runs, {"weights": (0, 1.0), **COLUMNS})
    error = 100 * math.sqrt(0.25 / len(y))
    return f"""# Attention in logic

{verdict(runs, built)}Quark-gluon taggers on the {CONSTITUENTS} leading constituents of a jet ({len(FEATURES)} features each, the
number of all constituents among them), with and without attention between the constituents. The block is `bit_attention` of
`bittrigger.layers`: ternary maps to {SETTINGS.key_units}-dimensional queries and keys and {SETTINGS.value_units} values of
{SETTINGS.code_bits} bits, weights `relu(q . k)` of {SETTINGS.weight_bits} bits in the place of a softmax, {SETTINGS.heads}
head. Its Keras float32 is exact, so that the firmware has its bits, and is proven. The network without it has a layer of
{UNITS} units in its place; all else is the same.

## What it buys

On {len(y)} fresh test jets, mean and standard deviation over {seeds} seeds; the jets are the same for all, so that the error
of the test sample, at most {error:.1f} points of accuracy, is common to all. The first three rows need no network:

{markdown_table(["score", "weights", *COLUMNS], [*without, *rows])}
`attention.h5` has {trees} points of AUC more than the boosted trees (bootstrap of the paired jets).
Seed by seed attention gives {gain_text(runs, "float")} points of AUC more in float32, and {gain_text(runs, "ternary")} as ternary
network (mean and deviation over the seeds). The jets are {len(jets.train)} to train, with {FLOAT_EPOCHS} epochs of the float
network and {EPOCHS} of the ternary one from its weights: more jets may favour attention more. Shapes and
widths are the first that were tried. 16 constituents, more jets, and other networks beside it:
[architectures.md](architectures.md); what these take as firmware: [firmware.md](firmware.md).

## What it costs

By `bittrigger convert attention.h5 --budget BUDGET --ii N --prove`, and the network without attention
in the same way; {built[0].cost.origin}. {BUDGET_TEXT}

{firmware_table(built)}
A product of two codes of four bits takes about ten LUTs, and there are {CONSTITUENTS**2 * SETTINGS.key_units} of them for the
weights and {CONSTITUENTS**2 * SETTINGS.value_units} for what is taken. Folded in time products are shared, and keys and
values wait where they are while queries take turns. `attention.h5` is that of seed {chosen.seed}, the best of its seeds on
the validation jets.

## Data and command

- Data: `quark_gluon.npz` and `qg_fresh.npz` as in card.md; {jets}. The epoch is chosen on the validation jets.
- Command: `COMMAND`
- Training: Adam from {LEARNING_RATE} with cosine decay, batches of {BATCH_SIZE}; codes that go to and fro are held in the
  second half of the ternary training.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
- `attention.npz`: {min(SAMPLE_ROWS, len(y))} test jets; `x` the features, constituent after constituent; `y` 1 for a quark.
"""


if __name__ == "__main__":
    names = {"data": "quark_gluon.npz", "test": "qg_fresh.npz"}
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, **names, epochs=EPOCHS, seeds=(1, 2, 3)))
