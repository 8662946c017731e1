"""Five classes of jets with 16 high-level features, as in the jet benchmark of hls4ml: at 1 TeV, or over a range of pT.

Bosons are decayed longitudinally: with Pythia's own decay angles a quarter of the W and Z lose their second prong in
the grooming.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.data.model import Array, Block, DataSet, Part
from bittrigger.data.pythia.bosons import write_longitudinal
from bittrigger.data.pythia.events import (
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
_COMMON = ["Beams:eCM = 13000", "WeakZ0:gmZmode = 2", "HardQCD:nQuarkNew = 3"]
_HADRONIC = ["23:onMode = off", "23:onIfAny = 1 2 3 4 5", "24:onMode = off", "24:onIfAny = 1 2 3 4 5"]

_BEAM_GEV = 6500
_RADIUS = 0.8
_RAPIDITY_MAX = 2.5
_ETA_MAX = 4.0
_Z_CUT = 0.1
_BATCH = 40
_BOSON_CLASSES = ("w", "z")


@dataclass(frozen=True)
class Sample:
    """Which jets: the limits of pT in the hard process, those of the jets, and how many ranges of pT get the same number.

    Attributes:
        hard: settings of Pythia.
        pt_gev: of the jets.
        pt_bins: ranges of equal width; 1 takes the jets as they come.
        spare: hard events of bosons that are written for each jet wanted.
        powers: of pT, with which the hard processes of a class are favoured, so that few jets are made in vain.
    """

    hard: tuple[str, ...]
    pt_gev: tuple[int, int]
    pt_bins: int = 1
    spare: int = 1
    powers: Mapping[str, float] = field(default_factory=dict)


_AT_1_TEV = Sample(("PhaseSpace:pTHatMin = 990", "PhaseSpace:pTHatMax = 1010"), (800, 1600))
_RANGE = Sample(
    (
        "PhaseSpace:pTHatMin = 350",
        "PhaseSpace:pTHatMax = 1700",
        "PhaseSpace:bias2Selection = on",
    ),
    (400, 1600),
    pt_bins=6,
    spare=5,
    powers={"g": 6.5, "q": 6.0, "w": 4.0, "z": 4.0, "t": 5.5},
)

Take = Callable[[Array], npt.NDArray[np.bool_]]
"""Tells from the pT of jets which of them are still wanted."""


def generate(block: Block) -> Part:
    """The jets of a block: ``X`` `(rows, 16)`, ``y`` `(rows,)`, ``kin`` `(rows, 2)` with pT in GeV and rapidity."""
    return _generate(block, _AT_1_TEV)


def generate_range(block: Block) -> Part:
    """The same jets over a range of pT, with the same number in each of six ranges of it."""
    return _generate(block, _RANGE)


def _generate(block: Block, sample: Sample) -> Part:
    wanted = np.bincount(np.arange(block.rows) % sample.pt_bins, minlength=sample.pt_bins)
    edges = np.linspace(*sample.pt_gev, sample.pt_bins + 1)

    def take(pt: Array) -> npt.NDArray[np.bool_]:
        chosen = np.zeros(len(pt), bool)
        for i, place in enumerate(np.searchsorted(edges, pt) - 1):
            if 0 <= place < sample.pt_bins and wanted[place]:
                wanted[place] -= 1
                chosen[i] = True
        return chosen

    with tempfile.TemporaryDirectory(prefix="bittrigger-") as folder:
        pythia = _start(block, sample, Path(folder))

        def produce() -> tuple[dict[str, Array], int]:
            batch = pythia.nextBatch(_BATCH)
            return _jets(batch.prt, sample, take) if len(batch) else _NO_JETS, len(batch)

        arrays, tried = gather(block, produce, "X")
    order = block.random().permutation(block.rows) if sample.pt_bins > 1 else np.arange(block.rows)
    x, kin = arrays["X"][order], arrays["kin"][order]
    return Part({"X": x, "y": np.full(block.rows, block.kind_index, np.int8), "kin": kin}, tried)


def _start(block: Block, sample: Sample, folder: Path) -> Any:  # noqa: ANN401 - untyped library
    favour = [f"PhaseSpace:bias2SelectionPow = {power}" for kind, power in sample.powers.items() if kind == block.kind]
    lines = [*_COMMON, *sample.hard, *favour, *_PROCESS[block.kind]]
    if block.kind not in _BOSON_CLASSES:
        return start_pythia([*lines, *_HADRONIC], block.pythia_seed())
    path = folder / "hard.lhe"  # an event has two bosons, and more than half of them become a jet
    seed, random, events = block.pythia_seed(1), block.random(), sample.spare * block.rows + 2 * _BATCH
    write_longitudinal(path, lines, events, beam_gev=_BEAM_GEV, seed=seed, random=random)
    return start_pythia([*_HADRONIC, "Beams:frameType = 4", f"Beams:LHEF = {path}"], block.pythia_seed())


_NO_JETS = {"X": np.zeros((0, len(FEATURES)), np.float32), "kin": np.zeros((0, 2), np.float32)}


def _jets(particles: Jagged, sample: Sample, take: Take) -> dict[str, Array]:
    """The selected ones of the two hardest jets of each event."""
    import awkward as ak

    visible = momenta_of(particles[is_visible(particles, _ETA_MAX)])
    jets, index = cluster(visible, _RADIUS, sample.pt_gev[0] / 2)
    jets, index = jets[:, :2], index[:, :2]
    pt, y = transverse(jets), rapidity(jets)
    chosen = (pt > sample.pt_gev[0]) & (pt < sample.pt_gev[1]) & (abs(y) < _RAPIDITY_MAX)
    kin = np.stack([flat(pt[chosen]), flat(y[chosen])], axis=1).astype(np.float32)
    taken_rows = take(kin[:, 0])
    if not taken_rows.any():
        return _NO_JETS
    index = ak.flatten(index[chosen], axis=1)[taken_rows]
    event = np.repeat(np.arange(len(pt)), ak.to_numpy(ak.sum(chosen, axis=1)))[taken_rows]
    constituents = visible[event][index]
    columns = (constituents[name] for name in ("px", "py", "pz", "E"))
    return {"X": features(momenta(*columns)), "kin": kin[taken_rows]}


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


def _settings(sample: Sample) -> dict[str, Any]:
    return {
        "revision": 1,
        "pythia": [*_COMMON, *sample.hard, *_HADRONIC],
        "processes": _PROCESS,
        **({"powers_of_pt": dict(sample.powers)} if sample.powers else {}),
        "boson_decays": "longitudinal",
        "visible": {"eta_max": _ETA_MAX, "neutrinos": False},
        "jets": {
            "algorithm": "anti-kT",
            "radius": _RADIUS,
            "pt_gev": list(sample.pt_gev),
            **({"pt_bins": sample.pt_bins} if sample.pt_bins > 1 else {}),
            "rapidity_max": _RAPIDITY_MAX,
        },
        "grooming": {"algorithm": "mMDT", "z_cut": _Z_CUT},
    }


JETS5 = DataSet(
    name="jets5",
    what="jets of gluons, light quarks, W, Z and top at 1 TeV",
    features="16 high-level features, in the order of the hls4ml jet benchmark; pT and rapidity besides",
    kinds=CLASSES,
    shares=(1, 1, 1, 1, 1),
    block_rows=1000,
    generate=generate,
    settings=_settings(_AT_1_TEV),
    packages=GENERATORS,
    rate="39 (gluons) to 90 (W) jets a second of one core",
    source="E. Coleman et al., JINST 13 (2018) T01003; J. Duarte et al., JINST 13 (2018) P07027",
    constants={"features": FEATURES, "classes": CLASSES},
)

JETS5_RANGE = replace(
    JETS5,
    name="jets5-range",
    what="the jets of jets5 from 0.4 to 1.6 TeV, as many in each 0.2 TeV",
    generate=generate_range,
    settings=_settings(_RANGE),
    rate="46 (gluons) to 109 (light quarks) jets a second of one core",
    source="the jets of jets5; the range of pT is of this project",
)
