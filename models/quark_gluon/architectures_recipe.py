"""Which network for few constituents: DeepSets, JEDI-linear, MLP-Mixer, attention with ReLU and with softmax, float and ternary.

Run from the repository root:

    bittrigger data make quark-gluon --events 6000 --seed 21 -o qg_fresh.npz
    bittrigger data make quark-gluon --events 4000 --seed 72 -o qg_later.npz
    bittrigger data make quark-gluon --events 76000 --seed 71 -o qg_many.npz
    bittrigger data make quark-gluon --events 10000 --seed 74 -o qg_last.npz
    python models/quark_gluon/architectures_recipe.py --data quark_gluon.npz --more qg_fresh.npz --later qg_later.npz \
        --many qg_many.npz --test qg_last.npz

The jets of --test are looked at when all networks are trained; those of all other files train and choose epochs. Each
training stays in --work, goes on where it was stopped, and is not done again. architectures.md goes to --out; no model is
shipped from here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from attention_nets import DEEP_SETS, KINDS
from attention_recipe import LEARNING_RATE, name_of, train_network
from deep_sets import constituent_features
from paired import Drawn, Measured, drawn, measured
from qg_jets import COLUMNS, DATA, MORE, Jets, Scores, baselines, cells, figures_of, load

from bittrigger.layers.keras_types import Model
from bittrigger.train.recipes import (
    RecipeOptions,
    markdown_table,
    predict,
    prepare_tensorflow,
    run_recipe,
    versions,
    write_text,
)
from bittrigger.train.study import run_study, summary_rows

CONSTITUENTS = 16
EPOCHS = 30
"""Of the float networks, and again of the ternary ones."""

BATCH_SIZE = 512
TREES = "boosted trees"


def run(options: RecipeOptions) -> None:
    """Train all networks with each seed, measure them on the test jets, and write architectures.md.

    Raises:
        ConfigError: a data file is missing, damaged or too small, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load(options.data, options.test, *options.others.values())
    known = constituent_features(jets.known, CONSTITUENTS)

    def work(_: str, fields: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        started = time.process_time()
        best = train_network(fields, seed, folder, known, jets, batch_size=BATCH_SIZE)[1]
        return {"validation AUC": best, "core minutes": (time.process_time() - started) / 60}

    variants = {
        name_of(kind, ternary=ternary): {"kind": kind, "ternary": ternary, "epochs": options.epochs}
        for ternary in (False, True)
        for kind in KINDS
    }
    trained = run_study(variants, options.seeds, options.work, work, identity={"jets": str(jets).rsplit(",", 1)[0]})
    options.out.mkdir(parents=True, exist_ok=True)
    found = measured(trained, constituent_features(jets.fresh, CONSTITUENTS), jets.fresh.y, logits)
    write_text(options.out / "architectures.md", card(jets, found, options))


def logits(model: Model, features: npt.NDArray[np.float32]) -> Scores:
    """Return the logit of a quark, `(n,)`."""
    return np.asarray(predict(model, features)[:, 0])


def difference_rows(areas: Drawn) -> list[list[str]]:
    """What each network is better by than the one with nothing between constituents, and than its float twin as a ternary one."""
    rows, base = [], [name_of(DEEP_SETS, ternary=ternary) for ternary in (False, True)]
    for kind in KINDS:
        names = [name_of(kind, ternary=ternary) for ternary in (False, True)]
        more = ["-" if kind == DEEP_SETS else areas.difference(*pair) for pair in zip(names, base, strict=True)]
        rows.append([kind, *more, areas.difference(names[1], names[0])])
    return rows


def verdict(areas: Drawn) -> str:
    """Which networks differ from the one with nothing between constituents by more than twice the error, in a sentence."""
    found = []
    for ternary, kind in product((False, True), KINDS):
        name = name_of(kind, ternary=ternary)
        mean, error = areas.gain(name, name_of(DEEP_SETS, ternary=ternary))
        if abs(mean) > 2 * error:
            found.append(f"{name} ({'better' if mean > 0 else 'worse'})")
    if not found:
        return "**None of them differs from DeepSets by more than twice the error**, float or ternary."
    return f"From DeepSets differ by more than twice the error: {', '.join(found)};\nthe others do not."


def beside_trees(areas: Drawn) -> str:
    """Which networks are better or worse than boosted trees, which need none, by more than twice the error, in a sentence."""
    names = list(dict.fromkeys(variant for variant, _ in areas.of if variant != TREES))
    gains = {name: areas.gain(name, TREES) for name in names}
    words = {name: f"{name} ({areas.difference(name, TREES)})" for name in names}
    better = [name for name, (mean, error) in gains.items() if mean > 2 * error]
    worse = [name for name, (mean, error) in gains.items() if mean < -2 * error]
    if worse == names:
        nearest, farthest = max(names, key=gains.__getitem__), min(names, key=gains.__getitem__)
        return (
            "**All are worse than boosted trees of four observables, which need no network**, by more than twice the error;\n"
            f"in points of AUC from {words[nearest]} to {words[farthest]}."
        )
    better_words, worse_words = (", ".join(words[name] for name in some) or "none" for some in (better, worse))
    return (
        "Than boosted trees of four observables, which need no network, are, by more than twice the error and in points of AUC,\n"
        f"better: {better_words}; worse: {worse_words}."
    )


def still_rising(runs: Sequence[Measured]) -> int:
    """How many trainings were best in their last epoch."""
    records = [json.loads((run.folder / "history.json").read_text(encoding="utf-8")) for run in runs]
    return sum(max(own, key=lambda epoch: epoch["validation"]) is own[-1] for own in records)


def card(jets: Jets, runs: Sequence[Measured], options: RecipeOptions) -> str:
    """Return the text of architectures.md."""
    y, seeds = jets.fresh.y, len(options.seeds)
    minutes = sum(run.figures["core minutes"] or 0 for run in runs)
    known = baselines(jets)
    without = [[name, "-", *cells(figures_of(scores, y))] for name, scores in known.items()]
    rows = summary_rows(runs, {"weights": (0, 1.0), **COLUMNS})
    rows = [[row[0], row[1].split(" ")[0], *row[2:]] for row in rows]
    head = ["network", "float: more than DeepSets", "ternary: the same", "ternary less float"]
    best = max(rows, key=lambda row: float(row[3].split(" ")[0]))
    scores = {(run.variant, run.seed): run.scores for run in runs}
    areas = drawn({**scores, **{(TREES, run.seed): list(known.values())[-1] for run in runs}}, y)
    return f"""# Which network for few constituents

{beside_trees(areas)}
{verdict(areas)}
In {still_rising(runs)} of {len(runs)} trainings the last epoch was the best one: longer ones may change the order.

Quark-gluon taggers on the {CONSTITUENTS} leading constituents of a jet, the number of all constituents among the features of
each, that are the same but for what passes between constituents:

| network | between constituents |
| --- | --- |
| DeepSets | nothing; a layer of 16 units on each |
| JEDI-linear | a matrix of the mean of all: sums over pairs, as in arXiv:2508.15468 |
| Mixer | two layers along the constituents, which lie by falling pT, as in arXiv:2503.03103 |
| attention | `bit_attention`: one head, ReLU in the place of the softmax |
| softmax-attention | the same with a softmax, as a ternary network by tables of integers |

A layer on each constituent stands before, a skip beside, and the mean and two layers behind in all of them. Ternary networks have
ternary kernels throughout and convert, each bit as in Keras; each starts from the weights of its float twin.

## Result

{jets}; {seeds} seed(s) of weights and batches. On the test jets, looked at once, mean and standard
deviation over the seeds:

{markdown_table(["score", "weights", *COLUMNS], [*without, *rows])}
The largest mean AUC is that of {best[0]}. Next, points of AUC by which a network is better, seed by seed on the same jets; the
error of the mean adds that of the jets and that of the seeds:

{markdown_table(head, difference_rows(areas))}
What the ternary networks take as firmware: [firmware.md](firmware.md).

## Data and command

{DATA}
- Command: `{options.command("models/quark_gluon/architectures_recipe.py")}`
- Training: {options.epochs} epochs of each float network and {options.epochs} of each ternary one, Adam from {LEARNING_RATE} with
  cosine decay, batches of {BATCH_SIZE}; codes that go to and fro are held in the second half of the ternary training;
  {minutes:.0f} core minutes for all. Widths and steps were not searched for.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
"""


if __name__ == "__main__":
    names = {"data": "quark_gluon.npz", "test": "qg_last.npz", "others": MORE}
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, epochs=EPOCHS, seeds=(1, 2, 3), **names))
