"""Showers as their generators see them, and back; and what is measured of them.

An event is the voxels of each layer over its energy, and one number a layer: the energy of all over the incident one,
then that of each layer over what is left from it on. All as `log(x + 1e-8)`, standardised; the condition is the logarithm of the
incident energy.

Source: C. Krause et al., CaloINN, arXiv:2312.09290.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.data.showers import LAYERS, THRESHOLD_MEV

__all__ = [
    "Scale",
    "condition",
    "events",
    "layer_energies",
    "observables",
    "shares",
    "voxels_of",
    "widths",
]

STARTS = np.cumsum([0, *(layer.voxels for layer in LAYERS)])
NOISE = 5e-6
"""Uniform, added to the shares of the voxels, so that none is exactly zero."""

FLOOR = 1e-8
Real = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of each number of an event, of the training showers."""

    mean: Real
    deviation: Real


def shares(voxels: Real, incident: Real) -> tuple[Real, Real]:
    """Shares of the voxels in their layers `(n, voxels)`, and the numbers of the layers `(n, layers)`."""
    layers = layer_energies(voxels)
    inside = np.concatenate(
        [voxels[:, a:b] / np.maximum(layers[:, i : i + 1], FLOOR) for i, (a, b) in enumerate(_slices())], axis=1
    )
    left = np.cumsum(layers[:, ::-1], axis=1)[:, ::-1]
    rest = layers[:, :-1] / np.maximum(left[:, :-1], FLOOR)
    return inside, np.concatenate([left[:, :1] / incident[:, None], rest], axis=1)


def events(voxels: Real, incident: Real, random: np.random.Generator) -> Real:
    """Logarithms of shares and numbers, `(n, voxels + layers)`, not yet standardised."""
    inside, numbers = shares(voxels.astype(np.float64), incident.astype(np.float64))
    inside = inside + random.uniform(0, NOISE, inside.shape)
    return np.asarray(np.log(np.concatenate([inside, numbers], axis=1) + FLOOR))


def voxels_of(logs: Real, incident: Real) -> npt.NDArray[np.float32]:
    """The voxels in MeV of events as `events` gives them."""
    values = np.maximum(np.exp(np.minimum(logs, 5.0)) - FLOOR, 0)
    count = len(LAYERS)
    inside, numbers = np.where(values[:, :-count] > NOISE, values[:, :-count], 0), values[:, -count:]
    rest = np.clip(numbers[:, 1:], 0, 1)
    left = numbers[:, :1] * incident[:, None]
    found = []
    for i, (a, b) in enumerate(_slices()):
        energy = left * rest[:, i : i + 1] if i < count - 1 else left
        total = inside[:, a:b].sum(axis=1, keepdims=True)
        found.append(inside[:, a:b] / np.maximum(total, FLOOR) * energy)
        left = left - energy
    voxels: npt.NDArray[np.float32] = np.concatenate(found, axis=1).astype(np.float32)
    voxels[voxels < THRESHOLD_MEV] = 0
    return voxels


def condition(incident: Real) -> npt.NDArray[np.float32]:
    """The logarithm of the incident energy, about from -1 to 1, `(n, 1)`."""
    return np.asarray((np.log2(incident) - 15) / 7, np.float32)[:, None]


def layer_energies(voxels: Real) -> Real:
    """Energy in each layer, `(n, layers)`."""
    return np.stack([voxels[:, a:b].sum(axis=1) for a, b in _slices()], axis=1)


def widths(voxels: Real) -> Real:
    """Root mean square radius in each layer that has angles, cm, `(n, 2)`: of layers two and three; 0 if it is empty."""
    found = []
    for (a, b), layer in zip(_slices(), LAYERS, strict=True):
        if layer.angles > 1:
            centres = np.repeat((layer.radii_cm[1:] + layer.radii_cm[:-1]) / 2, layer.angles)
            energy = voxels[:, a:b].sum(axis=1)
            found.append(np.sqrt((voxels[:, a:b] * centres**2).sum(axis=1) / np.maximum(energy, FLOOR)))
    return np.stack(found, axis=1)


def observables(voxels: Real, incident: Real) -> dict[str, Real]:
    """What the paper compares: energy over the incident one, share of each layer, widths, and how many voxels are hit."""
    layers, total = layer_energies(voxels), voxels.sum(axis=1)
    of_layers = {f"share of layer {i + 1}": layers[:, i] / np.maximum(total, FLOOR) for i in range(len(LAYERS))}
    of_widths = {f"width of layer {i + 2} (cm)": column for i, column in enumerate(widths(voxels).T)}
    return {"energy / incident": total / incident, **of_layers, **of_widths, "voxels hit": (voxels > 0).sum(axis=1)}


def _slices() -> list[tuple[int, int]]:
    return list(zip(STARTS[:-1].tolist(), STARTS[1:].tolist(), strict=True))
