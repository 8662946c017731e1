"""Four-vectors as NumPy arrays ``(..., 4)`` of px, py, pz, E: boosts and decay planes."""

from __future__ import annotations

import numpy as np

from bittrigger.data.model import Array


def boosted(p: Array, frame: Array) -> Array:
    """Four-momenta as seen in the rest frame of ``frame``.

    Args:
        p: shape `(n, 4)`.
        frame: shape `(4,)`, time-like.
    """
    mass = np.sqrt(frame[3] ** 2 - frame[:3] @ frame[:3])
    along = p[:, :3] @ frame[:3]
    energy = (p[:, 3] * frame[3] - along) / mass
    space = p[:, :3] + np.outer((along / (frame[3] + mass) - p[:, 3]) / mass, frame[:3])
    return np.concatenate([space, energy[:, None]], axis=1)


def axes(jet: Array, beam: Array) -> Array:
    """The rotation `(3, 3)` that turns ``jet`` to +z and ``beam`` to azimuth 0; both of shape `(3,)`."""
    z = jet / np.linalg.norm(jet)
    x = beam - (beam @ z) * z
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def decay_angle(boson: Array, quark: Array, antiquark: Array, beam: Array) -> float:
    """The angle in (-pi, pi] from the plane of beam and boson to that of the decay; all of shape `(3,)`, in one frame."""
    scattering, decay = np.cross(beam, boson), np.cross(quark, antiquark)
    scattering, decay = scattering / np.linalg.norm(scattering), decay / np.linalg.norm(decay)
    angle = float(np.arccos(np.clip(scattering @ decay, -1, 1)))
    return angle if np.cross(scattering, decay) @ boson > 0 else -angle


def distance(a: Array, b: Array) -> float:
    """Delta R of two four-momenta, in pseudorapidity and azimuth."""
    eta = [np.arcsinh(p[2] / np.hypot(p[0], p[1])) for p in (a, b)]
    phi = np.arctan2(a[1], a[0]) - np.arctan2(b[1], b[0])
    return float(np.hypot(eta[0] - eta[1], (phi + np.pi) % (2 * np.pi) - np.pi))
