"""Towers and muons to the 57 integers of a crossing, with plain Level-1 algorithms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bittrigger.data.level1.towers import ETA_TOWERS, PHI_TOWERS, TOWER_ETA, TOWER_PHI
from bittrigger.data.model import Array

OBJECTS = ("met", *(f"{kind}_{i + 1}" for kind, n in (("egamma", 4), ("muon", 4), ("jet", 10)) for i in range(n)))

FEATURES = tuple(f"{name}_{value}" for name in OBJECTS for value in ("pt", "eta", "phi"))
"""Names of the 57 columns, in the order of the CMS anomaly triggers."""

_EGAMMA, _MUON, _JET = 1, 5, 9
_EGAMMAS, _MUONS, _JETS = 4, 4, 10

_MET_MAX, _CALO_MAX, _MUON_MAX = 4095, 2047, 511
_CALO_ETA, _CALO_PHI, _MUON_ETA, _MUON_PHI = 0.0435, 144, 0.010875, 576
"""Units of the integers: transverse energies 0.5 GeV, angles in steps of eta and of a full turn.

Source: CMS Global Trigger scales.
"""

_CENTRAL = slice(ETA_TOWERS // 2 - 28, ETA_TOWERS // 2 + 29)
"""|eta| < 2.5."""

_NOISE_GEV = (0.15, 0.25)
_MET_TOWER_GEV = 4.0
_EGAMMA_SEED_GEV, _EGAMMA_HADRONIC, _EGAMMA_PILEUP = 1.0, 0.3, 1.3
_JET_SEED_GEV, _JET_PILEUP, _JET_SCALE = 2.0, 1.7, 1.1
_OBJECT_MIN_GEV = 0.5
_MUON_MIN_GEV = 2.5
_STEP_GEV = 0.5

SETTINGS = {
    "noise_gev": list(_NOISE_GEV),
    "step_gev": _STEP_GEV,
    "met_tower_gev": _MET_TOWER_GEV,
    "egamma": {"seed_gev": _EGAMMA_SEED_GEV, "hadronic_max": _EGAMMA_HADRONIC, "pileup": _EGAMMA_PILEUP},
    "jets": {"seed_gev": _JET_SEED_GEV, "pileup": _JET_PILEUP, "scale": _JET_SCALE},
}

_ETA = (np.arange(ETA_TOWERS) - ETA_TOWERS // 2) * TOWER_ETA
_PHI = (np.arange(PHI_TOWERS) + 0.5) * TOWER_PHI


def find_objects(ecal: Array, hcal: Array, muons: Array, random: np.random.Generator) -> npt.NDArray[np.int16]:
    """The integers of a crossing, `(57,)`; empty slots are zero.

    Args:
        ecal: transverse energies in GeV, `(eta, phi)`.
        hcal: of the same shape.
        muons: pT in GeV, eta, phi, `(m, 3)`.
        random: for the noise.
    """
    ecal, hcal = (_digitise(depth, noise, random) for depth, noise in zip((ecal, hcal), _NOISE_GEV, strict=True))
    towers = ecal + hcal
    rows = np.zeros((len(OBJECTS), 3), np.int64)
    rows[0] = _missing_energy(towers)
    _fill(rows[_EGAMMA : _EGAMMA + _EGAMMAS], *_egammas(ecal, hcal))
    _fill(rows[_JET : _JET + _JETS], *_jets(towers))
    found = muons[muons[:, 0] > _MUON_MIN_GEV]
    found = found[np.argsort(-found[:, 0], kind="stable")][:_MUONS]
    for row, (pt, eta, phi) in zip(rows[_MUON:], found, strict=False):
        row[:] = min(int(pt / _STEP_GEV), _MUON_MAX), round(eta / _MUON_ETA), _turn(phi, _MUON_PHI)
    return rows.reshape(-1).astype(np.int16)


def _digitise(depth: Array, noise_gev: float, random: np.random.Generator) -> Array:
    steps: Array = np.maximum(np.floor((depth + random.normal(0, noise_gev, depth.shape)) / _STEP_GEV), 0)
    return steps * _STEP_GEV


def _missing_energy(towers: Array) -> tuple[int, int, int]:
    strong = np.where(towers >= _MET_TOWER_GEV, towers, 0)[_CENTRAL]
    x, y = -(strong * np.cos(_PHI)).sum(), -(strong * np.sin(_PHI)).sum()
    return min(int(np.hypot(x, y) / _STEP_GEV), _MET_MAX), 0, _turn(np.arctan2(y, x), _CALO_PHI)


def _turn(phi: float, steps: int) -> int:
    """An azimuth as an integer from 0 to ``steps - 1``."""
    return int((phi % (2 * np.pi)) / (2 * np.pi) * steps) % steps


def _egammas(ecal: Array, hcal: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Energy around each tower less pile-up, and where it is a candidate."""
    near, wide = _box(ecal + hcal, 3, 3), _box(ecal + hcal, 9, 9)
    energy = _box(ecal, 3, 3) - _EGAMMA_PILEUP * (wide - near) * 9 / 72
    seed = _is_peak(ecal, 3, 5) & (ecal >= _EGAMMA_SEED_GEV) & (energy > _OBJECT_MIN_GEV)
    central = np.zeros_like(seed)
    central[_CENTRAL] = True
    return energy, seed & central & (_box(hcal, 3, 3) < _EGAMMA_HADRONIC * np.maximum(energy, 1))


def _jets(towers: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Energy in 9 x 9 towers less pile-up, from the three quietest of the four strips around; where it is a candidate."""
    along, across = _box(towers, 9, 3), _box(towers, 3, 9)
    strips = [np.roll(along, 6, axis=1), np.roll(along, -6, axis=1), _shifted(across, 6), _shifted(across, -6)]
    pileup = np.sort(np.stack(strips), axis=0)[:3].sum(axis=0)
    energy = (_box(towers, 9, 9) - _JET_PILEUP * pileup) * _JET_SCALE
    return energy, (towers >= _JET_SEED_GEV) & _is_peak(towers, 9, 9) & (energy > _OBJECT_MIN_GEV)


def _fill(rows: Array, energy: Array, chosen: npt.NDArray[np.bool_]) -> None:
    """Write the strongest candidates, strongest first."""
    eta, phi = np.nonzero(chosen)
    values = energy[eta, phi]
    for row, i in zip(rows, np.argsort(-values, kind="stable"), strict=False):
        angle = round(_ETA[eta[i]] / _CALO_ETA), int((phi[i] + 0.5) / PHI_TOWERS * _CALO_PHI)
        row[:] = min(int(values[i] / _STEP_GEV), _CALO_MAX), *angle


def _box(values: Array, eta: int, phi: int) -> Array:
    """Sums of ``eta`` x ``phi`` towers around each one; azimuth is a circle."""
    from scipy.ndimage import uniform_filter

    sums: Array = uniform_filter(values, (eta, phi), mode=("constant", "wrap")) * (eta * phi)
    return sums


def _is_peak(values: Array, eta: int, phi: int) -> npt.NDArray[np.bool_]:
    from scipy.ndimage import maximum_filter

    peaks: npt.NDArray[np.bool_] = values == maximum_filter(values, (eta, phi), mode=("constant", "wrap"))
    return peaks


def _shifted(values: Array, steps: int) -> Array:
    """Rows moved along eta, zeros behind them."""
    moved = np.roll(values, steps, axis=0)
    moved[slice(None, steps) if steps > 0 else slice(steps, None)] = 0
    return moved
