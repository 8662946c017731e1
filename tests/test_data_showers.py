"""Showers: their energy and shape, the same bits each time, and files that are none."""

import h5py
import numpy as np
import pytest

from bittrigger.data import SETS, Block, load_showers
from bittrigger.data.showers import LAYERS, VOXELS
from bittrigger.errors import ConfigError


def part(rows, seed=3):
    return SETS["showers"].generate(Block("photon", 0, 0, rows, seed)).arrays


def test_the_binning_is_that_of_ds1_photons():
    assert [layer.voxels for layer in LAYERS] == [8, 160, 190, 5, 5]
    assert VOXELS == 368


def test_showers_keep_their_energy_and_are_where_they_belong():
    arrays = part(120)
    share = arrays["showers"].sum(axis=1) / arrays["incident_energies"][:, 0]
    assert 0.95 < share.mean() < 1.05
    assert share.std() < 0.15
    in_layers = [part.sum() for part in np.split(arrays["showers"].sum(axis=0), np.cumsum([8, 160, 190, 5]))]
    assert int(np.argmax(in_layers)) == 2
    assert set(np.log2(arrays["incident_energies"][:, 0])) <= set(range(8, 23))


def test_the_same_seed_gives_the_same_bits():
    first, again, other = part(3), part(3), part(3, seed=4)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["showers"], other["showers"])


def files(tmp_path, **changes):
    arrays = {"incident_energies": np.full((2, 1), 512.0), "showers": np.ones((2, VOXELS))} | changes
    np.savez(tmp_path / "a.npz", **arrays)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return tmp_path / "a.npz", tmp_path / "a.hdf5"


def test_both_layouts_are_read(tmp_path):
    for path in files(tmp_path):
        found = load_showers(path)
        assert found.incident_mev.tolist() == [512, 512]
        assert found.voxels_mev.shape == (2, VOXELS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"showers": np.ones((2, 5))}, r"showers of shape \(2, 5\); expected \(n, 1\) and \(n, 368\)"),
        ({"showers": np.ones((3, VOXELS))}, "rows of 'incident_energies' 2, 'showers' 3"),
        ({"showers": np.full((2, VOXELS), np.nan)}, "array 'showers' holds nan at row 0"),
        ({"showers": np.full((2, VOXELS), -1.0)}, "shower 0 has an incident energy of 512.0 and a voxel of -1.0 MeV"),
        ({"incident_energies": np.zeros((2, 1))}, "shower 0 has an incident energy of 0.0"),
    ],
)
def test_other_files_are_refused(tmp_path, changes, message):
    for path in files(tmp_path, **changes):
        with pytest.raises(ConfigError, match=message):
            load_showers(path)
