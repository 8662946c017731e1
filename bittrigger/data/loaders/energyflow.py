"""The quark and gluon jets of EnergyFlow, from its own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.data.loaders.checks import check_finite, check_labels, check_lengths, read_checked
from bittrigger.data.loaders.samples import Constituents, Provenance, jets_of
from bittrigger.data.model import Array
from bittrigger.data.production.archive import members
from bittrigger.errors import ConfigError

CLASSES = ("gluon", "quark")

_COLUMNS = ("pt", "y", "phi", "pid")
_SOURCE = "EnergyFlow, Pythia 8 quark and gluon jets, doi:10.5281/zenodo.3164691"


def is_energyflow(path: Path) -> bool:
    """Whether a file is an .npz file with constituents as those of EnergyFlow."""
    if path.suffix != ".npz" or not path.is_file():
        return False
    shapes = {member.name: member.shape for member in members(path)}
    return len(shapes.get("X", ())) == 3 and shapes["X"][2] == len(_COLUMNS)


def load_energyflow(*paths: Path) -> Constituents:
    """The jets of files as ``QG_jets.npz``, one after another.

    A file holds ``X`` `(n, m, 4)` with pT, rapidity, azimuth and particle number, zeros behind the last constituent,
    and ``y`` `(n,)`, 1 for a quark. Constituents are put in order of falling pT;
    the files hold no jets, so each is what its constituents add up to, see ``jets_of``.

    Raises:
        ConfigError: if no file is given, one is not such a file or is damaged, or it lacks a class.
    """
    if not paths:
        raise ConfigError("no file of EnergyFlow is given; expected at least one as QG_jets.npz; name some")
    files = [_file(path) for path in paths]
    momenta, pid, counts, y = (np.concatenate([file[i] for file in files]) for i in range(4))
    names = tuple(map(str, paths))
    jets = jets_of(momenta, counts)
    return Constituents(momenta, pid, counts, jets, y, CLASSES, Provenance(_SOURCE, names))


def _file(
    path: Path,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    x = read_checked(path, "X", (None, None, len(_COLUMNS)), "f")
    labels = read_checked(path, "y", (None,), "fiu")
    check_lengths(path, {"X": x, "y": labels})
    check_finite(path, "X", x, _COLUMNS)
    y = check_labels(path, labels, CLASSES)
    real = x[..., 0] > 0
    _check_constituents(path, x, real)
    order = np.argsort(-x[..., 0], axis=1, kind="stable")
    sorted_x = np.take_along_axis(x, order[..., None], axis=1)[np.take_along_axis(real, order, axis=1)]
    return sorted_x[:, :3].astype(np.float32), sorted_x[:, 3].astype(np.int32), real.sum(axis=1).astype(np.int32), y


def _check_constituents(path: Path, x: Array, real: npt.NDArray[np.bool_]) -> None:
    pid = x[..., 3]
    wrong = (
        ("a transverse momentum below 0", x[..., 0] < 0),
        ("a particle number that is no 32-bit integer", (pid != np.floor(pid)) | (np.abs(pid) >= 2**31)),
        ("numbers in a constituent without transverse momentum", ~real & x.any(axis=2)),
        ("no constituent", np.broadcast_to(~real.any(axis=1, keepdims=True), real.shape)),
    )
    for words, where in wrong:
        if where.any():
            row = int(np.argwhere(where)[0, 0])
            raise ConfigError(
                f"data file {path}: jet {row} has {words}; expected constituents and zeros; fetch it again"
            )
