"""Events of a user's file: what is taken, and what is refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import layers, tf

from bittrigger.errors import ConfigError
from bittrigger.explore.events import check_file, read_events
from bittrigger.explore.objectives import METRICS

pytestmark = pytest.mark.filterwarnings("ignore")

X = np.random.default_rng(0).normal(0, 1, (200, 4)).astype(np.float32)
Y = np.arange(200) % 3


def model(outputs: int = 3) -> Any:
    return tf.keras.Sequential([tf.keras.Input(4), layers.Dense(outputs)], name="net")


def read(folder: Path, metric: str = "accuracy", net: Any = None, **arrays: Any) -> Any:
    np.savez(folder / "d.npz", **({"x": X, "y": Y} | arrays))
    return read_events(folder / "d.npz", net or model(), METRICS[metric], seed=1)


def test_events_are_split_by_the_seed_with_the_same_share_of_each_label(tmp_path: Path) -> None:
    events = read(tmp_path)
    parts = {name: events.part(name) for name in ("train", "validation", "test")}
    assert [len(x) for x, _ in parts.values()] == [122, 39, 39]
    for x, y in parts.values():
        assert np.bincount(y).min() >= len(y) // 3 - 1
        assert all(
            any(np.array_equal(row, X[i]) for i in np.flatnonzero(label == Y)) for row, label in zip(x, y, strict=True)
        )
    again = read(tmp_path)
    assert np.array_equal(events.split.test, again.split.test)


@pytest.mark.parametrize("y", [Y.astype(np.float32), Y[:, None], np.eye(3)[Y], Y.astype(np.int8)])
def test_labels_come_in_several_forms(tmp_path: Path, y: Any) -> None:
    assert np.array_equal(read(tmp_path, y=y).y, Y)


def test_one_output_has_two_classes_and_numbers_have_one_column_each(tmp_path: Path) -> None:
    assert np.array_equal(read(tmp_path, net=model(1), y=Y > 0).y, Y > 0)
    assert read(tmp_path, "mse", y=X[:, :3]).y.shape == (200, 3)
    assert read(tmp_path, "mse", net=model(1), y=X[:, 0]).y.shape == (200, 1)


def test_a_capital_x_will_do(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", X=X, y=Y)
    assert np.array_equal(read_events(tmp_path / "d.npz", model(), METRICS["auc"], 1).x, X)


SPOILT = X.copy()
SPOILT[7, 2] = np.nan
SPOILT[9, 1] = np.inf


@pytest.mark.parametrize(
    ("metric", "arrays", "message"),
    [
        ("accuracy", {"x": X[:, :3]}, r"x has shape \(200, 3\); the model takes \(events, 4\); prepare the features"),
        (
            "accuracy",
            {"x": SPOILT},
            "x holds 2 values that are NaN or infinite as float32, the first in event 7; remove these 2",
        ),
        (
            "accuracy",
            {"x": X.astype(np.float64) * 1e300},
            "values that are NaN or infinite as float32, the first in event 0",
        ),
        ("accuracy", {"x": X.astype(str)}, "x has type <U32; expected real numbers"),
        ("accuracy", {"y": Y[:-1]}, r"x holds 200 events, y has shape \(199,\); expected one target for each event"),
        ("accuracy", {"x": X[:30], "y": Y[:30]}, "30 events are too few; expected at least 50"),
        (
            "accuracy",
            {"y": Y + 1},
            "66 labels are out of range, the first is 3; .* whole numbers from 0 to 2 are allowed",
        ),
        ("accuracy", {"y": Y - 0.5}, "200 labels are out of range, the first is -0.5"),
        ("auc", {"y": np.minimum(Y, 1)}, "no event of class 2; the model has 3 classes, and each must occur"),
        ("accuracy", {"y": X[:, :2]}, r"y has shape \(200, 2\); expected labels \(events,\)"),
        ("accuracy", {"y": np.where(Y == 1, np.nan, Y)}, "y of type float64 holds what is no finite number"),
        ("accuracy", {"y": np.array([0] * 199 + [1])}, "no event of class 2"),
        ("accuracy", {"y": np.array([0] * 198 + [1, 2])}, "label 1: 1 rows are too few"),
        ("mse", {"y": X[:, :2]}, r"y has shape \(200, 2\), and the model 3 outputs; expected a number for each output"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, metric: str, arrays: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, metric, **arrays)


def test_a_file_that_is_missing_damaged_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    with pytest.raises(ConfigError, match="no such file; expected an .npz with the arrays x"):
        check_file(path)
    np.save(tmp_path / "d.npy", X)
    with pytest.raises(ConfigError, match="it is no .npz; save it with numpy.savez"):
        check_file(tmp_path / "d.npy")
    np.savez(path, events=X)
    with pytest.raises(ConfigError, match="it holds the arrays events; expected x .or X. and y"):
        check_file(path)
    np.savez(path, x=np.array([{}], dtype=object), y=Y)
    with pytest.raises(ConfigError, match="not a readable .npy or .npz file"):
        read_events(path, model(), METRICS["auc"], 1)


def test_a_model_with_two_inputs_is_refused(tmp_path: Path) -> None:
    first, second = tf.keras.Input(4), tf.keras.Input(4)
    net = tf.keras.Model([first, second], layers.Add()([first, second]), name="net")
    with pytest.raises(ConfigError, match="model 'net': 2 inputs and 1 outputs; allowed are one of each"):
        read(tmp_path, net=net)
