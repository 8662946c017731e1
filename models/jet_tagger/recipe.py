"""Train the jet tagger of the demo: 16 features of a jet of 0.4 to 1.6 TeV, ternary 64-32-32, five logits.

Run from the repository root:

    bittrigger data make jets5-range --events 15000 --seed 51 -o range.npz
    bittrigger data make jets5-range --events 7500 --seed 52 -o range_fresh.npz
    bittrigger data make jets5 --events 50000 --seed 7 -o fresh.npz
    python models/jet_tagger/recipe.py --data range.npz --test range_fresh.npz --jets5 jets5.npz --jets5-test fresh.npz

It writes model.h5, scaler.json, sample.npz, two plots and card.md into --out, by default the folder of this file. Stop it
whenever you like; the same command goes on.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.data.pythia.jets5 import CLASSES, FEATURES
from bittrigger.explore.dense import ClassSample, DenseSettings, class_sample, with_fresh_test
from bittrigger.explore.firmware import FirmwareCost, firmware_cost
from bittrigger.explore.sweep import SweepSettings, load_scaler, sweep
from bittrigger.layers.keras_types import Model
from bittrigger.train import accuracy, log_odds, one_vs_rest_auc
from bittrigger.train.baselines import baseline_logits, beside
from bittrigger.train.metrics import efficiency_at_rate
from bittrigger.train.plots import COLORS, MARKERS, figure_axes
from bittrigger.train.probabilities import best_temperature, calibration_error
from bittrigger.train.recipes import (
    RecipeOptions,
    kernel_rows,
    load_arrays,
    markdown_table,
    predict,
    prepare_tensorflow,
    reload,
    run_recipe,
    versions,
    write_json,
    write_text,
)
from bittrigger.train.study import Run, summary_rows

DESIGN = DenseSettings((64, 32, 32), activation_bits=6, threshold_factor=1.0)
"""The network of models/jet_pareto that loses little for few LUTs."""

PARETO = Path(__file__).parents[1] / "jet_pareto"
TWIN_EPOCHS, EPOCHS, BATCH_SIZE = 20, 40, 512
SPLIT_SEED = 1
SAMPLE_ROWS = 4096
QCD_RATE = 0.01
"""Share of gluon and light-quark jets that pass a cut on top jets."""

PT_GEV = np.linspace(400, 1600, 7)
ABS_Y = np.linspace(0, 2.5, 6)
Logits = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Tests:
    """Fresh jets over the range of pT, `kin` their pT in GeV and rapidity, and fresh jets of 1 TeV."""

    features: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    kin: npt.NDArray[np.float32]
    features_1_tev: npt.NDArray[np.float32]
    y_1_tev: npt.NDArray[np.int64]


def run(options: RecipeOptions) -> None:
    """Train three ternary networks and their twins, choose by the validation jets, measure on fresh ones, write the folder.

    Raises:
        ConfigError: a data file is missing, damaged or lacks an array, or `options.work` holds other runs.
    """
    prepare_tensorflow(options.seeds[0])
    jets, tests = load(options)
    settings = SweepSettings(options.epochs, TWIN_EPOCHS, BATCH_SIZE, teacher_seeds=options.seeds)
    runs = sweep(jets, [DESIGN], options.seeds, settings, options.work)
    best = max(runs, key=lambda run: run.figures["accuracy"] or 0.0)
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    ship(best, tests, out)
    measured = measure(jets, tests, options, out)
    plot(measured.over_range, tests, out)
    cost = firmware_cost(out / "model.h5")
    text = card(reload(out / "model.h5"), Outcome(jets, tests, settings, runs, best, measured, cost))
    write_text(out / "card.md", text.replace("COMMAND", options.command("models/jet_tagger/recipe.py")))


def load(options: RecipeOptions) -> tuple[ClassSample, Tests]:
    """The jets to train and validate on with those over the range to test on, and all fresh jets."""
    names = ("X", "y")
    known = [load_arrays(path, names) for path in (options.data, options.others["jets5"])]
    fresh = load_arrays(options.test or options.data, (*names, "kin"))
    at_1_tev = load_arrays(options.others["jets5-test"], names)
    joined = {name: np.concatenate([arrays[name] for arrays in known]) for name in names}
    sample = class_sample(joined["X"], joined["y"], seed=SPLIT_SEED)
    sample = with_fresh_test(sample, fresh["X"], fresh["y"], seed=SPLIT_SEED)
    labels, others = fresh["y"].astype(np.int64), at_1_tev["y"].astype(np.int64)
    return sample, Tests(fresh["X"], labels, fresh["kin"], at_1_tev["X"], others)


def ship(best: Run, tests: Tests, out: Path) -> None:
    """Write the network of the best run, its scales, and the sample of test jets."""
    shutil.copyfile(best.folder / "model.h5", out / "model.h5")
    scaler = load_scaler(best.folder / "scaler.json")
    scales = {"mean": scaler.mean.tolist(), "deviation": scaler.deviation.tolist()}
    write_json(out / "scaler.json", {"features": FEATURES, **scales})
    rows = np.random.default_rng(SPLIT_SEED).permutation(len(tests.y))[:SAMPLE_ROWS]
    x = load_scaler(out / "scaler.json").apply(tests.features[rows])
    np.savez_compressed(out / "sample.npz", x=x, y=tests.y[rows].astype(np.int8), kin=tests.kin[rows])


AT_1_TEV = "network of jet_pareto, trained at 1 TeV"


@dataclass(frozen=True)
class Measured:
    """Logits by name, the shipped network's first: of the test jets over the range, and of those of 1 TeV.

    `temperature` is what the validation jets give for the shipped network.
    """

    over_range: Mapping[str, Logits]
    at_1_tev: Mapping[str, Logits]
    temperature: float


def measure(jets: ClassSample, tests: Tests, options: RecipeOptions, out: Path) -> Measured:
    """What the networks and the classifiers without one say of the fresh jets."""
    train, validation = jets.split.train, jets.split.validation
    both = np.concatenate([tests.features, tests.features_1_tev])
    found: dict[str, Logits] = {}
    for name, folder in (("`model.h5`", out), (AT_1_TEV, PARETO)):
        found[name] = predict(reload(folder / "model.h5"), load_scaler(folder / "scaler.json").apply(both))
    found |= baseline_logits(jets.x[train], jets.y[train], jets.scaler.apply(both), seed=options.seeds[0])
    held = load_scaler(out / "scaler.json").apply(jets.features[validation])
    temperature = best_temperature(predict(reload(out / "model.h5"), held), jets.y[validation])
    count = len(tests.y)
    return Measured({n: v[:count] for n, v in found.items()}, {n: v[count:] for n, v in found.items()}, temperature)


def plot(logits: Mapping[str, Logits], tests: Tests, out: Path) -> None:
    """Draw the accuracy against pT and against |y| of the jets."""
    pt, rapidity = tests.kin[:, 0], np.abs(tests.kin[:, 1])
    plot_against(logits, tests.y, pt / 1000, PT_GEV / 1000, out / "accuracy_pt.png", "jet pT (TeV)")
    plot_against(logits, tests.y, rapidity, ABS_Y, out / "accuracy_y.png", "|y| of the jet")


def plot_against(  # noqa: PLR0917
    logits: Mapping[str, Logits], y: npt.NDArray[np.int64], x: Logits, edges: Logits, path: Path, label: str
) -> None:
    """Draw the accuracy in steps of `x`, with binomial errors."""
    place = np.clip(np.searchsorted(edges, x) - 1, 0, len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    width = edges[1] - edges[0]
    with figure_axes(path, (5.4, 4.0)) as axes:
        for i, (name, found) in enumerate(logits.items()):
            share = np.bincount(place, found.argmax(axis=1) == y, len(counts)) / np.maximum(counts, 1)
            error = np.sqrt(share * (1 - share) / np.maximum(counts, 1))
            centres = (edges[1:] + edges[:-1]) / 2 + 0.03 * width * (i - 1.5)
            axes.errorbar(
                centres, 100 * share, 100 * error, color=COLORS[i], marker=MARKERS[i], capsize=2, label=name.strip("`")
            )
        axes.set(xlabel=label, ylabel="accuracy (%)", title="Five classes, fresh jets of 0.4 to 1.6 TeV")
        axes.legend(fontsize=8)


@dataclass(frozen=True)
class Outcome:
    """What the card tells."""

    jets: ClassSample
    tests: Tests
    settings: SweepSettings
    runs: Sequence[Run]
    best: Run
    measured: Measured
    cost: FirmwareCost


def score_rows(logits: Mapping[str, Logits], y: npt.NDArray[np.int64]) -> list[list[str]]:
    """A row of the table for each score: accuracy with its binomial error, and areas."""
    rows = []
    for name, found in logits.items():
        right, areas = accuracy(found, y), one_vs_rest_auc(found, y)
        error = (right * (1 - right) / len(y)) ** 0.5
        rows.append(
            [name, f"{100 * right:.2f} ± {100 * error:.2f}", f"{areas.mean():.4f}", *(f"{a:.4f}" for a in areas)]
        )
    return rows


def first(logits: Mapping[str, Logits], y: npt.NDArray[np.int64]) -> str:
    """Whether the shipped network is better than what needs none."""
    (name, *_), right = logits, {name: 100 * accuracy(found, y) for name, found in logits.items()}
    without = {other: share for other, share in right.items() if other not in (name, AT_1_TEV)}
    return beside(name, right[name], without, "% right")


HEADER = ("score", "accuracy (%)", "macro AUC", *(f"AUC {name}" for name in CLASSES))
COLUMNS = {
    "test_accuracy": (2, 100.0),
    "test_auc": (4, 1.0),
    "twin_test_accuracy": (2, 100.0),
    "twin_test_auc": (4, 1.0),
}


def card(model: Model, outcome: Outcome) -> str:
    """Return the text of card.md; `COMMAND` stands where the command belongs."""
    jets, tests, settings, best = outcome.jets, outcome.tests, outcome.settings, outcome.best
    cost, measured = outcome.cost, outcome.measured
    summary = summary_rows(outcome.runs, COLUMNS)
    return f"""# Jet tagger

Of jets of 0.4 to 1.6 TeV {first(measured.over_range, tests.y)} Of jets of 1 TeV
{first(measured.at_1_tev, tests.y_1_tev)}

Five-class tagger of jets of 0.4 to 1.6 TeV (g gluon, q light quark, w, z, t): {jets.x.shape[1]} features,
{"-".join(map(str, DESIGN.hidden))} hidden units with ReLU, {jets.classes} logits. Every kernel is ternary by the absmean rule
with a power of two as scale. The model ends at the logits: take the argmax, or cut on a difference of logits (below). It is
the network of the demo; [jet_pareto](../jet_pareto/card.md) has its shape among others, at 1 TeV alone.

The 16 features are those of the hls4ml jet benchmark, of all particles of a jet. They do not exist at Level 1: the
network shows what a ternary one costs and keeps, not a trigger. [l1_jet_tagger](../l1_jet_tagger/card.md) reads what a
trigger has.

## Result

On {len(tests.y)} fresh test jets of 0.4 to 1.6 TeV, flat in pT, `model.h5` and what needs no network, all trained on the same
jets but for the network of jet_pareto:

{markdown_table(HEADER, score_rows(measured.over_range, tests.y))}
On {len(tests.y_1_tev)} fresh jets of 1 TeV, those of jet_pareto's card:

{markdown_table(HEADER, score_rows(measured.at_1_tev, tests.y_1_tev))}
The errors are the binomial ones of the test jets, which all scores of a table share. AUC is of softmax probabilities, each
class against all others. Over {len(settings.teacher_seeds)} seeds, mean and sample standard deviation on the first of these
samples:

{markdown_table(["network", "accuracy (%)", "macro AUC", "float twin: accuracy (%)", "float twin: AUC"], summary)}
![accuracy against pT](accuracy_pt.png)
![accuracy against rapidity](accuracy_y.png)

{cuts(outcome)}
## Firmware

By `bittrigger convert` with its defaults (360 MHz): {cost.luts.value:,} LUT and {cost.flip_flops.value:,} FF ({cost.origin}),
{cost.latency_ns.value:.2f} ns from input to output, a jet a cycle.

## Layers

{markdown_table(["layer", "inputs x units", "kernel quantizer", "zero weights"], kernel_rows(model))}
Inputs are quantised to {DESIGN.input_bits} bits in [-4, 4), hidden units to {DESIGN.activation_bits} bits, unsigned, with a
power of two as range; biases by `quantized_bits(12,3,alpha=1)`. There is no BatchNormalization.

## Data and command

- Data: `range.npz`, jets of 0.4 to 1.6 TeV, as many in each 0.2 TeV, and `jets5.npz`, jets of about 1 TeV;
  {len(jets.split.train)} of them train, {len(jets.split.validation)} choose the epoch and the seed. Made with Pythia 8.317
  and FastJet 3.5.2: particle level, longitudinal W and Z decays, the features of the hls4ml jet benchmark. Classes are harder
  to tell apart than in the public sets of that benchmark, so accuracies are not to be set beside theirs. Cite Pythia 8.3,
  FastJet and FastJet-contrib.
- Test jets: all of `range_fresh.npz` and of `fresh.npz`; nothing was chosen by them. The commands that make the files stand
  in `recipe.py`; `jets5.npz` is `bittrigger data make jets5 --events 70000 --seed 1`, or any other such file.
- The net takes scaled features, `(feature - mean) / deviation` with the values of `scaler.json`, which were trained with the
  network; the division is not part of the firmware.
- Command: `COMMAND`
- Training: {settings.twin_epochs} epochs of each float twin, {settings.epochs} of each ternary net from the weights of its
  twin; Adam from {settings.learning_rate} with cosine decay, batches of {settings.batch_size}. Targets:
  {settings.teacher_share} times the mean probabilities of the {len(settings.teacher_seeds)} twins, the rest the labels. Codes
  that go to and fro are held in the second half. The shipped seed is {best.seed}, the best on the validation jets.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
- `sample.npz`: {min(SAMPLE_ROWS, len(tests.y))} of the test jets over the range; `x` scaled float32, `y` class index, `kin`
  pT in GeV and rapidity.
"""


def cuts(outcome: Outcome) -> str:
    """Return what a cut on a single logit and one on a difference of logits keep, as a paragraph."""
    logits, y = next(iter(outcome.measured.over_range.values())), outcome.tests.y
    top, qcd = CLASSES.index("t"), tuple(CLASSES.index(name) for name in "gq")
    background, signal = np.isin(y, qcd), y == top
    kept = [
        efficiency_at_rate(score[background], score[signal], QCD_RATE)
        for score in (logits[:, top], log_odds(logits, top, qcd))
    ]
    words = [f"{each.value:.3f} ± {each.error:.3f}" for each in kept]
    temperature = outcome.measured.temperature
    before, after = (calibration_error(logits / t, y) for t in (1.0, temperature))
    return f"""A tagger is cut on a *difference* of logits, since what is common to all logits of a jet is arbitrary: where
{QCD_RATE:.0%} of the gluon and light-quark jets pass, a cut on the top logit alone keeps {words[0]} of the top jets, and one
on `log(p_t / (p_g + p_q))` keeps {words[1]}. `bittrigger convert model.h5 --log-odds {top}/{"+".join(map(str, qcd))}` puts
that out.

As probabilities the logits are wrong by {before:.4f} (expected calibration error, 20 bins); divided by
{temperature:.3f}, which the validation jets give (`best_temperature`), by {after:.4f}. That changes no argmax.
"""


if __name__ == "__main__":
    files = {
        "data": "jets5-range to train on",
        "test": "jets5-range of another seed to measure on",
        "others": {"jets5": "jets5 to train on as well", "jets5-test": "jets5 of another seed to measure on"},
    }
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, **files, epochs=EPOCHS, seeds=(1, 2, 3)))  # type: ignore[arg-type]
