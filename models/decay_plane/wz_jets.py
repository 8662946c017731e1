"""The W jets as the networks read them. NumPy only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.data import DecayPlanes, load_wz_decay_plane
from bittrigger.errors import ConfigError
from bittrigger.train import Split, split_by_seed

CONSTITUENTS = 16
"""Leading ones that are read: the principal axis of 16 is nearer to the truth than that of 40, and edges grow as the square."""

PT_UNIT_GEV = 500.0
"""The jet's pT enters as the logarithm of its ratio to the cut."""

VALIDATION_FRACTION = 0.1
TEST_FRACTION = 1 / 3
SPLIT_SEED = 1


@dataclass(frozen=True)
class Jets:
    """Jets as the networks read them, and which rows serve for what.

    Attributes:
        x: `(n, 1 + 3 N)`, see `smeftnet.Unpack`.
        phi: `(n, 1)`, the target in radians.
        split: of the rows; the same for each seed of a training.
        files: the data as generated.
    """

    x: npt.NDArray[np.float32]
    phi: npt.NDArray[np.float32]
    split: Split
    files: tuple[DecayPlanes, ...]

    @property
    def test_phi(self) -> npt.NDArray[np.float32]:
        """The targets of the test jets, `(n,)`."""
        return self.phi[self.split.test, 0]

    def digest(self) -> str:
        """A hash of inputs and targets."""
        return hashlib.sha256(self.x.tobytes() + self.phi.tobytes()).hexdigest()


def load_jets(data: Path, constituents: int = CONSTITUENTS) -> Jets:
    """Return the jets of a file, or of all files of a folder, with a split that is the same for every training.

    Raises:
        ConfigError: there is no such file, one is damaged, or the jets are too few.
    """
    paths = sorted(data.glob("*.npz")) if data.is_dir() else [data]
    if not paths or not all(path.is_file() for path in paths):
        raise ConfigError(
            f"--data {data}: no such file, or a folder without .npz files; expected what "
            "`bittrigger data make wz-decay-plane` writes"
        )
    files = tuple(load_wz_decay_plane(path) for path in paths)
    x = np.concatenate([network_input(file.x, file.scalars[:, 0], constituents) for file in files])
    phi = np.concatenate([file.phi for file in files])[:, np.newaxis]
    labels = np.zeros(len(x), dtype=np.int8)
    split = split_by_seed(labels, validation=VALIDATION_FRACTION, test=TEST_FRACTION, seed=SPLIT_SEED)
    return Jets(x, phi, split, files)


def network_input(
    x: npt.NDArray[Any], jet_pt_gev: npt.NDArray[Any], constituents: int = CONSTITUENTS
) -> npt.NDArray[np.float32]:
    """Return rows for the network, `(n, 1 + 3 N)`, from constituents `(n, 40, 3)` and the pT of the jets `(n,)`.

    Raises:
        ConfigError: there are fewer constituents than asked for.
    """
    if x.shape[1] < constituents:
        raise ConfigError(f"data of {x.shape[1]} constituents; expected at least {constituents}; make the file again")
    leading = x[:, :constituents].reshape(len(x), -1)
    return np.concatenate([np.log(jet_pt_gev / PT_UNIT_GEV)[:, np.newaxis], leading], axis=1).astype(np.float32)
