"""Hard processes with two W or Z bosons, decayed longitudinally, as a Les Houches event file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from bittrigger.data.model import Array
from bittrigger.data.pythia.events import start_pythia

_Z_FRACTIONS = {1: 0.156, 2: 0.116, 3: 0.156, 4: 0.120, 5: 0.151}
"""Hadronic branching fractions of the Z by quark. Source: Particle Data Group, rounded."""

_W_PAIRS = ((2, -1), (4, -3))

_QUARK_MASS_GEV = {1: 0.33, 2: 0.33, 3: 0.5, 4: 1.5, 5: 4.8}
"""Constituent masses. Source: particle data of Pythia 8.3."""

_HEADER = """\
<LesHouchesEvents version="1.0">
<init>
2212 2212 {beam} {beam} 0 0 247000 247000 3 1
1.0 0.0 1.0 1
</init>
"""


def write_longitudinal(
    path: Path, lines: Iterable[str], events: int, *, beam_gev: float, seed: int, random: np.random.Generator
) -> None:
    """Write hard events whose bosons decay to quarks with dN/dcos(theta) ~ 1 - cos(theta)^2.

    theta is the angle between the quark and the boson's flight, in the boson's rest frame.

    Args:
        lines: settings of Pythia; the process must have two bosons as its outcome.
        events: how many to write.
    """
    pythia = start_pythia([*lines, "PartonLevel:all = off", "ProcessLevel:resonanceDecays = off"], seed)
    with path.open("w", encoding="ascii") as file:
        file.write(_HEADER.format(beam=beam_gev))
        written = 0
        while written < events:
            if not pythia.next():
                continue
            hard = [pythia.process[i] for i in range(pythia.process.size())]
            incoming = [i for i, p in enumerate(hard) if p.status() == -21]
            bosons = [p for p in hard if p.status() > 0 and p.mother1() in incoming]
            if len(incoming) == 2 and len(bosons) == 2:
                file.write(_event([hard[i] for i in incoming], bosons, pythia.infoPython().QFac(), random))
                written += 1
        file.write("</LesHouchesEvents>\n")


def _event(incoming: list[Any], bosons: list[Any], scale_gev: float, random: np.random.Generator) -> str:
    rows = [_row(p.id(), -1, (0, 0), (p.col(), p.acol()), _four(p), p.m()) for p in incoming]
    rows += [_row(p.id(), 2, (1, 2), (p.col(), p.acol()), _four(p), p.m()) for p in bosons]
    for i, boson in enumerate(bosons):
        ids = _quarks(boson.id(), random)
        masses = (_QUARK_MASS_GEV[abs(ids[0])], _QUARK_MASS_GEV[abs(ids[1])])
        for pid, p, mass in zip(ids, decay(_four(boson), boson.m(), masses, random), masses, strict=True):
            rows.append(_row(pid, 1, (3 + i, 3 + i), (501 + i, 0) if pid > 0 else (0, 501 + i), p, mass))
    return f"<event>\n{len(rows)} 1 1.0 {scale_gev:.6e} 0.0078 0.118\n{''.join(rows)}</event>\n"


def _row(  # noqa: PLR0917 - the columns of the format, in its order
    pid: int, status: int, mothers: tuple[int, int], colours: tuple[int, int], p: Array, mass: float
) -> str:
    numbers = " ".join(f"{value:.9e}" for value in (*p, mass))
    return f"{pid} {status} {mothers[0]} {mothers[1]} {colours[0]} {colours[1]} {numbers} 0 9\n"


def _four(particle: Any) -> Array:  # noqa: ANN401 - untyped library
    return np.array([particle.px(), particle.py(), particle.pz(), particle.e()])


def _quarks(boson: int, random: np.random.Generator) -> tuple[int, int]:
    """Quark and antiquark of a decay."""
    if abs(boson) == 23:
        fractions = np.array(list(_Z_FRACTIONS.values()))
        flavour = int(random.choice(list(_Z_FRACTIONS), p=fractions / fractions.sum()))
        return flavour, -flavour
    up, down = _W_PAIRS[random.integers(2)]
    return (up, down) if boson > 0 else (-up, -down)


def decay(boson: Array, mass: float, masses: tuple[float, float], random: np.random.Generator) -> tuple[Array, Array]:
    """Four-momenta, shape ``(4,)`` each, of the two decay products of a longitudinal boson.

    Args:
        boson: px, py, pz, E.
        mass: that of the boson; more than ``masses`` together.
        masses: those of the products, the first of which the angle is that of.
    """
    energy = (mass**2 + masses[0] ** 2 - masses[1] ** 2) / (2 * mass)
    cosine = 2 * random.beta(2, 2) - 1
    angle = random.uniform(0, 2 * np.pi)
    flight = boson[:3] / np.linalg.norm(boson[:3])
    side = np.cross(flight, np.eye(3)[np.argmin(np.abs(flight))])
    side /= np.linalg.norm(side)
    around = np.cos(angle) * side + np.sin(angle) * np.cross(flight, side)
    p = np.sqrt(energy**2 - masses[0] ** 2) * (cosine * flight + np.sqrt(1 - cosine**2) * around)
    return _boost(p, energy, boson, mass), _boost(-p, mass - energy, boson, mass)


def _boost(p: Array, energy: float, boson: Array, mass: float) -> Array:
    """A four-momentum from the boson's rest frame to that in which it is ``boson``."""
    along = p @ boson[:3]
    return np.append(p + boson[:3] * (along / (boson[3] + mass) + energy) / mass, (boson[3] * energy + along) / mass)
