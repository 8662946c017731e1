"""What a network is trained and judged for, by the name of its metric: accuracy, area under the ROC curve, or squared error.

Networks are judged by their logits, since firmware ends there. TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.layers.keras_types import Loss, Model, Tensor
from bittrigger.train.metrics import accuracy, one_vs_rest_auc, roc_auc

__all__ = ["METRICS", "TEMPERATURE", "Objective", "find_objective", "logits_of"]

Real = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[Any]

TEMPERATURE = 2.0
"""Of both networks in distillation, for classes."""

_SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
_NEAREST_TO_ONE = 1e-7
"""Of a sigmoid in float32, which cannot tell what is nearer."""

_BATCH = 4096


@dataclass(frozen=True)
class Objective:
    """One metric.

    Attributes:
        name: "accuracy", "auc" (of two classes, or the mean of each class against all others) or "mse".
        higher_is_better: whether a network should have more of it.
        classes: whether targets are labels, not numbers.
    """

    name: str
    higher_is_better: bool
    classes: bool

    def measure(self, scores: Real, y: Labels) -> float:
        """Return the metric.

        Args:
            scores: `(n, outputs)`; logits if the targets are labels. One output is the logit of label 1.
            y: labels `(n,)`, or numbers `(n, outputs)`.
        """
        match self.name:
            case "accuracy":
                return accuracy(scores, y) if scores.shape[1] > 1 else float(np.mean((scores[:, 0] > 0) == (y == 1)))
            case "auc":
                return (
                    float(one_vs_rest_auc(scores, y).mean()) if scores.shape[1] > 1 else roc_auc(scores[:, 0], y == 1)
                )
            case _:
                return float(np.mean(_squared_errors(scores, y)))

    def worse_by(self, before: float, after: float) -> float:
        """Return by how much `after` is worse than `before`: above zero if it is."""
        return before - after if self.higher_is_better else after - before

    def error_of_drop(self, before: Real, after: Real, y: Labels) -> float | None:
        """Return the standard error of the difference between two networks on the same events; None for "auc"."""
        differences: Real
        match self.name:
            case "accuracy":
                differences = _right(before, y).astype(np.float64) - _right(after, y)
            case "mse":
                differences = _squared_errors(after, y) - _squared_errors(before, y)
            case _:
                return None
        return float(differences.std() / math.sqrt(len(differences)))

    def score(self, x: Real, y: Labels) -> Callable[[Model], float]:
        """Return the score of a network on these events for `fit`: more is better."""
        sign = 1.0 if self.higher_is_better else -1.0
        return lambda model: sign * self.measure(logits_of(model, x), y)

    def targets(self, y: Labels, teacher: Real | None = None) -> Real:
        """Return the targets of `loss`: those of the data, and behind them the outputs of the network to learn from."""
        own = np.asarray(y, dtype=np.float32).reshape(len(y), -1)
        return own if teacher is None else np.concatenate([own, np.asarray(teacher, dtype=np.float32)], axis=1)

    def loss(self, outputs: int, distil: float = 0.0) -> Loss:
        """Return the loss of `targets`: cross entropy of the logits, or the mean squared error.

        Args:
            outputs: of the network.
            distil: share of the loss that compares with the teacher's outputs, from 0 to 1.

        Source: for classes, Distilling the Knowledge in a Neural Network, arXiv:1503.02531, with the squared temperature
        in front of the teacher's part.
        """
        own = 1 if self.classes else outputs

        def compare(targets: Tensor, scores: Tensor) -> Tensor:
            part = self._loss(targets[:, :own], scores, outputs)
            if distil == 0:
                return part
            return (1 - distil) * part + distil * self._distance(targets[:, own:], scores, outputs)

        return compare

    def _loss(self, y: Tensor, scores: Tensor, outputs: int) -> Tensor:
        import tensorflow as tf

        if not self.classes:
            return tf.reduce_mean(tf.square(scores - y), axis=-1)
        if outputs == 1:
            return tf.keras.losses.binary_crossentropy(y, scores, from_logits=True)
        return tf.keras.losses.sparse_categorical_crossentropy(y[:, 0], scores, from_logits=True)

    def _distance(self, teacher: Tensor, scores: Tensor, outputs: int) -> Tensor:
        import tensorflow as tf

        if not self.classes:
            return tf.reduce_mean(tf.square(scores - teacher), axis=-1)
        if outputs == 1:
            soft = tf.sigmoid(teacher / TEMPERATURE)
            entropy = tf.keras.losses.binary_crossentropy(soft, scores / TEMPERATURE, from_logits=True)
        else:
            soft = tf.nn.softmax(teacher / TEMPERATURE)
            entropy = tf.nn.softmax_cross_entropy_with_logits(soft, scores / TEMPERATURE)
        return TEMPERATURE**2 * entropy


METRICS = {
    objective.name: objective
    for objective in (
        Objective("accuracy", higher_is_better=True, classes=True),
        Objective("auc", higher_is_better=True, classes=True),
        Objective("mse", higher_is_better=False, classes=False),
    )
}


def find_objective(name: str) -> Objective:
    """Return the objective of a metric.

    Raises:
        ConfigError: there is no such metric.
    """
    if name not in METRICS:
        raise ConfigError(f"metric {name!r}: not known; allowed are {', '.join(METRICS)}")
    return METRICS[name]


def logits_of(model: Model, x: Real) -> Real:
    """Return the outputs `(n, outputs)` of a model; if it ends with a softmax or sigmoid, what stands before that."""
    from bittrigger.explore.mixed import output_function

    # Without `predict`, which would trace a graph for each of the many networks.
    parts = [np.asarray(model(x[start : start + _BATCH], training=False)) for start in range(0, len(x), _BATCH)]
    outputs: Real = np.concatenate(parts).reshape(len(x), -1)
    function = output_function(model)
    if function is None:
        return outputs
    wide = outputs.astype(np.float64)
    if function == "sigmoid":
        within = np.clip(wide, _NEAREST_TO_ONE, 1 - _NEAREST_TO_ONE)
        odds: Real = np.log(within) - np.log1p(-within)
        return odds
    logits: Real = np.log(np.maximum(wide, _SMALLEST_PROBABILITY))
    return logits


def _right(scores: Real, y: Labels) -> npt.NDArray[np.bool_]:
    right: npt.NDArray[np.bool_] = (
        np.argmax(scores, axis=1) == y if scores.shape[1] > 1 else (scores[:, 0] > 0) == (y == 1)
    )
    return right


def _squared_errors(scores: Real, y: Labels) -> Real:
    errors: Real = np.mean((scores.astype(np.float64) - np.asarray(y).reshape(len(y), -1)) ** 2, axis=1)
    return errors
