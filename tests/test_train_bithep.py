"""BitHEP's own linear layer: its definitions to the last bit, its gradients, Keras, and its refusal by the converter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from keras_models import layers, tf

from bittrigger.compile.convert import convert
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.layers import BitHepLinear, stock_layers
from bittrigger.layers.bithep import absmax_quantize, bithep_ternary, torch_initializers
from bittrigger.train import model_costs
from bittrigger.train.recipes import predict

pytestmark = pytest.mark.filterwarnings("ignore")


def codes(row: list[float], bits: int = 8) -> list[float]:
    """The whole numbers behind the quantised values of a token."""
    values = np.array(row, np.float32)
    found = absmax_quantize(values[None], bits).numpy()[0]
    return np.rint(found * (2 ** (bits - 1) - 1) / np.abs(values).max()).tolist()  # type: ignore[no-any-return]


def small() -> Any:
    tf.keras.utils.set_random_seed(2)
    inputs = tf.keras.Input((4, 6), name="tokens")
    tensor = layers.LeakyReLU(0.01)(BitHepLinear(5, name="first")(inputs))
    return tf.keras.Model(inputs, BitHepLinear(2, use_bias=False, name="last")(tensor), name="net")


def tokens(seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 2, (64, 4, 6)).astype(np.float32)


# --- activations ---------------------------------------------------------------------------------


def test_the_largest_magnitude_of_a_token_is_127_whatever_its_sign() -> None:
    assert codes([1.0, -0.5, 0.25]) == [127, -64, 32]
    assert codes([-1.0, -2.0, -0.1]) == [-64, -127, -6]
    assert codes([3e-7, -1e-7]) == [127, -42]


def test_halves_go_to_the_even_code() -> None:
    row = [127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5]
    assert absmax_quantize(np.array([row], np.float32)).numpy()[0].tolist() == [127, 0, 2, 2, 0, -2, -2]


def test_a_token_of_zeros_stays_zeros_and_one_below_the_floor_is_not_blown_up() -> None:
    assert not absmax_quantize(np.zeros((2, 3), np.float32)).numpy().any()
    tiny = absmax_quantize(np.array([[4e-9, 0]], np.float32)).numpy()[0]
    assert tiny.tolist() == pytest.approx([51 / 127 * 1e-8, 0])


def test_each_token_has_a_scale_of_its_own() -> None:
    x = tokens()
    found = absmax_quantize(x).numpy()
    largest = np.abs(x).max(axis=-1, keepdims=True)
    scale = np.float32(127) / largest
    assert np.array_equal(found, (np.rint(x * scale) / scale).astype(np.float32))
    assert len(np.unique(largest)) == largest.size
    assert codes([1.0, 0.3], bits=3) == [3, 1]


# --- kernel --------------------------------------------------------------------------------------


def test_the_kernel_is_beta_times_round_clip() -> None:
    kernel = np.array([[0.5, -0.5, 1.5], [2.0, -1.0, 0.5]], np.float32)  # mean magnitude 1
    assert bithep_ternary()(kernel).numpy().tolist() == [[0, 0, 1], [1, -1, 0]]
    kernel = np.random.default_rng(1).normal(0, 0.3, (20, 21)).astype(np.float32)
    beta = np.abs(kernel.astype(np.float64)).mean()
    wanted = beta * np.clip(np.rint(kernel / beta), -1, 1)
    assert np.array_equal(bithep_ternary()(kernel).numpy(), wanted.astype(np.float32))


def test_equal_single_and_zero_weights() -> None:
    for kernel in (np.full((3, 2), -0.7, np.float32), np.full((1, 1), 1e-3, np.float32)):
        assert np.array_equal(bithep_ternary()(kernel).numpy(), kernel)
    assert not bithep_ternary()(np.zeros((2, 2), np.float32)).numpy().any()


def test_initial_weights_are_those_of_pytorch() -> None:
    layer = BitHepLinear(400)
    layer.build((None, 100))
    for weight in (layer.kernel.numpy(), layer.bias.numpy()):
        assert 0.09 < np.abs(weight).max() <= 0.1
    zeros = np.mean(bithep_ternary()(layer.kernel).numpy() == 0)
    assert zeros == pytest.approx(0.25, abs=0.01)


# --- the layer -----------------------------------------------------------------------------------


def test_the_layer_is_the_integer_identity_of_the_paper() -> None:
    """`y = (beta m / 127) sum(t q) + b` with whole t and q, up to the rounding of float32."""
    layer = BitHepLinear(5)
    x = tokens()
    found = layer(x).numpy()
    ternary, beta = layer.kernel_quantizer_internal.codes_and_scale(layer.kernel)
    m = np.abs(x).max(axis=-1, keepdims=True)
    q = np.rint(np.float32(127) / m * x)
    wanted = float(beta) * m.astype(np.float64) / 127 * (q @ ternary.numpy()) + layer.bias.numpy()
    assert np.abs(found - wanted).max() < 1e-5
    assert np.abs(found - (x @ layer.kernel.numpy() + layer.bias.numpy())).max() > 0.1


def test_gradients_pass_straight_through() -> None:
    layer = BitHepLinear(4)
    x = tf.constant([[0.3, -0.7, 5.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x))
    to_x, to_kernel, to_bias = tape.gradient(loss, [x, layer.kernel, layer.bias])
    assert np.allclose(to_x.numpy()[0], bithep_ternary()(layer.kernel).numpy().sum(axis=1), rtol=1e-6)
    assert np.array_equal(to_kernel.numpy(), np.repeat(absmax_quantize(x).numpy().T, 4, axis=1))
    assert to_bias.numpy().tolist() == [1] * 4


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_models_train_and_are_saved_cloned_and_refused_by_the_converter(tmp_path: Path, suffix: str) -> None:
    model, x = small(), tokens()
    before = model.get_weights()
    model.compile("adam", "mse")
    model.fit(x, x[:, :, :2], epochs=1, verbose=0)
    assert not any(map(np.array_equal, before, model.get_weights()))
    model.save(tmp_path / f"m.{suffix}")
    loaded = tf.keras.models.load_model(tmp_path / f"m.{suffix}")
    clone = tf.keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for copy in (loaded, clone):
        assert np.array_equal(predict(copy, x), predict(model, x))
    message = r"layer 'first': BitHepLinear is for training only, it scales activations by 127 / max\|x\| of each token"
    with pytest.raises(UnsupportedModelError, match=message):
        convert(tmp_path / f"m.{suffix}", tmp_path / "build", synthesize=False)
    with pytest.raises(UnsupportedModelError, match=message):
        stock_layers(model)
    assert not (tmp_path / "build").exists()


def test_initialisers_that_were_given_are_kept() -> None:
    layer = BitHepLinear(3, kernel_initializer="ones", activation_bits=4)
    again = BitHepLinear.from_config(layer.get_config())
    again.build((None, 4))
    assert again.get_config() == {**layer.get_config(), "name": again.name}
    assert again.activation_bits == 4
    assert again.kernel.numpy().min() == 1
    assert np.abs(again.bias.numpy()).max() > 0
    assert set(torch_initializers(4)) == {"kernel_initializer", "bias_initializer"}


def test_costs_count_the_float_bias_and_the_scale() -> None:
    first, last = model_costs(small()).layers
    assert (first.macs, first.flops, first.int_ops) == (4 * 30, 4 * 5, 4 * 30 + 4 * 5)
    assert (first.quantized_parameters, last.flops, last.quantized_parameters) == (35, 0, 10)
    assert round(first.weight_bits or 0, 2) == 1.58


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BitHepLinear(3, activation="relu"), "BitHepLinear: activation 'relu'; allowed is none"),
        (lambda: BitHepLinear(3, activation_bits=1), "activation_bits 1; allowed are 2 to 16"),
        (lambda: bithep_ternary.from_config({"scale_bits": 2}), "bithep_ternary: unknown options ['scale_bits']"),
        (lambda: BitHepLinear(3, name="a", dtype="float64")(tf.keras.Input(2)), "layer 'a': it computes in float64"),
    ],
)
def test_wrong_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)
