"""QDenseBatchnorm, which QKeras has had since the version that is used here: read as the two layers that it is at inference."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from keras_models import QActivation, QDense, refused, tf

from bittrigger.compile.read import read_file
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

BITS = "quantized_bits(4,1,alpha=1)"
EPSILON = 0.25


def folded(path, *, functional, **settings):
    """A file with such a layer, and the arrays of its normalisation: gamma, beta, mean and variance."""
    dense = QDense(3, kernel_quantizer=BITS, bias_quantizer=BITS, name="d")
    parts = [QActivation("quantized_bits(6,3,alpha=1)", name="q"), dense, QActivation("quantized_relu(6,3)", name="a")]
    if functional:
        x = port = tf.keras.Input((4,), name="x")
        for layer in parts:
            x = layer(x)
        model = tf.keras.Model(port, x, name="net")
    else:
        model = tf.keras.Sequential([tf.keras.Input((4,), name="x"), *parts], name="net")
    generator = np.random.default_rng(3)
    dense.set_weights([generator.integers(-9, 9, shape) / 4 for shape in ((4, 3), (3,))])
    arrays = [generator.integers(1, 9, 3) / 4, generator.integers(-9, 9, 3) / 4, generator.integers(-9, 9, 3) / 4]
    arrays.append(np.full(3, 1 - EPSILON))
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layer = next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == "d")
        layer["class_name"] = "QDenseBatchnorm"
        layer["config"] |= {"axis": [1], "epsilon": EPSILON, "center": True, "scale": True, "momentum": 0.99}
        layer["config"] |= {"ema_freeze_delay": None, "folding_mode": "ema_stats_folding"} | settings
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights/d"]
        gamma, beta, mean, variance = (
            f"d/batch_normalization/{name}:0" for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        for name, values in zip((gamma, beta, mean, variance), arrays, strict=True):
            group.create_dataset(name, data=values.astype(np.float32))
        group.create_dataset("d/iteration:0", data=np.int64(-1))
        names = [*group.attrs["weight_names"], gamma, beta, "d/iteration:0", mean, variance]
        group.attrs["weight_names"] = np.array([name.encode() if isinstance(name, str) else name for name in names])
    return dense, arrays


@pytest.mark.parametrize("functional", [True, False])
def test_it_is_scaled_behind_its_quantised_sums(tmp_path, functional):
    dense, (gamma, beta, mean, _) = folded(tmp_path / "m.h5", functional=functional)
    kernel, bias = (np.asarray(dense.kernel_quantizer_internal(tf.constant(value))) for value in dense.get_weights())
    x = np.random.default_rng(4).integers(-32, 32, (200, 4)).astype(np.float32) / 4
    port = np.clip(np.rint(x * 4), -32, 31) / 4  # quantized_bits(6,3)
    wanted = np.clip(np.rint((gamma * (port @ kernel + bias - mean) + beta) * 8), 0, 63) / 8
    assert (load_model(tmp_path / "m.h5").predict(x, verbose=0) == wanted).all()
    basis = read_file(tmp_path / "m.h5", Settings()).graph.basis
    assert basis.chosen[0].startswith("layer 'd': QDenseBatchnorm is read as QDense and BatchNormalization")


def test_an_activation_of_its_own(tmp_path):
    folded(tmp_path / "m.h5", functional=True, activation="relu")
    refused(
        tmp_path / "m.h5", "layer 'd': QDenseBatchnorm with activation=relu; allowed is none, .*; put a QActivation"
    )
