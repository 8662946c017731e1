"""Models of BitLinear and its kin: trained by Keras, saved, converted with every bit equal; spoilt files are refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from bit_layers import RELU, SIGNED, events
from keras_models import QActivation, assert_exact, layers, tf

from bittrigger.compile.convert import convert
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.layers import (
    BitActivation,
    BitConv1D,
    BitConv2D,
    BitLinear,
    StaticQuantizer,
    absmean_binary,
    absmean_ternary,
    export_stock,
    stock_layers,
)
from bittrigger.simulate.executors import oracle
from bittrigger.train.recipes import predict

pytestmark = pytest.mark.filterwarnings("ignore")


def bits(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    return values.view(np.uint32)


def train(model: Any, epochs: int = 1, columns: int = 6) -> Any:
    model.compile("adam", "mse")
    x = events(columns)
    model.fit(x, x[:, :3], epochs=epochs, batch_size=64, verbose=0)
    return model


def functional() -> Any:
    """A model with every option: ternary and binary, scales of one and more bits, a learned range, a sum of branches."""
    tf.keras.utils.set_random_seed(3)
    inputs = tf.keras.Input(6, name="x")
    tensor = BitLinear(8, input_quantizer=SIGNED, name="a")(inputs)
    tensor = BitLinear(7, kernel_quantizer="binary", input_quantizer=RELU, name="b")(tensor)
    narrow = absmean_ternary(threshold_factor=0.7, scale_bits=4)
    branch = BitLinear(7, kernel_quantizer=narrow, input_quantizer=5, name="c", cost_strength=1e-4)(tensor)
    tensor = layers.Add(name="sum")([BitActivation(6, name="p")(tensor), BitActivation(6, name="q")(branch)])
    outputs = BitLinear(3, input_quantizer=8, use_bias=False, name="d")(tensor)
    return tf.keras.Model(inputs, outputs, name="net")


def sequential() -> Any:
    tf.keras.utils.set_random_seed(4)
    return tf.keras.Sequential(
        [
            tf.keras.Input(6),
            BitLinear(8, input_quantizer=8),
            BitLinear(3, kernel_quantizer="binary", input_quantizer=RELU),
        ],
        name="net",
    )


class Subclassed(tf.keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.first = BitLinear(8, input_quantizer=SIGNED)
        self.last = BitLinear(3, input_quantizer=RELU, cost_strength=1e-5)

    def call(self, x: Any) -> Any:
        return self.last(self.first(x))


@pytest.fixture(scope="module")
def trained() -> Any:
    return train(functional(), epochs=2)


# --- Keras ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [functional, sequential, Subclassed])
def test_fit_changes_every_trainable_weight(make: Any) -> None:
    model = make()
    model(events())
    before = [weight.numpy() for weight in model.trainable_weights]
    train(model, epochs=2)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), old), weight.name


@pytest.mark.usefixtures("call_by_call")
@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("read", [tf.keras.models.load_model, load_model])
def test_models_are_saved_and_loaded(trained: Any, tmp_path: Path, suffix: str, read: Any) -> None:
    trained.save(tmp_path / f"m.{suffix}")
    loaded = read(tmp_path / f"m.{suffix}")
    assert np.array_equal(bits(predict(loaded, events(seed=9))), bits(predict(trained, events(seed=9))))
    for old, new in zip(trained.layers, loaded.layers, strict=True):
        assert new.get_config() == old.get_config()
    train(loaded)


def test_models_are_cloned(trained: Any) -> None:
    clone = tf.keras.models.clone_model(trained)
    clone.set_weights(trained.get_weights())
    assert np.array_equal(bits(predict(clone, events())), bits(predict(trained, events())))


# --- firmware ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [functional, sequential])
def test_the_integer_graph_has_the_bits_of_the_trained_model(make: Any) -> None:
    assert_exact(train(make()))


@pytest.mark.parametrize("seed", range(8))
def test_random_models_have_the_bits_of_their_integer_graph(seed: int) -> None:
    generator = np.random.default_rng(seed)
    inputs = tensor = tf.keras.Input(5)
    for number in range(3):
        scale_bits = int(generator.integers(1, 5))
        kernel = generator.choice(
            [absmean_ternary(float(generator.uniform(0.2, 1)), scale_bits), absmean_binary(scale_bits)]
        )
        width, integer = (int(generator.integers(*span)) for span in ((2, 9), (0, 5)))
        front = StaticQuantizer(width, bool(generator.integers(2)) or number == 0, integer)
        bias = {"use_bias": bool(generator.integers(2)), "bias_quantizer": "quantized_bits(6,1,alpha=1)"}
        layer = BitLinear(6, kernel_quantizer=kernel, input_quantizer=front, name=f"bit_{number}", **bias)
        tensor = layer(tensor)
        layer.set_weights(
            [
                generator.normal(0, 2.0 ** generator.integers(-3, 4), w.shape) if w.ndim else w
                for w in layer.get_weights()
            ]
        )
        if generator.integers(2):
            tensor = layers.ReLU(name=f"relu_{number}")(tensor)
    assert_exact(tf.keras.Model(inputs, tensor))


def test_export_has_the_bits_of_the_trained_model(trained: Any) -> None:
    exported = export_stock(trained)
    assert all(type(layer).__module__.split(".")[0] in ("keras", "qkeras") for layer in exported.layers)
    assert [layer.name for layer in exported.layers if layer.weights] == ["a", "b", "c", "d"]
    assert np.array_equal(bits(predict(exported, events())), bits(predict(trained, events())))
    again = export_stock(exported)
    assert all(map(np.array_equal, exported.get_weights(), again.get_weights()))


def test_a_model_without_bit_layers_is_left_alone() -> None:
    inputs = tf.keras.Input(3)
    model = tf.keras.Model(inputs, QActivation("quantized_bits(4,1)")(inputs))
    assert stock_layers(model) is model


def test_names_of_the_input_quantizers_do_not_clash() -> None:
    inputs = tf.keras.Input(3)
    tensor = BitActivation(4, name="a_input")(inputs)
    model = tf.keras.Model(inputs, BitLinear(2, input_quantizer=3, name="a")(tensor))
    assert [layer.name for layer in stock_layers(model).layers[1:]] == ["a_input", "a_input_", "a"]


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_a_file_with_bit_layers_converts(trained: Any, tmp_path: Path, suffix: str) -> None:
    trained.save(tmp_path / f"m.{suffix}")
    build, _ = convert(tmp_path / f"m.{suffix}", tmp_path / "build", synthesize=False)
    from bittrigger.simulate.predict import outputs_of

    x = events(seed=5)
    graph = build.pipeline.graph
    found = outputs_of(graph, oracle.Oracle(graph), x)
    assert np.array_equal(found.astype(np.float32), predict(trained, x))


def test_a_changed_weight_is_seen(trained: Any) -> None:
    model = tf.keras.models.clone_model(trained)
    model.set_weights(trained.get_weights())
    stock = stock_layers(model)
    kernel, bias = stock.get_layer("a").get_weights()
    kernel[0, 0] = kernel.max() if kernel[0, 0] <= 0 else kernel.min()
    stock.get_layer("a").set_weights([kernel, bias])
    assert not np.array_equal(predict(stock, events()), predict(model, events()))


# --- what is refused -----------------------------------------------------------------------------


def test_convolutions_train_and_convert(tmp_path: Path) -> None:
    inputs = tf.keras.Input((5, 4, 2))
    tensor = BitConv2D(4, 3, input_quantizer=8, cost_strength=1e-5, name="conv")(inputs)
    tensor = BitConv1D(3, 2, input_quantizer=RELU)(layers.Reshape((6, 4))(tensor))
    model = tf.keras.Model(inputs, BitLinear(2, input_quantizer=RELU)(layers.Flatten()(tensor)))
    model.compile("adam", "mse")
    before = model.get_weights()[0]
    x = events(40, 64).reshape(64, 5, 4, 2)
    model.fit(x, x[:, 0, 0], verbose=0)
    assert not np.array_equal(model.get_weights()[0], before)
    assert np.array_equal(predict(export_stock(model), x), predict(model, x))
    for suffix in ("h5", "keras"):
        model.save(tmp_path / f"m.{suffix}")
        loaded = tf.keras.models.load_model(tmp_path / f"m.{suffix}")
        assert np.array_equal(predict(loaded, x), predict(model, x))
    build, _ = convert(tmp_path / "m.h5", tmp_path / "build", synthesize=False)
    assert build.graph["conv"].copies == 6


def test_subclassed_models_and_float_biases_are_refused() -> None:
    model = Subclassed()
    model(events())
    with pytest.raises(UnsupportedModelError, match="class Subclassed has no graph of layers; allowed are Sequential"):
        stock_layers(model)
    inputs = tf.keras.Input(3)
    with pytest.raises(UnsupportedModelError, match="'a': its bias has no quantizer"):
        stock_layers(tf.keras.Model(inputs, BitLinear(2, bias_quantizer=None, name="a")(inputs)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("module", "bittrigger.system.toolchain"),
        ("registered_name", "bittrigger>Other"),
        ("class_name", "QTools"),
        ("class_name", "bittrigger>BitLinear2"),
    ],
)
def test_a_file_may_name_only_the_very_classes(trained: Any, tmp_path: Path, key: str, value: str) -> None:
    trained.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(contents["config.json"])
    config["config"]["layers"][1][key] = value
    with zipfile.ZipFile(tmp_path / "n.keras", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)
    with pytest.raises(UnsupportedModelError, match="is not allowed"):
        load_model(tmp_path / "n.keras")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel_quantizer": {"class_name": "bernoulli", "config": {}}}, "kernel quantizer .*bernoulli"),
        ({"kernel_quantizer": {"class_name": "absmean_ternary", "config": {"scale_bits": 99}}}, "scale_bits 99"),
        ({"kernel_quantizer": {"class_name": "absmean_ternary", "config": {"scale_bits": "x"}}}, "cannot build it"),
        ({"input_quantizer": {"bits": 99}}, "99 bits"),
        ({"input_quantizer": "quantized_bits(8)"}, "activation quantizer 'quantized_bits"),
        ({"bias_quantizer": "__import__('os')"}, "is not allowed, so the file was not opened"),
    ],
)
def test_spoilt_options_in_a_file_are_refused(
    trained: Any, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    trained.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"] |= change
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises((UnsupportedModelError, ConfigError), match=message):
        load_model(tmp_path / "m.h5")
