"""Train P-DAT and P-DAT-Bit under the same conditions, on quark and gluon jets.

Run from the repository root:

    python models/quark_gluon/pdat_recipe.py --data quark_gluon.npz --test qg_fresh.npz

Each training stays in --work, goes on where it was stopped, and is not done again. pdat.md goes to --out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pdat import QUANTISED_LAYERS, build_pdat, double_softmax_loss, parameter_counts
from pdat_inputs import particle_table
from qg_jets import COLUMNS, Jets, Scores, baselines, cells, figures_of, load

from bittrigger.layers.keras_types import Model
from bittrigger.train import FitSettings, fit, roc_auc
from bittrigger.train.recipes import (
    RecipeOptions,
    markdown_table,
    prepare_tensorflow,
    run_recipe,
    versions,
    write_text,
)
from bittrigger.train.study import Run, run_study, spread_of, summary_rows

CONSTITUENTS = 16
NEIGHBOURS = 6
EPOCHS = 2
BATCH_SIZE = 64
LEARNING_RATE = 1e-3

FLOAT, TERNARY = "P-DAT", "P-DAT-Bit"


def run(options: RecipeOptions) -> None:
    """Train both networks with each seed, and write pdat.md.

    Raises:
        ConfigError: the data file is missing, damaged or too small, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load(options.data, options.test)
    table, fresh = (particle_table(part, CONSTITUENTS) for part in (jets.known, jets.fresh))
    y, train, validation = jets.known.y, jets.train, jets.validation

    def work(variant: str, _: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        started = time.process_time()
        model = build_pdat(CONSTITUENTS, NEIGHBOURS, ternary=variant == TERNARY, seed=seed)
        fit(
            model,
            (table[train], y[train]),
            FitSettings(options.epochs, BATCH_SIZE, LEARNING_RATE, seed=seed),
            loss=double_softmax_loss,
            score=lambda net: roc_auc(scores_of(net, table[validation]), y[validation] == 1),
            folder=folder,
        )
        used, quantised = parameter_counts(model)
        spent = {"core minutes": (time.process_time() - started) / 60, "parameters": used, "quantised": quantised}
        return {**figures_of(scores_of(model, fresh), jets.fresh.y), **spent}

    settings = {"constituents": CONSTITUENTS, "neighbours": NEIGHBOURS, "epochs": options.epochs}
    identity = {"jets": str(jets)}
    runs = run_study({FLOAT: settings, TERNARY: settings}, options.seeds, options.work, work, identity=identity)
    command = options.command("models/quark_gluon/pdat_recipe.py")
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "pdat.md", card(runs, options, jets, command))


def scores_of(model: Model, table: np.ndarray[Any, Any]) -> Scores:
    """Return the probability of a quark minus that of a gluon, `(n,)`."""
    probabilities = model.predict(table, batch_size=256, verbose=0)
    return np.asarray(probabilities[:, 1] - probabilities[:, 0])


def card(runs: Sequence[Run], options: RecipeOptions, jets: Jets, command: str) -> str:
    """Return the text of pdat.md."""
    used, quantised = (int(runs[-1].figures[name] or 0) for name in ("parameters", "quantised"))
    without = [[name, *cells(figures_of(scores, jets.fresh.y))] for name, scores in baselines(jets).items()]
    minutes = sum(run.figures["core minutes"] or 0 for run in runs) / len(runs)
    epochs = f"{options.epochs} epochs of Adam from {LEARNING_RATE} with cosine decay in batches of {BATCH_SIZE}"
    return f"""# P-DAT and P-DAT-Bit

The networks of BitHEP (arXiv:2504.03387) for quark and gluon jets: two EdgeConvs, then particle attention and channel attention,
each applied twice with the same weights. In P-DAT-Bit the {QUANTISED_LAYERS} layers of 64 x 64 in the attentions are
`BitHepLinear`: ternary kernels times their mean magnitude and activations of 8 bits scaled by the largest value of each token.
{quantised:,} of {used:,} parameters are quantised. It is a study of physics, not firmware: all arithmetic is float32.

## Result

Both networks were trained in the same way, from the same initial weights, on the same jets. On {len(jets.fresh.y)} fresh test
jets, the same for all rows, mean and standard deviation over the {len(options.seeds)} seed(s) of weights and batches; the
first rows need no network:

{markdown_table(["score", "accuracy (%)", *list(COLUMNS)[1:]], [*without, *summary_rows(runs, COLUMNS)])}
{difference(runs)}
{against(runs, without)}

The last column is one over the share of gluons that pass where half of the quarks do. The loss of BitHEP from ternarising is 0.42
points of accuracy and 0.27 points of AUC, with 1.6 million jets and many more epochs.

## What differs from BitHEP

- {CONSTITUENTS} leading constituents instead of 100, {NEIGHBOURS} neighbours instead of 21 and 20, {epochs}.
  The time on one core limited all of these and the number of jets: {minutes:.1f} core minutes a network.
- The second EdgeConv passes each constituent once and takes the mean over neighbours behind: the same function, but in training
  each constituent counts once in the batch statistics.
- Constituents are massless; the matrix of the jet is our reading of its description, with ratios of at most 1.

## Data and command

- Data: `{options.data.name}` of `bittrigger data make quark-gluon`, test jets as in card.md; {jets}; the epoch is chosen on the
  validation jets.
- Command: `{command}`
- Made with {versions(["tensorflow-cpu", "numpy"])}.
"""


def against(runs: Sequence[Run], without: Sequence[Sequence[str]]) -> str:
    """Return whether the networks reach what needs none, as a sentence; `without` are rows of the table."""
    best, column = max(float(row[2]) for row in without), "AUC"
    networks = [spread_of(run.figures[column] for run in runs if run.variant == name) for name in (FLOAT, TERNARY)]
    if all(found is not None and found.mean > best for found in networks):
        return "Both are better than what needs no network."
    return (
        f"**Neither variant is better than what needs no network**: {CONSTITUENTS} constituents cannot count the others, and the "
        "trainings\nare short. The loss by ternary layers is what the table is for."
    )


def difference(runs: Sequence[Run]) -> str:
    """Return what ternarising loses on the same jets from the same initial weights, as a sentence."""
    words = []
    for column, digits in (("accuracy", 2), ("AUC", 2)):
        by_seed = {
            variant: {run.seed: run.figures[column] or 0.0 for run in runs if run.variant == variant}
            for variant in (FLOAT, TERNARY)
        }
        lost = spread_of(by_seed[FLOAT][seed] - by_seed[TERNARY][seed] for seed in by_seed[FLOAT])
        if lost is not None:
            words.append(f"{lost.text(digits, 100.0)} points of {column}")
    return f"Seed by seed P-DAT-Bit loses {' and '.join(words)}."


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
