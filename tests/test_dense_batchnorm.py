"""QDenseBatchnorm of forks of QKeras: read as the QDense that it is at inference, folded first and quantised then."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from keras_models import QActivation, QDense, refused, tf

from bittrigger.compile.read import read_file
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.dense_batchnorm import as_dense
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.ir.basis import Grade
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

BITS = "quantized_bits(4,1,alpha=1)"
EPSILON = 0.25
NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")


def normalised(path, form, *, bias=True, **settings):
    """A file with such a layer, and its arrays by name."""
    generator = np.random.default_rng(3)
    dense = QDense(3, kernel_quantizer=BITS, bias_quantizer=BITS, use_bias=bias, name="d")
    parts = [QActivation("quantized_bits(6,3,alpha=1)", name="q"), dense, QActivation("quantized_relu(6,3)", name="a")]
    if form == "nested":
        parts[1:2] = [tf.keras.Sequential([tf.keras.Input((4,)), dense], name="inner")]
    if form == "sequential":
        model = tf.keras.Sequential([tf.keras.Input((4,), name="x"), *parts], name="net")
    else:
        x = port = tf.keras.Input((4,), name="x")
        for layer in parts:
            x = layer(x)
        model = tf.keras.Model(port, x, name="net")
    dense.set_weights([generator.normal(0, 1, weight.shape) for weight in dense.get_weights()])
    arrays = dict(zip(("kernel", "bias"), dense.get_weights(), strict=False))
    arrays |= {name: generator.uniform(0.4, 1.6, 3).astype(np.float32) for name in NORMALISATION}
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        outer = config["config"]["layers"]
        inside = [inner for layer in outer for inner in layer["config"].get("layers", ())]
        layer = next(layer for layer in [*outer, *inside] if layer["config"]["name"] == "d")
        layer["class_name"] = "QDenseBatchnorm"
        layer["config"] |= {"axis": [1], "epsilon": EPSILON, "center": True, "scale": True, "momentum": 0.99}
        layer["config"] |= {"ema_freeze_delay": None, "folding_mode": "ema_stats_folding"} | settings
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights/inner" if form == "nested" else "model_weights/d"]
        gamma, beta, mean, variance = (f"d/batch_normalization/{name}:0" for name in NORMALISATION)
        for name, leaf in zip((gamma, beta, mean, variance), NORMALISATION, strict=True):
            group.create_dataset(name, data=arrays[leaf])
        group.create_dataset("d/iteration:0", data=np.int64(-1))
        names = [*group.attrs["weight_names"], gamma, beta, "d/iteration:0", mean, variance]
        group.attrs["weight_names"] = np.array([name.encode() if isinstance(name, str) else name for name in names])
    return arrays


def quantised(values):
    """quantized_bits(4,1)."""
    return np.clip(np.rint(values.astype(np.float64) * 4), -8, 7) / 4


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", ["functional", "sequential", "nested"])
def test_it_is_folded_and_then_quantised(tmp_path, form, bias):
    arrays = normalised(tmp_path / "m.h5", form, bias=bias)
    factor = arrays["gamma"] / np.sqrt(arrays["moving_variance"] + EPSILON)
    kernel = quantised(factor * arrays["kernel"])
    shift = quantised(factor * (arrays.get("bias", 0) - arrays["moving_mean"]) + arrays["beta"])
    assert (kernel != factor * quantised(arrays["kernel"])).any()
    x = np.random.default_rng(4).integers(-32, 32, (200, 4)).astype(np.float32) / 4
    wanted = np.clip(np.rint((x @ kernel + shift) * 8), 0, 63) / 8
    assert (load_model(tmp_path / "m.h5").predict(x, verbose=0) == wanted).all()
    basis = read_file(tmp_path / "m.h5", Settings()).graph.basis
    assert basis.grade is Grade.EXACT
    assert basis.chosen[0].startswith("layer 'd': QDenseBatchnorm is read as QDense whose kernel and bias are folded")


def test_an_activation_of_its_own(tmp_path):
    normalised(tmp_path / "m.h5", "functional", activation="quantized_relu(4,1)")
    found = load_model(tmp_path / "m.h5").predict(np.full((1, 4), 7.75, np.float32), verbose=0)
    assert found.min() >= 0
    assert found.max() <= 1.875


@pytest.mark.parametrize("epsilon", ["much", None])
def test_an_epsilon_that_is_no_number(tmp_path, epsilon):
    normalised(tmp_path / "m.h5", "functional", epsilon=epsilon)
    refused(tmp_path / "m.h5", f"layer 'd': QDenseBatchnorm has the epsilon {epsilon}; allowed are real numbers")


def test_a_variance_below_zero(tmp_path):
    normalised(tmp_path / "m.h5", "functional")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["model_weights/d/d/batch_normalization/moving_variance:0"][...] = -1.0
    refused(tmp_path / "m.h5", "weight 'd/.*kernel:0' holds 4 values that are NaN or infinite|holds 12 values")


def named(name, epsilon):
    return {"class_name": "QDenseBatchnorm", "config": {"name": name, "epsilon": epsilon}}


def within(*layers):
    return {"class_name": "Functional", "config": {"name": "inner", "layers": list(layers)}}


def test_a_layer_called_as_a_part_of_it_could_be_keeps_its_name():
    plain = {"class_name": "QDense", "config": {"name": "d_dense"}}
    made, _ = as_dense("file", within(named("d", 0.001), plain))
    assert [layer["config"]["name"] for layer in made["config"]["layers"]] == ["d", "d_dense"]


def test_two_of_one_name_in_two_models_have_one_epsilon():
    as_dense("file", within(named("d", 0.001), within(named("d", 0.001))))
    with pytest.raises(
        UnsupportedModelError, match="layer 'd': two QDenseBatchnorm have it, with the epsilons 0.001 and 0.5"
    ):
        as_dense("file", within(named("d", 0.001), within(named("d", 0.5))))
