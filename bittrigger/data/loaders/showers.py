"""Showers in the layout of the CaloChallenge: files of `bittrigger data make showers`, and public ones in HDF5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bittrigger.data.loaders.checks import check_finite, check_lengths, read_checked
from bittrigger.data.loaders.hdf5 import HDF5, read_hdf5
from bittrigger.data.loaders.samples import Provenance, Showers
from bittrigger.data.model import Array
from bittrigger.data.production.archive import read_record
from bittrigger.data.showers import VOXELS
from bittrigger.errors import ConfigError

__all__ = ["load_showers"]

_PUBLIC = "Fast Calorimeter Simulation Challenge 2022, arXiv:2410.21611"
_NAMES = ("incident_energies", "showers")


def load_showers(path: Path, *, voxels: int = VOXELS) -> Showers:
    """The showers of a file: ``incident_energies`` `(n, 1)` and ``showers`` `(n, voxels)` in MeV, .npz or HDF5.

    Args:
        voxels: how many there must be; 368 are those of ds1-photons.

    Raises:
        ConfigError: if the file is not such a one, or damaged, or holds an energy that is none.
    """
    public = path.suffix in HDF5
    if public:
        arrays = dict(zip(_NAMES, read_hdf5(path, _NAMES), strict=True))
    else:
        arrays = {name: read_checked(path, name, (None, None), "f") for name in _NAMES}
    energies, cells = arrays["incident_energies"], arrays["showers"]
    if energies.ndim != 2 or cells.ndim != 2 or energies.shape[1] != 1 or cells.shape[1] != voxels:
        raise ConfigError(
            f"data file {path}: incident_energies of shape {energies.shape}, showers of shape {cells.shape}; expected (n, 1) "
            f"and (n, {voxels}); give a file of that binning"
        )
    check_lengths(path, arrays)
    for name, values in arrays.items():
        check_finite(path, name, values)
    _check_sign(path, energies, cells)
    provenance = Provenance(_PUBLIC if public else "showers", (str(path),), None if public else read_record(path))
    return Showers(energies[:, 0].astype(np.float32), cells.astype(np.float32), provenance)


def _check_sign(path: Path, energies: Array, cells: Array) -> None:
    wrong = (energies[:, 0] <= 0) | (cells < 0).any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ConfigError(
            f"data file {path}: shower {row} has an incident energy of {energies[row, 0]} and a voxel of "
            f"{cells[row].min()} MeV; expected an energy above 0 and voxels of at least 0; remove such rows"
        )
