"""Classifiers of scikit-learn to show beside a network: what the same features give without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ToolNotFoundError

__all__ = ["baseline_logits"]

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
