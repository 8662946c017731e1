"""Figures of runs on the same fresh jets, and on jets drawn from these again and again: differences and their errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from qg_jets import SPLIT_SEED, Labels, Scores, figures_of

from bittrigger.layers.keras_types import Model
from bittrigger.train import roc_auc
from bittrigger.train.study import Run

BOOTSTRAPS = 100

Figure = Callable[[Scores, npt.NDArray[np.bool_]], float]
"""Of scores for quarks, and of which jets are quarks."""


@dataclass(frozen=True)
class Measured(Run):
    """A run, and its scores of the test jets, `(n,)`."""

    scores: Scores


def measured(
    runs: Sequence[Run], features: npt.NDArray[Any], labels: Labels, score: Callable[[Model, npt.NDArray[Any]], Scores]
) -> list[Measured]:
    """Look at the test jets: the same runs, with the figures of merit there and their numbers of weights."""
    found = []
    for run in runs:
        tf.keras.backend.clear_session()
        model = tf.keras.models.load_model(run.folder / "model.h5", compile=False)
        scores = score(model, features)
        weights = float(sum(np.prod(weight.shape) for weight in model.trainable_weights))
        figures = {**run.figures, "weights": weights, **figures_of(scores, labels)}
        found.append(Measured(run.variant, run.seed, run.folder, figures, scores))
    return found


@dataclass(frozen=True)
class Drawn:
    """A figure of runs on the same fresh jets, and on those drawn from them again and again.

    Attributes:
        of: `(1 + draws,)` by variant and seed, the jets themselves first.
    """

    of: Mapping[tuple[str, int], npt.NDArray[np.float64]]

    def gain(self, one: str, other: str) -> tuple[float, float]:
        """By how many hundredths one variant is better than another, seed by seed on the same jets, and the error of the mean.

        The error adds that of the jets (bootstrap) and that of the seeds.
        """
        gains = 100 * np.stack([self.of[one, s] - self.of[other, s] for variant, s in self.of if variant == one])
        seeds, mean = gains[:, 0], gains.mean(axis=0)
        spread = float(seeds.std(ddof=1)) / math.sqrt(len(seeds)) if len(seeds) > 1 else 0.0
        return float(mean[0]), math.hypot(spread, float(mean[1:].std()))

    def difference(self, one: str, other: str) -> str:
        """The same in words."""
        mean, error = self.gain(one, other)
        return f"{mean:+.2f} ± {error:.2f}"


def drawn(scores: Mapping[tuple[str, int], Scores], labels: Labels, figure: Figure = roc_auc) -> Drawn:
    """Return a figure of scores by variant and seed; the same draws for each."""
    random, quarks = np.random.default_rng(SPLIT_SEED), labels == 1
    draws = [np.arange(len(labels)), *(random.integers(len(labels), size=len(labels)) for _ in range(BOOTSTRAPS))]
    return Drawn({key: np.array([figure(own[rows], quarks[rows]) for rows in draws]) for key, own in scores.items()})


def right(scores: Scores, quarks: npt.NDArray[np.bool_]) -> float:
    """The share of jets whose kind the sign of the score tells: the accuracy of `figures_of`."""
    return float(np.mean((scores > 0) == quarks))
