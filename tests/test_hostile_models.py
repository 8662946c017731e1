"""A model file runs no code, reads no other file and takes no more memory than it is worth: attacks, each with its payload."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import h5py
import hostile_models as hostile
import numpy as np
import pytest
from keras_models import compiled, refused

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file import hdf5
from bittrigger.frontend.keras_file.read import load_model

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    model = compiled()
    for name in ("m.h5", "m.keras"):
        model.save(folder / name)
    return folder


@pytest.fixture
def files(saved, tmp_path):
    """Copies of both formats that a test may spoil."""
    shutil.copy(saved / "m.h5", tmp_path)
    shutil.copy(saved / "m.keras", tmp_path)
    return tmp_path / "m.h5", tmp_path / "m.keras"


@pytest.mark.parametrize("make", [hostile.zip_before_hdf5, hostile.hdf5_before_zip])
def test_a_file_that_is_two_runs_no_code(make, files, tmp_path):
    target = tmp_path / "executed"
    path = make(*files, target)
    code = (
        "import sys\nfrom bittrigger.frontend.keras_file.read import load_model\nfrom bittrigger.errors import BittriggerError\n"
        f"try:\n    load_model({str(path)!r})\nexcept BittriggerError:\n    pass\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=600)
    assert not target.exists()
    refused(path, "not as Keras writes it")


def test_the_path_never_reaches_keras(files, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.keras.models, "load_model", lambda *_, **__: pytest.fail("Keras read the file itself"))
    for path in files:
        load_model(path)


def test_a_user_block_and_bytes_behind(files, tmp_path):
    h5, keras = files
    data = h5.read_bytes()
    (tmp_path / "block.h5").write_bytes(bytes(512) + data)
    refused(tmp_path / "block.h5", "neither HDF5 nor")
    (tmp_path / "behind.h5").write_bytes(data + b"x")
    refused(tmp_path / "behind.h5", "its header says")
    (tmp_path / "behind.keras").write_bytes(keras.read_bytes() + b"x" * 30)
    refused(tmp_path / "behind.keras", "begin and end as a zip archive")
    (tmp_path / "before.keras").write_bytes(keras.read_bytes() + keras.read_bytes())
    refused(tmp_path / "before.keras", "another file in front|damaged")


def test_two_members_of_one_name(files):
    path = files[1]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    refused(path, "two members of one name")


def test_what_concerns_training_is_not_read(files):
    with zipfile.ZipFile(files[1]) as archive:
        config = (
            archive.read("config.json")
            .decode()
            .replace('"compile_config": {', '"compile_config": {"class_name": "os", ', 1)
        )
    path = hostile.archive_with(files[1], files[1].with_name("compiled.keras"), **{"config.json": config})
    assert load_model(path).optimizer is None


@pytest.mark.parametrize("make", hostile.WEIGHTS, ids=lambda make: make.__name__)
def test_an_array_that_is_not_plain(make, files):
    refused(hostile.with_weight(files[0], make), "not as Keras writes it")


@pytest.mark.parametrize("name", ["/elsewhere", "../elsewhere", "d/../../elsewhere", "d//kernel:0", ""])
def test_a_name_that_leaves_the_group(name, files):
    with h5py.File(files[0], "r+") as file:
        file["elsewhere"] = np.ones((7, 4), np.float32)
        file["model_weights/d"].attrs["weight_names"] = [name, "d/bias:0"]
    refused(files[0], "not as Keras writes it")


def test_an_array_of_another_layer_and_names_in_another_order(files):
    with h5py.File(files[0], "r+") as file:
        file["model_weights/d"].attrs["weight_names"] = ["d/bias:0", "d/kernel:0"]
    refused(files[0], "layer 'd' has the weights .*expected")


def test_arrays_of_a_layer_that_is_not_there(files):
    with h5py.File(files[0], "r+") as file:
        group = file["model_weights"]
        group["more/x"] = np.zeros(3, np.float32)
        group["more"].attrs["weight_names"] = ["x"]
        group.attrs["layer_names"] = [*group.attrs["layer_names"], "more"]
    refused(files[0], "weights of 'more', which is no layer")


def test_groups_with_many_names(files):
    refused(hostile.diamond(files[1]), "another name too")
    refused(hostile.ring(files[1]), "another name too")


def test_texts_take_no_more_than_is_allowed(files, monkeypatch):
    hostile.long_names(files[0])
    monkeypatch.setattr(hdf5, "MAX_TEXTS_BYTES", 1 << 20)
    refused(files[0], "its texts take more than 1048576 bytes")


def test_a_chain_of_thousands_of_layers(files):
    refused(hostile.chain(files[0], 3000), "it has 3001 layers; allowed are 1 to 400")


def set_quantizer(**settings):
    def change(config):
        layer = next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == "d")
        layer["config"]["bias_quantizer"]["config"].update(settings)

    return change


def set_call(text):
    def change(config):
        layer = next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == "a")
        layer["config"]["activation"] = text

    return change


def set_body(**settings):
    return lambda config: config["config"].update(settings)


def set_read(reference):
    def change(config):
        config["config"]["layers"][2]["inbound_nodes"] = [[reference]]

    return change


def twice(config):
    config["config"]["layers"].append(config["config"]["layers"][1])


CONFIGURATIONS = {
    "bits": (set_quantizer(bits=10**9), "has the bits '1000000000'"),
    "bits that are none": (set_quantizer(bits=2.5), "has the bits '2.5'"),
    "integer": (set_quantizer(integer=2000), "has the integer '2000'"),
    "alpha as a list": (set_quantizer(alpha=[1, 2]), r"has the alpha '\[1, 2\]'"),
    "alpha as a dictionary": (set_quantizer(alpha={"a": 1}), "has the alpha"),
    "alpha as a word": (set_quantizer(alpha="x"), "has the alpha 'x'"),
    "alpha infinite": (set_quantizer(alpha=float("inf")), "has the alpha 'inf'"),
    "settings as a list": (
        lambda c: c["config"]["layers"][2]["config"]["bias_quantizer"].update(config=[1]),
        "settings",
    ),
    "bits in a call": (set_call("quantized_relu(1000000000)"), "has the argument '1000000000'"),
    "exponent in a call": (set_call("quantized_bits(4,1,alpha=1e99)"), "has the argument '1e99'"),
    "no outputs": (set_body(output_layers=[]), r"its output_layers are '\[\]'"),
    "no inputs": (set_body(input_layers=None), "its input_layers are 'None'"),
    "output that is none": (set_body(output_layers=[["z", 0, 0]]), "reads 'z', which is no layer"),
    "wild node": (set_read(["q", 10**12, 0, {}]), "which is none"),
    "negative node": (set_read(["q", -1, 0, {}]), "which is none"),
    "wild tensor": (set_read(["q", 0, 10**12, {}]), "which is none"),
    "node that is no number": (set_read(["q", "0", 0, {}]), "which is none"),
    "no such layer": (set_read(["z", 0, 0, {}]), "reads 'z', which is no layer"),
    "itself": (set_read(["d", 0, 0, {}]), "reads its own result"),
    "circle": (set_read(["o", 0, 0, {}]), "reads its own result"),
    "circle through an argument": (set_read(["q", 0, 0, {"y": ["o", 0, 0]}]), "reads its own result"),
    "called with nothing": (lambda c: c["config"]["layers"][2].update(inbound_nodes=[[]]), "called with nothing"),
    "never called": (lambda c: c["config"]["layers"][2].update(inbound_nodes=[]), "is never called"),
    "calls that are none": (lambda c: c["config"]["layers"][2].update(inbound_nodes=7), "its calls are '7'"),
    "one name twice": (twice, "another layer bears its name"),
    "line break in the model's name": (set_body(name="m\n#include"), "the model has the name"),
    "backslash in a layer's name": (
        lambda c: c["config"]["layers"][2]["config"].update(name="d\\"),
        "a layer has the name",
    ),
}


@pytest.mark.parametrize(("change", "match"), CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_a_configuration_without_meaning(change, match, files, monkeypatch):
    monkeypatch.setattr(
        "bittrigger.frontend.keras_file.read.build_model", lambda path, *_: pytest.fail(f"{path} was built")
    )
    config = hostile.config_of(files[0])
    change(config)
    refused(hostile.write_config(files[0], config), match)


@pytest.mark.parametrize("index", [0, 1])
def test_any_damage_is_one_sentence(index, files, monkeypatch):
    monkeypatch.setattr("bittrigger.frontend.keras_file.read.build_model", lambda *_: SimpleNamespace())
    path = files[index]
    data = path.read_bytes()
    generator = np.random.default_rng(index)
    outcomes = set()
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(generator.choice([1, 1, 3, 20])):
            damaged[generator.integers(len(data))] = generator.integers(256)
        if generator.random() < 0.2:
            del damaged[generator.integers(len(data)) :]
        path.write_bytes(bytes(damaged))
        try:
            load_model(path)
            outcomes.add("read")
        except UnsupportedModelError as error:
            outcomes.add("lines" if "\n" in str(error) else "refused")
    assert outcomes == {"read", "refused"}


def test_our_reader_and_the_library_agree(files):
    data = files[0].read_bytes()
    file = hdf5.Hdf5(data)
    ours = {path: file.array(header, path) for path, header in file.arrays()}
    theirs = {}
    with h5py.File(io.BytesIO(data), "r") as good:
        good.visititems(lambda name, item: theirs.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        assert file.texts(file.group(file.root), "model_config") == [good.attrs["model_config"]]
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        assert ours[name].dtype == values.dtype
        assert np.array_equal(ours[name], values)
