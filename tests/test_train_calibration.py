"""Ranges of activation quantizers that are set from data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_models import assert_exact, layers, tf

from bittrigger.errors import ConfigError
from bittrigger.layers import BitActivation, BitLinear, StaticQuantizer
from bittrigger.train import calibrate

pytestmark = pytest.mark.filterwarnings("ignore")

UNSIGNED = StaticQuantizer(6, signed=False)


def one(settings: StaticQuantizer | int, values: Any, **options: Any) -> Any:
    layer = BitActivation(settings, name="q")
    model = tf.keras.Sequential([tf.keras.Input(1), layer])
    found = calibrate(model, np.asarray(values, np.float32)[:, None], **options)["q"]
    assert float(layer.range_log2) == found.integer
    return found


@pytest.mark.parametrize("integer", [0, 1, 4, 9])
def test_values_that_fill_a_range_get_it(integer: int) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 4000) * 2.0**integer
    assert one(8, values).integer == integer
    assert one(UNSIGNED, values).integer == integer


def test_the_least_error_is_the_least_of_all_powers_of_two() -> None:
    values = np.random.default_rng(1).standard_t(3, 3000).astype(np.float32)
    found = one(4, values)
    errors = []
    for k in range(16):
        layer = BitActivation(StaticQuantizer(4, integer=k))
        errors.append(np.sqrt(np.mean((layer(values[:, None]).numpy()[:, 0].astype(np.float64) - values) ** 2)))
    assert found.integer == np.argmin(errors)
    assert found.error == pytest.approx(min(errors))
    top = 2.0**found.integer
    assert found.beyond == np.mean((values < -top) | (values > top * (1 - 1 / 8)))


def test_a_percentile_leaves_out_the_rest() -> None:
    values = np.concatenate([np.linspace(-1.5, 1.5, 999), [100.0]])
    assert one(8, values, method="percentile", percentile=99).integer == 1
    assert one(8, values, method="percentile", percentile=100).integer == 7
    assert one(UNSIGNED, [-1000.0, 3.0], method="percentile", percentile=100).integer == 2
    assert one(8, [1e9], method="percentile").integer == 15
    assert one(8, [0.0]).integer == 0


def test_quantizers_are_set_one_behind_the_other_in_models_of_every_kind() -> None:
    class Subclassed(tf.keras.Model):  # type: ignore[misc]
        def __init__(self, parts: list[Any]) -> None:
            super().__init__()
            self.parts = parts

        def call(self, x: Any) -> Any:
            for part in self.parts:
                x = part(x)
            return x

    x = np.random.default_rng(2).normal(0, 20, (500, 6)).astype(np.float32)
    found = []
    for wrap in (tf.keras.Sequential, Subclassed):
        tf.keras.utils.set_random_seed(1)
        parts = [BitLinear(16, input_quantizer=8, name="a"), BitLinear(3, input_quantizer=UNSIGNED, name="b")]
        model = wrap([layers.InputLayer(6), *parts] if wrap is tf.keras.Sequential else parts)
        model(x)
        found.append((calibrate(model, x), calibrate(model, x)))
        first = BitActivation(StaticQuantizer(8, integer=found[-1][0]["a"].integer))(x)
        behind = tf.keras.Sequential([tf.keras.Input(16), BitActivation(UNSIGNED, name="b")])
        sums = first @ parts[0].kernel_quantizer_internal(parts[0].kernel) + parts[0].bias
        assert calibrate(behind, sums)["b"].integer == found[-1][0]["b"].integer
    assert found[0] == found[1]
    assert found[0][0] == found[0][1]


def test_a_calibrated_model_converts_with_the_ranges_that_were_found() -> None:
    inputs = tf.keras.Input(5)
    tensor = BitLinear(6, input_quantizer=6, name="a")(inputs)
    model = tf.keras.Model(inputs, BitLinear(2, input_quantizer=UNSIGNED)(tensor))
    found = calibrate(model, np.random.default_rng(3).normal(0, 30, (400, 5)).astype(np.float32))
    assert assert_exact(model).inputs[0].type.integer == found["a"].integer + 1 > 4


def test_a_layer_that_is_used_twice_gets_the_larger_range() -> None:
    inputs = tf.keras.Input(1)
    shared = BitActivation(8, name="q")
    model = tf.keras.Model(inputs, [shared(inputs * 16.0), shared(inputs)])
    assert calibrate(model, np.linspace(-1, 1, 101, dtype=np.float32)[:, None])["q"].integer == 4


def test_what_cannot_be_calibrated_is_refused() -> None:
    model = tf.keras.Sequential([tf.keras.Input(1), BitActivation(8, name="q")])
    for events, message in (
        ([[np.nan]], "1 values to calibrate with, 1 of them not finite"),
        (np.zeros((0, 1)), "0 va"),
    ):
        with pytest.raises(ConfigError, match=f"layer 'q': {message}"):
            calibrate(model, np.array(events, np.float32))
    with pytest.raises(ConfigError, match="calibration by 'max' with percentile 99.9; allowed are mse and percentile"):
        calibrate(model, np.zeros((1, 1)), method="max")
    with pytest.raises(ConfigError, match="it has no static activation quantizer to calibrate"):
        calibrate(tf.keras.Sequential([tf.keras.Input(1), layers.ReLU()]), np.zeros((1, 1)))
    assert model.layers[0].observer is None
