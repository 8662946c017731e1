"""NumPy files from users: good ones are read, all others are one message."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

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


def test_what_is_no_regular_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    for path in (tmp_path / "pipe.npy", tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="no regular file; allowed are .npy or .npz|not a readable"):
            read_inputs(path)


def test_an_archive_that_is_much_smaller_than_its_array(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1_000_000))
    monkeypatch.setattr(arrays, "FREE_BYTES", 1000)
    with pytest.raises(
        ConfigError, match=r"array 'x' unpacks from \d+ to 8000128 bytes; allowed are 1000, or 200 times"
    ):
        read_inputs(tmp_path / "a.npz")


def test_a_header_that_says_more_than_there_is_takes_no_memory(tmp_path):
    for shape in ("(35184372088832,)", "(1152921504606846976, 1152921504606846976)", "(-1, 5)", "(2, 3"):
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("x.npy", header(text) + bytes(64))
        with pytest.raises(ConfigError, match="not a readable .npy or .npz file"):
            read_inputs(tmp_path / "a.npz")


def test_a_file_with_holes_is_not_read_into_memory(tmp_path):
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
    with (tmp_path / "a.npy").open("wb") as stream:
        stream.write(header(text))
        stream.truncate(1 << 43)
    with pytest.raises(ConfigError, match="it has 8796093022208 bytes; allowed are 2147483648; split it"):
        read_inputs(tmp_path / "a.npy")


def test_a_file_that_is_both_is_read_as_what_it_begins_as(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    with zipfile.ZipFile(tmp_path / "a.npy", "a") as archive:
        archive.writestr("x.npy", b"another")
    assert np.array_equal(read_inputs(tmp_path / "a.npy"), np.arange(6.0).reshape(2, 3))
