"""The jets that the studies of this folder share, and the figures of merit of a score for quarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.data import Constituents, load_energyflow, load_quark_gluon, load_top_landscape
from bittrigger.data.loaders.hdf5 import HDF5
from bittrigger.data.production.archive import members
from bittrigger.errors import ConfigError
from bittrigger.train import accuracy, roc_auc

VALIDATION_FRACTION = 0.1
SPLIT_SEED = 1
FEWEST_JETS = 200
SIGNAL_EFFICIENCY = 0.5

Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]

COLUMNS = {"accuracy": (2, 100.0), "AUC": (4, 1.0), "1 / background at 50 %": (1, 1.0)}
"""Of the tables: digits and factor of each figure."""


MORE = {"more": "qg_fresh.npz", "later": "qg_later.npz", "many": "qg_many.npz"}
"""Options of a recipe that trains on the jets of several files, and the files."""

DATA = """- Data: `quark_gluon.npz` and `qg_fresh.npz` as in card.md, and what `bittrigger data make quark-gluon` makes of
  `--events 4000 --seed 72 -o qg_later.npz` and `--events 76000 --seed 71 -o qg_many.npz`, train and choose epochs; the test jets
  are all of `--events 10000 --seed 74 -o qg_last.npz`, looked at once."""
"""The files, in words."""


@dataclass(frozen=True)
class Jets:
    """Jets to train on, of which some choose the epoch, and jets of another file that are measured on alone.

    Attributes:
        known: the jets of the first file.
        fresh: those of the other.
        train: rows of `known`.
        validation: the other rows of `known`.
    """

    known: Constituents
    fresh: Constituents
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]

    def __str__(self) -> str:
        """Return the numbers of jets in words."""
        return f"{len(self.train)} train, {len(self.validation)} validation, {len(self.fresh.y)} test"


def load(data: Path, test: Path | None, *more: Path) -> Jets:
    """Return the jets; those of `data`, and of `more` behind them, are split in the same way for each seed of a training.

    Raises:
        ConfigError: there is no such file, it is not of quark and gluon jets, holds too few, or two are of one seed.
    """
    if test is None:
        raise ConfigError("no test file: expected jets of another seed than --data; give them with --test")
    files = {path: _read(path) for path in (data, test, *more)}
    for path, sample in files.items():
        if len(sample.y) < FEWEST_JETS:
            raise ConfigError(
                f"data file {path}: {len(sample.y)} jets; expected at least {FEWEST_JETS}; make more with "
                "`bittrigger data make`"
            )
    for one, other in combinations((data, test, *more), 2):
        if np.array_equal(files[one].momenta[:FEWEST_JETS], files[other].momenta[:FEWEST_JETS]):
            raise ConfigError(f"{one} and {other}: both hold the same jets; expected files of two seeds")
    known, fresh = _joined([files[path] for path in (data, *more)]), files[test]
    rows = np.random.default_rng(SPLIT_SEED).permutation(len(known.y))
    held = round(VALIDATION_FRACTION * len(rows))
    return Jets(known, fresh, rows[held:], rows[:held])


def _joined(samples: Sequence[Constituents]) -> Constituents:
    """The jets of files, one after the other."""
    names = ("momenta", "pid", "counts", "jet", "y")
    return replace(samples[0], **{name: np.concatenate([getattr(part, name) for part in samples]) for name in names})


def _read(path: Path) -> Constituents:
    """The jets of a file of `bittrigger data make quark-gluon`, of EnergyFlow, or of the top tagging reference (HDF5)."""
    if path.suffix in HDF5:
        return load_top_landscape(path)
    if path.is_file() and any(member.name == "X" for member in members(path)):
        return load_energyflow(path)
    return load_quark_gluon(path)


BOOTSTRAPS = 200

OBSERVABLES = ("n", "pTD", "girth", "m/pT")


def observables(sample: Constituents) -> npt.NDArray[np.float64]:
    """Return what is known of a jet without a network, `(n, 4)`.

    Number of constituents; `sqrt(sum pT^2) / sum pT`; mean distance from the axis with pT as weight; mass over pT.
    """
    first = np.cumsum(sample.counts) - sample.counts
    pt, rapidity, phi = sample.momenta.astype(np.float64).T
    axis = np.repeat(sample.jet.astype(np.float64), sample.counts, axis=0)
    distance = np.hypot(rapidity - axis[:, 1], phi - axis[:, 2])
    total, squares, moment = (np.add.reduceat(term, first) for term in (pt, pt**2, pt * distance))
    jet = sample.jet.astype(np.float64)
    return np.stack([sample.counts, np.sqrt(squares) / total, moment / total, jet[:, 3] / jet[:, 0]], axis=1)


def baselines(jets: Jets) -> dict[str, Scores]:
    """Return logits of the test jets without a network: by the number of constituents alone, and by all observables.

    Logistic regressions on the training jets, which set the threshold, and a hundred rounds of boosted trees.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known, fresh = observables(jets.known)[jets.train], observables(jets.fresh)
    labels, found = jets.known.y[jets.train], {}
    for name, columns in (("number of constituents alone", 1), (f"logistic regression of {', '.join(OBSERVABLES)}", 4)):
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(known[:, :columns], labels)
        found[name] = model.decision_function(fresh[:, :columns]).astype(np.float32)
    trees = HistGradientBoostingClassifier(max_iter=100, random_state=1).fit(known, labels)
    found[f"boosted trees of {', '.join(OBSERVABLES)}"] = trees.decision_function(fresh).astype(np.float32)
    return found


def area_gain(scores: Scores, others: Scores, labels: Labels) -> str:
    """By how many points of AUC scores are better than others on the same jets, with the error of these (bootstrap), in words."""
    random, gains = np.random.default_rng(SPLIT_SEED), []
    for _ in range(BOOTSTRAPS):
        rows = random.integers(len(labels), size=len(labels))
        quarks = labels[rows] == 1
        gains.append(roc_auc(scores[rows], quarks) - roc_auc(others[rows], quarks))
    whole = roc_auc(scores, labels == 1) - roc_auc(others, labels == 1)
    return f"{100 * whole:.2f} ± {100 * np.std(gains):.2f}"


def figures_of(scores: Scores, labels: Labels) -> dict[str, float]:
    """Return accuracy at a score of 0, AUC, and the rejection of gluons where half of the quarks are kept.

    Args:
        scores: `(n,)`, higher is more likely a quark.
        labels: `(n,)`, 1 for a quark.
    """
    quarks = labels == 1
    threshold = np.quantile(scores[quarks], 1 - SIGNAL_EFFICIENCY)
    background = float(np.mean(scores[~quarks] >= threshold))
    return {
        "accuracy": accuracy(np.stack([np.zeros_like(scores), scores], axis=1), labels),
        "AUC": roc_auc(scores, quarks),
        "1 / background at 50 %": 1 / max(background, 1 / len(labels)),
    }


def cells(figures: Mapping[str, float]) -> list[str]:
    """Return the figures of one score as cells of the table."""
    return [f"{factor * figures[name]:.{digits}f}" for name, (digits, factor) in COLUMNS.items()]
