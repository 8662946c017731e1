"""Showers as CaloDREAM's networks see them, and back.

The shape network sees logarithms of the shares of voxels in their layers; the energy network one number a layer as logits: the
energy of all over the incident one, then that of each layer over what is left from it on. All are standardised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from shape import ShapeSettings

from bittrigger.data import Showers
from bittrigger.data.shower_shares import FLOOR, Real, Scale, condition, events, shares, voxels_of
from bittrigger.data.showers import LAYERS

EDGE = 1e-6
LARGEST = np.array([3.5] + [1.0] * (len(LAYERS) - 1))
"""Largest of each number; the authors cut on the first one in the same way."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """Scales of the training showers, and where the groups of voxels lie.

    Attributes:
        voxel_scale: of the logarithms.
        number_scale: of the logits.
        places: depth, angle and radius of each group from 0 to 1, `(tokens, 3)`.
    """

    voxel_scale: Scale
    number_scale: Scale
    places: Real

    @classmethod
    def of(cls, known: Showers, settings: ShapeSettings, seed: int) -> Layout:
        """The layout of training showers."""
        logs, logits = _raw(known, seed)
        return cls(_scale(logs), _scale(logits), _places(settings))

    def tables(self, known: Showers, seed: int) -> dict[str, Array]:
        """For each network its events and conditions side by side."""
        logs, logits = _raw(known, seed)
        voxels, numbers = _standard(logs, self.voxel_scale), _standard(logits, self.number_scale)
        energy = self.condition(known.incident_mev)
        return {
            "energy": np.concatenate([numbers, energy], axis=1),
            "shape": np.concatenate([voxels, energy, numbers], axis=1),
        }

    def width(self, net: str) -> int:
        """Columns of the table of a network."""
        layers, voxels = len(LAYERS), sum(layer.voxels for layer in LAYERS)
        return layers + 1 if net == "energy" else voxels + 1 + layers

    def condition(self, incident: Real) -> Array:
        """The logarithm of the incident energy, `(n, 1)`."""
        return condition(incident)

    def voxels(self, voxels: Real, numbers: Real, incident: Real) -> Array:
        """Voxels in MeV from what the networks give."""
        logs = voxels * self.voxel_scale.deviation + self.voxel_scale.mean
        logits = numbers * self.number_scale.deviation + self.number_scale.mean
        told = LARGEST * np.clip((1 / (1 + np.exp(-logits)) - EDGE) / (1 - 2 * EDGE), 0, 1)
        return voxels_of(np.concatenate([logs, np.log(told + FLOOR)], axis=1), incident)


def _raw(known: Showers, seed: int) -> tuple[Real, Real]:
    """Logarithms of the voxels' shares, and logits of the layers' numbers."""
    logs = events(known.voxels_mev, known.incident_mev, np.random.default_rng(seed))[:, : -len(LAYERS)]
    numbers = shares(known.voxels_mev.astype(np.float64), known.incident_mev.astype(np.float64))[1]
    part = EDGE + (1 - 2 * EDGE) * np.clip(numbers / LARGEST, 0, 1)
    return logs, np.log(part / (1 - part))


def _scale(values: Real) -> Scale:
    return Scale(values.mean(axis=0), values.std(axis=0) + 1e-6)


def _standard(values: Real, scale: Scale) -> Array:
    standard: Array = ((values - scale.mean) / scale.deviation).astype(np.float32)
    return standard


def _places(settings: ShapeSettings) -> Real:
    """The means over the voxels of each group."""
    found: list[Any] = []
    for depth, layer in enumerate(LAYERS):
        ring, angle = np.divmod(np.arange(layer.voxels), layer.angles)
        rings = layer.voxels // layer.angles
        found += zip(np.full(layer.voxels, depth / len(LAYERS)), angle / layer.angles, ring / rings, strict=True)
    return np.array(found).reshape(settings.tokens, settings.token_size, 3).mean(axis=1)
