"""Showers of photons in voxels, in the binning of ds1-photons of the CaloChallenge: a parametrisation, not a simulation.

The profiles are those of Grindhammer and Peters: correlated log-normal shower maximum and shape of a gamma distribution along the
shower, core and tail across it, a finite number of energy spots, gamma-distributed sampling fluctuations. Fluctuations are 10
to 40 % smaller than those of a full simulation, and voxels know of each other through the shape alone.

Source: G. Grindhammer, S. Peters, The parameterized simulation of electromagnetic showers, hep-ex/0001020; binning of
ds1-photons, CaloChallenge, arXiv:2410.21611.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bittrigger.data.model import Array, Block, DataSet, Part

KINDS = ("photon",)
ENERGIES_MEV = tuple(2.0**k for k in range(8, 23))
THRESHOLD_MEV = 1e-3
"""Less in a voxel is left out."""

DEPTHS_X0 = (0.0, 1.7, 6.0, 22.0, 24.5, 27.0)
"""Limits of the layers in radiation lengths."""

_RADII_MM = (
    (0, 5, 10, 30, 50, 100, 200, 400, 600),
    (0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200),
    (0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400),
    (0, 50, 100, 200, 400, 600),
    (0, 100, 200, 400, 1000, 2000),
)
_ANGLES = (1, 10, 10, 1, 1)
SUBSTEPS = 4
"""Steps of the profile in a layer thicker than one radiation length."""

CONVERSION_X0 = 9 / 7
"""Mean depth at which a photon becomes a pair."""


@dataclass(frozen=True)
class Layer:
    """A layer of the calorimeter: limits in radiation lengths, limits of the radii in cm, equal angles."""

    start: float
    stop: float
    radii_cm: Array
    angles: int

    @property
    def voxels(self) -> int:
        """How many voxels; ring after ring, angle after angle within a ring."""
        return (len(self.radii_cm) - 1) * self.angles


LAYERS = tuple(
    Layer(start, stop, np.array(radii, np.float64) / 10, angles)
    for (start, stop), radii, angles in zip(pairwise(DEPTHS_X0), _RADII_MM, _ANGLES, strict=True)
)
VOXELS = sum(layer.voxels for layer in LAYERS)


@dataclass(frozen=True)
class Material:
    """An element: charge, mass number, density in g/cm3, radiation length in cm."""

    z: float
    a: float
    density: float
    x0_cm: float

    @property
    def critical_mev(self) -> float:
        """Critical energy. Source: Dovzhenko and Pomanskii, as in hep-ex/0001020."""
        return float(2.66 * (self.x0_cm * self.density * self.z / self.a) ** 1.1)


LEAD = Material(82.0, 207.2, 11.35, 0.5612)
ARGON = Material(18.0, 39.948, 1.396, 14.0)


class Sampling:
    """A sampling calorimeter of lead and liquid argon, and the profiles of showers in it."""

    passive_cm, active_cm, resolution = 0.153, 0.45, 0.10

    def __init__(self) -> None:
        lead, argon = self.passive_cm * LEAD.density, self.active_cm * ARGON.density
        share = lead / (lead + argon), argon / (lead + argon)
        density = (lead + argon) / (self.passive_cm + self.active_cm)
        lengths = LEAD.x0_cm * LEAD.density, ARGON.x0_cm * ARGON.density
        self.z = share[0] * LEAD.z + share[1] * ARGON.z
        self.x0_cm = 1 / (share[0] * density / lengths[0] + share[1] * density / lengths[1])
        mixed = share[0] * LEAD.critical_mev / lengths[0] + share[1] * ARGON.critical_mev / lengths[1]
        self.radius_cm = 21.2 / (density * mixed)
        self.critical_mev = self.x0_cm * density * mixed
        self.frequency = self.x0_cm / (self.passive_cm + self.active_cm)
        self.e_over_mip = 1 / (1 + 0.007 * (LEAD.z - ARGON.z))

    def shape(self, gev: float, random: np.random.Generator) -> tuple[float, float, float, float, float]:
        """Maximum and exponent of the energy, of the spots, and the mean exponent of the energy."""
        log_y = np.log(gev * 1e3 / self.critical_mev)
        mean = np.log(max(log_y - 0.812, 0.1)), np.log(max(0.81 + (0.458 + 2.26 / self.z) * log_y, 0.1))
        maximum = np.log(max(np.exp(mean[0]) - 0.59 / self.frequency - 0.53 * (1 - self.e_over_mip), 1.1))
        exponent = np.log(max(np.exp(mean[1]) - 0.444 / self.frequency, 1.2))
        spread = np.clip([1 / max(-2.5 + 1.25 * log_y, 1e-3), 1 / max(-0.82 + 0.79 * log_y, 1e-3)], 0, 0.5)
        correlation = np.clip(0.784 - 0.023 * log_y, -1, 1)
        first, second = random.normal(size=2)
        plus, minus = np.sqrt((1 + correlation) / 2), np.sqrt((1 - correlation) / 2)
        t = float(np.exp(maximum + spread[0] * (plus * first + minus * second)))
        alpha = max(float(np.exp(exponent + spread[1] * (plus * first - minus * second))), 1.1)
        spots = max(t * (0.813 + 0.0019 * self.z), 0.5), max(alpha * (0.844 + 0.0026 * self.z), 1.1)
        return t, alpha, *spots, float(np.exp(exponent))

    def radial(self, gev: float, age: Array) -> tuple[Array, Array, Array]:
        """Radius of the core and of the tail in Moliere radii, and the share of the core, at ages of the shower."""
        log_e = np.log(gev)
        core = 0.0251 + 0.00319 * log_e + (0.1162 - 0.000381 * self.z) * age
        k1, k4 = 0.659 - 0.00309 * self.z, 0.3585 + 0.0421 * log_e
        tail = k1 * (np.exp(-2.59 * (age - 0.645)) + np.exp(k4 * (age - 0.645)))
        u = (0.401 + 0.00187 * self.z - age) / (1.313 - 0.0686 * log_e)
        share = (2.632 - 0.00094 * self.z) * np.exp(u - np.exp(u))
        missing = 1 - self.e_over_mip
        core = core - 0.0203 * missing + 0.0397 / self.frequency * np.exp(-age)
        tail = tail - 0.14 * missing - 0.495 / self.frequency * np.exp(-age)
        share = share + missing * (0.348 - 0.642 / self.frequency * np.exp(-((age - 1) ** 2)))
        return np.maximum(core, 0.005), np.maximum(tail, 0.02), np.clip(share, 0, 1)


def shower(gev: float, calorimeter: Sampling, random: np.random.Generator) -> Array:
    """The energies of the voxels of one shower, `(368,)`, MeV."""
    from scipy.special import gammainc

    t, alpha, t_spots, alpha_spots, mean_alpha = calorimeter.shape(gev, random)
    start = random.exponential(CONVERSION_X0)
    count = 10.3 / calorimeter.resolution * gev**0.959
    layers = []
    for layer in LAYERS:
        steps = SUBSTEPS if layer.stop - layer.start > 1 else 1
        edges = np.maximum(np.linspace(layer.start, layer.stop, steps + 1) - start, 0)
        energy = np.diff(gammainc(alpha, (alpha - 1) / t * edges)) * gev
        spots = np.diff(gammainc(alpha_spots, (alpha_spots - 1) / t_spots * edges)) * count
        age = (edges[1:] + edges[:-1]) / 2 / t * (alpha - 1) / alpha * mean_alpha / (mean_alpha - 1)
        profile = zip(energy, spots, *calorimeter.radial(gev, age), strict=True)
        parts = [_deposit(layer, step, calorimeter, random) for step in profile if step[0] > 0]
        layers.append(np.sum(parts, axis=0) if parts else np.zeros(layer.voxels))
    return np.concatenate(layers)


def _deposit(
    layer: Layer, step: tuple[float, float, float, float, float], calorimeter: Sampling, random: np.random.Generator
) -> Array:
    """What a step of the profile leaves in the voxels of its layer, MeV."""
    energy, spots, core, tail, share = step
    variance = calorimeter.resolution**2
    seen = random.gamma(energy / variance, variance)
    count = max(int(random.poisson(spots)), 1)
    u = random.random(count)
    radius = np.where(random.random(count) < share, core, tail) * calorimeter.radius_cm * np.sqrt(u / (1 - u))
    ring = np.searchsorted(layer.radii_cm, radius, side="right") - 1
    inside = ring < len(layer.radii_cm) - 1
    voxel = (ring * layer.angles + random.integers(0, layer.angles, count))[inside]
    return np.asarray(np.bincount(voxel, minlength=layer.voxels) * (seen / count * 1e3))


def generate(block: Block) -> Part:
    """The showers of a block: ``incident_energies`` `(rows, 1)` and ``showers`` `(rows, 368)`, MeV, as the challenge has them."""
    random, calorimeter = block.random(), Sampling()
    energies = random.choice(ENERGIES_MEV, size=block.rows)
    showers = np.stack([shower(energy / 1e3, calorimeter, random) for energy in energies]).astype(np.float32)
    showers[showers < THRESHOLD_MEV] = 0
    return Part({"incident_energies": energies.astype(np.float32)[:, None], "showers": showers}, block.rows)


SHOWERS = DataSet(
    name="showers",
    what="parametrised showers of photons in the voxels of ds1-photons of the CaloChallenge",
    features="368 voxels in five layers (8, 16 x 10, 19 x 10, 5, 5) and the incident energy, 2^8 to 2^22 MeV; MeV",
    kinds=KINDS,
    shares=(1,),
    block_rows=2000,
    generate=generate,
    settings={
        "revision": 1,
        "energies_mev": list(ENERGIES_MEV),
        "depths_x0": list(DEPTHS_X0),
        "radii_mm": [list(radii) for radii in _RADII_MM],
        "angles": list(_ANGLES),
        "threshold_mev": THRESHOLD_MEV,
        "substeps": SUBSTEPS,
    },
    packages=("scipy",),
    rate="330 showers a second of one core",
    source="G. Grindhammer, S. Peters, hep-ex/0001020; binning of ds1-photons, arXiv:2410.21611",
    constants={"kinds": KINDS},
)
