"""Figures of merit of classifiers, computed from scores with NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

__all__ = [
    "Efficiency",
    "accuracy",
    "efficiency_at_khz",
    "efficiency_at_rate",
    "log_odds",
    "one_vs_rest_auc",
    "roc_auc",
    "roc_curve",
    "separation",
]


def accuracy(scores: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Return the fraction of samples whose highest score is that of their class.

    On a tie the lowest class index wins, as in a hardware comparator chain that keeps the first.

    Args:
        scores: shape `(n, classes)`, higher is more likely; logits will do.
        labels: shape `(n,)`, class indices.

    Raises:
        ConfigError: the shapes do not fit or `n` is 0.
    """
    if scores.ndim != 2 or labels.shape != (len(scores),) or len(scores) == 0:
        raise ConfigError(
            f"scores of shape {scores.shape}, labels of shape {labels.shape}; expected (n, classes) and (n,) with n > 0"
        )
    return float(np.mean(np.argmax(scores, axis=1) == labels))


def roc_auc(scores: npt.NDArray[Any], positive: npt.NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of one score.

    It is the chance that a positive sample scores above a negative one, a tie counting half.
    Quantised scores tie often, so the ranks of equal scores are averaged.

    Args:
        scores: shape `(n,)`, no NaN.
        positive: shape `(n,)`, which samples belong to the sought class.

    Raises:
        ConfigError: the shapes do not fit, or one of the two kinds is missing.

    Source: the Mann-Whitney U statistic over the number of pairs.
    """
    n_positive, n_negative = _kinds(scores, positive)
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_rank[place][positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def roc_curve(
    scores: npt.NDArray[Any], positive: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the shares of the negative and of the positive samples that pass a falling threshold on the score.

    Both begin at 0 and end at 1, with one point for each score that occurs; the trapezoids below them add up to `roc_auc`.

    Args:
        scores: shape `(n,)`, no NaN.
        positive: shape `(n,)`, which samples belong to the sought class.

    Raises:
        ConfigError: as `roc_auc`.
    """
    n_positive, n_negative = _kinds(scores, positive)
    order = np.argsort(scores, kind="stable")[::-1]
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    passed = np.concatenate([[0], np.cumsum(positive[order])[last_of_tie]])
    all_passed = np.concatenate([[0], last_of_tie + 1])
    return (all_passed - passed) / n_negative, passed / n_positive


@dataclass(frozen=True)
class Efficiency:
    """The share of signal that a trigger keeps at a fixed rate of background.

    Attributes:
        value: from 0 to 1.
        error: standard deviation from the numbers of signal and of background events.
        threshold: events with a score above it pass.
        rate: what passes of the background, as a share or in kHz: at most what was asked for, less where scores tie.
    """

    value: float
    error: float
    threshold: float
    rate: float


def efficiency_at_rate(background: npt.NDArray[Any], signal: npt.NDArray[Any], rate: float) -> Efficiency:
    """Return the share of `signal` above the lowest threshold that at most the share `rate` of `background` exceeds.

    The error adds two parts in quadrature: the binomial one of the signal, and half the difference of the efficiencies
    where the number of passing background events is its square root higher and lower.

    Args:
        background: scores, shape `(n,)`, no NaN, higher is more likely signal.
        signal: scores, shape `(m,)`.
        rate: above 0 and below 1; at least one event of `background` must be able to pass.

    Raises:
        ConfigError: the shapes do not fit, or there are too few events for `rate`.
    """
    if background.ndim != 1 or signal.ndim != 1 or len(signal) == 0:
        raise ConfigError(f"scores of shapes {background.shape}, {signal.shape}; expected (n,) and (m,), both above 0")
    if not 0 < rate < 1 or rate * len(background) < 1:
        raise ConfigError(
            f"rate {rate} of {len(background)} background events: expected a rate below 1 that lets at least one event pass"
        )
    falling = np.sort(background)[::-1]
    passing = math.floor(rate * len(background) * (1 + 1e-12))
    threshold = falling[passing]
    value = float(np.mean(signal > threshold))
    step = math.sqrt(passing)
    near = [falling[min(max(round(passing + sign * step), 0), len(falling) - 1)] for sign in (-1, 1)]
    low, high = (float(np.mean(signal > each)) for each in near)
    binomial = value * (1 - value) / len(signal)
    error = math.sqrt(binomial + ((high - low) / 2) ** 2)
    return Efficiency(value, error, float(threshold), float(np.mean(background > threshold)))


def efficiency_at_khz(
    background: npt.NDArray[Any], weights_khz: npt.NDArray[Any], signal: npt.NDArray[Any], rate_khz: float
) -> Efficiency:
    """Return the share of `signal` above the lowest threshold that at most `rate_khz` of weighted background exceeds.

    The error adds in quadrature the binomial one of the signal, and half the difference of the efficiencies where the rate is
    one standard deviation of its own higher and lower, which is the root of the sum of the squared weights above the threshold.

    Args:
        background: scores, shape `(n,)`, no NaN, higher is more likely signal.
        weights_khz: the rate that each of these events stands for, shape `(n,)`, above 0.
        signal: scores, shape `(m,)`.
        rate_khz: above 0 and below the sum of the weights; at least one event must be able to pass.

    Raises:
        ConfigError: the shapes do not fit, a weight is not above 0, or `rate_khz` is out of range.
    """
    if background.ndim != 1 or background.shape != weights_khz.shape or signal.ndim != 1 or len(signal) == 0:
        raise ConfigError(
            f"scores of shapes {background.shape}, {signal.shape}, weights of shape {weights_khz.shape}; expected (n,), (m,) and "
            "(n,), all above 0"
        )
    order = np.argsort(background, kind="stable")[::-1]
    falling, weights = background[order], weights_khz[order].astype(np.float64)
    sums = np.cumsum(weights)
    if not (weights > 0).all() or not sums[0] <= rate_khz < sums[-1]:
        raise ConfigError(
            f"rate of {rate_khz:g} kHz of {len(background)} background events of {sums[-1]:g} kHz together: expected weights "
            "above 0, and a rate below their sum that lets at least one event pass"
        )

    def threshold_at(khz: float) -> float:
        return float(falling[min(int(np.searchsorted(sums, khz, side="right")), len(falling) - 1)])

    threshold = threshold_at(rate_khz)
    above = falling > threshold
    deviation = math.sqrt(float((weights[above] ** 2).sum()))
    value = float(np.mean(signal > threshold))
    low, high = (float(np.mean(signal > threshold_at(rate_khz + sign * deviation))) for sign in (-1, 1))
    error = math.hypot(math.sqrt(value * (1 - value) / len(signal)), (high - low) / 2)
    return Efficiency(value, error, threshold, float(weights[above].sum()))


def _kinds(scores: npt.NDArray[Any], positive: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """The numbers of positive and of negative samples."""
    if scores.ndim != 1 or positive.shape != scores.shape:
        raise ConfigError(
            f"scores of shape {scores.shape}, positive of shape {positive.shape}; expected one shape (n,)"
        )
    n_positive = int(np.count_nonzero(positive))
    n_negative = len(scores) - n_positive
    if n_positive == 0 or n_negative == 0:
        raise ConfigError(f"{n_positive} positive and {n_negative} negative samples; expected both kinds")
    return n_positive, n_negative


def log_odds(
    logits: npt.NDArray[Any], signal: int | Sequence[int], against: int | Sequence[int] | None = None
) -> npt.NDArray[np.float64]:
    """Return `log(p_signal / p_against)` of the softmax probabilities: the score to cut on for a class.

    A logit by itself is no score: what is common to all logits of an event cancels in the softmax, and is arbitrary. The
    log odds against all other classes order the events as the probability of `signal` does, and do not saturate at 1.

    Args:
        logits: shape `(n, classes)`; logarithms of probabilities will do.
        signal: one class, or several whose probabilities are added.
        against: the classes of the background; None takes all others.

    Returns:
        Shape `(n,)`. Events whose logits differ by what is common to all have the same bits, if their differences have.

    Raises:
        ConfigError: a class does not exist, is in both groups, or a group is empty.
    """
    classes = logits.shape[1] if logits.ndim == 2 else 0
    sought = [signal] if isinstance(signal, int) else list(signal)
    if against is None:
        against = [c for c in range(classes) if c not in sought]
    others = [against] if isinstance(against, int) else list(against)
    both = sought + others
    if not sought or not others or len(set(both)) < len(both) or not set(both) <= set(range(classes)):
        raise ConfigError(
            f"classes {sought} against {others} of logits of shape {logits.shape}; expected (n, classes), and two groups of "
            "classes without a common one"
        )
    relative = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return _log_sum(relative[:, sought]) - _log_sum(relative[:, others])


def _log_sum(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`log(sum(exp(logits)))` of each row; the same whatever the order of the columns."""
    rising = np.sort(logits, axis=1)
    largest = rising[:, -1:]
    return np.asarray(largest[:, 0] + np.log(np.exp(rising - largest).sum(axis=1)))


def one_vs_rest_auc(logits: npt.NDArray[Any], labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the area under the ROC curve of each class against all others, ranked by its softmax probability.

    The mean of the result is the macro AUC, as scikit-learn has it with `multi_class="ovr"`. Adding one number to all logits
    of an event changes nothing.

    Args:
        logits: shape `(n, classes)`; logarithms of probabilities will do, probabilities will not.
        labels: shape `(n,)`, class indices.

    Returns:
        Shape `(classes,)`.

    Raises:
        ConfigError: as `roc_auc`, for any class, or there is one class.
    """
    return np.array([roc_auc(log_odds(logits, c), labels == c) for c in range(logits.shape[1])])


def separation(one: npt.NDArray[Any], other: npt.NDArray[Any], bins: int = 50) -> float:
    """Return half the sum of `(p - q)^2 / (p + q)` over common bins: 0 for equal and 1 for disjoint histograms.

    Two samples of n values each from one distribution are on average about `bins / 2n` apart.

    Args:
        one: shape `(n,)`.
        other: shape `(m,)`.
        bins: of equal width, from the least to the largest value of both.
    """
    edges = np.histogram_bin_edges(np.concatenate([one, other]), bins)
    p, q = (np.histogram(values, edges)[0] / len(values) for values in (one, other))
    both = p + q > 0
    return float(0.5 * np.sum((p - q)[both] ** 2 / (p + q)[both]))
