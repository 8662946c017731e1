"""Files as other versions of Keras, or Keras on Windows, write them: what is loaded predicts what it predicted there."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from keras_models import refused, tf

from bittrigger.compile.read import read_file
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.ir.basis import Grade
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

SAMPLES = Path(__file__).parent / "keras_3"
"""Of ``saved_elsewhere.py``; their values are short binary fractions, so that no float32 rounds."""
ARCHIVE, HDF5 = SAMPLES / "archive_of_2_15.keras", SAMPLES / "hdf5_of_3.h5"


def check(path, sample):
    events = np.load(sample.with_suffix(".npz"))
    assert (load_model(path).predict(events["x"], verbose=0) == events["y"]).all()


@pytest.mark.parametrize("sample", [ARCHIVE, HDF5], ids=lambda path: path.stem)
def test_a_file_of_another_keras_predicts_what_it_predicted_there(sample):
    check(sample, sample)


def test_a_file_of_another_keras_converts():
    reading = read_file(HDF5, Settings(input_precision="fixed<6,3>"))
    assert reading.graph.basis.grade is Grade.IDEAL
    assert reading.graph.basis.measured.float64.events == 0


def moved(source, path, place):
    """A copy of an archive with its arrays at other places."""
    data = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as archive:
        with h5py.File(io.BytesIO(old.read("model.weights.h5"))) as file, h5py.File(data, "w") as new:

            def put(name, item):
                if isinstance(item, h5py.Dataset):
                    new.create_dataset(place(name), data=item)

            file.visititems(put)
        for name in ("metadata.json", "config.json"):
            archive.writestr(name, old.read(name))
        archive.writestr("model.weights.h5", data.getvalue())
    return path


def on_windows(name):
    """The place that Keras 2 gives an array there: its layer is one word."""
    layer, of, number = name.rsplit("/", 2)
    return f"{layer.replace('/', chr(92))}/{of}/{number}" if of == "vars" else name


def test_an_archive_written_on_windows(tmp_path):
    check(moved(ARCHIVE, tmp_path / "m.keras", on_windows), ARCHIVE)


def test_an_array_at_one_place_with_both_separators(tmp_path):
    """A reader that takes the one predicts something else than a reader that takes the other."""

    def twice(data):
        with h5py.File(data, "r+") as file:
            file["layers"].create_dataset("dense\\vars\\0", data=np.zeros((1, 1), np.float32))
            file.require_group("layers/dense/vars").require_dataset("0", (1, 1), np.float32)

    path = tmp_path / "m.keras"
    with zipfile.ZipFile(moved(ARCHIVE, tmp_path / "one.keras", lambda name: f"{name}x")) as old:
        data = io.BytesIO(old.read("model.weights.h5"))
        twice(data)
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("metadata.json", "config.json"):
                archive.writestr(name, old.read(name))
            archive.writestr("model.weights.h5", data.getvalue())
    refused(path, "two arrays at 'layers.*', with one separator and another")


def test_an_archive_of_keras_2_14_under_a_later_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tf, "__version__", "2.20.0")
    check(
        moved(ARCHIVE, tmp_path / "m.keras", lambda name: name.replace("layers/", "_layer_checkpoint_dependencies/")),
        ARCHIVE,
    )


def test_an_archive_with_weights_of_no_layer(tmp_path):
    path = moved(ARCHIVE, tmp_path / "m.keras", lambda name: name.replace("layers/conv1d/", "layers/conv2d/"))
    refused(path, "Keras cannot build it: .*; save it again as .h5")


def renamed(path, change):
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_hdf5_of_keras_3_with_layers_of_another_package(tmp_path):
    path = shutil.copy(HDF5, tmp_path / "m.h5")
    renamed(path, lambda found: found[-1].update(class_name="hgq>QDense"))
    refused(
        path, r"layer 'last': class 'hgq>QDense' in an HDF5 file; allowed .* save it with model.save\('name.keras'\)"
    )


def test_hdf5_of_keras_3_with_a_layer_of_no_package(tmp_path):
    path = shutil.copy(HDF5, tmp_path / "m.h5")
    refused(renamed(path, lambda found: found[-1].update(class_name="Thief")), "class 'Thief' is not allowed")
