"""Level-1-like integers of whole bunch crossings: zero bias with pile-up, and signals in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.data import l1_algorithms, l1_towers
from bittrigger.data.events import GENERATORS, start_pythia
from bittrigger.data.l1_algorithms import find_objects
from bittrigger.data.l1_towers import PHI_TOWERS, Deposits, deposit, overlay, turned
from bittrigger.data.model import Block, DataSet, Part

KINDS = ("zerobias", "ttbar", "qcd", "hto4l", "hinv")

_BEAMS = ["Beams:eCM = 13600"]
_INELASTIC = ["SoftQCD:inelastic = on"]
_SIGNAL = {
    "ttbar": ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on"],
    "qcd": ["HardQCD:all = on", "PhaseSpace:pTHatMin = 30"],
    "hto4l": [
        "HiggsSM:gg2H = on",
        "25:onMode = off",
        "25:onIfMatch = 23 23",
        "23:onMode = off",
        "23:onIfAny = 11 13",
    ],
    "hinv": [
        "HiggsSM:ff2Hff(t:WW) = on",
        "25:onMode = off",
        "25:onIfMatch = 23 23",
        "23:onMode = off",
        "23:onIfAny = 12 14 16",
    ],
}

_PILEUP = 55
_POOL_MAX, _POOL_MIN = 4000, 200
_POOL_BATCH, _BATCH = 250, 100


def generate(block: Block) -> Part:
    """The crossings of a block: an array `(rows, 57)` int16 called like the kind.

    The pile-up is drawn from a pool of the block's own: as many inelastic events as rows, within limits.
    """
    random = block.random()
    pool_size = max(_POOL_MIN, min(_POOL_MAX, block.rows))
    pool = _events(start_pythia([*_BEAMS, *_INELASTIC], block.pythia_seed(1)), pool_size, _POOL_BATCH, random)
    signal: list[Deposits] = []
    if block.kind in _SIGNAL:
        signal = _events(start_pythia([*_BEAMS, *_SIGNAL[block.kind]], block.pythia_seed()), block.rows, _BATCH, random)
    rows = np.zeros((block.rows, len(l1_algorithms.FEATURES)), np.int16)
    for i, row in enumerate(rows):
        collisions = [
            turned(pool[j], int(random.integers(PHI_TOWERS)), mirrored=bool(random.integers(2)))
            for j in random.integers(len(pool), size=random.poisson(_PILEUP))
        ]
        ecal, hcal, muons = overlay(collisions + signal[i : i + 1])
        row[:] = find_objects(ecal, hcal, muons, random)
    return Part({block.kind: rows}, len(pool) + len(signal))


def _events(pythia: Any, count: int, batch: int, random: np.random.Generator) -> list[Deposits]:  # noqa: ANN401
    """The deposits of so many events."""
    found: list[Deposits] = []
    while len(found) < count:
        found += deposit(pythia.nextBatch(min(batch, count - len(found))).prt, random)
    return found


L1_OBJECTS = DataSet(
    name="l1-objects",
    what="Level-1-like integers of bunch crossings: zero bias at pile-up 55, ttbar, QCD, H to 4 leptons, invisible H",
    features="57 integers in the order of the CMS anomaly triggers: MET, 4 e/gamma, 4 muons, 10 jets, each pt, eta, phi",
    kinds=KINDS,
    shares=(10, 1, 1, 1, 1),
    block_rows=5000,
    generate=generate,
    settings={
        "revision": 1,
        "pythia": _BEAMS,
        "processes": {"pileup": _INELASTIC, **_SIGNAL},
        "pileup": _PILEUP,
        "pool": [_POOL_MIN, _POOL_MAX],
        "towers": l1_towers.SETTINGS,
        "algorithms": l1_algorithms.SETTINGS,
    },
    packages=(*GENERATORS, "scipy"),
    rate="140 to 190 crossings a second of one core, after a pool of pile-up for each block at 142 events a second",
    source="the inputs of AXOL1TL, A. Gandrakota, arXiv:2411.19506; the detector is a plain model, not that of CMS",
    constants={"features": l1_algorithms.FEATURES},
)
