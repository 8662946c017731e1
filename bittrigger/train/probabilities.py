"""Whether the softmax probabilities of a classifier are right, and the temperature that makes them so, with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

__all__ = ["best_temperature", "calibration_error", "log_probabilities"]

Real = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

_COLDEST, _HOTTEST = 0.05, 20.0
_STEPS = 60
"""Of the golden section: the bracket shrinks by 1e-12."""


def log_probabilities(logits: Real) -> npt.NDArray[np.float64]:
    """Return the logarithms of the softmax probabilities, shape `(n, classes)` as `logits`."""
    relative = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(relative - np.log(np.exp(relative).sum(axis=1, keepdims=True)))


def calibration_error(logits: Real, labels: Labels, *, bins: int = 20) -> float:
    """Return the expected calibration error: how far the probability of the chosen class is from how often it is right.

    Events are binned by that probability in equal steps; the mean difference of the bins, weighted by their events.

    Args:
        logits: shape `(n, classes)`.
        labels: shape `(n,)`, class indices.
        bins: from 0 to 1.

    Raises:
        ConfigError: the shapes do not fit, or there is no event or bin.

    Source: C. Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599, eq. 3.
    """
    _check(logits, labels)
    if bins < 1:
        raise ConfigError(f"calibration error in {bins} bins: expected at least 1")
    chosen = np.exp(log_probabilities(logits).max(axis=1))
    right = np.argmax(logits, axis=1) == labels
    place = np.minimum((chosen * bins).astype(np.int64), bins - 1)
    difference = np.bincount(place, chosen - right, bins)
    return float(np.abs(difference).sum() / len(labels))


def best_temperature(logits: Real, labels: Labels) -> float:
    """Return the number to divide all logits by so that the labels are most likely; it changes no argmax and no cut.

    Take other events than those that are measured afterwards.

    Args:
        logits: shape `(n, classes)`.
        labels: shape `(n,)`, class indices.

    Returns:
        From 0.05 to 20; above 1 if the network is too sure.

    Raises:
        ConfigError: the shapes do not fit, or there is no event.

    Source: temperature scaling of arXiv:1706.04599; the likelihood has one maximum in the inverse temperature.
    """
    _check(logits, labels)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(log_probabilities(logits / np.exp(log_temperature))[rows, labels].mean())

    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(_STEPS):
        first, second = high - golden * (high - low), low + golden * (high - low)
        if loss(first) < loss(second):
            high = second
        else:
            low = first
    return float(np.exp((low + high) / 2))


def _check(logits: Real, labels: Labels) -> None:
    if logits.ndim != 2 or labels.shape != (len(logits),) or len(logits) == 0:
        raise ConfigError(
            f"logits of shape {logits.shape}, labels of shape {labels.shape}; expected (n, classes) and (n,) with n > 0"
        )
