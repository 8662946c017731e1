"""Particles as a coarse calorimeter and muon system sees them: towers of 0.087, two depths, smeared muons.

A plain model with the granularity and field of CMS, not its simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.data.model import Array
from bittrigger.data.pythia.events import Jagged, flat

ETA_TOWERS, PHI_TOWERS = 115, 72
TOWER_ETA, TOWER_PHI = 0.087, 2 * np.pi / 72
TOWERS = ETA_TOWERS * PHI_TOWERS

_ETA_MAX = 5.0
_FIELD_T, _RADIUS_M = 3.8, 1.29
"""Magnetic field, and the radius of the calorimeter's front. Source: CMS, JINST 3 (2008) S08004."""

_MUON_PT_GEV, _MUON_ETA_MAX, _MUON_SMEARING, _MUON_EFFICIENCY = 2.5, 2.45, 0.18, 0.93
_ELECTROMAGNETIC = (11, 22)
_LEPTONS = (11, 13)
_CHARGED = (11, 13, 211, 321, 2212)

SETTINGS = {
    "towers": [ETA_TOWERS, PHI_TOWERS],
    "field_t": _FIELD_T,
    "radius_m": _RADIUS_M,
    "muons": {
        "pt_min_gev": _MUON_PT_GEV,
        "eta_max": _MUON_ETA_MAX,
        "smearing": _MUON_SMEARING,
        "efficiency": _MUON_EFFICIENCY,
    },
}


@dataclass(frozen=True)
class Deposits:
    """What one proton collision leaves behind.

    Attributes:
        tower: number of the tower, eta first, `(n,)`.
        ecal: transverse energy in the electromagnetic depth, GeV, `(n,)`.
        hcal: and in the hadronic one.
        muons: pT in GeV, eta, phi, `(m, 3)`.
    """

    tower: npt.NDArray[np.int64]
    ecal: Array
    hcal: Array
    muons: Array


def deposit(particles: Jagged, random: np.random.Generator) -> list[Deposits]:
    """The deposits of each event of a batch of Pythia."""
    import awkward as ak

    counts = ak.to_numpy(ak.num(particles.id))
    ids, p = flat(particles.id), particles.p
    momentum = np.stack([flat(p.px), flat(p.py), flat(p.pz), flat(p.e)], axis=1)
    event = np.repeat(np.arange(len(counts)), counts)
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    eta = np.arcsinh(momentum[:, 2] / np.maximum(pt, 1e-6))
    keep = (flat(particles.status) > 0) & ~np.isin(np.abs(ids), (12, 14, 16)) & (np.abs(eta) < _ETA_MAX)
    ids, event, pt, eta, momentum = ids[keep], event[keep], pt[keep], eta[keep], momentum[keep]
    phi = np.arctan2(momentum[:, 1], momentum[:, 0])
    seen, muons = _muons(ids, pt, eta, phi, random)
    hit, tower, ecal, hcal = _towers(ids, pt, eta, phi, momentum[:, 3], random)
    events = np.arange(len(counts) + 1)
    cuts, muon_cuts = np.searchsorted(event[hit], events), np.searchsorted(event[seen], events)
    return [
        Deposits(tower[a:b], ecal[a:b], hcal[a:b], muons[c:d])
        for a, b, c, d in zip(cuts[:-1], cuts[1:], muon_cuts[:-1], muon_cuts[1:], strict=True)
    ]


def _muons(ids: Array, pt: Array, eta: Array, phi: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Which particles are muons that are found, and their pT, eta and phi."""
    seen = np.flatnonzero((np.abs(ids) == 13) & (pt > _MUON_PT_GEV) & (np.abs(eta) < _MUON_ETA_MAX))
    seen = seen[random.random(len(seen)) < _MUON_EFFICIENCY]
    measured = pt[seen] * np.exp(random.normal(0, _MUON_SMEARING, len(seen)))
    return seen, np.stack([measured, eta[seen], phi[seen]], axis=1)


def _towers(  # noqa: PLR0917 - the columns of one table
    ids: Array, pt: Array, eta: Array, phi: Array, energy: Array, random: np.random.Generator
) -> tuple[Array, Array, Array, Array]:
    """Which particles reach the calorimeter; tower, and transverse energy in each depth."""
    kind = np.abs(ids)
    charge = np.where(np.isin(kind, _CHARGED), np.sign(ids) * np.where(np.isin(kind, _LEPTONS), -1, 1), 0)
    bend = 0.3 * _FIELD_T * _RADIUS_M / (2 * np.maximum(pt, 1e-3))
    hit = np.flatnonzero(((charge == 0) | (bend < 1)) & (kind != 13))
    kind, pt, eta, energy = kind[hit], pt[hit], eta[hit], energy[hit]
    azimuth = (phi[hit] - charge[hit] * np.arcsin(np.clip(bend[hit], 0, 1))) % (2 * np.pi)
    light = np.isin(kind, _ELECTROMAGNETIC)
    hadrons = np.where(random.random(len(hit)) < 0.4, 0.0, random.beta(1.0, 1.3, len(hit)))
    fraction = np.where(light, 1.0, hadrons)
    response = np.where(light, 1.0, np.clip(0.55 + 0.11 * np.log(np.maximum(energy, 1)), 0.3, 0.95))
    stochastic, constant = np.where(light, 0.03, 1.0), np.where(light, 0.01, 0.07)
    smearing = 1 + np.hypot(stochastic / np.sqrt(energy), constant) * random.normal(size=len(hit))
    measured = pt * np.maximum(response * smearing, 0)
    row = np.clip(np.floor(eta / TOWER_ETA + ETA_TOWERS / 2).astype(np.int64), 0, ETA_TOWERS - 1)
    column = np.floor(azimuth / TOWER_PHI).astype(np.int64) % PHI_TOWERS
    return hit, row * PHI_TOWERS + column, measured * fraction, measured * (1 - fraction)


def turned(deposits: Deposits, steps: int, *, mirrored: bool) -> Deposits:
    """The deposits turned in azimuth by so many towers, and with eta changed in sign if ``mirrored``."""
    row, column = np.divmod(deposits.tower, PHI_TOWERS)
    row = ETA_TOWERS - 1 - row if mirrored else row
    muons = deposits.muons * [1, -1 if mirrored else 1, 1] + [0, 0, steps * TOWER_PHI]
    return Deposits(row * PHI_TOWERS + (column + steps) % PHI_TOWERS, deposits.ecal, deposits.hcal, muons)


def turned_at_random(deposits: Deposits, random: np.random.Generator) -> Deposits:
    """The deposits in any azimuth, mirrored or not: of one collision many."""
    return turned(deposits, int(random.integers(PHI_TOWERS)), mirrored=bool(random.integers(2)))


def overlay(collisions: list[Deposits]) -> tuple[Array, Array, Array]:
    """Towers of a crossing in each depth, `(eta, phi)` in GeV, and all its muons, `(m, 3)`."""
    if not collisions:
        return np.zeros((ETA_TOWERS, PHI_TOWERS)), np.zeros((ETA_TOWERS, PHI_TOWERS)), np.zeros((0, 3))
    tower = np.concatenate([each.tower for each in collisions])
    depths = [
        np.bincount(tower, np.concatenate(energies), TOWERS).reshape(ETA_TOWERS, PHI_TOWERS)
        for energies in ([each.ecal for each in collisions], [each.hcal for each in collisions])
    ]
    return depths[0], depths[1], np.concatenate([each.muons for each in collisions])
