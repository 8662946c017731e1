"""Ternary weights that go to and fro are frozen on the code they had most of the time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import layers, tf

from bittrigger.errors import ConfigError
from bittrigger.layers import BitLinear, KeepMagnitude, absmean_ternary
from bittrigger.train import FitSettings, fit
from bittrigger.train.weight_freezing import WeightFreezing

pytestmark = pytest.mark.filterwarnings("ignore")

X = np.random.default_rng(0).normal(0, 1, (256, 6)).astype(np.float32)
Y = X[:, :2] ** 2
SETTINGS = FitSettings(4, 8, 0.05, final_fraction=1.0, seed=7, freeze_from=0.5, freeze_rate=0.005)


def model() -> Any:
    tf.keras.utils.set_random_seed(11)
    inner = {"input_quantizer": 6, "kernel_constraint": KeepMagnitude(0.5)}
    return tf.keras.Sequential([tf.keras.Input(6), BitLinear(8, **inner), BitLinear(2, **inner)], name="net")


def score(net: Any) -> float:
    return -float(np.mean((net.predict(X, verbose=0) - Y) ** 2))


def codes(layer: Any) -> Any:
    return layer.kernel_quantizer_internal.codes_and_scale(layer.kernel)[0].numpy()


def test_the_code_that_was_most_often_is_frozen() -> None:
    """One weight is two steps of three above its threshold, one is a step of three; the others stay."""
    net = tf.keras.Sequential([tf.keras.Input(4), BitLinear(1, kernel_quantizer=absmean_ternary(threshold_factor=0.8))])
    layer = net.layers[0]
    freezing = WeightFreezing(net, rate=0.02)

    def step(first: float, second: float) -> list[float]:
        layer.kernel.assign([[first], [second], [-1.0], [0.1]])
        freezing.on_train_batch_end(0)
        return list(layer.kernel.numpy()[:, 0])

    for i in range(300):
        above, below = (0.7, 0.3) if i % 3 else (0.3, 0.7)
        assert step(above, -below) == pytest.approx([above, -below, -1.0, 0.1])  # not active yet: as they were
    assert freezing.share() == 0
    freezing.active.assign(True)
    step(0.3, -0.7)
    assert freezing.share() == 0.5
    for _ in range(3):
        step(0.35, -0.5)
        assert codes(layer)[:, 0].tolist() == [1, 0, -1, 0]
    assert step(0.9, -0.2)[:2] == pytest.approx([0.9, -0.2])  # within its bin a frozen weight is free


def test_frozen_codes_stay_while_the_others_train() -> None:
    """After the epoch in which they are frozen, no frozen weight changes; without freezing many do."""
    changed = {}
    for freeze_from in (None, 0.5):
        net, seen = model(), []

        def noted(net: Any, seen: Any = seen) -> float:
            seen.append([codes(layer) for layer in net.layers])
            return float(len(seen))

        found = fit(net, (X, Y), replace(SETTINGS, freeze_from=freeze_from), loss="mse", score=noted)
        changed[freeze_from] = sum(int((a != b).sum()) for a, b in zip(seen[2], seen[3], strict=True))
        frozen = [record.frozen for record in found.records]
        if freeze_from is None:
            assert frozen == [None] * 4
        else:
            assert frozen[:2] == [0, 0]
            assert 0.3 < frozen[2] <= frozen[3]
    assert changed[0.5] < changed[None] / 2


def test_a_run_with_frozen_codes_is_resumed_with_the_same_bits(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(net: Any) -> float:
        if (left := next(calls, None)) is None:
            raise StoppedError
        return score(net) + 0 * left

    straight, resumed, calls = model(), model(), iter(range(3))
    wanted = fit(straight, (X, Y), SETTINGS, loss="mse", score=score)
    with pytest.raises(StoppedError):
        fit(model(), (X, Y), SETTINGS, loss="mse", score=stop, folder=tmp_path)
    found = fit(resumed, (X, Y), SETTINGS, loss="mse", score=score, folder=tmp_path)
    assert all(map(np.array_equal, resumed.get_weights(), straight.get_weights()))
    assert [record.frozen for record in found.records] == [record.frozen for record in wanted.records]
    assert "| freeze from | 0.5 |" in (tmp_path / "card.md").read_text()


def test_wrong_settings_are_refused() -> None:
    for wrong in ({"freeze_from": 1.0}, {"freeze_from": -0.1}, {"freeze_from": 0.5, "freeze_rate": 0.0}):
        with pytest.raises(ConfigError, match="allowed are shares from 0 to below 1, and rates between 0 and 1"):
            FitSettings(1, **wrong)
    net = tf.keras.Sequential([tf.keras.Input(6), layers.Dense(2)], name="float")
    with pytest.raises(ConfigError, match="model 'float': it has no ternary kernel to freeze; expected a layer with"):
        fit(net, (X, Y), SETTINGS, loss="mse", score=score)
