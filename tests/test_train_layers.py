"""BitLinear and its kin, one layer at a time: quantised exactly, with gradients, complete configurations and options checked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bit_layers import RELU, SIGNED, events
from keras_models import tf

from bittrigger.errors import ConfigError
from bittrigger.layers import (
    BitActivation,
    BitConv1D,
    BitConv2D,
    BitLinear,
    StaticQuantizer,
    absmean_binary,
    absmean_ternary,
)

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_layer_multiplies_quantised_inputs_by_the_quantised_kernel() -> None:
    layer = BitLinear(5, input_quantizer=StaticQuantizer(4, True, 1))
    x = events(3)
    y = layer(x).numpy()
    layer.bias.assign([0.1, -0.2, 3.3, 9, -9])
    codes, scale = absmean_ternary.codes_and_scale(absmean_ternary(), layer.kernel)
    steps = np.clip(np.rint(x / 0.25), -8, 7) * 0.25
    wanted = steps @ (codes.numpy() * scale.numpy())
    assert np.array_equal(y, wanted.astype(np.float32))
    bias = np.array([26, -51, 845, 2047, -2048]) / 256
    assert np.array_equal(layer(x).numpy(), (wanted + bias).astype(np.float32))


@pytest.mark.parametrize(("factor", "zeros"), [(0.25, 0.16), (0.5, 0.31), (1.0, 0.575)])
def test_the_threshold_factor_sets_the_share_of_zeros(factor: float, zeros: float) -> None:
    kernel = np.random.default_rng(0).normal(0, 0.1, (200, 100))
    codes, _ = absmean_ternary(threshold_factor=factor).codes_and_scale(kernel)
    assert np.mean(codes.numpy() == 0) == pytest.approx(zeros, abs=0.01)
    assert np.array_equal(codes.numpy(), np.sign(kernel) * (np.abs(kernel) > factor * np.abs(kernel).mean()))


@pytest.mark.parametrize("scale_bits", [2, 4, 8])
@pytest.mark.parametrize("seed", range(4))
def test_a_scale_of_some_bits_is_next_to_the_mean_magnitude(scale_bits: int, seed: int) -> None:
    kernel = np.random.default_rng(seed).normal(0, 10.0 ** (seed - 2), (9, 7))
    _, scale = absmean_ternary(scale_bits=scale_bits).codes_and_scale(kernel)
    mantissa, _ = np.frexp(scale.numpy())
    assert (mantissa * 2**scale_bits).is_integer()
    assert scale.numpy() == pytest.approx(np.abs(kernel).mean(), rel=2.0**-scale_bits)


def test_binary_weights_are_one_bit_even_on_the_mean() -> None:
    values = absmean_binary()(np.array([[1.0], [2.0], [3.0], [2.0]], np.float32)).numpy()
    assert values.ravel().tolist() == [-2.0, -2.0, 2.0, -2.0]


def test_gradients_pass_straight_through() -> None:
    layer = BitLinear(4, kernel_quantizer="binary", input_quantizer=StaticQuantizer(4, True, 1))
    x = tf.constant([[0.3, -0.7, 5.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x))
    to_x, to_kernel, to_bias = tape.gradient(loss, [x, layer.kernel, layer.bias])
    kernel = absmean_binary()(layer.kernel).numpy()
    assert np.array_equal(to_x.numpy()[0], kernel.sum(axis=1) * [1, 1, 0])
    assert np.array_equal(to_kernel.numpy(), np.repeat([[0.25], [-0.75], [1.75]], 4, axis=1))
    assert to_bias.numpy().tolist() == [1] * 4


def test_the_quantizer_is_that_of_qkeras_wherever_qkeras_is_exact() -> None:
    x = np.concatenate([np.arange(-1000, 1000) / 64, [1e-30, -1e-30, -0.0]]).astype(np.float32)[:, None]
    for settings in (SIGNED, RELU, StaticQuantizer(2, True, 0), StaticQuantizer(16, False, 5)):
        layer = BitActivation(settings)
        assert np.array_equal(layer(x).numpy(), layer.stock_input()(x).numpy())


def test_infinite_and_huge_inputs_saturate_on_the_grid() -> None:
    found = BitActivation(SIGNED)(np.array([[np.inf, -np.inf, 3e38, -3e38]], np.float32)).numpy()
    assert found.tolist() == [[127 / 32, -4.0, 127 / 32, -4.0]]


def test_a_learned_range_moves_to_where_the_data_are() -> None:
    tf.keras.utils.set_random_seed(0)
    wide = 60 * np.random.default_rng(1).uniform(0, 1, (256, 8)).astype(np.float32)
    model = tf.keras.Sequential([tf.keras.Input(8), BitActivation(replace(RELU, integer=2))])
    model.compile(tf.keras.optimizers.Adam(0.05), "mse")
    model.fit(wide, wide, epochs=30, batch_size=64, verbose=0)
    assert round(float(model.layers[0].range_log2)) in (5, 6)
    assert BitActivation(SIGNED).trainable_weights == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: BitLinear(
            3,
            kernel_quantizer=absmean_ternary(0.8, 3),
            input_quantizer=RELU,
            use_bias=False,
            cost_strength=0.5,
            name="a",
        ),
        lambda: BitLinear(
            3, kernel_quantizer="binary", kernel_constraint=tf.keras.constraints.MaxNorm(2), operand_bits=5
        ),
        lambda: BitConv1D(3, 2, kernel_quantizer="binary", input_quantizer=6),
        lambda: BitConv2D(3, (2, 3), padding="same", cost_strength=1e-3),
        lambda: BitActivation(RELU),
    ],
)
def test_configurations_are_plain_and_complete(make: Any) -> None:
    layer = make()
    saved = json.dumps(layer.get_config())
    again = type(layer).from_config(json.loads(saved))
    assert again.get_config() == layer.get_config()
    assert "QInitializer" not in saved


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: BitLinear(3, kernel_quantizer="quantized_bits(4,0)"),
            "kernel quantizer quantized_bits(4,0); allowed are 'ternary'",
        ),
        (lambda: BitLinear(3, activation="relu"), "BitLinear: activation 'relu'; allowed is none; use the input"),
        (lambda: BitLinear(3, input_quantizer="x"), "activation quantizer 'x'; allowed are StaticQuantizer(...)"),
        (lambda: BitLinear(3, input_quantizer={"bits": 8, "signed": 5}), "a dictionary of bits, signed"),
        (lambda: BitLinear(3, input_quantizer=17), "17 bits; allowed are 2 to 16"),
        (lambda: StaticQuantizer(integer=-1), "integer -1; allowed are 0 to 15"),
        (
            lambda: BitLinear(3, kernel_quantizer="binary", cost_strength=1),
            "cost_strength 1 with absmean_binary(); allowed are 0",
        ),
        (lambda: BitLinear(3, cost_strength=-1), "cost_strength -1 with absmean_ternary(); allowed are 0"),
        (lambda: absmean_ternary(threshold_factor=0), "threshold_factor 0; allowed are values above 0 and up to 4"),
        (lambda: absmean_binary(scale_bits=9), "absmean_binary: scale_bits 9; allowed are 1 to 8"),
        (lambda: absmean_binary.from_config({"f": 1}), "absmean_binary: unknown options ['f']; expected scale_bits"),
    ],
)
def test_wrong_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("precision", ["float64", "mixed_float16"])
def test_other_precisions_are_refused(precision: str) -> None:
    for layer in (BitLinear(2, name="a", dtype=precision), BitActivation(8, name="a", dtype=precision)):
        with pytest.raises(ConfigError, match="layer 'a': it computes in float(64|16); allowed is float32, in which"):
            layer(tf.keras.Input(3))
