"""Training that is stopped and resumed ends with the bits of one that was not; the recipes' training is what it was."""

from __future__ import annotations

import csv
import json
import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, tf

from bittrigger.errors import ConfigError
from bittrigger.layers import BitLinear, StaticQuantizer, absmean_ternary
from bittrigger.train import FitSettings, fit
from bittrigger.train.recipes import RecipeOptions, fit_keeping_best, run_recipe

pytestmark = pytest.mark.filterwarnings("ignore")

X = np.random.default_rng(0).normal(0, 1, (100, 6)).astype(np.float32)
Y = X[:, :2] ** 2
SETTINGS = FitSettings(epochs=4, batch_size=32, learning_rate=0.01, seed=7)


class StoppedError(Exception):
    """Stands for a person who stops the run."""


def model(*, dropout: bool = False) -> Any:
    tf.keras.utils.set_random_seed(11)
    parts = [layers.Dropout(0.3)] if dropout else []
    learned = StaticQuantizer(6, signed=False, learned=True)
    return tf.keras.Sequential(
        [
            tf.keras.Input(6),
            BitLinear(8, input_quantizer=8, name="a"),
            layers.BatchNormalization(),
            *parts,
            BitLinear(2, input_quantizer=learned, name="b"),
        ],
        name="net",
    )


def score(net: Any) -> float:
    return -float(np.mean((net.predict(X, verbose=0) - Y) ** 2))


def stop_after(calls: int) -> Any:
    left = iter(range(calls))

    def scored(net: Any) -> float:
        if next(left, None) is None:
            raise StoppedError
        return score(net)

    return scored


@pytest.mark.parametrize("dropout", [False, True])
def test_a_run_that_is_stopped_and_resumed_ends_with_the_same_bits(tmp_path: Path, dropout: bool) -> None:
    straight = model(dropout=dropout)
    wanted = fit(straight, (X, Y), SETTINGS, loss="mse", score=score, folder=tmp_path / "straight")
    with pytest.raises(StoppedError):
        fit(model(dropout=dropout), (X, Y), SETTINGS, loss="mse", score=stop_after(2), folder=tmp_path / "run")
    resumed = model(dropout=dropout)
    resumed.set_weights([0 * value for value in resumed.get_weights()])
    tf.random.set_seed(999)
    found = fit(resumed, (X, Y), SETTINGS, loss="mse", score=score, folder=tmp_path / "run")
    assert all(map(np.array_equal, resumed.get_weights(), straight.get_weights()))
    assert (found.best, found.best_epoch) == (wanted.best, wanted.best_epoch)
    assert [(r.epoch, r.loss, r.adder_bits) for r in found.records] == [
        (r.epoch, r.loss, r.adder_bits) for r in wanted.records
    ]


@pytest.mark.usefixtures("call_by_call")
def test_a_finished_run_is_not_trained_again_and_its_files_tell_what_happened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net = model()
    with caplog.at_level(logging.INFO):
        done = fit(net, (X, Y), SETTINGS, loss="mse", score=score, folder=tmp_path)
    assert "net: epoch 4/4, loss " in caplog.text
    assert "0 s left" in caplog.text
    (tmp_path / "history.csv").unlink()
    again = model()
    assert fit(again, (X, Y), SETTINGS, loss="mse", score=stop_after(0), folder=tmp_path) == done
    assert all(map(np.array_equal, again.get_weights(), net.get_weights()))
    assert done.best == score(net) == max(record.validation for record in done.records)
    history = json.loads((tmp_path / "history.json").read_text())
    assert [row["loss"] for row in history] == [record.loss for record in done.records]
    with (tmp_path / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["validation"]) for row in rows] == [record.validation for record in done.records]
    assert rows[0]["adder_bits"] == str(done.records[0].adder_bits)
    card = (tmp_path / "card.md").read_text()
    assert f"| best epoch | {done.best_epoch} of 4 |" in card
    assert "| seed | 7 |" in card
    assert "| a | 6 x 8 | `absmean_ternary()` |" in card
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "card.md",
        "checkpoint.npz",
        "history.csv",
        "history.json",
    ]


@pytest.mark.usefixtures("call_by_call")
def test_another_seed_gives_another_run() -> None:
    first, second = model(), model()
    fit(first, (X, Y), SETTINGS, loss="mse", score=score)
    fit(second, (X, Y), FitSettings(4, 32, 0.01, seed=8), loss="mse", score=score)
    assert not all(map(np.array_equal, first.get_weights(), second.get_weights()))


def test_the_recipes_train_as_ever() -> None:
    """The loop of the recipes, written out: Keras shuffles, Adam with cosine decay, the best epoch is kept."""

    def made() -> Any:
        tf.keras.utils.set_random_seed(5)
        inputs = tensor = tf.keras.Input(6)
        tensor = QActivation("quantized_bits(8,2,alpha=1)")(tensor)
        bias = "quantized_bits(12,3,alpha=1)"
        tensor = QDense(8, kernel_quantizer=absmean_ternary(), bias_quantizer=bias)(tensor)
        outputs = QDense(2, kernel_quantizer=absmean_ternary(), bias_quantizer=bias)(tensor)
        return tf.keras.Model(inputs, outputs)

    reference = made()
    schedule = tf.keras.optimizers.schedules.CosineDecay(3e-3, 3 * 4, alpha=0.01)
    reference.compile(optimizer=tf.keras.optimizers.Adam(schedule), loss="mse")
    best, weights = float("-inf"), reference.get_weights()
    for _ in range(3):
        reference.fit(X, Y, batch_size=32, epochs=1, verbose=0)
        if score(reference) > best:
            best, weights = score(reference), reference.get_weights()
    net = made()
    found = fit_keeping_best(net, (X, Y), loss="mse", score=score, epochs=3, batch_size=32, learning_rate=3e-3)
    assert found == best
    assert all(map(np.array_equal, net.get_weights(), weights))


@pytest.mark.usefixtures("call_by_call")
def test_another_run_or_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    fit(model(), (X, Y), FitSettings(1, seed=7), loss="mse", score=score, folder=tmp_path)

    def again(settings: FitSettings, data: Any = (X, Y), net: Any = None) -> None:
        fit(net or model(), data, settings, loss="mse", score=score, folder=tmp_path)

    with pytest.raises(ConfigError, match="it is of a run with seed 7, this one has 8; allowed is the same run"):
        again(FitSettings(1, seed=8))
    with pytest.raises(ConfigError, match="it is of a run with data .SHA-256. '"):
        again(FitSettings(1, seed=7), (X + 1, Y))
    with pytest.raises(ConfigError, match="its weights are of another model; use another folder"):
        again(
            FitSettings(1, seed=7),
            net=tf.keras.Sequential([tf.keras.Input(6), BitLinear(2)]),
        )
    content = (tmp_path / "checkpoint.npz").read_bytes()
    for spoilt in (content[:-200], b"", b"hello"):
        (tmp_path / "checkpoint.npz").write_bytes(spoilt)
        with pytest.raises(ConfigError, match="checkpoint .* it is damaged .*; remove it to start anew"):
            again(FitSettings(1, seed=7))


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    for wrong in ({"epochs": 0}, {"epochs": 1, "batch_size": 0}):
        with pytest.raises(ConfigError, match="0: expected at least 1"):
            FitSettings(**wrong)
    with pytest.raises(ConfigError, match="without a seed: a run is resumed with its seed only"):
        fit(model(), (X, Y), FitSettings(1), loss="mse", score=score, folder=tmp_path)
    with pytest.raises(ConfigError, match="model 'net': it is not built; expected a model with known shapes"):
        fit(tf.keras.Sequential([BitLinear(2)], name="net"), (X, Y), FitSettings(1), loss="mse", score=score)
    with pytest.raises(ConfigError, match="0 inputs, 0 targets: expected equal numbers, at least 1"):
        fit(model(), (X[:0], Y[:0]), FitSettings(1), loss="mse", score=score)


# --- what can go wrong ----------------------------------------------------------------------------


@contextmanager
def full_disk(largest: int) -> Iterator[None]:
    """No file of this process can grow beyond `largest` bytes: the system refuses the rest, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("call_by_call")
def test_a_full_disk_keeps_the_epochs_before_it(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        fit(model(), (X, Y), SETTINGS, loss="mse", score=stop_after(2), folder=tmp_path)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    text = r"checkpoint.npz cannot be written: File too large; what was there is kept: free some space"
    with full_disk(1000), pytest.raises(ConfigError, match=text):
        fit(model(), (X, Y), SETTINGS, loss="mse", score=score, folder=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
    resumed, straight = model(), model()
    fit(resumed, (X, Y), SETTINGS, loss="mse", score=score, folder=tmp_path)
    fit(straight, (X, Y), SETTINGS, loss="mse", score=score)
    assert all(map(np.array_equal, resumed.get_weights(), straight.get_weights()))


def test_a_recipe_on_a_full_disk_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(options: RecipeOptions) -> None:
        np.save(options.out / "sample.npy", X)

    words = ["--data", "x.npz", "--out", str(tmp_path)]
    with full_disk(100):
        assert run_recipe(run, "d", tmp_path, data="x.npz", epochs=3, arguments=words) == 1
    assert "finished runs are kept in build/" in capsys.readouterr().err
    words[-1] = str(tmp_path / "missing")
    assert run_recipe(run, "d", tmp_path, data="x.npz", epochs=3, arguments=words) == 1
    assert f"error: {tmp_path / 'missing' / 'sample.npy'}: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["inputs", "targets"])
def test_rows_that_are_no_numbers_are_refused(what: str, tmp_path: Path) -> None:
    x, y = X.copy(), Y.copy()
    (x if what == "inputs" else y)[31, 1] = np.nan
    with pytest.raises(ConfigError, match=f"{what} of model 'net': NaN or infinity in row 31; expected finite numbers"):
        fit(model(), (x, y), SETTINGS, loss="mse", score=score, folder=tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("call_by_call")
def test_a_training_that_diverges_is_stopped(tmp_path: Path) -> None:
    def loss(wanted: Any, found: Any) -> Any:
        return tf.math.log(tf.reduce_mean(wanted - found) * 0 - 1)

    with pytest.raises(
        ConfigError, match=r"model 'net': loss nan, validation .* in epoch 1; expected finite numbers; lower"
    ):
        fit(model(), (X, Y), SETTINGS, loss=loss, score=score, folder=tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="validation nan in epoch 1"):
        fit(model(), (X, Y), SETTINGS, loss="mse", score=lambda _: float("nan"))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="folder .*file/run cannot be made: Not a directory; choose another place"):
        fit(model(), (X, Y), SETTINGS, loss="mse", score=score, folder=tmp_path / "file" / "run")
