"""Boosted hadronic W of WZ production; the target is the angle between scattering and decay plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.data.model import Array, Block, DataSet, Part
from bittrigger.data.pythia.events import (
    GENERATORS,
    Jagged,
    cluster,
    flat,
    gather,
    is_visible,
    momenta,
    soft_drop,
    start_pythia,
)
from bittrigger.data.pythia.frames import axes, boosted, decay_angle, distance

SCALARS = ("jet_pt_gev", "soft_drop_mass_gev", "w_pt_gev", "z_pt_gev", "constituents")

_SETTINGS = [
    "Beams:eCM = 13000",
    "WeakDoubleBoson:ffbar2ZW = on",
    "WeakZ0:gmZmode = 2",
    "23:onMode = off",
    "23:onIfAny = 11 13",
    "24:onMode = off",
    "24:onIfAny = 1 2 3 4 5",
    "23:mMin = 70",
    "23:mMax = 110",
    "PhaseSpace:pTHatMin = 450",
]
_BEAM_GEV = 6500.0
_RADIUS = 0.8
_PT_MIN_GEV = 500
_MATCH = 0.6
_MASS_GEV = (70, 110)
_Z_CUT = 0.1
_ETA_MAX = 5.0
_CONSTITUENTS = 40
_BATCH = 100


@dataclass(frozen=True)
class _Event:
    """One event: what the jets are made of, `(n, 4)`, and the four-momenta `(4,)` of the hard process."""

    visible: Array
    w: Array
    z: Array
    quark: Array
    antiquark: Array


def generate(block: Block) -> Part:
    """The jets of a block.

    ``x`` `(rows, 40, 3)`: the leading constituents' pT in GeV in the laboratory, polar and azimuthal angle in the rest
    frame of W and Z, jet along +z, beam at azimuth 0. ``scalars`` `(rows, 5)`: see ``SCALARS``. ``phi`` `(rows,)`: the
    target in (-pi, pi]; quark and antiquark exchanged, it moves by pi.
    """
    pythia = start_pythia(_SETTINGS, block.pythia_seed())

    def produce() -> tuple[dict[str, Array], int]:
        batch = pythia.nextBatch(_BATCH)
        return _jets(batch.prt), len(batch)

    arrays, tried = gather(block, produce, "phi")
    return Part({name: array[: block.rows] for name, array in arrays.items()}, tried)


def _jets(particles: Jagged) -> dict[str, Array]:
    import awkward as ak

    keep = is_visible(particles, _ETA_MAX)
    events = [_event(particles[i], ak.to_numpy(keep[i]).copy()) for i in range(len(particles))]
    columns = np.concatenate([event.visible for event in events]).T
    counts = [len(event.visible) for event in events]
    jets, index = cluster(momenta(*(ak.unflatten(column, counts) for column in columns)), _RADIUS, 300.0)
    rows = []
    for i, event in enumerate(events):
        candidates = np.stack([ak.to_numpy(jets[i][name]) for name in ("px", "py", "pz", "E")], axis=1)
        chosen = _match(candidates, event)
        if chosen is not None:
            row = _row(candidates[chosen], event.visible[ak.to_numpy(index[i][chosen])], event)
            rows += [] if row is None else [row]
    shapes = ((_CONSTITUENTS, 3), (len(SCALARS),), ())
    return {
        name: np.array([row[k] for row in rows], np.float32).reshape(len(rows), *shape)
        for k, (name, shape) in enumerate(zip(("x", "scalars", "phi"), shapes, strict=True))
    }


def _event(particles: Jagged, keep: Array) -> _Event:
    """Pick W, Z and their products out of an event; the leptons of the Z, after radiation, make no jets."""
    ids, status, first, last = (flat(particles[name]) for name in ("id", "status", "daughter1", "daughter2"))
    p = np.stack([flat(particles.p[name]) for name in ("px", "py", "pz", "e")], axis=1)
    product = np.abs(ids[first])
    w = int(np.argmax((np.abs(ids) == 24) & (product >= 1) & (product <= 5)))
    z = int(np.argmax((np.abs(ids) == 23) & ((product == 11) | (product == 13))))
    for lepton in (first[z], last[z]):
        copy = lepton
        while status[copy] < 0 and ids[first[copy]] == ids[copy]:
            copy = first[copy]
        keep[copy] = False
    quark, antiquark = (first[w], last[w]) if ids[first[w]] > 0 else (last[w], first[w])
    return _Event(p[keep], p[w], p[z], p[quark], p[antiquark])


def _match(jets: Array, event: _Event) -> int | None:
    """The hardest jet that is hard enough and near the W, if it holds both quarks."""
    for i, jet in enumerate(jets):
        if np.hypot(jet[0], jet[1]) > _PT_MIN_GEV and distance(jet, event.w) < _MATCH:
            far = max(distance(jet, event.quark), distance(jet, event.antiquark))
            return i if far <= _MATCH else None
    return None


def _row(jet: Array, constituents: Array, event: _Event) -> tuple[Array, Array, float] | None:
    """Constituents, scalars and target of a jet, or None if its groomed mass is not that of a W."""
    groomed = soft_drop(momenta(*(_one_jet(column) for column in constituents.T)), _RADIUS, _Z_CUT)
    mass = float(flat(groomed.msoftdrop)[0])
    if not _MASS_GEV[0] < mass < _MASS_GEV[1]:
        return None
    beam = np.array([0, 0, _BEAM_GEV, _BEAM_GEV])
    seen, beam_seen = np.split(boosted(np.stack([jet, beam]), jet + event.z)[:, :3], 2)
    p = boosted(constituents, jet + event.z)[:, :3] @ axes(seen[0], beam_seen[0]).T
    pt = np.hypot(constituents[:, 0], constituents[:, 1])
    order = np.argsort(-pt, kind="stable")[:_CONSTITUENTS]
    x = np.zeros((_CONSTITUENTS, 3))
    polar = np.arctan2(np.hypot(p[:, 0], p[:, 1]), p[:, 2])
    x[: len(order)] = np.stack([pt, polar, np.arctan2(p[:, 1], p[:, 0])], axis=1)[order]
    hard = np.stack([event.w, event.quark, event.antiquark, beam])
    target = decay_angle(*boosted(hard, event.w + event.z)[:, :3])
    pts = [np.hypot(v[0], v[1]) for v in (jet, event.w, event.z)]
    return x, np.array([pts[0], mass, pts[1], pts[2], len(constituents)]), target


def _one_jet(column: Array) -> Jagged:
    import awkward as ak

    return ak.Array(column[None].copy())


WZ_DECAY_PLANE = DataSet(
    name="wz-decay-plane",
    what="jets of boosted W from WZ; regression of the angle between scattering and decay plane",
    features="40 leading constituents (pT, polar, azimuthal angle in the WZ frame) and five scalars, jet pT first",
    kinds=("w",),
    shares=(1,),
    block_rows=500,
    generate=generate,
    settings={
        "revision": 1,
        "pythia": _SETTINGS,
        "visible": {"eta_max": _ETA_MAX, "neutrinos": False, "leptons_of_z": False},
        "jets": {"algorithm": "anti-kT", "radius": _RADIUS, "pt_min_gev": _PT_MIN_GEV, "delta_r_max": _MATCH},
        "grooming": {"algorithm": "soft drop", "beta": 0, "z_cut": _Z_CUT, "mass_gev": list(_MASS_GEV)},
        "constituents": _CONSTITUENTS,
    },
    packages=GENERATORS,
    rate="14.8 jets a second of one core",
    source="S. Chatterjee et al., arXiv:2401.10323; Standard Model events of Pythia, without Wilson coefficients",
    constants={"scalar_names": SCALARS},
)
