"""Which network for few constituents: DeepSets, JEDI-linear, MLP-Mixer, attention with ReLU and with softmax, float and ternary.

Run from the repository root:

    bittrigger data make quark-gluon --events 6000 --seed 21 -o qg_fresh.npz
    bittrigger data make quark-gluon --events 4000 --seed 72 -o qg_later.npz
    python models/quark_gluon/architectures_recipe.py --data quark_gluon.npz --more qg_fresh.npz --test qg_later.npz

The jets of --data and --more train and choose epochs; those of --test are looked at when all networks are trained. Each
training stays in --work, goes on where it was stopped, and is not done again. architectures.md goes to --out; no model is
shipped from here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from attention_nets import DEEP_SETS, FLOAT_KINDS, TERNARY_KINDS
from attention_recipe import LEARNING_RATE, best_of, name_of, train_network
from deep_sets import constituent_features
from qg_jets import COLUMNS, SPLIT_SEED, Jets, Labels, Scores, baselines, cells, figures_of, load

from bittrigger.explore.firmware import FirmwareCost, firmware_cost
from bittrigger.settings import Settings
from bittrigger.train import roc_auc
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

CONSTITUENTS = 16
BUDGET = "cms-phase2-correlator-layer2"
EPOCHS = 20
"""Of the float networks, and again of the ternary ones."""

BATCH_SIZE = 256
INTERVAL = 9
BOOTSTRAPS = 100


def run(options: RecipeOptions) -> None:
    """Train all networks with each seed, measure them on the test jets, and write architectures.md.

    Raises:
        ConfigError: a data file is missing, damaged or too small, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load(options.data, options.test, options.others["more"])
    known = constituent_features(jets.known, CONSTITUENTS)

    def work(_: str, fields: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float | None]:
        return {"validation AUC": train_network(fields, seed, folder, known, jets, batch_size=BATCH_SIZE)[1]}

    variants = {
        name_of(kind, ternary=ternary): {"kind": kind, "ternary": ternary, "epochs": options.epochs}
        for ternary, kinds in ((False, FLOAT_KINDS), (True, TERNARY_KINDS))
        for kind in kinds
    }
    trained = run_study(variants, options.seeds, options.work, work, identity={"jets": str(jets).rsplit(",", 1)[0]})
    chosen = {kind: best_of(trained, name_of(kind, ternary=True)).folder / "model.h5" for kind in TERNARY_KINDS}
    settings = Settings(budget=BUDGET, ii=INTERVAL)
    costs = {kind: firmware_cost(path, settings, synthesize=False) for kind, path in chosen.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "architectures.md", card(jets, measured(trained, jets), costs, options))


@dataclass(frozen=True)
class Measured(Run):
    """A run, and its logits of the test jets, `(n,)`."""

    scores: Scores


def measured(runs: Sequence[Run], jets: Jets) -> list[Measured]:
    """Look at the test jets: the same runs, with the figures of merit there."""
    fresh, found = constituent_features(jets.fresh, CONSTITUENTS), []
    for run in runs:
        tf.keras.backend.clear_session()
        model = tf.keras.models.load_model(run.folder / "model.h5", compile=False)
        scores = predict(model, fresh)[:, 0]
        weights = float(sum(np.prod(weight.shape) for weight in model.trainable_weights))
        figures = {"weights": weights, **figures_of(scores, jets.fresh.y)}
        found.append(Measured(run.variant, run.seed, run.folder, figures, scores))
    return found


@dataclass(frozen=True)
class Areas:
    """AUC of runs on the same fresh jets, and on those drawn from them again and again.

    Attributes:
        of: `(1 + draws,)` by variant and seed, the jets themselves first.
    """

    of: Mapping[tuple[str, int], npt.NDArray[np.float64]]

    def gain(self, one: str, other: str) -> tuple[float, float]:
        """By how many points of AUC one variant is better than another, seed by seed on the same jets, and the error of the mean.

        The error adds that of the jets (bootstrap) and that of the seeds.
        """
        gains = 100 * np.stack([self.of[one, s] - self.of[other, s] for variant, s in self.of if variant == one])
        seeds, mean = gains[:, 0], gains.mean(axis=0)
        spread = float(seeds.std(ddof=1)) / math.sqrt(len(seeds)) if len(seeds) > 1 else 0.0
        return float(mean[0]), math.hypot(spread, float(mean[1:].std()))

    def difference(self, one: str, other: str) -> str:
        """The same in words."""
        mean, error = self.gain(one, other)
        return f"{mean:+.2f} ± {error:.2f}"


def areas_of(runs: Sequence[Measured], labels: Labels) -> Areas:
    """Return the areas of all runs; the same draws for each."""
    random, quarks = np.random.default_rng(SPLIT_SEED), labels == 1
    draws = [np.arange(len(labels)), *(random.integers(len(labels), size=len(labels)) for _ in range(BOOTSTRAPS))]

    def areas(scores: Scores) -> npt.NDArray[np.float64]:
        return np.array([roc_auc(scores[rows], quarks[rows]) for rows in draws])

    return Areas({(run.variant, run.seed): areas(run.scores) for run in runs})


def difference_rows(areas: Areas, costs: Mapping[str, FirmwareCost]) -> list[list[str]]:
    """What each network is better by than the one with nothing between constituents, what it loses as a ternary one, its cost."""
    rows, base = [], [name_of(DEEP_SETS, ternary=ternary) for ternary in (False, True)]
    for kind in FLOAT_KINDS:
        names, cost = [name_of(kind, ternary=ternary) for ternary in (False, True)], costs.get(kind)
        more = "-" if kind == DEEP_SETS else areas.difference(names[0], base[0])
        if cost is None:
            rows.append([kind, more, *"-----"])
            continue
        bits = "-" if kind == DEEP_SETS else areas.difference(names[1], base[1])
        figures = [f"{cost.luts.value:,}", f"{cost.flip_flops.value:,}", f"{cost.latency_ns.value:.1f}"]
        rows.append([kind, more, bits, areas.difference(names[1], names[0]), *figures])
    return rows


def verdict(areas: Areas) -> str:
    """Which networks differ from the one with nothing between constituents by more than twice the error, in a sentence."""
    found = []
    for ternary, kinds in ((False, FLOAT_KINDS), (True, TERNARY_KINDS)):
        for kind in kinds:
            mean, error = areas.gain(name_of(kind, ternary=ternary), name_of(DEEP_SETS, ternary=ternary))
            if abs(mean) > 2 * error:
                found.append(f"{name_of(kind, ternary=ternary)} ({'better' if mean > 0 else 'worse'})")
    if not found:
        return "**None of them differs from DeepSets by more than twice the error**, float or ternary."
    return f"From DeepSets differ by more than twice the error: {', '.join(found)}; the others do not."


def card(jets: Jets, runs: Sequence[Measured], costs: Mapping[str, FirmwareCost], options: RecipeOptions) -> str:
    """Return the text of architectures.md."""
    y, seeds, test = jets.fresh.y, len(options.seeds), options.test.name if options.test else "-"
    without = [[name, "-", *cells(figures_of(scores, y))] for name, scores in baselines(jets).items()]
    rows = summary_rows(runs, {"weights": (0, 1.0), **COLUMNS})
    rows = [[row[0], row[1].split(" ")[0], *row[2:]] for row in rows]
    head = ["network", "float: more than DeepSets", "ternary: the same", "ternary less float", "LUT", "FF", "ns"]
    best = max(rows, key=lambda row: float(row[3].split(" ")[0]))
    trees = float(without[-1][3])
    above = ", ".join(row[0] for row in rows if float(row[3].split(" ")[0]) > trees) or "none"
    origin, areas = next(iter(costs.values())).origin, areas_of(runs, y)
    return f"""# Which network for few constituents

{verdict(areas)}

Quark-gluon taggers on the {CONSTITUENTS} leading constituents of a jet, the number of all constituents among the features of
each, that are the same but for what passes between constituents:

| network | between constituents |
| --- | --- |
| DeepSets | nothing; a layer of 16 units on each |
| JEDI-linear | a matrix of the mean of all: sums over pairs, as in arXiv:2508.15468 |
| Mixer | two layers along the constituents, which lie by falling pT, as in arXiv:2503.03103 |
| attention | `bit_attention`: one head, ReLU in the place of the softmax |
| softmax-attention | the same with a softmax; float alone, for the block has none |

A layer on each constituent stands before, a skip beside, and the mean and two layers behind in all of them. Ternary networks have
ternary kernels throughout and convert; each starts from the weights of its float twin.

## Result

{jets}; {seeds} seed(s) of weights and batches. On the test jets, looked at once, mean and standard
deviation over the seeds:

{markdown_table(["score", "weights", *COLUMNS], [*without, *rows])}
The largest mean AUC is that of {best[0]}. Above the boosted trees, which need no network, lie the means of
{above}. Next, points of AUC by which a network is better, seed by seed on the same jets; the
error of the mean adds that of the jets and that of the seeds. LUTs, flip-flops and latency are those of the ternary network that
is best on the validation jets, by `bittrigger convert model.h5 --budget {BUDGET} --ii {INTERVAL}`;
{origin}; Keras and the integers agree on every bit there:

{markdown_table(head, difference_rows(areas, costs))}
## Data and command

- Data: `quark_gluon.npz` and `qg_fresh.npz` as in card.md train and choose epochs; {len(y)} test jets of
  `bittrigger data make quark-gluon --events {len(y)} --seed 72 -o {test}`.
- Command: `{options.command("models/quark_gluon/architectures_recipe.py")}`
- Training: {options.epochs} epochs of each float network and {options.epochs} of each ternary one, Adam from {LEARNING_RATE} with
  cosine decay, batches of {BATCH_SIZE}; codes that go to and fro are held in the second half of the ternary training. Widths and
  steps were not searched for.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
"""


if __name__ == "__main__":
    names = {"data": "quark_gluon.npz", "test": "qg_later.npz", "others": {"more": "further jets to train on"}}
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, epochs=EPOCHS, seeds=(1, 2, 3), **names))
