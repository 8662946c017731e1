"""Images of whole bunch crossings: transverse energy in regions of the calorimeter, zero bias with pile-up, and signals in it."""

from __future__ import annotations

import numpy as np

from bittrigger.data.level1 import towers
from bittrigger.data.level1.objects import BEAMS, INELASTIC, PILEUP, POOL, SIGNAL, crossings
from bittrigger.data.level1.towers import ETA_TOWERS, PHI_TOWERS
from bittrigger.data.model import Array, Block, DataSet, Part
from bittrigger.data.pythia.events import GENERATORS

REGION_TOWERS = 4
PHI_REGIONS, ETA_REGIONS = PHI_TOWERS // REGION_TOWERS, 14
ET_LSB_GEV = 0.5
ET_BITS = 10

KINDS = ("zerobias", "ttbar", "qcd", "hto4l")


def generate(block: Block) -> Part:
    """The crossings of a block: an array `(rows, 18, 14)` int16 called like the kind, azimuth first, in 0.5 GeV."""
    random = block.random()
    rows = np.zeros((block.rows, PHI_REGIONS, ETA_REGIONS), np.int16)
    tried = 0
    for image, (ecal, hcal, _, tried) in zip(rows, crossings(block, random), strict=True):  # noqa: B007 - the last is kept
        image[:] = regions(ecal + hcal)
    return Part({block.kind: rows}, tried)


def regions(towers: Array) -> Array:
    """Sums of 4 x 4 towers around the middle of the detector, `(18, 14)`, in units of ``ET_LSB_GEV``, saturated at 10 bits.

    Args:
        towers: transverse energy in GeV, `(eta, phi)`.
    """
    first = (ETA_TOWERS - ETA_REGIONS * REGION_TOWERS) // 2
    middle = towers[first : first + ETA_REGIONS * REGION_TOWERS]
    sums = middle.reshape(ETA_REGIONS, REGION_TOWERS, PHI_REGIONS, REGION_TOWERS).sum(axis=(1, 3)).T
    units: Array = np.minimum(np.floor(sums / ET_LSB_GEV), (1 << ET_BITS) - 1).astype(np.int16)
    return units


L1_REGIONS = DataSet(
    name="l1-regions",
    what="Level-1-like calorimeter images of bunch crossings: zero bias at pile-up 55, ttbar, QCD, H to 4 leptons",
    features="18 x 14 regions of 4 x 4 towers, azimuth first, transverse energy in 0.5 GeV, 10 bits",
    kinds=KINDS,
    shares=(3, 1, 1, 1),
    block_rows=2000,
    generate=generate,
    settings={
        "revision": 1,
        "pythia": BEAMS,
        "processes": {"pileup": INELASTIC, **{kind: SIGNAL[kind] for kind in KINDS[1:]}},
        "pileup": PILEUP,
        "pool": POOL,
        "towers": towers.SETTINGS,
        "regions": {"towers": REGION_TOWERS, "et_lsb_gev": ET_LSB_GEV, "et_bits": ET_BITS},
    },
    packages=GENERATORS,
    rate="69 crossings a second of one core, pools of pile-up included",
    source="the inputs of CICADA, CMS-DP-2023-086; the detector is a plain model, not that of CMS",
)
