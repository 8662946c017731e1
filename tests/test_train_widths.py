"""Activation widths that training changes: whole at every step, with the right gradients, saved, reported and converted."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import assert_exact, tf

from bittrigger.errors import ConfigError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.layers import BitActivation, BitLinear, StaticQuantizer, adder_bits, model_adder_bits
from bittrigger.layers.activations import quantize, quantizer_of
from bittrigger.layers.widths import model_widths, width_of
from bittrigger.train import FitSettings, calibrate, fit, model_costs

pytestmark = pytest.mark.filterwarnings("ignore")

LN2 = np.log(2.0)
X = np.random.default_rng(0).normal(0, 1, (256, 6)).astype(np.float32)
LEARNED = StaticQuantizer(8, learned_bits=True)
RELU = StaticQuantizer(8, signed=False, integer=1, learned=True, learned_bits=True)


def net(strength: float = 0.0) -> Any:
    tf.keras.utils.set_random_seed(3)
    inputs = tf.keras.Input(6)
    tensor = BitLinear(16, input_quantizer=LEARNED, cost_strength=strength, name="a")(inputs)
    tensor = BitLinear(8, input_quantizer=RELU, cost_strength=strength, name="b")(tensor)
    outputs = BitLinear(3, input_quantizer=StaticQuantizer(5, signed=False), name="c")(tensor)
    return tf.keras.Model(inputs, outputs, name="net")


def score(model: Any) -> float:
    return -float(np.mean((model(X) - X[:, :3]) ** 2))


def trained(folder: Path | None = None, epochs: int = 8, strength: float = 1e-3) -> Any:
    model = net(strength)
    settings = FitSettings(epochs, 32, 0.03, seed=1)
    return model, fit(model, (X, X[:, :3]), settings, loss="mse", score=score, folder=folder)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("latent", [2.0, 3.4, 3.6, 4.5, 5.5, 7.9, 8.0])
def test_the_values_are_those_of_a_fixed_width(signed: bool, latent: float) -> None:
    settings = StaticQuantizer(8, signed=signed, integer=1, learned_bits=True)
    bits = width_of(latent, settings)
    assert bits == round(latent)  # half to even, as in Keras
    x = np.linspace(-5, 5, 4001, dtype=np.float32)[:, None]
    found = quantize(x, tf.constant(1.0), settings, tf.constant(latent))
    wanted = quantize(x, tf.constant(1.0), StaticQuantizer(bits, signed=signed, integer=1))
    assert np.array_equal(found, wanted)
    assert len(np.unique(found)) == 2**bits


@pytest.mark.parametrize("signed", [True, False])
def test_the_gradients_are_those_of_the_formulas(signed: bool) -> None:
    """Within the range, above the highest code, and below the lowest one."""
    settings = StaticQuantizer(8, signed=signed, integer=1, learned_bits=True)
    step = 2.0 ** (1 - 5 + signed)
    inside = 0.8
    for x, wanted in (
        (inside, -LN2 * step * (np.rint(inside / step) - inside / step)),
        (7.0, LN2 * step),
        (-7.0, 0.0),
    ):
        width = tf.Variable(5.2)
        with tf.GradientTape() as tape:
            y = quantize(tf.constant([[x]]), tf.constant(1.0), settings, width)
        assert float(tape.gradient(y, width)) == pytest.approx(wanted, abs=1e-6)


def test_a_gradient_of_the_loss_follows_the_noise_of_quantisation() -> None:
    """d/dw of the mean squared error of a quantiser, step^2 / 12, is -2 ln 2 of it."""
    x = np.random.default_rng(1).uniform(-1.8, 1.8, (200_000, 1)).astype(np.float32)
    settings = StaticQuantizer(8, integer=1, learned_bits=True)
    width = tf.Variable(5.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((quantize(x, tf.constant(1.0), settings, width) - x) ** 2)
    assert float(tape.gradient(loss, width)) == pytest.approx(-2 * LN2 * float(loss), rel=1e-3)


def test_the_adder_cost_narrows_a_width_and_counts_it() -> None:
    model = net(strength=0.5)
    layer = model.get_layer("b")
    layer.width_bits.assign(5.4)
    with tf.GradientTape() as tape:
        model(X)
        cost = tf.add_n(model.losses)
    codes = layer.kernel_quantizer_internal.codes_and_scale(layer.kernel)[0].numpy()
    assert float(tape.gradient(cost, layer.width_bits)) == pytest.approx(0.5 * adder_bits(codes, 1) / 3)
    assert model_adder_bits(model)["b"] == adder_bits(codes, 5)
    assert float(cost) == pytest.approx(0.5 * sum(model_adder_bits(model)[name] for name in "ab"))


def test_training_narrows_stays_in_bounds_reports_and_converts_on_every_bit(tmp_path: Path) -> None:
    model, result = trained(tmp_path)
    widths = [record.widths for record in result.records]
    assert [list(found or {}) for found in widths] == [["a", "b"]] * 8
    assert widths[-1]["b"] < widths[0]["b"] <= 8
    assert all(2 <= bits <= 8 for found in widths for bits in (found or {}).values())
    rows = json.loads((tmp_path / "history.json").read_text())
    assert [row["widths"] for row in rows] == widths
    with (tmp_path / "history.csv").open() as stream:
        assert list(csv.DictReader(stream))[-1]["widths"] == f"a {widths[-1]['a']} b {widths[-1]['b']}"
    assert "| learned widths | a " in (tmp_path / "card.md").read_text()
    assert model_widths(model) == {name: model.get_layer(name).quantizer_now().bits for name in "ab"}
    graph = assert_exact(model)
    bits = next(node for node in graph.nodes if node.name == "b_input").hi.bit_length()
    assert bits == model_widths(model)["b"]


def test_free_widths_stay_and_a_run_that_goes_on_has_the_same_bits(tmp_path: Path) -> None:
    free, _ = trained(epochs=3, strength=0.0)
    assert model_widths(free) == {"a": 8, "b": 8}
    straight, wanted = trained(epochs=3)
    stopped = net(1e-3)
    calls = iter(range(2))

    def stop(model: Any) -> float:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return score(model)

    with pytest.raises(KeyboardInterrupt):
        fit(stopped, (X, X[:, :3]), FitSettings(3, 32, 0.03, seed=1), loss="mse", score=stop, folder=tmp_path)
    resumed, found = trained(tmp_path, epochs=3)
    assert all(map(np.array_equal, resumed.get_weights(), straight.get_weights()))
    assert [r.widths for r in found.records] == [r.widths for r in wanted.records]


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_saved_model_keeps_its_widths(tmp_path: Path, suffix: str) -> None:
    model = net()
    model.get_layer("a").width_bits.assign(5.3)
    model.get_layer("b").width_bits.assign(2.6)
    path = tmp_path / f"m{suffix}"
    model.save(path)
    again = load_model(path)
    assert model_widths(again) == {"a": 5, "b": 3}
    assert np.array_equal(again(X), model(X))
    assert [c.parameters for c in model_costs(again).layers] == [7 * 16, 17 * 8, 9 * 3]


def test_calibration_takes_the_width_of_now() -> None:
    layer = BitActivation(LEARNED, name="q")
    model = tf.keras.Sequential([tf.keras.Input(1), layer])
    layer.width_bits.assign(3.0)
    x = np.random.default_rng(2).normal(0, 1, (2000, 1))
    other = BitActivation(3, name="q")
    wanted = calibrate(tf.keras.Sequential([tf.keras.Input(1), other]), x)
    assert calibrate(model, x) == wanted
    assert layer.quantizer_now() == StaticQuantizer(3, integer=wanted["q"].integer, learned_bits=True)


def test_a_wrong_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="allowed are StaticQuantizer"):
        quantizer_of({"bits": 8, "learned_bits": 1})
