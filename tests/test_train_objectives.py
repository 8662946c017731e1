"""Metrics and losses by name: their values, against those of Keras and of plain formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_models import layers, tf

from bittrigger.errors import ConfigError
from bittrigger.explore.objectives import METRICS, TEMPERATURE, find_objective, logits_of
from bittrigger.train import accuracy, one_vs_rest_auc, roc_auc

pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(0)
SCORES = RNG.normal(0, 2, (60, 3)).astype(np.float32)
OTHER = (SCORES + RNG.normal(0, 1, SCORES.shape)).astype(np.float32)
Y = np.arange(60) % 3


def test_metrics_of_several_classes_of_two_and_of_numbers() -> None:
    assert METRICS["accuracy"].measure(SCORES, Y) == accuracy(SCORES, Y)
    assert METRICS["auc"].measure(SCORES, Y) == one_vs_rest_auc(SCORES, Y).mean()
    one = SCORES[:, :1]
    assert METRICS["accuracy"].measure(one, Y > 0) == np.mean((one[:, 0] > 0) == (Y > 0))
    assert METRICS["auc"].measure(one, Y > 0) == roc_auc(one[:, 0], Y > 0)
    assert METRICS["mse"].measure(SCORES, OTHER) == pytest.approx(np.mean((SCORES - OTHER) ** 2))


def test_worse_is_above_zero_and_has_the_error_of_the_paired_difference() -> None:
    right, other = np.argmax(SCORES, 1) == Y, np.argmax(OTHER, 1) == Y
    found = METRICS["accuracy"].error_of_drop(SCORES, OTHER, Y)
    assert found == pytest.approx((right.astype(int) - other).std() / np.sqrt(60))
    assert METRICS["accuracy"].error_of_drop(SCORES, SCORES, Y) == 0
    assert METRICS["auc"].error_of_drop(SCORES, OTHER, Y) is None
    squares = ((OTHER - SCORES) ** 2).mean(axis=1)
    assert METRICS["mse"].error_of_drop(SCORES, OTHER, SCORES) == pytest.approx(squares.std() / np.sqrt(60))
    assert METRICS["accuracy"].worse_by(0.7, 0.6) == pytest.approx(0.1)
    assert METRICS["mse"].worse_by(0.7, 0.6) == pytest.approx(-0.1)


def value(name: str, y: Any, scores: Any, teacher: Any = None, distil: float = 0.0) -> float:
    objective = METRICS[name]
    loss = objective.loss(scores.shape[1], distil)
    return float(tf.reduce_mean(loss(tf.constant(objective.targets(y, teacher)), tf.constant(scores))))


def test_the_losses_are_those_of_keras() -> None:
    losses = tf.keras.losses
    wanted = losses.SparseCategoricalCrossentropy(from_logits=True)(Y, SCORES)
    assert value("accuracy", Y, SCORES) == pytest.approx(float(wanted))
    wanted = losses.BinaryCrossentropy(from_logits=True)((Y > 0).astype(float)[:, None], SCORES[:, :1])
    assert value("auc", Y > 0, SCORES[:, :1]) == pytest.approx(float(wanted))
    assert value("mse", OTHER, SCORES) == pytest.approx(float(np.mean((SCORES - OTHER) ** 2)))


def test_distillation_compares_with_the_teacher_at_its_temperature() -> None:
    soft = tf.nn.softmax(OTHER / TEMPERATURE).numpy()
    entropy = -(soft * tf.nn.log_softmax(SCORES / TEMPERATURE).numpy()).sum(axis=1).mean()
    assert value("accuracy", Y, SCORES, OTHER, 1.0) == pytest.approx(TEMPERATURE**2 * entropy, rel=1e-5)
    half = (value("accuracy", Y, SCORES) + value("accuracy", Y, SCORES, OTHER, 1.0)) / 2
    assert value("accuracy", Y, SCORES, OTHER, 0.5) == pytest.approx(half)
    one, teacher = SCORES[:, :1], OTHER[:, :1]
    p, q = 1 / (1 + np.exp(-teacher / TEMPERATURE)), 1 / (1 + np.exp(-one / TEMPERATURE))
    wanted = -(p * np.log(q) + (1 - p) * np.log(1 - q)).mean()
    assert value("auc", Y > 0, one, teacher, 1.0) == pytest.approx(TEMPERATURE**2 * wanted, rel=1e-4)
    assert value("mse", Y[:, None] + np.zeros((60, 3)), SCORES, OTHER, 1.0) == pytest.approx(
        float(np.mean((SCORES - OTHER) ** 2))
    )


@pytest.mark.parametrize(("function", "outputs"), [("softmax", 3), ("sigmoid", 1), (None, 2)])
def test_logits_are_what_stands_before_the_probabilities(function: str | None, outputs: int) -> None:
    inputs = tf.keras.Input(3)
    before = layers.Dense(outputs)(inputs)
    model = tf.keras.Model(inputs, layers.Activation(function)(before) if function else before)
    wanted = tf.keras.Model(inputs, before)(SCORES).numpy()
    found = logits_of(model, SCORES)
    if function == "softmax":
        found, wanted = found - found[:, :1], wanted - wanted[:, :1]
    assert found == pytest.approx(wanted, abs=1e-4)


def test_a_network_has_one_area_with_and_without_its_softmax() -> None:
    """So that a float model and the mixed one that is made from it are measured alike, far probabilities too."""
    inputs = tf.keras.Input(3)
    logits = tf.keras.Model(inputs, layers.Dense(3, kernel_initializer="orthogonal")(inputs))
    whole = tf.keras.Model(inputs, layers.Softmax()(logits(inputs)))
    x = (12 * SCORES).astype(np.float32)
    wanted = METRICS["auc"].measure(logits_of(logits, x), Y)
    assert METRICS["auc"].measure(logits_of(whole, x), Y) == pytest.approx(wanted, abs=1e-12)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ConfigError, match="metric 'f1': not known; allowed are accuracy, auc, mse"):
        find_objective("f1")
