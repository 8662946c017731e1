"""Model files that are damaged or hostile are refused before TensorFlow sees them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from keras_models import QActivation, compiled, layer_of, model_of, randomize, refused, tf

from bittrigger.frontend.keras_file.read import load_model

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def model():
    return compiled()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in ("m.h5", "m.keras"):
        model.save(folder / name)
    model.save_weights(folder / "weights.h5")
    return folder


@pytest.fixture
def h5(saved, tmp_path):
    """A copy of the HDF5 file that a test may spoil."""
    return shutil.copy(saved / "m.h5", tmp_path / "m.h5")


def spoil(path, change):
    """Change the configuration in an HDF5 file."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_a_good_file_loads_and_predicts_the_same(model, saved, name):
    loaded = load_model(saved / name)
    events = np.random.default_rng(0).normal(0, 3, size=(64, 7)).astype(np.float32)
    assert np.array_equal(loaded.predict(events, verbose=0), model.predict(events, verbose=0))
    assert loaded.optimizer is None


def test_slices_are_saved_whole_after_a_file_was_loaded(tmp_path):
    """Loading with TensorFlow's rewriting of code turned off took the names of arguments from the functions that it called."""
    for number in range(2):
        events = tf.keras.Input((3, 4))
        model = tf.keras.Model(events, tf.math.reduce_max(events[:, :, 1:3], -1))
        model.save(tmp_path / f"{number}.h5")
        loaded = load_model(tmp_path / f"{number}.h5")
        x = np.random.default_rng(number).normal(size=(5, 3, 4)).astype(np.float32)
        assert np.array_equal(loaded.predict(x, verbose=0), x[:, :, 1:3].max(-1))


def test_a_small_file_takes_little_memory(h5):
    lines = [
        "import resource, sys; from pathlib import Path; from bittrigger.frontend.keras_file.content import read_bytes",
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()",
        "resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 28),) * 2)",
        "assert len(read_bytes(Path(sys.argv[1]))) > 9000",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines), str(h5)], check=True)


def test_a_quantiser_object_in_an_archive(tmp_path):
    from qkeras import quantized_bits

    made = randomize(model_of(QActivation(quantized_bits(4, 1, alpha=1), name="a")))
    made.save(tmp_path / "m.keras")
    assert type(load_model(tmp_path / "m.keras").get_layer("a")) is QActivation


def test_no_such_file(tmp_path):
    refused(tmp_path / "none.h5", "no such file; allowed are files of model.save")


def test_a_folder(tmp_path):
    refused(tmp_path, "it is a folder")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    refused(tmp_path, "it is a SavedModel folder")


@pytest.mark.parametrize("content", [b"hello", b"{}", b"\x80\x04\x95pickle", b"PK\x03\x04nothing"])
def test_another_kind_of_file(tmp_path, content):
    (tmp_path / "m.h5").write_bytes(content)
    refused(tmp_path / "m.h5", "neither HDF5 nor a .keras archive|damaged or cut off")


def test_an_empty_file_and_a_device(tmp_path):
    (tmp_path / "m.h5").write_bytes(b"")
    refused(tmp_path / "m.h5", "it is empty")
    os.mkfifo(tmp_path / "pipe.h5")
    refused(tmp_path / "pipe.h5", "no regular file")


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_truncated_file(saved, tmp_path, name, share):
    data = (saved / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    refused(tmp_path / name, "damaged or cut off|Keras cannot build it")


def test_weights_only_and_configuration_only(saved, h5):
    refused(saved / "weights.h5", "weights only, no configuration; .*model.save instead of")
    with h5py.File(h5, "r+") as file:
        del file["model_weights"]
    refused(h5, "a configuration and no weights")


def test_an_archive_without_weights(saved, tmp_path):
    with zipfile.ZipFile(saved / "m.keras") as good, zipfile.ZipFile(tmp_path / "m.keras", "w") as bad:
        bad.writestr("config.json", good.read("config.json"))
    refused(tmp_path / "m.keras", "the archive lacks model.weights.h5")


@pytest.mark.parametrize("text", ["{", "[]", '{"class_name": "Functional"}', "[" * 100000])
def test_a_configuration_that_is_none(h5, text):
    with h5py.File(h5, "r+") as file:
        del file.attrs["model_config"]
        file.create_group("big") if len(text) > 60000 else None
        file.attrs["model_config"] = text if len(text) < 60000 else text[:60000]
    refused(h5, "its configuration")


@pytest.mark.parametrize("value", [["Dense"], {}, None, 3])
def test_a_class_that_is_no_text(h5, value):
    refused(spoil(h5, lambda config: config["config"]["layers"][1].update(class_name=value)), "class .* is not allowed")


@pytest.mark.parametrize("value", [True, None, "", ["d"]])
def test_a_name_that_is_no_text(h5, value):
    refused(
        spoil(h5, lambda config: config["config"]["layers"][1]["config"].update(name=value)), "a layer has the name"
    )


def test_a_model_whose_name_is_no_text(h5):
    refused(
        spoil(h5, lambda config: config["config"].update(name=True)),
        "the model has the name 'True'; allowed are texts",
    )


def test_values_that_are_not_finite(h5):
    with h5py.File(h5, "r+") as file:
        file["model_weights/d/d/kernel:0"][1, 2] = np.inf
    refused(h5, r"weight 'd/d/kernel:0' holds 1 values that are NaN or infinite")


def test_weights_of_a_wrong_shape(h5):
    with h5py.File(h5, "r+") as file:
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d/kernel:0"] = np.zeros((3, 4), dtype=np.float32)
    refused(h5, "Keras cannot build it: .*save it again")


def test_sizes_that_would_fill_the_memory(h5):
    refused(spoil(h5, lambda c: layer_of(c, "d")["config"].update(units=2**30)), "could have .* weights; allowed are")


def test_an_archive_that_unpacks_to_gigabytes(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (65 << 20))
        archive.writestr("model.weights.h5", b"")
    refused(tmp_path / "m.keras", "not as Keras writes it .*compressed")


def test_weights_in_another_file(h5, tmp_path):
    with h5py.File(h5, "r+") as file:
        file["model_weights/other"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    refused(h5, "not as Keras writes it")


EVIL = {
    "lambda layer": lambda c: layer_of(c, "a").update(class_name="Lambda"),
    "op layer": lambda c: layer_of(c, "a").update(class_name="TFOpLambda"),
    "custom layer": lambda c: layer_of(c, "a").update(class_name="MyLayer"),
    "nested model": lambda c: layer_of(c, "a").update(class_name="Functional"),
    "custom quantizer": lambda c: layer_of(c, "d")["config"]["kernel_quantizer"].update(class_name="mine"),
    "module path": lambda c: layer_of(c, "d")["config"]["kernel_quantizer"].update(module="os"),
    "module that looks like keras": lambda c: layer_of(c, "d")["config"]["kernel_quantizer"].update(module="kerasx.y"),
    "registered name": lambda c: layer_of(c, "d")["config"]["kernel_quantizer"].update(registered_name="pkg>mine"),
    "model module": lambda c: c.update(module="subprocess"),
    "function object": lambda c: layer_of(c, "o")["config"].update(
        activation={"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}
    ),
    "lambda function": lambda c: layer_of(c, "o")["config"].update(
        activation={"class_name": "__lambda__", "config": {}}
    ),
    "function by string": lambda c: layer_of(c, "a")["config"].update(activation="deserialize_keras_object(x)"),
    "quantizer string with code": lambda c: layer_of(c, "a")["config"].update(
        activation="quantized_relu(__import__('os'))"
    ),
    "initializer": lambda c: layer_of(c, "d")["config"]["kernel_initializer"].update(class_name="Evil"),
    "regularizer": lambda c: layer_of(c, "d")["config"].update(kernel_regularizer="evil"),
    "constraint": lambda c: layer_of(c, "d")["config"]["kernel_constraint"]["config"].update(x={"class_name": "Evil"}),
    "model class": lambda c: c.update(class_name="Evil"),
    "argument of a call": lambda c: layer_of(c, "n").update(
        inbound_nodes=[[["d", 0, 0, {"f": {"class_name": "Evil"}}]]]
    ),
}


@pytest.mark.parametrize("change", EVIL.values(), ids=EVIL.keys())
def test_what_is_not_on_the_list_never_reaches_tensorflow(h5, change, monkeypatch):
    monkeypatch.setattr(
        "bittrigger.frontend.keras_file.read.build_model", lambda path, *_: pytest.fail(f"{path} was built")
    )
    refused(spoil(h5, change), "not allowed|holds a 'Evil'|allowed are")


def test_a_hostile_archive_never_reaches_tensorflow(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "bittrigger.frontend.keras_file.read.build_model", lambda path, *_: pytest.fail(f"{path} was built")
    )
    with zipfile.ZipFile(saved / "m.keras") as good, zipfile.ZipFile(tmp_path / "m.keras", "w") as bad:
        config = json.loads(good.read("config.json"))
        layer_of(config, "o").update(module="os", class_name="system")
        bad.writestr("config.json", json.dumps(config))
        bad.writestr("model.weights.h5", good.read("model.weights.h5"))
    refused(tmp_path / "m.keras", "layer 'o': class 'system' is not allowed")


def test_the_check_does_not_import_tensorflow(h5):
    spoil(h5, EVIL["lambda layer"])
    code = (
        "import sys\nfrom bittrigger.frontend.keras_file.read import load_model\nfrom bittrigger.errors import BittriggerError\n"
        f"try:\n    load_model({str(h5)!r})\nexcept BittriggerError:\n    sys.exit('tensorflow' in sys.modules)\n"
        "sys.exit('loaded')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_loading_is_silent_and_leaves_the_environment_alone(saved):
    code = (
        "import os, sys\nfrom bittrigger.frontend.keras_file.read import load_model\nbefore = dict(os.environ)\n"
        f"load_model({str(saved / 'm.h5')!r})\nsys.exit(dict(os.environ) != before)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=600)
    assert (done.stdout, done.stderr) == ("", "")


def test_an_hdf5_file_of_a_later_keras_says_so(h5):
    with h5py.File(h5, "a") as file:
        file.attrs["keras_version"] = "4.0.0"
    refused(h5, r"it was saved by Keras 4\.0\.0; allowed are files of .* of Keras 2 and 3, .*; save it with")
