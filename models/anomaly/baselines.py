"""Anomaly scores without a network of ours, and what the cards say about every score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bittrigger.data import Table
from bittrigger.train.metrics import Efficiency, efficiency_at_rate, roc_auc

Scores = npt.NDArray[np.floating]
Score = Callable[[npt.NDArray[np.integer]], Scores]

BACKGROUND = "zerobias"
RATES = (1e-2, 1e-3)
"""Shares of zero bias that may pass; 300 and 30 kHz. See `rates.py` for less."""

FLOAT_NETWORKS = ("float twin", "autoencoder (float teacher)")
"""Scores that need a network, besides the exported one."""

PCA_COMPONENTS = 5
TREES = 200

MOMENTA = slice(0, None, 3)
JETS = slice(27, None, 3)


def momentum_sums() -> dict[str, Score]:
    """Sums that need no training."""
    return {
        "HT (sum of jet pT)": lambda x: x[:, JETS].sum(axis=1).astype(np.float64),
        "sum of all pT": lambda x: x[:, MOMENTA].sum(axis=1).astype(np.float64),
        "sum of all pT squared": lambda x: (x[:, MOMENTA].astype(np.float64) ** 2).sum(axis=1),
    }


def fitted_scores(train: npt.NDArray[np.integer], seed: int) -> dict[str, Score]:
    """Scores of scikit-learn, fitted to standardised columns of zero bias, `(n, 57)` integers."""
    from sklearn.ensemble import IsolationForest

    standardised = _standardiser(train, MOMENTA)
    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(standardised(train))
    return {
        f"IsolationForest, {TREES} trees": lambda x: -forest.score_samples(standardised(x)),
        f"PCA residual, {PCA_COMPONENTS} components": _pca_residual(train, MOMENTA),
        f"PCA residual, {PCA_COMPONENTS} components, angles too": _pca_residual(train, slice(None)),
    }


def _standardiser(train: npt.NDArray[np.integer], columns: slice) -> Score:
    """Some columns with the mean and the deviation of the training rows taken out, `(n, columns)`."""
    rows = train[:, columns].astype(np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    deviation[deviation == 0] = 1
    return lambda x: (x[:, columns] - mean) / deviation


def _pca_residual(train: npt.NDArray[np.integer], columns: slice) -> Score:
    from sklearn.decomposition import PCA

    standardised = _standardiser(train, columns)
    pca = PCA(PCA_COMPONENTS, svd_solver="full").fit(standardised(train))

    def residual(x: npt.NDArray[np.integer]) -> Scores:
        values = standardised(x)
        return ((values - pca.inverse_transform(pca.transform(values))) ** 2).sum(axis=1)

    return residual


def split_kinds(table: Table, scores: Scores) -> Iterator[tuple[str, Scores, Scores]]:
    """The scores of zero bias and of each signal, with its name."""
    background = scores[table.y == table.classes.index(BACKGROUND)]
    for name in signals(table.classes):
        yield name, background, scores[table.y == table.classes.index(name)]


def signals(classes: Sequence[str]) -> list[str]:
    """The names of the signals."""
    return [name for name in classes if name != BACKGROUND]


def figures(table: Table, scores: Mapping[str, Scores]) -> dict[str, float | None]:
    """AUC, and efficiency at each rate, of each score for each signal; the key is `score|signal|figure`."""
    found: dict[str, float | None] = {}
    for name, values in scores.items():
        for signal, low, high in split_kinds(table, values):
            positive = np.repeat([False, True], [len(low), len(high)])
            found[f"{name}|{signal}|auc"] = roc_auc(np.concatenate([low, high]), positive)
            for rate in RATES:
                found[f"{name}|{signal}|{rate:g}"] = efficiency_at_rate(low, high, rate).value
    return found


def efficiencies(table: Table, scores: Scores, rate: float) -> list[Efficiency]:
    """The efficiency for each signal, with its statistical error."""
    return [efficiency_at_rate(low, high, rate) for _, low, high in split_kinds(table, scores)]
