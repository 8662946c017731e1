"""Level-1-like integers of whole bunch crossings: zero bias with pile-up, and signals in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from bittrigger.data.level1 import algorithms, towers
from bittrigger.data.level1.algorithms import find_objects
from bittrigger.data.level1.towers import Deposits, deposit, overlay, turned_at_random
from bittrigger.data.model import Array, Block, DataSet, Part
from bittrigger.data.pythia.events import GENERATORS, each_event, start_pythia

KINDS = ("zerobias", "ttbar", "qcd", "hto4l", "hinv")

BEAMS = ["Beams:eCM = 13600"]
INELASTIC = ["SoftQCD:inelastic = on"]
SIGNAL = {
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

PILEUP = 55
POOL = [200, 4000]
"""Fewest and most events of pile-up that a block draws from."""

_POOL_BATCH, _BATCH = 250, 100


def generate(block: Block) -> Part:
    """The crossings of a block: an array `(rows, 57)` int16 called like the kind."""
    random = block.random()
    rows = np.zeros((block.rows, len(algorithms.FEATURES)), np.int16)
    tried = 0
    for row, (ecal, hcal, muons, tried) in zip(rows, crossings(block, random), strict=True):  # noqa: B007 - the last is kept
        row[:] = find_objects(ecal, hcal, muons, random)
    return Part({block.kind: rows}, tried)


def crossings(block: Block, random: np.random.Generator) -> Iterator[tuple[Array, Array, Array, int]]:
    """The crossings of a block: towers of each depth, muons, and how many events were generated for the block.

    The pile-up is drawn from a pool of the block's own: as many inelastic events as rows, within limits.
    """
    read = partial(deposit, random=random)
    pool_size = max(POOL[0], min(POOL[1], block.rows))
    pool = each_event(start_pythia([*BEAMS, *INELASTIC], block.pythia_seed(1)), pool_size, _POOL_BATCH, read)
    signal: list[Deposits] = []
    if block.kind in SIGNAL:
        signal = each_event(start_pythia([*BEAMS, *SIGNAL[block.kind]], block.pythia_seed()), block.rows, _BATCH, read)
    for i in range(block.rows):
        collisions = [
            turned_at_random(pool[j], random) for j in random.integers(len(pool), size=random.poisson(PILEUP))
        ]
        yield *overlay(collisions + signal[i : i + 1]), len(pool) + len(signal)


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
        "pythia": BEAMS,
        "processes": {"pileup": INELASTIC, **SIGNAL},
        "pileup": PILEUP,
        "pool": POOL,
        "towers": towers.SETTINGS,
        "algorithms": algorithms.SETTINGS,
    },
    packages=(*GENERATORS, "scipy"),
    rate="140 to 190 crossings a second of one core, after a pool of pile-up for each block at 142 events a second",
    source="the inputs of AXOL1TL, A. Gandrakota, arXiv:2411.19506; the detector is a plain model, not that of CMS",
    constants={"features": algorithms.FEATURES},
)
