"""Public jets in HDF5: the 150-particle set of the hls4ml benchmark, and the top tagging reference (TopLandscape)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.data.loaders.checks import check_finite, check_labels
from bittrigger.data.loaders.samples import Constituents, Provenance, Table, jets_of
from bittrigger.data.model import Array
from bittrigger.data.pythia.jets5 import CLASSES, FEATURES
from bittrigger.errors import ConfigError

__all__ = [
    "HDF5",
    "TOP_CLASSES",
    "is_top_landscape",
    "load_jets150",
    "load_jets150_features",
    "load_top_landscape",
    "read_hdf5",
]

HDF5 = (".h5", ".hdf5")
"""What names of such files end in."""

TOP_CLASSES = ("qcd", "top")

_JETS150 = "hls4ml LHC jets with up to 150 particles, doi:10.5281/zenodo.3602260"
_TOP = "top quark tagging reference, doi:10.5281/zenodo.2603256"
_REMEDY = "fetch it again, or convert it with pandas"
_SLOTS = 200
_SIGNAL_COLUMN = 1
"""Of the integers of TopLandscape: ttv, is_signal_new."""


def load_jets150(*paths: Path) -> Constituents:
    """The five-class jets of files as ``jetImage_7_150p_0_10000.h5``, one after another; particle numbers are not in them.

    A file holds ``jetConstituentList`` `(n, 150, 16)` with the names ``particleFeatureNames``, and ``jets`` `(n, columns)`
    with ``jetFeatureNames``, among them one column a class.

    Raises:
        ConfigError: if no file is given, one is not such a file or is damaged, or a class has no jet.
    """
    files = [_jets150(path) for path in _given(paths, "jetImage_7_150p_0_10000.h5")]
    return _constituents(paths, files, CLASSES, _JETS150)


def load_jets150_features(*paths: Path) -> Table:
    """The 16 high-level features of the same files, in the order of `jets5`: columns ``j_zlogz`` to ``j_multiplicity``.

    Raises:
        ConfigError: if no file is given, one is not such a file or is damaged, or a class has no jet.
    """
    xs, ys = [], []
    for path in _given(paths, "jetImage_7_150p_0_10000.h5"):
        jets, names = read_hdf5(path, ("jets", "jetFeatureNames"))
        chosen = [_place(path, names, f"j_{name}") for name in FEATURES]
        ys.append(_classes(path, jets, names))
        xs.append(jets[:, chosen].astype(np.float32))
    x, labels = np.concatenate(xs), np.concatenate(ys)
    check_finite(paths[0], "jets", x, FEATURES)
    y = check_labels(paths[0], labels, CLASSES)
    return Table(x, y, FEATURES, CLASSES, Provenance(_JETS150, tuple(map(str, paths))))


def load_top_landscape(*paths: Path) -> Constituents:
    """The jets of files as ``test.h5`` of the top tagging reference, one after another; particle numbers are not in them.

    A file holds a table of pandas: E, px, py and pz of 200 constituents, the true top, ``ttv`` and ``is_signal_new``.

    Raises:
        ConfigError: if no file is given, one is not such a file or is damaged, or a class has no jet.
    """
    files = [_top(path) for path in _given(paths, "test.h5")]
    return _constituents(paths, files, TOP_CLASSES, _TOP)


def is_top_landscape(path: Path) -> bool:
    """Whether a file is HDF5 by its name and holds a table of pandas, as those of the top tagging reference do."""
    return has_array(path, "table/table")


def has_array(path: Path, name: str) -> bool:
    """Whether a file is HDF5, by its name too, and holds an array called ``name``."""
    if path.suffix not in HDF5 or not path.is_file():
        return False
    import h5py

    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return name in file


def _given(paths: tuple[Path, ...], name: str) -> tuple[Path, ...]:
    if not paths:
        raise ConfigError(f"no file is given; expected at least one as {name}; name some")
    return paths


def read_hdf5(path: Path, names: tuple[str, ...]) -> list[Array]:
    """Data sets of an HDF5 file, whole.

    Raises:
        ConfigError: if it is no HDF5 file, damaged, or lacks one.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise ConfigError(
                    f"data file {path}: no data set {missing[0]!r} in it; it holds {', '.join(file)}; {_REMEDY}"
                )
            return [np.asarray(file[name][()]) for name in names]
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"data file {path}: not a readable HDF5 file ({reason}); {_REMEDY}") from error


def _jets150(path: Path) -> tuple[Array, Array]:
    """Four-momenta E, px, py, pz `(n, 150, 4)` and labels `(n,)` of a file."""
    table, columns, jets, names = read_hdf5(
        path, ("jetConstituentList", "particleFeatureNames", "jets", "jetFeatureNames")
    )
    chosen = [_place(path, columns, f"j1_{name}") for name in ("e", "px", "py", "pz")]
    if table.ndim != 3 or jets.ndim != 2 or len(table) != len(jets):
        raise ConfigError(
            f"data file {path}: constituents of shape {table.shape}, jets of shape {jets.shape}; expected (n, 150, features) "
            f"and (n, columns); {_REMEDY}"
        )
    return table[:, :, chosen], _classes(path, jets, names)


def _classes(path: Path, jets: Array, names: Array) -> Array:
    """The class of each jet `(n,)`, from a column each."""
    classes = [_place(path, names, f"j_{name}") for name in CLASSES]
    one_hot = jets[:, classes]
    if not ((one_hot == 1).sum(axis=1) == 1).all():
        row = int(np.argmax((one_hot == 1).sum(axis=1) != 1))
        raise ConfigError(
            f"data file {path}: jet {row} is of no class or of several; expected one of {', '.join(CLASSES)}"
        )
    return np.asarray(one_hot.argmax(axis=1))


def _place(path: Path, names: Array, wanted: str) -> int:
    """The place of a name among those of the columns."""
    known = [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]
    if wanted not in known:
        raise ConfigError(f"data file {path}: no column {wanted!r} in it; it has {', '.join(known)}; {_REMEDY}")
    return known.index(wanted)


def _top(path: Path) -> tuple[Array, Array]:
    """Four-momenta E, px, py, pz `(n, 200, 4)` and labels `(n,)` of a file."""
    (table,) = read_hdf5(path, ("table/table",))
    fields = table.dtype.names or ()
    shapes = {name: table.dtype[name].shape for name in fields}
    if shapes.get("values_block_0") != (4 * _SLOTS + 4,) or shapes.get("values_block_1") != (2,):
        raise ConfigError(
            f"data file {path}: the table has {shapes}; expected values_block_0 of {4 * _SLOTS + 4} numbers and "
            f"values_block_1 of 2; {_REMEDY}"
        )
    momenta = table["values_block_0"][:, : 4 * _SLOTS].reshape(len(table), _SLOTS, 4)
    return momenta, table["values_block_1"][:, _SIGNAL_COLUMN]


def _constituents(
    paths: tuple[Path, ...], files: list[tuple[Array, Array]], classes: tuple[str, ...], source: str
) -> Constituents:
    """Jets of the files' four-momenta E, px, py, pz `(n, slots, 4)` and labels; without transverse momentum is no constituent."""
    momenta, labels = (np.concatenate([file[i] for file in files]) for i in range(2))
    where = paths[0]
    check_finite(where, "constituents", momenta)
    y = check_labels(where, labels, classes)
    energy, px, py, pz = np.moveaxis(momenta.astype(np.float64), 2, 0)
    pt = np.hypot(px, py)
    real = pt > 0
    if not real.any(axis=1).all():
        row = int(np.argmin(real.any(axis=1)))
        raise ConfigError(f"data file {where}: jet {row} has no constituent; expected at least one; {_REMEDY}")
    order = np.argsort(-pt, axis=1, kind="stable")
    kept = np.take_along_axis(real, order, axis=1)
    energy, px, py, pz, pt = (np.take_along_axis(values, order, axis=1)[kept] for values in (energy, px, py, pz, pt))
    mass_squared = np.maximum(energy**2 - pt**2 - pz**2, 0)
    rapidity = np.arcsinh(pz / np.hypot(pt, np.sqrt(mass_squared)))
    columns = np.stack([pt, rapidity, np.arctan2(py, px)], axis=1).astype(np.float32)
    counts = real.sum(axis=1).astype(np.int32)
    pid: npt.NDArray[np.int32] = np.zeros(len(columns), np.int32)
    provenance = Provenance(source, tuple(map(str, paths)))
    return Constituents(columns, pid, counts, jets_of(columns, counts), y, classes, provenance)
