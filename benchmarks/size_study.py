"""Do larger networks lose less by ternary kernels? Dense jet taggers of six sizes, float and ternary, on fresh jets.

    bittrigger data make jets5 --events 50000 --seed 7 -o fresh.npz
    python benchmarks/size_study.py --data jets5.npz --test fresh.npz -o build/sizes --plot docs/size_study.png

Each float network is trained on the labels, the ternary one from its weights on the same labels for as many epochs again;
for each the epoch of the best validation likelihood is kept. Both are measured on the same test jets, so the error of their
difference is that of paired jets. Trainings stay in the output folder: the same command goes on after a stop.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bittrigger.errors import InternalError
from bittrigger.explore.dense import (
    ClassSample,
    DenseSettings,
    class_sample,
    train_float,
    train_ternary,
    with_fresh_test,
)
from bittrigger.explore.estimate import estimate_luts
from bittrigger.explore.sweep import load_scaler, save_design
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.settings import Settings
from bittrigger.train import FitSettings, one_vs_rest_auc
from bittrigger.train.plots import COLORS, MARKERS, figure_axes
from bittrigger.train.recipes import load_arrays, markdown_table, predict, prepare_tensorflow, reload
from bittrigger.train.study import Run, Spread, run_study, spread_of

SIZES = ((16, 8, 8), (32, 16, 16), (64, 32, 32), (128, 64, 64), (256, 128, 128), (512, 256, 256))
SPLIT_SEED = 1
BATCH_SIZE, LEARNING_RATE, FREEZE_FROM = 512, 5e-3, 0.5


def main() -> None:
    """Train what is missing, print the table and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="jets5.npz")
    parser.add_argument("--test", type=Path, required=True, help="jets5 of another seed, to measure on")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--plot", type=Path, help="PNG file")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20, help="of each training (default: 20)")
    parser.add_argument("--no-luts", action="store_true", help="leave out the solver's estimate of LUTs")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with quiet_tensorflow():
        prepare_tensorflow(1)
        jets = load(options.data, options.test)
        runs = study(jets, range(1, options.seeds + 1), options.epochs, options.output / "runs")
        luts = {} if options.no_luts else luts_of(runs, options.output / "luts")
    print(f"{jets.split}; {options.epochs} epochs of each training\n\n{table(runs, luts)}")
    if options.plot is not None:
        plot(runs, options.plot)


def load(data: Path, test: Path) -> ClassSample:
    """The jets of `data` to train and to validate on, those of `test` to measure on."""
    known, fresh = (load_arrays(path, ("X", "y")) for path in (data, test))
    sample = class_sample(known["X"], known["y"], seed=SPLIT_SEED)
    return with_fresh_test(sample, fresh["X"], fresh["y"], seed=SPLIT_SEED)


def study(jets: ClassSample, seeds: Sequence[int], epochs: int, folder: Path) -> list[Run]:
    """Train both networks of each size with each seed, unless they are in `folder` already."""

    def work(_: str, fields: Mapping[str, Any], seed: int, place: Path) -> dict[str, float | None]:
        import tensorflow as tf

        tf.keras.backend.clear_session()
        settings = FitSettings(epochs, BATCH_SIZE, LEARNING_RATE, seed=seed)
        return train_both(jets, tuple(fields["hidden"]), settings, place)

    variants = {"-".join(map(str, hidden)): {"hidden": list(hidden), "epochs": epochs} for hidden in SIZES}
    return run_study(variants, list(seeds), folder, work, identity={"jets": str(jets.split)})


def train_both(
    jets: ClassSample, hidden: tuple[int, ...], settings: FitSettings, place: Path
) -> dict[str, float | None]:
    """Train a float network and the ternary one from its weights, and compare them on the test jets."""
    labels = np.eye(jets.classes, dtype=np.float32)[jets.y]
    twin = train_float(jets, hidden, settings, place / "float")
    ternary = train_ternary(
        jets,
        DenseSettings(hidden),
        twin=twin,
        targets=labels,
        settings=FitSettings(
            settings.epochs, settings.batch_size, settings.learning_rate, seed=settings.seed, freeze_from=FREEZE_FROM
        ),
        folder=place / "ternary",
    )
    save_design(ternary, place)
    rows, y = jets.split.test, jets.y[jets.split.test]
    scaled = load_scaler(place / "scaler.json").apply(jets.features[rows])
    logits = {"float": predict(twin, jets.x[rows]), "ternary": predict(reload(place / "model.h5"), scaled)}
    right = {name: found.argmax(axis=1) == y for name, found in logits.items()}
    lost = right["float"].astype(np.float64) - right["ternary"]
    areas = {name: float(one_vs_rest_auc(found, y).mean()) for name, found in logits.items()}
    return {
        "weights": float(sum(kernel.size for kernel in twin.get_weights() if kernel.ndim > 1)),
        **{f"{name} accuracy": float(values.mean()) for name, values in right.items()},
        **{f"{name} AUC": area for name, area in areas.items()},
        "accuracy lost": float(lost.mean()),
        "error of paired jets": float(lost.std() / math.sqrt(len(lost))),
        "AUC lost": areas["float"] - areas["ternary"],
    }


def luts_of(runs: Sequence[Run], folder: Path) -> dict[str, float | None]:
    """The LUTs of the ternary network of the first seed of each size: estimates of the solver, effort fast."""
    found = {}
    for run in {run.variant: run for run in reversed(runs)}.values():

        def work(_: str, __: Mapping[str, Any], ___: int, ____: Path, run: Run = run) -> dict[str, float | None]:
            return {"LUT": float(estimate_luts(reload(run.folder / "model.h5"), Settings(effort="fast")))}

        found[run.variant] = run_study({run.variant: {}}, [run.seed], folder, work)[0].figures["LUT"]
    return found


def figure(runs: Sequence[Run], variant: str, name: str) -> Spread:
    """Mean and spread of a figure over the seeds of a size."""
    found = spread_of(run.figures.get(name) for run in runs if run.variant == variant)
    if found is None:
        raise InternalError(f"size study: {name!r} of {variant!r} is not known")
    return found


def paired_error(runs: Sequence[Run], variant: str) -> float:
    """Standard error of the mean loss of accuracy over the seeds: that of the test jets, and that of the seeds."""
    lost, jets = figure(runs, variant, "accuracy lost"), figure(runs, variant, "error of paired jets")
    return math.hypot(jets.mean, (lost.deviation or 0.0) / math.sqrt(lost.count))


HEADER = (
    *("hidden units", "weights", "float (%)", "ternary (%)", "lost (points)", "error of the mean"),
    *("float AUC", "ternary AUC", "AUC lost (points)", "LUT, estimate"),
)


def table(runs: Sequence[Run], luts: Mapping[str, float | None]) -> str:
    """The measured table, in Markdown."""
    rows = []
    for variant in dict.fromkeys(run.variant for run in runs):
        spreads = [figure(runs, variant, name) for name in ("float accuracy", "ternary accuracy", "accuracy lost")]
        areas = [figure(runs, variant, f"{name} AUC") for name in ("float", "ternary")]
        count = luts.get(variant)
        rows.append(
            [
                variant,
                f"{figure(runs, variant, 'weights').mean:,.0f}",
                *(spread.text(2, 100.0) for spread in spreads),
                f"{100 * paired_error(runs, variant):.2f}",
                *(area.text(4) for area in areas),
                figure(runs, variant, "AUC lost").text(2, 100.0),
                "-" if count is None else f"{count:,.0f}",
            ]
        )
    return markdown_table(HEADER, rows)


def plot(runs: Sequence[Run], path: Path) -> None:
    """Draw what ternary kernels lose against the number of weights."""
    variants = list(dict.fromkeys(run.variant for run in runs))
    weights = [figure(runs, variant, "weights").mean for variant in variants]
    accuracy = [100 * figure(runs, variant, "accuracy lost").mean for variant in variants]
    areas = [figure(runs, variant, "AUC lost") for variant in variants]
    series = (
        ("accuracy", accuracy, [100 * paired_error(runs, variant) for variant in variants]),
        (
            "macro AUC x 100",
            [100 * a.mean for a in areas],
            [100 * (a.deviation or 0.0) / math.sqrt(a.count) for a in areas],
        ),
    )
    with figure_axes(path, (5.6, 4.0)) as axes:
        for i, (name, values, errors) in enumerate(series):
            axes.errorbar(weights, values, errors, color=COLORS[i], marker=MARKERS[i], capsize=3, label=name)
        for count, value, variant in zip(weights, accuracy, variants, strict=True):
            axes.annotate(variant, (count, value), xytext=(4, 7), textcoords="offset points", fontsize=7)
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.set(xscale="log", xlim=(weights[0] / 2, weights[-1] * 4))
        axes.set(xlabel="weights", ylabel="float less ternary (points)")
        axes.set_title("Loss by ternary kernels, five-class jets")
        axes.legend()


if __name__ == "__main__":
    main()
