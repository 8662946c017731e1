"""Five classes of jets at 1 TeV with 16 high-level features, as in the jet benchmark of hls4ml.

Bosons are decayed longitudinally: with Pythia's own decay angles a quarter of the W and Z lose their second prong in
the grooming.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bittrigger.data.bosons import write_longitudinal
from bittrigger.data.events import (
    GENERATORS,
    Jagged,
    cluster,
    flat,
    gather,
    is_visible,
    momenta,
    momenta_of,
    rapidity,
    soft_drop,
    start_pythia,
    transverse,
)
from bittrigger.data.model import Array, Block, DataSet, Part

CLASSES = ("g", "q", "w", "z", "t")

FEATURES = (
    "zlogz",
    "c1_b0_mmdt",
    "c1_b1_mmdt",
    "c1_b2_mmdt",
    "c2_b1_mmdt",
    "c2_b2_mmdt",
    "d2_b1_mmdt",
    "d2_b2_mmdt",
    "d2_a1_b1_mmdt",
    "d2_a1_b2_mmdt",
    "m2_b1_mmdt",
    "m2_b2_mmdt",
    "n2_b1_mmdt",
    "n2_b2_mmdt",
    "mass_mmdt",
    "multiplicity",
)

_CORRELATORS = (
    ("c1", 1e-9, 0),  # beta = 0: the library divides by it
    ("c1", 1, 0),
    ("c1", 2, 0),
    ("c2", 1, 0),
    ("c2", 2, 0),
    ("d2", 1, 0),
    ("d2", 2, 0),
    ("generalizedd2", 1, 1),
    ("generalizedd2", 2, 1),
    ("m2", 1, 0),
    ("m2", 2, 0),
    ("n2", 1, 0),
    ("n2", 2, 0),
)
"""Function, beta and alpha of the features from ``c1_b0_mmdt`` to ``n2_b2_mmdt``."""

_PROCESS = {
    "g": ["HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on"],
    "q": ["HardQCD:qq2qq = on", "HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on"],
    "w": ["WeakDoubleBoson:ffbar2WW = on"],
    "z": ["WeakDoubleBoson:ffbar2gmZgmZ = on"],
    "t": ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on"],
}
_HARD = [
    "Beams:eCM = 13000",
    "PhaseSpace:pTHatMin = 990",
    "PhaseSpace:pTHatMax = 1010",
    "WeakZ0:gmZmode = 2",
    "HardQCD:nQuarkNew = 3",
]
_HADRONIC = ["23:onMode = off", "23:onIfAny = 1 2 3 4 5", "24:onMode = off", "24:onIfAny = 1 2 3 4 5"]

_BEAM_GEV = 6500
_RADIUS = 0.8
_PT_GEV = (800, 1600)
_RAPIDITY_MAX = 2.5
_ETA_MAX = 4.0
_Z_CUT = 0.1
_BATCH = 40
_BOSON_CLASSES = ("w", "z")


def generate(block: Block) -> Part:
    """The jets of a block: ``X`` `(rows, 16)`, ``y`` `(rows,)`, ``kin`` `(rows, 2)` with pT in GeV and rapidity."""
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as folder:
        pythia = _start(block, Path(folder))

        def produce() -> tuple[dict[str, Array], int]:
            batch = pythia.nextBatch(_BATCH)
            return _jets(batch.prt) if len(batch) else _NO_JETS, len(batch)

        arrays, tried = gather(block, produce, "X")
    arrays = {name: array[: block.rows] for name, array in arrays.items()}
    return Part({"X": arrays["X"], "y": np.full(block.rows, block.kind_index, np.int8), "kin": arrays["kin"]}, tried)


def _start(block: Block, folder: Path) -> Any:  # noqa: ANN401 - untyped library
    if block.kind not in _BOSON_CLASSES:
        return start_pythia([*_HARD, *_HADRONIC, *_PROCESS[block.kind]], block.pythia_seed())
    path = folder / "hard.lhe"  # an event has two bosons, and more than half of them become a jet
    lines = [*_HARD, *_PROCESS[block.kind]]
    seed, random = block.pythia_seed(1), block.random()
    write_longitudinal(path, lines, block.rows + 2 * _BATCH, beam_gev=_BEAM_GEV, seed=seed, random=random)
    return start_pythia([*_HADRONIC, "Beams:frameType = 4", f"Beams:LHEF = {path}"], block.pythia_seed())


_NO_JETS = {"X": np.zeros((0, len(FEATURES)), np.float32), "kin": np.zeros((0, 2), np.float32)}


def _jets(particles: Jagged) -> dict[str, Array]:
    """The selected ones of the two hardest jets of each event."""
    import awkward as ak

    visible = momenta_of(particles[is_visible(particles, _ETA_MAX)])
    jets, index = cluster(visible, _RADIUS, _PT_GEV[0] / 2)
    jets, index = jets[:, :2], index[:, :2]
    pt, y = transverse(jets), rapidity(jets)
    chosen = (pt > _PT_GEV[0]) & (pt < _PT_GEV[1]) & (abs(y) < _RAPIDITY_MAX)
    if not ak.any(chosen):
        return _NO_JETS
    kin = np.stack([flat(pt[chosen]), flat(y[chosen])], axis=1).astype(np.float32)
    index = index[chosen]
    counts = flat(ak.num(index, axis=2))
    taken = visible[ak.flatten(index, axis=2)]
    jagged = {name: ak.unflatten(flat(taken[name]), counts) for name in ("px", "py", "pz", "E")}
    return {"X": features(momenta(*jagged.values())), "kin": kin}


def features(constituents: Jagged) -> Array:
    """The 16 features of jets, `(jets, 16)` float32, in the order of ``FEATURES``.

    Multiplicity and sum z ln z are of all constituents, the others of those that mMDT grooming leaves.

    Source: E. Coleman et al., JINST 13 (2018) T01003; correlation functions as in FastJet contrib.
    """
    import awkward as ak
    import fastjet

    pt = transverse(constituents)
    z = pt / ak.sum(pt, axis=1)
    groomed = soft_drop(constituents, _RADIUS, _Z_CUT)
    left = momenta(*(groomed.constituents[name] for name in ("px", "py", "pz", "E")))
    sequence = fastjet.ClusterSequence(left, fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0))
    columns = [
        flat(ak.sum(z * np.log(z), axis=1)),
        *(
            flat(sequence.exclusive_jets_energy_correlator(njets=1, beta=beta, alpha=alpha, npoint=0, func=name))
            for name, beta, alpha in _CORRELATORS
        ),
        flat(groomed.msoftdrop),
        flat(ak.num(constituents, axis=1)),
    ]
    values: Array = np.nan_to_num(np.stack(columns, axis=1), nan=0, posinf=0, neginf=0).astype(np.float32)
    return values


JETS5 = DataSet(
    name="jets5",
    what="jets of gluons, light quarks, W, Z and top at 1 TeV",
    features="16 high-level features, in the order of the hls4ml jet benchmark; pT and rapidity besides",
    kinds=CLASSES,
    shares=(1, 1, 1, 1, 1),
    block_rows=1000,
    generate=generate,
    settings={
        "revision": 1,
        "pythia": [*_HARD, *_HADRONIC],
        "processes": _PROCESS,
        "boson_decays": "longitudinal",
        "visible": {"eta_max": _ETA_MAX, "neutrinos": False},
        "jets": {"algorithm": "anti-kT", "radius": _RADIUS, "pt_gev": list(_PT_GEV), "rapidity_max": _RAPIDITY_MAX},
        "grooming": {"algorithm": "mMDT", "z_cut": _Z_CUT},
    },
    packages=GENERATORS,
    rate="39 (gluons) to 90 (W) jets a second of one core",
    source="E. Coleman et al., JINST 13 (2018) T01003; J. Duarte et al., JINST 13 (2018) P07027",
    constants={"features": FEATURES, "classes": CLASSES},
)
