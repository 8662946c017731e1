"""What loaders return: arrays that were checked, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.data.model import Array, Json
from bittrigger.errors import ConfigError


@dataclass(frozen=True)
class Provenance:
    """Where a sample comes from.

    Attributes:
        source: the data set, in words.
        files: the files that were read.
        record: what `bittrigger data make` wrote into the file, or None.
    """

    source: str
    files: tuple[str, ...]
    record: Json | None = None


@dataclass(frozen=True)
class Table:
    """Rows of features and their class.

    Attributes:
        x: `(n, features)`.
        y: indices into ``classes``, `(n,)`; each class has a row.
    """

    x: Array
    y: npt.NDArray[np.int8]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    provenance: Provenance


@dataclass(frozen=True)
class RatedCrossings:
    """Bunch crossings of background, each with the rate that it stands for, see `bittrigger.data.level1.rates`.

    Attributes:
        x: `(n, 57)`.
        khz: rates, above 0, `(n,)`; their sum is that of all crossings.
        pt_hat_gev: pT of the hard scattering, `(n,)`; 0 of a single boson.
        kind: indices into ``kinds``, `(n,)`.
    """

    x: npt.NDArray[np.int16]
    khz: npt.NDArray[np.float64]
    pt_hat_gev: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]
    kinds: tuple[str, ...]
    provenance: Provenance


@dataclass(frozen=True)
class Showers:
    """Showers in voxels.

    Attributes:
        incident_mev: energies of the particles, `(n,)`.
        voxels_mev: what is left in each voxel, `(n, voxels)`.
    """

    incident_mev: npt.NDArray[np.float32]
    voxels_mev: npt.NDArray[np.float32]
    provenance: Provenance


@dataclass(frozen=True)
class Constituents:
    """Jets as their constituents, by falling pT, one jet after another.

    Attributes:
        momenta: pT in GeV, rapidity, azimuth, `(sum of counts, 3)`.
        pid: numbers of the Monte Carlo particle scheme, `(sum of counts,)`.
        counts: constituents of each jet, `(n,)`, at least one.
        jet: pT in GeV, rapidity, azimuth and mass in GeV of the jets, `(n, 4)`; see `jets_of` where a file has none.
        y: indices into ``classes``, `(n,)`; each class has a jet.
    """

    momenta: npt.NDArray[np.float32]
    pid: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    jet: npt.NDArray[np.float32]
    y: npt.NDArray[np.int8]
    classes: tuple[str, ...]
    provenance: Provenance


@dataclass(frozen=True)
class TriggerJets:
    """Jets in the integers of a Level-1 trigger, see `bittrigger.data.level1.jets`.

    Attributes:
        particles: pT, angles from the axis, kind and dxy of the leading candidates, `(n, 16, 5)`, zeros where there are fewer.
        jet: pT, eta, phi, `(n, 3)`.
        counts: candidates of each jet, `(n,)`.
        y: indices into ``classes``, `(n,)`; each class has a jet.
    """

    particles: npt.NDArray[np.int16]
    jet: npt.NDArray[np.int16]
    counts: npt.NDArray[np.int16]
    y: npt.NDArray[np.int8]
    classes: tuple[str, ...]
    provenance: Provenance


@dataclass(frozen=True)
class DecayPlanes:
    """Jets of hadronic W and the angle of their decay plane.

    Attributes:
        x: pT in GeV, polar and azimuthal angle of the constituents, `(n, constituents, 3)`, zeros where there are fewer.
        scalars: numbers for each jet, `(n, len(scalar_names))`.
        phi: the target in radians, `(n,)`, from -pi to pi.
    """

    x: npt.NDArray[np.float32]
    scalars: npt.NDArray[np.float32]
    phi: npt.NDArray[np.float32]
    scalar_names: tuple[str, ...]
    provenance: Provenance


def jets_of(momenta: npt.NDArray[np.float32], counts: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """The jets that constituents add up to: pT in GeV, rapidity, azimuth and mass in GeV, `(n, 4)`.

    The rapidity is the mean with pT as weight, pT and azimuth are those of the sum of the transverse vectors, within pi of the
    leading constituent's azimuth; for the mass each constituent is massless.

    Args:
        momenta: pT, rapidity, azimuth, one jet after another, by falling pT, `(sum of counts, 3)`.
        counts: constituents of each jet, at least one.
    """
    first = np.cumsum(counts) - counts
    pt, rapidity, phi = np.asarray(momenta, np.float64).T
    lead = phi[first]
    away = phi - np.repeat(lead, counts)
    terms = (pt, pt * rapidity, pt * np.cos(away), pt * np.sin(away), pt * np.cosh(rapidity), pt * np.sinh(rapidity))
    scalar, weighted, x, y, energy, z = (np.add.reduceat(term, first) for term in terms)
    mass = np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0))
    jets = np.stack([np.hypot(x, y), weighted / scalar, lead + np.arctan2(y, x), mass], axis=1)
    return np.asarray(jets, np.float32)


def pad(sample: Constituents, constituents: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """The leading constituents of each jet, zeros where there are fewer.

    Args:
        constituents: how many, m.

    Returns:
        Momenta `(n, m, 3)` and particle numbers `(n, m)`.

    Raises:
        ConfigError: if ``constituents`` is below 1.
    """
    if constituents < 1:
        raise ConfigError(f"pad to {constituents} constituents: expected at least 1; change it")
    jet = np.repeat(np.arange(len(sample.counts)), sample.counts)
    place = np.arange(len(jet)) - np.repeat(np.cumsum(sample.counts) - sample.counts, sample.counts)
    kept = place < constituents
    momenta = np.zeros((len(sample.counts), constituents, 3), np.float32)
    pid = np.zeros((len(sample.counts), constituents), np.int32)
    momenta[jet[kept], place[kept]] = sample.momenta[kept]
    pid[jet[kept], place[kept]] = sample.pid[kept]
    return momenta, pid
