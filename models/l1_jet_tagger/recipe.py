"""Train a permutation-invariant tagger of Level-1-like jets at pile-up 200, and its float twin.

Run from the repository root:

    bittrigger data make l1-jets --events 7500 --seed 42 -o l1_jets.npz
    python models/l1_jet_tagger/recipe.py --data l1_jets.npz --test l1_jets.npz

With the same file twice a fifth of it is held out to measure on; a file of another seed is better, where there is the time.

Each training stays in --work, goes on where it was stopped, and is not done again. model.h5, sample.npz, two plots and card.md
go to --out.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from trigger_jets import (
    BITS,
    EACH,
    FEATURES,
    MEAN,
    OBSERVABLES,
    SPLIT_SEED,
    THRESHOLD_FACTOR,
    Jets,
    build_ternary,
    build_twin,
    features,
    load,
    observables,
)

from bittrigger.data.level1.jets import ANGLE_LSB, PT_GEV, PT_LSB_GEV
from bittrigger.explore.firmware import FirmwareCost, firmware_cost
from bittrigger.layers import export_stock
from bittrigger.layers.keras_types import Model
from bittrigger.settings import Settings
from bittrigger.train import FitSettings, accuracy, calibrate, fit, log_odds, one_vs_rest_auc
from bittrigger.train.baselines import baseline_logits
from bittrigger.train.plots import COLORS, MARKERS, RocCurve, figure_axes, plot_roc
from bittrigger.train.probabilities import log_probabilities
from bittrigger.train.recipes import (
    RecipeOptions,
    kernel_rows,
    markdown_table,
    predict,
    prepare_tensorflow,
    reload,
    run_recipe,
    versions,
    write_text,
)
from bittrigger.train.study import TERNARY, Run, run_twins, spread_of, summary_rows

BUDGET = "cms-phase2-correlator-layer2"
FLOAT_EPOCHS, EPOCHS = 30, 45
BATCH_SIZE, LEARNING_RATE, FREEZE_FROM = 128, 3e-3, 0.5
SAMPLE_ROWS = 1024
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
    """Train the float twin and the ternary network with each seed, and write the folder of the best ternary one.

    Raises:
        ConfigError: a data file is missing, damaged or of another set, or the folder of the runs is one of other settings.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load(options.data, options.test)
    inputs = Inputs(features(jets.known), features(jets.fresh), jets)

    twin, network = partial(train_twin, inputs), partial(train_ternary, inputs)
    runs = run_twins(options, FLOAT_EPOCHS, twin, network, {"jets": str(jets)})
    ternary = [run for run in runs if run.variant == TERNARY]
    write_folder(options, inputs, runs, max(ternary, key=lambda run: run.figures["validation likelihood"] or 0.0))


def train_twin(inputs: Inputs, seed: int, folder: Path) -> dict[str, float | None]:
    """Train the float twin, save it to `folder` and return its figures."""
    tf.keras.utils.set_random_seed(seed)
    model = build_twin(len(inputs.jets.known.classes))
    best = train(model, inputs, FitSettings(FLOAT_EPOCHS, BATCH_SIZE, LEARNING_RATE, seed=seed), folder)
    model.save(folder / "model.h5", include_optimizer=False)
    return {**figures_of(predict(model, inputs.fresh), inputs.jets), "validation likelihood": best}


def train_ternary(inputs: Inputs, twin: Path, seed: int, epochs: int, folder: Path) -> dict[str, float | None]:
    """Train the ternary network from the twin in the folder `twin`, export it to `folder` and return its figures."""
    model = build_ternary(tf.keras.models.load_model(twin / "model.h5", compile=False))
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
    plot_against({"ternary network": logits, **without}, jets, out / "accuracy.png")
    costs = {ii: firmware_cost(out / "model.h5", Settings(budget=BUDGET, ii=ii), synthesize=False) for ii in INTERVALS}
    others = [[name, *cells(figures_of(found, jets))] for name, found in without.items()]
    text = card(model, jets, Outcome(runs, chosen, costs, others))
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


def columns(jets: Jets) -> dict[str, tuple[int, float]]:
    """Digits and factor of each figure of the table."""
    return {"accuracy": (2, 100.0), "macro AUC": (4, 1.0), **{f"AUC {name}": (4, 1.0) for name in jets.fresh.classes}}


def cells(figures: Mapping[str, float]) -> list[str]:
    """The figures of one score as cells of the table."""
    return [f"{100 * figures['accuracy']:.2f}", *(f"{value:.4f}" for name, value in figures.items() if "AUC" in name)]


def verdict(outcome: Outcome) -> str:
    """The first paragraph of the card where the ternary network is no better than what needs none; else nothing."""
    found = spread_of(run.figures["accuracy"] for run in outcome.runs if run.variant == TERNARY)
    best = max(outcome.without, key=lambda row: float(row[1]))
    if found is None or 100 * found.mean > float(best[1]):
        return ""
    return f"""**The ternary network, {found.text(2, 100.0)} %, does not beat the {best[0]} on ten observables of the jet,
{best[1]} %; it is no tagger to build, and its file is not shipped.** The float network of the same shape does beat them:
what is lost is lost in the ternary kernels and the few bits, and in a short training.

"""


def source_text(jets: Jets) -> str:
    """Where the jets come from, in words."""
    files = [sample.provenance.files[0] for sample in (jets.known, jets.fresh)]
    known, test = (Path(file).name for file in files)
    record = jets.known.provenance.record or {}
    made = f"`bittrigger data make l1-jets --events {record.get('events')} --seed {record.get('seed')} -o {known}`"
    if files[0] != files[1]:
        return f"`{known}`, {len(jets.known.y)} jets by {made}; test jets: all of `{test}`"
    return (
        f"`{known}` by {made}; a fifth of its jets is held out to measure on. Test jets are other jets, but share the pool of "
        "pile-up events of their block with those of the training, each turned at random"
    )


@dataclass(frozen=True)
class Outcome:
    """What the card tells: all trainings, the shipped one, its firmware by clocks between jets, rows without a network."""

    runs: Sequence[Run]
    chosen: Run
    costs: Mapping[int, FirmwareCost]
    without: Sequence[Sequence[str]]


def card(model: Model, jets: Jets, outcome: Outcome) -> str:
    """Return the text of card.md with `model`, the ternary network; `COMMAND` stands where the command belongs."""
    costs, table = outcome.costs, columns(jets)
    prices = [
        [str(ii), f"{cost.luts.value:,}", f"{cost.flip_flops.value:,}", f"{cost.latency_ns.value:.1f}"]
        for ii, cost in costs.items()
    ]
    origin = next(iter(costs.values())).origin
    seeds, tests, names = len({run.seed for run in outcome.runs}), len(jets.fresh.y), jets.fresh.classes
    header = ["score", "accuracy (%)", *list(table)[1:]]
    eta = jets.fresh.jet[:, 1] * ANGLE_LSB
    return f"""# Level-1-like jets

{verdict(outcome)}Five classes of jets of {PT_GEV[0]:g} to {PT_GEV[1]:g} GeV at pile-up 200 ({", ".join(names)}; taus decay to
hadrons), from the integers of their 16 leading candidates: {len(FEATURES)} features of each, layers of
{" and ".join(map(str, EACH))} units on every candidate alike, their mean, {MEAN[0]} units and {len(names)} logits (DeepSets).
Every kernel is ternary by the absmean rule with threshold factor {THRESHOLD_FACTOR} and a power of two as scale, activations have
{BITS} bits. Take the argmax, or cut on a difference of logits (`log_odds` of `bittrigger.train`).

The detector is a plain model: see docs/data.md. It has what a trigger has, in its precision, but not the mistakes of a real one.

## Result

On {tests} test jets, the same for all rows, equal shares of the classes and flat in log pT; mean and standard
deviation over {seeds} seeds. The binomial error of the accuracy, common to all rows, is {50 / tests**0.5:.1f} points or less:

{markdown_table(header, [*outcome.without, *summary_rows(outcome.runs, table)])}
AUC is of softmax probabilities, each class against all others. The first rows need no network: they read {len(OBSERVABLES)}
observables of the jet ({", ".join(OBSERVABLES)}),
which a trigger would have to compute. The float twin has the same shape and gives the ternary network its first weights. Shapes
and features are the first that were tried; a ternary training of 30 epochs, without holding the magnitudes of the kernels, gave
48.98 ± 1.70 % on the same test jets.

![each class](roc.png)
![accuracy against pT](accuracy.png)

## Firmware

`model.h5` is the ternary network of seed {outcome.chosen.seed}, the best of its seeds on the validation jets.
By `bittrigger convert model.h5 --budget {BUDGET} --ii N`; LUTs and flip-flops are of origin {origin}, the latency is counted
in the RTL:

{markdown_table(["clocks between jets", "LUT", "FF", "latency (ns)"], prices)}
At one clock between jets the layers on the candidates are there sixteen times; folded in time they are shared. The features
are powers of two times the integers of the trigger, flags, and the number of candidates; they are computed before the port.

{markdown_table(["layer", "inputs x units", "kernel quantizer", "zero weights"], kernel_rows(model))}
## Data and command

- Data: {source_text(jets)}; |eta| below {np.abs(eta).max():.1f}. Cite Pythia 8.3 and FastJet.
- Split by seed {SPLIT_SEED}: {jets}. The epoch is chosen by the likelihood of the validation jets.
- Features: {", ".join(FEATURES)}; angles from the jet's axis; see `trigger_jets.py`.
- Command: `COMMAND`
- Training: {FLOAT_EPOCHS} epochs of the float twin, then the ternary network from its weights; Adam from {LEARNING_RATE} with
  cosine decay, batches of {BATCH_SIZE}; codes that go to and fro are held in the second half of the ternary training.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
- `sample.npz`: {min(SAMPLE_ROWS, len(jets.fresh.y))} test jets; `x` the features, candidate after candidate; `y` class index.
"""


if __name__ == "__main__":
    names = {"data": "l1-jets to train on", "test": "l1-jets of another seed to measure on"}
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, **names, epochs=EPOCHS, seeds=(1, 2, 3)))
