"""Calibration of probabilities: by hand, and a temperature that is found again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bittrigger.errors import ConfigError
from bittrigger.train import one_vs_rest_auc
from bittrigger.train.probabilities import best_temperature, calibration_error, log_probabilities


def right_logits(events: int = 40_000) -> tuple[Any, Any]:
    """Logits whose probabilities are right by construction: the labels are drawn from them."""
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 1.5, (events, 4))
    chance = generator.random((events, 1))
    return logits, (np.exp(log_probabilities(logits)).cumsum(axis=1) < chance).sum(axis=1)


def test_calibration_error_by_hand() -> None:
    logits = np.log(np.array([[0.75, 0.25], [0.75, 0.25], [0.1, 0.9], [0.1, 0.9]]))
    assert calibration_error(logits, np.array([0, 1, 1, 1]), bins=10) == pytest.approx((2 * 0.25 + 2 * 0.1) / 4)
    assert calibration_error(logits + 7, np.array([0, 1, 1, 1]), bins=10) == pytest.approx(0.175)


def test_the_temperature_is_found_again_and_makes_probabilities_right() -> None:
    logits, labels = right_logits()
    sure = 3 * logits
    assert calibration_error(logits, labels) < 0.01
    assert calibration_error(sure, labels) > 0.1
    temperature = best_temperature(sure, labels)
    assert temperature == pytest.approx(3, rel=0.03)
    assert calibration_error(sure / temperature, labels) < 0.01


def test_a_temperature_changes_which_events_are_sure_but_no_argmax() -> None:
    logits, labels = right_logits(500)
    assert np.array_equal((logits / 3).argmax(axis=1), logits.argmax(axis=1))
    assert one_vs_rest_auc(logits[:, :2] / 3, labels.clip(max=1)) == pytest.approx(
        one_vs_rest_auc(logits[:, :2], labels.clip(max=1))
    )


@pytest.mark.parametrize("measure", [calibration_error, best_temperature])
def test_shapes_that_do_not_fit_are_refused(measure: Any) -> None:
    with pytest.raises(ConfigError, match=r"logits of shape \(3, 2\), labels of shape \(2,\)"):
        measure(np.zeros((3, 2)), np.zeros(2, np.int64))
    with pytest.raises(ConfigError, match="in 0 bins: expected at least 1"):
        calibration_error(np.zeros((3, 2)), np.zeros(3, np.int64), bins=0)
