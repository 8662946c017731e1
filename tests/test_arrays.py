"""NumPy files from users: good ones are read, all others are one message."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from bittrigger.compile.convert import read_inputs
from bittrigger.errors import ConfigError
from bittrigger.system import arrays
from bittrigger.system.arrays import read_array


def header(text):
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


def test_good_files(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", x=values, y=values + 1)
    assert np.array_equal(read_array(tmp_path / "a.npy", "inputs", "x"), values)
    assert np.array_equal(read_array(tmp_path / "a.npz", "inputs", "y"), values + 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04pickle",
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (35184372088832,), }"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + b"cos\nsystem\n",
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1"),
        header("(" * 300),
        header("{\x00}"),
    ],
)
def test_damaged_files(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ConfigError, match=r"matrix .*a.npy: not a readable .npy file \(.+\)"):
        read_array(tmp_path / "a.npy", "matrix")


def test_an_archive_is_not_unpacked_beyond_the_bound(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(100_000))
    monkeypatch.setattr(arrays, "MAX_BYTES", 1000)
    with pytest.raises(ConfigError, match="array 'x' unpacks to 800128 bytes; allowed are 1000; split it"):
        read_array(tmp_path / "a.npz", "inputs", "x")


def test_damaged_archives(tmp_path):
    np.savez(tmp_path / "a.npz", y=np.zeros(3))
    with pytest.raises(
        ConfigError, match=r"inputs .*a.npz: no array 'x' in it; save it with numpy.savez\(path, x=events\)"
    ):
        read_array(tmp_path / "a.npz", "inputs", "x")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("x.npy", b"text")
    with pytest.raises(ConfigError, match="not a readable .npy or .npz file"):
        read_array(tmp_path / "b.npz", "inputs", "x")


@pytest.mark.parametrize("values", [np.float64(3), np.zeros((0, 3)), np.zeros((3, 0))])
def test_inputs_without_an_event(tmp_path, values):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ConfigError, match=r"shape \(.*\); expected at least one event of at least one value"):
        read_inputs(tmp_path / "a.npy")
