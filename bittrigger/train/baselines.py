"""Classifiers of scikit-learn to show beside a network: what the same features give without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ToolNotFoundError

__all__ = ["baseline_logits", "beside"]

Real = npt.NDArray[np.floating[Any]]

_LEAST = 1e-12


def baseline_logits(
    x: Real, y: npt.NDArray[np.integer[Any]], test: Real, *, seed: int = 1
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the logarithms of the class probabilities `(tests, classes)` of classifiers without a network, by name.

    They are a logistic regression, and a hundred rounds of boosted trees.

    Args:
        x: standardised features to train on, `(n, features)`.
        y: class indices, `(n,)`.
        test: features to classify, `(tests, features)`.
        seed: of the trees.

    Raises:
        ToolNotFoundError: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ToolNotFoundError(
            "package 'scikit-learn' not found; looked in this Python's packages; baselines need it; install it with "
            "`pip install 'bittrigger[train]'`"
        ) from error
    models = {
        "logistic regression": LogisticRegression(max_iter=1000),
        "boosted trees, 100 rounds": HistGradientBoostingClassifier(max_iter=100, random_state=seed),
    }
    return {name: np.log(np.maximum(m.fit(x, y).predict_proba(test), _LEAST)) for name, m in models.items()}


def beside(network: str, own: float, others: Mapping[str, float], what: str, digits: int = 2) -> str:
    """Return whether a network is better than the best of what needs none, in the sentence with which its card begins.

    Args:
        network: its name.
        own: its figure; more is better.
        others: those of what needs no network, by name; at least one.
        what: the figure in words, behind the number.
        digits: behind the point.
    """
    best = max(others, key=others.__getitem__)
    ours, theirs = f"{own:.{digits}f}", f"{others[best]:.{digits}f}"
    if own > others[best]:
        return f"{network} has {ours} {what}; of what needs no network, {best} has most, {theirs}."
    return f"**{network} has {ours} {what}, no more than {best}, which needs no network and has {theirs}.**"
