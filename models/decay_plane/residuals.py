"""Residuals of the decay plane's angle, how two sets of them differ, and the angle without a network. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

BINS = 100
"""Of the histograms in (-pi, pi]. Source: the notebook of BitHEP's authors."""

Angles = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Distance:
    """How far the residuals of one network are from those of another.

    Attributes:
        separation: `1/2 sum (p - q)^2 / (p + q)` over the shares of the bins, from 0 to 1.
        separation_of_densities: the same over densities, without the width of a bin, as BitHEP's authors print it; it is
            `separation` over `2 pi / BINS`, at most 15.9.
        wasserstein_rad: Wasserstein-1 distance on the line; residuals next to -pi and next to pi are far apart in it.
        wasserstein_modulo_pi_rad: the same with residuals modulo pi, in (-pi / 2, pi / 2].
    """

    separation: float
    separation_of_densities: float
    wasserstein_rad: float
    wasserstein_modulo_pi_rad: float


def wrapped(found: Angles, target: Angles, period: float = 2 * np.pi) -> npt.NDArray[np.float64]:
    """Return `found - target` in (-period / 2, period / 2]; with `pi` as period quark and antiquark are the same."""
    difference = found.astype(np.float64) - target
    return difference - period * np.ceil(difference / period - 0.5)


def mean_sin2_of(found: Angles, target: Angles) -> float:
    """Return `mean sin^2(found - target)`: 0 is perfect, 0.5 is by chance."""
    return float(np.mean(np.sin(found.astype(np.float64) - target) ** 2))


def compare(one: Angles, other: Angles) -> Distance:
    """Return the distance of two sets of residuals in (-pi, pi].

    Raises:
        ConfigError: one of them is empty.
    """
    if not (len(one) and len(other)):
        raise ConfigError(f"{len(one)} and {len(other)} residuals; expected at least one of each")
    p, q = (np.histogram(values, BINS, (-np.pi, np.pi))[0] / len(values) for values in (one, other))
    either = p + q > 0
    separation = float(0.5 * np.sum((p - q)[either] ** 2 / (p + q)[either]))
    folded = [wrapped(values, np.zeros(len(values)), np.pi) for values in (one, other)]
    return Distance(separation, separation * BINS / (2 * np.pi), _wasserstein(one, other), _wasserstein(*folded))


def _wasserstein(one: Angles, other: Angles) -> float:
    """Return the area between the two cumulative distributions."""
    points = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(values), points[:-1], side="right") / len(values) for values in (one, other)]
    return float(np.abs(shares[0] - shares[1]) @ np.diff(points))


def principal_axis(constituents: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the angle `(n,)` of the pT-weighted principal axis of constituents `(n, N, 3)`: pT, polar, azimuthal angle.

    It is the longest axis of `sum pT v v^T` with `v` the polar angle times the unit vector of the azimuthal one.
    """
    pt, polar, azimuth = np.moveaxis(constituents.astype(np.float64), -1, 0)
    weight = pt * polar**2
    return 0.5 * np.arctan2((weight * np.sin(2 * azimuth)).sum(axis=1), (weight * np.cos(2 * azimuth)).sum(axis=1))
