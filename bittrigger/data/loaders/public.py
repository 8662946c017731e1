"""Public files of five-class jets with 16 features, by what their names end in: what recipes and commands take as they are."""

from __future__ import annotations

from pathlib import Path

from bittrigger.data.loaders.hdf5 import HDF5, load_jets150_features
from bittrigger.data.loaders.openml import load_openml_jets
from bittrigger.data.loaders.samples import Table

__all__ = ["public_jets"]


def public_jets(path: Path) -> Table | None:
    """The jets of OpenML 42468 (ARFF or CSV) or of a file of the 150-particle set (HDF5); None if the name is of neither.

    Raises:
        ConfigError: if it is not such a file, or damaged.
    """
    if ".arff" in path.suffixes or ".csv" in path.suffixes:
        return load_openml_jets(path)
    if path.suffix in HDF5:
        return load_jets150_features(path)
    return None
