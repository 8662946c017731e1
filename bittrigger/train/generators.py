"""How near the showers of a generator come to showers: separations of histograms, classifiers, histograms to look at.

TensorFlow and matplotlib are imported inside the functions that need them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bittrigger.data import Showers
from bittrigger.data.shower_shares import Real, condition, observables
from bittrigger.layers.keras_types import Model
from bittrigger.train.metrics import roc_auc, separation
from bittrigger.train.plots import COLORS, figure_grid
from bittrigger.train.recipes import markdown_table, predict
from bittrigger.train.study import Run, spread_of, summary_rows

__all__ = [
    "BASELINES",
    "CLASSIFIER",
    "CLASSIFIER_EPOCHS",
    "HEAD",
    "area_error",
    "baseline",
    "classifier_area",
    "compared",
    "comparison_tables",
    "differences",
    "losers",
    "lost_somewhere",
    "parameter_counts",
    "plot_observables",
    "seeds_text",
    "source_of",
]

CLASSIFIER, CLASSIFIER_EPOCHS = (128, 128), 20
"""Units of the layers, and passes; that of the CaloChallenge has 512 units and 50 passes."""

BASELINES = {
    "showers": "showers of the training file itself, of the same energies: what a perfect generator gets",
    "shuffled": "each voxel from a shower of its own of the same energy: each is right by itself, nothing holds them together",
}
"""What needs no network."""

HEAD = ("AUC of voxels", "AUC of observables", "mean separation")
"""What a generator is judged by."""
SMALLEST = 1e-6
LINES = ("-", "--", "-.", ":", (0, (5, 1)))


def compared(made: Real, real: Showers, seed: int) -> dict[str, float | None]:
    """Areas of classifiers that tell `made` from real showers, and separations of each observable.

    Args:
        made: voxels in MeV `(n, voxels)`, one shower for each incident energy of `real`.
        real: showers that no generator was trained on.
        seed: of the classifiers and of the split of their showers.
    """
    both = [observables(voxels, real.incident_mev) for voxels in (real.voxels_mev, made)]
    apart = {name: separation(both[0][name], both[1][name]) for name in both[0]}
    high = [np.stack([np.log(np.maximum(values, SMALLEST)) for values in one.values()], axis=1) for one in both]
    low = [np.log(voxels / real.incident_mev[:, None] + SMALLEST) for voxels in (real.voxels_mev, made)]
    energy = condition(real.incident_mev)
    return {
        HEAD[0]: classifier_area(low[0], low[1], energy, seed),
        HEAD[1]: classifier_area(high[0], high[1], energy, seed),
        HEAD[2]: float(np.mean(list(apart.values()))),
        **apart,
    }


def classifier_area(real: Real, made: Real, energy: Real, seed: int) -> float:
    """Area of a dense network that tells real from made showers, on a held-out fifth; 0.5 if it cannot.

    Args:
        real: features `(n, k)`.
        made: the same of as many showers.
        energy: a further feature of both, `(n, 1)`.
        seed: of the first weights and of the split.
    """
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(seed)
    x = np.concatenate([np.concatenate([real, energy], axis=1), np.concatenate([made, energy], axis=1)])
    y = np.repeat([0, 1], [len(real), len(made)]).astype(np.float32)
    rows = np.random.default_rng(seed).permutation(len(x))
    held = len(x) // 5
    test, kept = rows[:held], rows[held:]
    x = ((x - x[kept].mean(axis=0)) / (x[kept].std(axis=0) + SMALLEST)).astype(np.float32)
    hidden = [layers.Dense(units, tf.nn.leaky_relu) for units in CLASSIFIER]
    net = tf.keras.Sequential([tf.keras.Input(x.shape[1]), *hidden, layers.Dense(1)], name="classifier")
    net.compile(tf.keras.optimizers.Adam(1e-3), tf.keras.losses.BinaryCrossentropy(from_logits=True))
    net.fit(x[kept], y[kept], batch_size=256, epochs=CLASSIFIER_EPOCHS, verbose=0)
    return roc_auc(predict(net, x[test])[:, 0], y[test] == 1)


def losers(runs: Sequence[Run]) -> str:
    """Which generators lose to the baseline of shuffled voxels, by each figure of the first table, as lines of a list."""
    found = {name: _worse(runs, name) for name in HEAD}
    return "".join(
        f"- **No nearer to showers than shuffled ones** by {name}: {'; '.join(worse)}.\n"
        for name, worse in found.items()
        if worse
    )


def lost_somewhere(runs: Sequence[Run]) -> str:
    """Which generators lose to shuffled voxels by one figure or more, in the sentence with which a card begins."""
    found = dict.fromkeys(variant for name in HEAD for variant in _worse(runs, name))
    if not found:
        return "Each network is nearer to showers than voxels that are drawn one by one, by each figure below."
    return f"**By one figure below or more no nearer to showers than voxels that are drawn one by one: {'; '.join(found)}.**"


def _worse(runs: Sequence[Run], name: str) -> list[str]:
    found = {
        run.variant: spread_of(other.figures[name] for other in runs if other.variant == run.variant) for run in runs
    }
    mark = found.pop("shuffled", None)
    return [variant for variant, spread in found.items() if mark and spread and spread.mean >= mark.mean]


def differences(runs: Sequence[Run], reference: str, columns: Mapping[str, int]) -> str:
    """What each generator has more than `reference`, seed by seed: mean and deviation over the seeds, as lines of a list.

    Args:
        runs: of variants and seeds; seeds that only one of two variants has do not count.
        reference: a variant.
        columns: for each figure, how many digits after the point.
    """
    figures = {(run.variant, run.seed): run.figures for run in runs}
    lines = []
    for variant in dict.fromkeys(run.variant for run in runs if run.variant not in (*BASELINES, reference)):
        seeds = [seed for name, seed in figures if name == variant and (reference, seed) in figures]
        words = []
        for name, digits in columns.items():
            pairs = [(figures[variant, seed].get(name), figures[reference, seed].get(name)) for seed in seeds]
            found = spread_of(None if None in pair else pair[0] - pair[1] for pair in pairs)  # type: ignore[operator]
            if found:
                sign = "+" if found.mean > 0 else ""
                words.append(f"{name} {sign}{found.text(digits)}")
        if len(seeds) > 1:
            lines.append(f"- {variant} less {reference}, seed by seed: {', '.join(words)}.\n")
    return "".join(lines)


def area_error(showers: int) -> float:
    """Standard error of the areas of `compared` near 0.5, of so many real showers and as many made ones.

    Source: the variance of the Mann-Whitney statistic of two equal samples, `1 / 6n`, here of a fifth of them.
    """
    return float((6 * 0.2 * showers) ** -0.5)


def baseline(name: str, known: Showers, incident: Real, seed: int) -> Real:
    """Showers that need no network, drawn from `known` at the same incident energies or the nearest ones, voxels in MeV.

    Showers themselves are drawn once each, if there are enough: a classifier would learn those that come twice.

    Args:
        name: of `BASELINES`.
        known: showers to draw from.
        incident: energies `(n,)`, MeV.
        seed: of the draws.
    """
    random, voxels = np.random.default_rng(seed), known.voxels_mev.shape[1]
    made = np.empty((len(incident), voxels), np.float32)
    for energy in np.unique(incident):
        nearest = known.incident_mev[np.argmin(np.abs(np.log(known.incident_mev / energy)))]
        rows, of = np.flatnonzero(incident == energy), np.flatnonzero(known.incident_mev == nearest)
        if name == "shuffled":
            chosen = random.choice(of, size=(len(rows), voxels))
        else:
            chosen = random.choice(of, size=(len(rows), 1), replace=len(of) < len(rows))
        made[rows] = known.voxels_mev[chosen, np.arange(voxels)]
    return made


def seeds_text(runs: Sequence[Run]) -> str:
    """How many seeds the variants were trained with, in words."""
    seeds: dict[int, list[str]] = {}
    for variant in dict.fromkeys(run.variant for run in runs if run.variant not in BASELINES):
        seeds.setdefault(sum(run.variant == variant for run in runs), []).append(variant)
    if len(seeds) == 1:
        count = next(iter(seeds))
        return (
            "one seed, so that small differences say nothing" if count == 1 else f"mean and deviation of {count} seeds"
        )
    words = "; ".join(f"{', '.join(names)} {count}" for count, names in sorted(seeds.items(), reverse=True))
    return f"mean and deviation over the seeds (how many: {words}), and of one seed small differences say nothing"


def source_of(known: Showers) -> str:
    """Where showers come from, in words."""
    if known.provenance.record is None:
        return known.provenance.source
    return "showers of a parametrisation (`bittrigger data make showers`)"


def parameter_counts(model: Model) -> tuple[int, int]:
    """Trained parameters of a model, and those in layers of BitHEP, biases included."""
    total = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    layers = [part for part in model.submodules if type(part).__name__ == "BitHepLinear"]
    return total, sum(int(np.prod(weight.shape)) for layer in layers for weight in layer.weights)


def comparison_tables(runs: Sequence[Run], first: Mapping[str, tuple[int, float]]) -> tuple[str, str]:
    """Tables of the figures of `compared`: areas beside figures of `first`, see `summary_rows`; and each separation."""
    names = list(runs[-1].figures)
    head = {**first, **dict.fromkeys(HEAD, (3, 1.0))}
    rest = dict.fromkeys([name for name in names if name not in head], (4, 1.0))
    tables = (markdown_table(["showers of", *columns], summary_rows(runs, columns)) for columns in (head, rest))
    return next(tables), next(tables)


def plot_observables(samples: Mapping[str, Real], incident: Real, path: Path, title: str) -> None:
    """Draw histograms of each observable, one outline a sample; the first sample is filled.

    Args:
        samples: voxels in MeV `(n, voxels)` by the name in the legend.
        incident: energies of the particles, MeV, the same in all samples.
        path: PNG file.
        title: of the figure.

    Raises:
        ToolNotFoundError: matplotlib is not installed.
    """
    found = {name: observables(voxels, incident) for name, voxels in samples.items()}
    names = list(next(iter(found.values())))
    with figure_grid(path, len(names), 3, title) as axes:
        for each, name in zip(axes, names, strict=True):
            values = [one[name] for one in found.values()]
            first, last = np.quantile(np.concatenate(values), (0.002, 0.998)).tolist()
            edges = np.linspace(first, last, 41)
            for i, (legend, column) in enumerate(zip(found, values, strict=True)):
                shares = np.histogram(column, edges)[0] / len(column)
                look = {"fill": True, "color": "0.8"} if i == 0 else {"color": COLORS[i - 1], "linestyle": LINES[i - 1]}
                each.stairs(shares, edges, label=legend, **look)
            each.set(xlabel=name, ylabel="share of the showers", xlim=(edges[0], edges[-1]), ylim=(0, None))
        axes[1].legend(fontsize=7)
