"""Jets as a Level-1 trigger of the High-Luminosity LHC could see them: candidates of particle flow at pile-up 200, in integers.

A plain model, not the simulation of an experiment. Charged candidates have tracks above 2 GeV that come from the right place
along the beam, but for a small share of those of other collisions; photons and neutral hadrons above 2 GeV are kept whatever
collision they come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.data.model import Array, Block, DataSet, Part
from bittrigger.data.pythia.events import GENERATORS, cluster, flat, start_pythia, transverse
from bittrigger.errors import ToolError

KINDS = ("gluon", "light", "charm", "bottom", "tau")
COLUMNS = ("pt", "eta", "phi", "kind", "dxy")
PARTICLES = ("none", "neutral hadron", "photon", "electron", "muon", "charged hadron")

PT_LSB_GEV = 0.25
ANGLE_LSB = np.pi / 720
DXY_LSB_MM = 0.05
CONSTITUENTS = 16
PT_GEV = (30.0, 200.0)

_BEAMS = ["Beams:eCM = 14000"]
_INELASTIC = ["SoftQCD:inelastic = on"]
_RANGE = ["PhaseSpace:pTHatMin = 25", "PhaseSpace:pTHatMax = 350"]
_FLAT = ["PhaseSpace:bias2Selection = on", "PhaseSpace:bias2SelectionPow = 4"]
_PROCESS = {
    "gluon": ["HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on"],
    "light": ["HardQCD:qq2qq = on", "HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on"],
    "charm": ["HardQCD:hardccbar = on"],
    "bottom": ["HardQCD:hardbbbar = on"],
    "tau": [
        "WeakBosonAndParton:qqbar2gmZg = on",
        "WeakBosonAndParton:qg2gmZq = on",
        "WeakZ0:gmZmode = 2",
        "23:onMode = off",
        "23:onIfAny = 15",
        "15:offIfAny = 11 13",
    ],
}
_TRUTH = {"gluon": (21,), "light": (1, 2, 3), "charm": (4,), "bottom": (5,), "tau": (15,)}
"""Particles of the hard process that a jet is matched to; leptonic decays of the tau are switched off."""

_ETA_MAX = 2.4
_CANDIDATE_PT_GEV = 2.0
_TRACKING = {"efficiency": 0.95, "pt": 0.015, "dxy_mm": 0.1, "other_collisions": 0.03}
_CALORIMETERS = {"photon": (0.1, 0.02), "neutral hadron": (0.9, 0.08)}
"""Stochastic and constant term of the relative resolution."""

_PILEUP, _POOL = 200, 2000
_RADIUS, _MATCH = 0.4, 0.25
_PT_BINS = 8
_BATCH = 100
_TRIES_PER_ROW = 200

_CODE = {name: i for i, name in enumerate(PARTICLES)}
Jet = tuple[Array, Array, int]
"""Integers of the constituents `(16, 5)` and of the jet `(3,)`, and how many candidates it has."""

Table = npt.NDArray[np.float64]
"""Candidates: pT in GeV, eta, phi, code of the particle, dxy in mm, `(n, 5)`."""


def generate(block: Block) -> Part:
    """The jets of a block, with the same number in each of eight ranges of log pT.

    ``particles`` `(rows, 16, 5)` the leading candidates by falling pT as in `COLUMNS`, angles from the jet's axis, zeros where
    there are fewer; ``jet`` `(rows, 3)` pT, eta, phi; ``n`` `(rows,)` all candidates; ``y`` `(rows,)`. All are int16: pT in 0.25
    GeV, angles in pi/720, dxy in 0.05 mm.
    """
    random = block.random()
    soft = start_pythia([*_BEAMS, *_INELASTIC], block.pythia_seed(1))
    pool = [
        each for _ in range(0, _POOL, _BATCH) for each in _candidates(soft.nextBatch(_BATCH).prt, random, own=False)
    ]
    hard = start_pythia([*_BEAMS, *_RANGE, *_FLAT, *_PROCESS[block.kind]], block.pythia_seed())
    wanted = np.bincount(np.arange(block.rows) % _PT_BINS, minlength=_PT_BINS)
    found: list[Jet] = []
    tried = 0
    while wanted.any():
        if tried > _TRIES_PER_ROW * (block.rows + 100):
            raise ToolError(
                f"block {block.name}: {len(found)} jets of {tried:,} events, {block.rows} are wanted; this is not what the "
                "settings give: install the versions of `bittrigger[data]`"
            )
        batch = hard.nextBatch(_BATCH)
        tried += len(batch)
        for pt_bin, jet in _jets(batch.prt, block.kind, pool, random):
            if wanted[pt_bin]:
                wanted[pt_bin] -= 1
                found.append(jet)
    order = random.permutation(len(found))
    particles, jets, counts = zip(*(found[i] for i in order), strict=True)
    arrays = {
        "particles": np.stack(particles),
        "jet": np.stack(jets),
        "n": np.array(counts, np.int16),
        "y": np.full(block.rows, block.kind_index, np.int8),
    }
    return Part(arrays, tried + _POOL)


def _candidates(particles: Any, random: np.random.Generator, *, own: bool) -> list[Table]:  # noqa: ANN401
    """The candidates of each event of a batch; of charged ones all if the collision is the right one, else a few."""
    import awkward as ak

    counts = ak.to_numpy(ak.num(particles.id))
    event = np.repeat(np.arange(len(counts)), counts)
    ids, px, py, pz = flat(particles.id), flat(particles.p.px), flat(particles.p.py), flat(particles.p.pz)
    pt = np.hypot(px, py)
    keep = (flat(particles.status) > 0) & ~np.isin(np.abs(ids), (12, 14, 16)) & (pt > _CANDIDATE_PT_GEV / 2)
    keep &= np.abs(pz) < np.sinh(_ETA_MAX) * pt
    ids, px, py, pz, pt, event = (values[keep] for values in (ids, px, py, pz, pt, event))
    kind, charged = _kinds(np.abs(ids))
    x, y = (flat(ak.fill_none(particles.vProd[name], 0.0, axis=None))[keep] for name in ("px", "py"))
    dxy = (x * py - y * px) / pt
    measured = pt * np.maximum(1 + _resolution(kind, pt, pz) * random.normal(size=len(pt)), 0)
    share = _TRACKING["efficiency"] * (1.0 if own else _TRACKING["other_collisions"])
    seen = (measured > _CANDIDATE_PT_GEV) & (~charged | (random.random(len(pt)) < share))
    dxy = np.where(charged, dxy + random.normal(0, _TRACKING["dxy_mm"], len(pt)), 0.0)
    table = np.stack([measured, np.arcsinh(pz / pt), np.arctan2(py, px), kind, dxy], axis=1)[seen]
    return np.split(table, np.searchsorted(event[seen], np.arange(1, len(counts))))


def _kinds(number: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """The codes of `PARTICLES`, and which are charged."""
    neutral = np.isin(number, (130, 310, 2112, 3122, 3322))
    names = ["photon", "electron", "muon"]
    chosen = [number == 22, number == 11, number == 13]
    kind = np.select(
        [*chosen, neutral], [*(_CODE[name] for name in names), _CODE["neutral hadron"]], _CODE["charged hadron"]
    )
    return kind, ~neutral & (number != 22)


def _resolution(kind: Array, pt: Array, pz: Array) -> Array:
    """Relative resolution of the transverse momentum."""
    energy = np.hypot(pt, pz)
    by_kind = {
        _CODE[name]: np.hypot(stochastic / np.sqrt(energy), constant)
        for name, (stochastic, constant) in _CALORIMETERS.items()
    }
    return np.select([kind == code for code in by_kind], list(by_kind.values()), _TRACKING["pt"])


def _jets(
    particles: Any,  # noqa: ANN401 - an awkward array
    kind: str,
    pool: list[Table],
    random: np.random.Generator,
) -> Iterator[tuple[int, Jet]]:
    """The jets of a batch in pile-up that belong to a particle of the hard process, with their range of pT."""
    import awkward as ak

    crossings = []
    for own in _candidates(particles, random, own=True):
        others = [_turned(pool[j], random) for j in random.integers(len(pool), size=random.poisson(_PILEUP))]
        crossings.append(np.concatenate([own, *others]))
    momenta = _jagged([_four_momentum(crossing) for crossing in crossings])
    jets, index = cluster(momenta, _RADIUS, PT_GEV[0])
    truth = _truth(particles, kind)
    edges = np.geomspace(*PT_GEV, _PT_BINS + 1)
    for crossing, its_jets, its_index, partons in zip(crossings, jets, index, truth, strict=True):
        for jet, constituents in zip(its_jets, its_index, strict=True):
            pt, eta, phi = _polar(jet)
            if not (PT_GEV[0] < pt < PT_GEV[1] and abs(eta) < _ETA_MAX - _RADIUS):
                continue
            away = np.hypot(partons[:, 0] - eta, _wrapped(partons[:, 1] - phi))
            if len(away) and away.min() < _MATCH:
                place = int(np.searchsorted(edges, pt)) - 1
                yield place, _integers(crossing[ak.to_numpy(constituents)], (pt, eta, phi))


def _jagged(momenta: list[Array]) -> Any:  # noqa: ANN401 - an awkward array
    """Four-momenta `(4, n)` of events as FastJet takes them."""
    import awkward as ak

    counts = [each.shape[1] for each in momenta]
    joined = np.concatenate(momenta, axis=1)
    columns = {name: ak.unflatten(joined[i], counts) for i, name in enumerate(("px", "py", "pz", "E"))}
    return ak.zip(columns, with_name="Momentum4D")


def _four_momentum(table: Table) -> Array:
    pt, eta, phi = table[:, 0], table[:, 1], table[:, 2]
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)])


def _polar(jet: Any) -> tuple[float, float, float]:  # noqa: ANN401 - a record
    pt = float(transverse(jet))
    return pt, float(np.arcsinh(jet.pz / pt)), float(np.arctan2(jet.py, jet.px))


def _turned(table: Table, random: np.random.Generator) -> Table:
    """The candidates of a collision turned in azimuth, and mirrored in eta, at random."""
    turned = table.copy()
    turned[:, 1] *= random.choice((-1, 1))
    turned[:, 2] += random.uniform(0, 2 * np.pi)
    return turned


def _truth(particles: Any, kind: str) -> list[Array]:  # noqa: ANN401 - an awkward array
    """Eta and phi of the particles of the hard process that the jets of a kind belong to, `(n, 2)` for each event."""
    number = abs(particles.id)
    chosen = number == _TRUTH[kind][0]
    for other in _TRUTH[kind][1:]:
        chosen = chosen | (number == other)
    hard = particles[chosen & (particles.status != -21) & ((particles.status == -23) | (number == 15))]
    found = []
    for event in hard:
        px, py, pz = (np.asarray(event.p[name], np.float64) for name in ("px", "py", "pz"))
        found.append(np.stack([np.arcsinh(pz / np.maximum(np.hypot(px, py), 1e-6)), np.arctan2(py, px)], axis=1))
    return found


def _integers(candidates: Table, jet: tuple[float, float, float]) -> Jet:
    """The rows of a jet in the integers of the trigger: constituents, jet, and the number of all constituents."""
    leading = candidates[np.argsort(-candidates[:, 0], kind="stable")][:CONSTITUENTS]
    axis = np.rint(np.array(jet) / (PT_LSB_GEV, ANGLE_LSB, ANGLE_LSB))
    columns = [
        np.floor(leading[:, 0] / PT_LSB_GEV),
        np.rint(leading[:, 1] / ANGLE_LSB) - axis[1],
        np.rint(_wrapped(leading[:, 2] - jet[2]) / ANGLE_LSB),
        leading[:, 3],
        np.clip(np.rint(leading[:, 4] / DXY_LSB_MM), -127, 127),
    ]
    rows = np.zeros((CONSTITUENTS, len(COLUMNS)), np.int16)
    rows[: len(leading)] = np.stack(columns, axis=1)
    return rows, axis.astype(np.int16), len(candidates)


def _wrapped(angle: Array) -> Array:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


L1_JETS = DataSet(
    name="l1-jets",
    what="Level-1-like jets of 30-200 GeV at pile-up 200: gluon, light quark, charm, bottom, hadronic tau",
    features="16 leading candidates (pT, eta, phi, kind, dxy) in integers of the trigger; pT, eta and phi of the jet; how many",
    kinds=KINDS,
    shares=(1, 1, 1, 1, 1),
    block_rows=2000,
    generate=generate,
    settings={
        "revision": 1,
        "pythia": _BEAMS,
        "processes": {"pileup": _INELASTIC, **{kind: [*_RANGE, *_FLAT, *lines] for kind, lines in _PROCESS.items()}},
        "pileup": {"mean": _PILEUP, "pool": _POOL},
        "candidates": {
            "pt_gev": _CANDIDATE_PT_GEV,
            "eta_max": _ETA_MAX,
            "tracking": _TRACKING,
            "calorimeters": _CALORIMETERS,
        },
        "jets": {
            "algorithm": "anti-kT",
            "radius": _RADIUS,
            "pt_gev": list(PT_GEV),
            "pt_bins": _PT_BINS,
            "match": _MATCH,
        },
        "lsb": {"pt_gev": PT_LSB_GEV, "angle": "pi/720", "dxy_mm": DXY_LSB_MM},
    },
    packages=GENERATORS,
    rate="52 (bottom) to 73 (tau) jets a second of one core, after 8 seconds for the pool of pile-up of each block",
    source="precision of the CMS Phase-2 Level-1 trigger, CERN-LHCC-2020-004; the detector is a plain model",
    constants={"classes": KINDS, "columns": COLUMNS},
)
