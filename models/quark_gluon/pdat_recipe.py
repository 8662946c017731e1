"""Train P-DAT and P-DAT-Bit under the same conditions, on quark and gluon jets.

Run from the repository root:

    python models/quark_gluon/pdat_recipe.py --data quark_gluon.npz --more qg_fresh.npz --later qg_later.npz \
        --many qg_many.npz --test qg_last.npz

The files are those of architectures_recipe.py. Each training stays in --work, goes on where it was stopped, and is not done
again; the test jets are looked at when all are done. pdat.md goes to --out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from paired import Measured, drawn, measured, right
from pdat import QUANTISED_LAYERS, build_pdat, double_softmax_loss, parameter_counts
from pdat_inputs import particle_table
from qg_jets import COLUMNS, DATA, MORE, Jets, Scores, baselines, cells, figures_of, load

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
from bittrigger.train.study import run_study, summary_rows

CONSTITUENTS = 16
NEIGHBOURS = 6
EPOCHS = 3
BATCH_SIZE = 64
LEARNING_RATE = 1e-3

FLOAT, TERNARY = "P-DAT", "P-DAT-Bit"

LOSSES = {"accuracy": (right, "0.42 ± 0.09"), "AUC": (roc_auc, "0.27 ± 0.08")}
"""Figures, and how many points of them ternary layers lose in BitHEP: by the five runs of each network that are published, the
error that of the mean."""


def run(options: RecipeOptions) -> None:
    """Train both networks with each seed, and write pdat.md.

    Raises:
        ConfigError: the data file is missing, damaged or too small, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load(options.data, options.test, *options.others.values())
    table = particle_table(jets.known, CONSTITUENTS, counted=True)
    y, train, validation = jets.known.y, jets.train, jets.validation

    def work(variant: str, _: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        started = time.process_time()
        tf.keras.backend.clear_session()
        model = build_pdat(CONSTITUENTS, NEIGHBOURS, ternary=variant == TERNARY, seed=seed, counted=True)
        found = fit(
            model,
            (table[train], y[train]),
            FitSettings(options.epochs, BATCH_SIZE, LEARNING_RATE, seed=seed),
            loss=double_softmax_loss,
            score=lambda net: roc_auc(scores_of(net, table[validation]), y[validation] == 1),
            folder=folder,
        )
        model.save(folder / "model.h5", include_optimizer=False)
        used, quantised = parameter_counts(model)
        minutes = (time.process_time() - started) / 60
        return {"validation AUC": found.best, "core minutes": minutes, "parameters": used, "quantised": quantised}

    settings = {"constituents": CONSTITUENTS, "neighbours": NEIGHBOURS, "epochs": options.epochs}
    identity = {"jets": str(jets).rsplit(",", 1)[0]}
    runs = run_study({FLOAT: settings, TERNARY: settings}, options.seeds, options.work, work, identity=identity)
    found = measured(runs, particle_table(jets.fresh, CONSTITUENTS, counted=True), jets.fresh.y, scores_of)
    command = options.command("models/quark_gluon/pdat_recipe.py")
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "pdat.md", card(found, options, jets, command))


def scores_of(model: Model, table: npt.NDArray[Any]) -> Scores:
    """Return the probability of a quark minus that of a gluon, `(n,)`."""
    probabilities = model.predict(table, batch_size=256, verbose=0)
    return np.asarray(probabilities[:, 1] - probabilities[:, 0])


def card(runs: Sequence[Measured], options: RecipeOptions, jets: Jets, command: str) -> str:
    """Return the text of pdat.md."""
    used, quantised = (int(runs[-1].figures[name] or 0) for name in ("parameters", "quantised"))
    known = baselines(jets)
    without = [[name, *cells(figures_of(scores, jets.fresh.y))] for name, scores in known.items()]
    minutes = sum(run.figures["core minutes"] or 0 for run in runs) / len(runs)
    passes = "one epoch" if options.epochs == 1 else f"{options.epochs} epochs"
    epochs = f"{passes} of Adam from {LEARNING_RATE} with cosine decay in batches of {BATCH_SIZE}"
    return f"""# P-DAT and P-DAT-Bit

{against(runs, known, jets)}

The networks of BitHEP (arXiv:2504.03387) for quark and gluon jets: two EdgeConvs, then particle attention and channel attention,
each applied twice with the same weights. In P-DAT-Bit the {QUANTISED_LAYERS} layers of 64 x 64 in the attentions are
`BitHepLinear`: ternary kernels times their mean magnitude and activations of 8 bits scaled by the largest value of each token.
{quantised:,} of {used:,} parameters are quantised. It is a study of physics, not firmware: all arithmetic is float32.

## Result

Both networks were trained in the same way, from the same initial weights, on the same jets. On {len(jets.fresh.y)} fresh test
jets, the same for all rows, mean and standard deviation over the {len(options.seeds)} seed(s) of weights and batches; the
first rows need no network:

{markdown_table(["score", "accuracy (%)", *list(COLUMNS)[1:]], [*without, *summary_rows(runs, COLUMNS)])}
The last column is one over the share of gluons that pass where half of the quarks do. Next, points that ternary layers lose, seed
by seed on the same jets; the error of the mean adds that of the jets and that of the seeds, that of BitHEP is of its five seeds:

{markdown_table(["loss of", "here", "BitHEP, 1.6 million jets"], loss_rows(runs, jets))}
## What differs from BitHEP

- {CONSTITUENTS} leading constituents instead of 100, {NEIGHBOURS} neighbours instead of 21 and 20, {epochs}.
  The time on one core limited all of these and the number of jets: {minutes:.1f} core minutes a network.
- The number of all constituents of the jet, `(n - 44) / 16`, is among the features of each: {CONSTITUENTS} constituents
  cannot count the others, which the network of BitHEP sees. It costs 128 parameters.
- The second EdgeConv passes each constituent once and takes the mean over neighbours behind: the same function, but in training
  each constituent counts once in the batch statistics.
- Constituents are massless; the matrix of the jet is our reading of its description, with ratios of at most 1.

## Data and command

{DATA}
- {jets}; the epoch is chosen on the validation jets.
- Command: `{command}`
- Made with {versions(["tensorflow-cpu", "numpy"])}.
"""


def against(runs: Sequence[Measured], known: Mapping[str, Scores], jets: Jets) -> str:
    """Return how far each network is from the best score that needs none, in points of AUC with the error, as a sentence."""
    best = max(known, key=lambda name: figures_of(known[name], jets.fresh.y)["AUC"])
    scores = {(run.variant, run.seed): run.scores for run in runs}
    areas = drawn({**scores, **{(best, run.seed): known[best] for run in runs}}, jets.fresh.y)
    gains = " and ".join(f"{name} by {areas.difference(name, best)}" for name in (FLOAT, TERNARY))
    mean, error = areas.gain(FLOAT, best)
    what = "is better than" if mean > 2 * error else "is worse than" if mean < -2 * error else "is not told apart from"
    return f"**{FLOAT} {what} what needs no network**: from {best} differ, in points of AUC,\n{gains}."


def loss_rows(runs: Sequence[Measured], jets: Jets) -> list[list[str]]:
    """Return what ternary layers lose on the same jets from the same initial weights, here and there."""
    scores = {(run.variant, run.seed): run.scores for run in runs}
    return [
        [name, drawn(scores, jets.fresh.y, figure).difference(FLOAT, TERNARY).lstrip("+"), there]
        for name, (figure, there) in LOSSES.items()
    ]


if __name__ == "__main__":
    sys.exit(
        run_recipe(
            run,
            __doc__,
            Path(__file__).parent,
            data="quark_gluon.npz",
            test="qg_last.npz",
            others=MORE,
            epochs=EPOCHS,
            seeds=(1, 2, 3),
        )
    )
