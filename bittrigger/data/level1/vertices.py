"""Histograms of tracks along the beam, for finding the vertex of the hard collision in pile-up."""

from __future__ import annotations

from functools import partial

import numpy as np

from bittrigger.data.model import Array, Block, DataSet, Part
from bittrigger.data.pythia.events import GENERATORS, Jagged, each_event, flat, start_pythia

KINDS = ("ttbar",)
BINS = 256
Z_MAX_CM = 15.0
PT_LSB_GEV = 0.25
PT_BITS = 10

_BEAMS = ["Beams:eCM = 14000"]
_INELASTIC = ["SoftQCD:inelastic = on"]
_HARD = ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on"]
_PILEUP = 200
_POOL, _BATCH = 2000, 100
_LUMINOUS_CM = 4.5
_TRACKS = {"pt_gev": 2.0, "pt_max_gev": 127.0, "eta_max": 2.4, "efficiency": 0.95, "pt": 0.02}
_Z0_CM = (0.05, 0.35)
"""Resolution of z0 of a track in the middle, and what is added at the end of the tracker. Source: CERN-LHCC-2020-004, rounded."""

_CHARGED = (11, 13, 211, 321, 2212)

Tracks = Array
"""pT in GeV and eta, `(n, 2)`."""


def generate(block: Block) -> Part:
    """The crossings of a block: ``x`` `(rows, 256)` int16, the pT of the tracks of each bin in 0.25 GeV; ``z`` `(rows,)` cm."""
    random = block.random()
    read = partial(_tracks, random=random)
    pool = each_event(start_pythia([*_BEAMS, *_INELASTIC], block.pythia_seed(1)), _POOL, _BATCH, read)
    hard = each_event(start_pythia([*_BEAMS, *_HARD], block.pythia_seed()), block.rows, _BATCH, read)
    rows, z = np.zeros((block.rows, BINS), np.int16), np.zeros(block.rows, np.float32)
    for i, own in enumerate(hard):
        others = [pool[j] for j in random.integers(len(pool), size=random.poisson(_PILEUP))]
        places = random.normal(0, _LUMINOUS_CM, 1 + len(others))
        z[i] = places[0]
        tracks = np.concatenate([own, *others])
        at = np.repeat(places, [len(each) for each in (own, *others)])
        at += random.normal(size=len(tracks)) * (_Z0_CM[0] + _Z0_CM[1] * (tracks[:, 1] / _TRACKS["eta_max"]) ** 4)
        rows[i] = histogram(at, tracks[:, 0])
    return Part({"x": rows, "z": z}, len(pool) + len(hard))


def histogram(z_cm: Array, pt_gev: Array) -> Array:
    """The pT in each of the bins, `(256,)`, in units of ``PT_LSB_GEV``, saturated at 10 bits, without tracks beyond."""
    sums, _ = np.histogram(z_cm, BINS, (-Z_MAX_CM, Z_MAX_CM), weights=pt_gev)
    units: Array = np.minimum(np.floor(sums / PT_LSB_GEV), (1 << PT_BITS) - 1).astype(np.int16)
    return units


def _tracks(particles: Jagged, random: np.random.Generator) -> list[Tracks]:
    """The tracks of each event of a batch."""
    import awkward as ak

    counts = ak.to_numpy(ak.num(particles.id))
    event = np.repeat(np.arange(len(counts)), counts)
    kind = np.abs(flat(particles.id))
    pt = np.hypot(flat(particles.p.px), flat(particles.p.py))
    eta = np.arcsinh(flat(particles.p.pz) / np.maximum(pt, 1e-6))
    seen = (flat(particles.status) > 0) & np.isin(kind, _CHARGED) & (np.abs(eta) < _TRACKS["eta_max"])
    seen &= random.random(len(pt)) < _TRACKS["efficiency"]
    measured = pt * (1 + _TRACKS["pt"] * random.normal(size=len(pt)))
    seen &= measured > _TRACKS["pt_gev"]
    table = np.stack([np.minimum(measured, _TRACKS["pt_max_gev"]), eta], axis=1)[seen]
    return np.split(table, np.searchsorted(event[seen], np.arange(1, len(counts))))


L1_VERTICES = DataSet(
    name="l1-vertices",
    what="Histograms of the pT of tracks along the beam: ttbar at pile-up 200",
    features="256 bins of 30 cm, pT in 0.25 GeV, 10 bits; z of the hard collision",
    kinds=KINDS,
    shares=(1,),
    block_rows=1000,
    generate=generate,
    settings={
        "revision": 1,
        "pythia": _BEAMS,
        "processes": {"pileup": _INELASTIC, "ttbar": _HARD},
        "pileup": {"mean": _PILEUP, "pool": _POOL, "luminous_cm": _LUMINOUS_CM},
        "tracks": {**_TRACKS, "z0_cm": list(_Z0_CM)},
        "bins": {"count": BINS, "z_max_cm": Z_MAX_CM, "pt_lsb_gev": PT_LSB_GEV, "pt_bits": PT_BITS},
    },
    packages=GENERATORS,
    rate="42 crossings a second of one core, pools of pile-up included",
    source="the histograms of the CMS Level-1 vertex finder, CERN-LHCC-2020-004; tracks are a plain model, not those of CMS",
)
