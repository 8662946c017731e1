"""Models of a configuration and a file of weights, and the BinaryDense and TernaryDense of hls4ml's first ones."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest
from keras_models import tf

from bittrigger.compile.known import question
from bittrigger.compile.provenance import origin_of
from bittrigger.compile.read import read_file
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.ir.basis import Grade
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

UNITS = (6, 4, 3)


def layer(kind, name, **options):
    return {"class_name": kind, "config": {"name": name, "trainable": True, **options}}


def description(kind, function, height=1.0):
    """As Keras 2.0.5 wrote them: a list of layers, with options that no layer of today has."""
    own = {
        "H": height,
        "activation": "linear",
        "kernel_lr_multiplier": 7.3,
        "bias_lr_multiplier": None,
        "use_bias": False,
    }
    clip = {"class_name": "Clip", "config": {"max_value": 1, "min_value": -1}}
    layers = []
    for number, units in enumerate(UNITS, 1):
        first = {"batch_input_shape": [None, 5], "dtype": "float32"} if number == 1 else {}
        layers.append(layer(kind, f"fc{number}", units=units, kernel_constraint=clip, **own, **first))
        layers.append(
            layer("BatchNormalization", f"bn{number}", axis=-1, epsilon=1e-06, momentum=0.9, center=True, scale=True)
        )
        if number < len(UNITS):
            layers.append(layer("Activation", f"act{number}", activation=function))
    return {"backend": "tensorflow", "class_name": "Sequential", "config": layers, "keras_version": "2.0.5"}


def arrays():
    random, found, rows = np.random.default_rng(3), {}, 5
    for number, units in enumerate(UNITS, 1):
        found[f"fc{number}"] = {"kernel:0": random.uniform(-1, 1, (rows, units))}
        found[f"bn{number}"] = {
            "gamma:0": random.uniform(0.5, 2, units),
            "beta:0": random.normal(0, 0.3, units),
            "moving_mean:0": random.normal(0, 0.5, units),
            "moving_variance:0": random.uniform(0.5, 3, units),
        }
        rows = units
    return found


def write(folder, config, weights, name="net", ending="_weights.h5"):
    (folder / f"{name}.json").write_text(json.dumps(config))
    with h5py.File(folder / f"{name}{ending}", "w", track_order=False) as file:
        file.attrs["keras_version"] = b"2.0.5"
        names = [entry["config"]["name"] for entry in config["config"]]
        file.attrs["layer_names"] = np.array(names, dtype="S")
        for owner in names:
            group = file.create_group(owner)
            own = weights.get(owner, {})
            group.attrs["weight_names"] = np.array([f"{owner}/{array}" for array in own], dtype="S")
            for array, values in own.items():
                group.create_dataset(f"{owner}/{array}", data=np.asarray(values, dtype=np.float32))
    return folder / f"{name}.json"


def reference(values, weights, ternary, function):
    """In float32, written down from what the layers of nn_playground compute; thresholds on the stored weights."""
    for number in range(1, len(UNITS) + 1):
        kernel, normal = weights[f"fc{number}"]["kernel:0"].astype(np.float32), weights[f"bn{number}"]
        signs = np.where(kernel > 0.5, 1, np.where(kernel <= -0.5, -1, 0)) if ternary else np.where(kernel >= 0, 1, -1)
        gamma, beta, mean, variance = (np.asarray(part, dtype=np.float32) for part in normal.values())
        sums = values @ signs.astype(np.float32)
        values = tf.nn.batch_normalization(sums, mean, variance, beta, gamma, np.float32(1e-6)).numpy()
        values = function(values) if number < len(UNITS) else values
    return values


CASES = [
    ("BinaryDense", "binary_tanh", lambda x: np.where(x > 0, 1, -1).astype(np.float32)),
    ("TernaryDense", "ternary_tanh", lambda x: (x > 0.5).astype(np.float32) - (x <= -0.5)),
]


@pytest.mark.parametrize(("kind", "name", "function"), CASES)
def test_a_model_computes_what_its_layers_did(kind, name, function, tmp_path):
    weights = arrays()
    path = write(tmp_path, description(kind, name), weights)
    events = np.random.default_rng(1).integers(-64, 64, (400, 5)).astype(np.float32) / 16
    wanted = reference(events, weights, kind == "TernaryDense", function)
    np.testing.assert_array_equal(load_model(path).predict(events, verbose=0), wanted)
    graph = read_file(path, Settings(input_precision="fixed<8,4>")).graph
    assert graph.basis.grade is Grade.EXACT
    kernels = [node.weights for node in graph.nodes if hasattr(node, "weights")]
    assert set(np.unique(kernels[0]).tolist()) <= {-1, 0, 1}


def test_a_height_and_relu1(tmp_path):
    path = write(tmp_path, description("BinaryDense", "relu1", height=0.5), arrays())
    model = load_model(path)
    assert set(np.unique(model.get_layer("fc1").get_weights()[0]).tolist()) == {-0.5, 0.5}
    settings = Settings(input_precision="fixed<8,4>", layer_precision={"act1": "ufixed<6,1>", "act2": "ufixed<6,1>"})
    assert read_file(path, settings).graph.basis.grade is Grade.EXACT


def test_a_model_of_today_in_two_files(tmp_path):
    model = tf.keras.Sequential([tf.keras.Input((3,), name="x"), tf.keras.layers.Dense(2, name="d")], name="net")
    model.set_weights([np.ones((3, 2)) / 2, np.zeros(2)])
    (tmp_path / "m.json").write_text(model.to_json())
    model.save_weights(tmp_path / "m_weights.h5")
    assert load_model(tmp_path / "m.json").predict(np.ones((1, 3)), verbose=0).tolist() == [[1.5, 1.5]]


def test_both_files_count(tmp_path):
    """For what is known from an earlier run, and in the header of what is emitted."""
    path, settings = write(tmp_path, description("BinaryDense", "binary_tanh"), arrays()), Settings()
    before = question(path, settings, "net", None), origin_of(None, path).sha256
    changed = arrays()
    changed["bn1"]["beta:0"][0] += 1
    write(tmp_path, description("BinaryDense", "binary_tanh"), changed)
    assert question(path, settings, "net", None) != before[0]
    assert origin_of(None, path).sha256 != before[1]


def without(config, key, value):
    config["config"][0]["config"][key] = value
    return config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: without(c, "H", "Glorot"), "layer 'fc1': H 'Glorot'; allowed are numbers above 0"),
        (lambda c: without(c, "H", 0), "layer 'fc1': H '0'; allowed are numbers above 0"),
        (lambda c: without(c, "H", 10**400), "layer 'fc1': H '1000.*'; allowed are numbers above 0 that float32 holds"),
        (lambda c: without(c, "H", 1e-300), "layer 'fc1': H '1e-300'; allowed are numbers above 0 that float32 holds"),
        (lambda c: {**c, "config": {"name": "net", "layers": 7}}, "it has no layers"),
        (lambda c: without(c, "units", 7), r"has the weights \[.*\]; expected"),
        (lambda c: {**c, "config": [*c["config"], layer("Lambda", "l", function="x")]}, "'Lambda'"),
        (lambda c: {**c, "config": [*c["config"], layer("Activation", "l", activation="os.system")]}, "os.system"),
        (lambda c: {**c, "config": 3}, "its configuration describes no model"),
        (lambda c: {**c, "config": [3]}, "model file"),
        (lambda c: {**c, "keras_version": "3.1"}, "it was saved by Keras 3.1"),
    ],
)
def test_a_configuration_that_is_none(change, message, tmp_path):
    path = write(tmp_path, description("BinaryDense", "binary_tanh"), arrays())
    path.write_text(json.dumps(change(description("BinaryDense", "binary_tanh"))))
    with pytest.raises(UnsupportedModelError, match=message):
        load_model(path)


def test_weights_have_to_lie_beside(tmp_path):
    path = write(tmp_path, description("BinaryDense", "binary_tanh"), arrays())
    shutil.copy(tmp_path / "net_weights.h5", tmp_path / "net.h5")
    with pytest.raises(UnsupportedModelError, match=r"there are net_weights.h5 and net.h5"):
        load_model(path)
    for file in tmp_path.glob("*.h5"):
        file.unlink()
    with pytest.raises(UnsupportedModelError, match=r"net_weights.h5, net.h5; none of them is there"):
        load_model(path)
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(UnsupportedModelError, match=r"net.h5: it is damaged or cut off"):
        load_model(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_none_has_no_sign(value, tmp_path):
    weights = arrays()
    weights["fc2"]["kernel:0"][1, 1] = value
    path = write(tmp_path, description("BinaryDense", "binary_tanh"), weights)
    with pytest.raises(
        UnsupportedModelError, match="weight 'fc2/fc2/kernel:0' holds 1 values that are NaN or infinite"
    ):
        load_model(path)


def test_a_binary_weight_of_zero_has_two_answers(tmp_path):
    weights = arrays()
    weights["fc2"]["kernel:0"][1, 1] = 0
    path = write(tmp_path, description("BinaryDense", "binary_tanh"), weights)
    with pytest.raises(UnsupportedModelError, match="layer 'fc2': 1 of its binary weights are 0, or nearly"):
        load_model(path)
