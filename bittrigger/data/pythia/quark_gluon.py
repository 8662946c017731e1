"""Quark and gluon jets recoiling against an invisible Z, as in the Pythia 8 sample of EnergyFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.data.model import Array, Block, DataSet, Part
from bittrigger.data.pythia.events import (
    GENERATORS,
    Jagged,
    cluster,
    flat,
    gather,
    is_visible,
    momenta_of,
    rapidity,
    start_pythia,
    transverse,
)

KINDS = ("gluon", "quark")

_PROCESS = {"gluon": ["WeakBosonAndParton:qqbar2gmZg = on"], "quark": ["WeakBosonAndParton:qg2gmZq = on"]}
_COMMON = [
    "Beams:eCM = 14000",
    "WeakZ0:gmZmode = 2",
    "23:onMode = off",
    "23:onIfAny = 12 14 16",
    "PhaseSpace:pTHatMin = 400",
]
_RADIUS = 0.4
_PT_GEV = (500, 550)
_RAPIDITY_MAX = 1.7
_BATCH = 100

_VETO_SCALE_GEV = 20
_VETO_PT_GEV = (470, 760)
_VETO_RAPIDITY_MAX = 2.2
"""An event goes on below the scale only if its hardest parton jet is in this window.

Of 406 gluon jets made with 380 to 1,000 GeV and 3.0, five (1.2 ± 0.5 %) came from outside of it, all from below 470 GeV: what is
lost are jets that gain more than 30 GeV below the scale.
"""


def generate(block: Block) -> Part:
    """The jets of a block, constituents by falling pT.

    ``particles`` `(sum of n, 3)` pT in GeV, rapidity, azimuth within pi of the jet's; ``pid`` `(sum of n,)`;
    ``n`` `(rows,)`; ``jet`` `(rows, 4)` pT in GeV, rapidity, azimuth, mass in GeV; ``y`` `(rows,)`, 1 for a quark.
    """
    hooks = _early_veto()
    pythia = start_pythia([*_COMMON, *_PROCESS[block.kind]], block.pythia_seed(), hooks)

    def produce() -> tuple[dict[str, Array], int]:
        batch = pythia.nextBatch(_BATCH)
        return _jets(batch.prt), len(batch)

    arrays, tried = gather(block, produce, "n")
    n = arrays["n"][: block.rows]
    constituents = int(n.sum())
    return Part(
        {
            "particles": arrays["particles"][:constituents],
            "pid": arrays["pid"][:constituents],
            "n": n,
            "jet": arrays["jet"][: block.rows],
            "y": np.full(block.rows, block.kind_index, np.int8),
        },
        tried,
    )


def _early_veto() -> Any:  # noqa: ANN401 - untyped library
    """Hooks that drop charm and bottom, and events that cannot give a jet in the window, before the costly part."""
    import fastjet
    from pythia8mc import UserHooks

    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, _RADIUS)

    class EarlyVeto(UserHooks):  # type: ignore[misc] # untyped library
        """The names of the methods are Pythia's."""

        def canVetoProcessLevel(self) -> bool:  # noqa: N802
            return True

        def doVetoProcessLevel(self, process: Any) -> bool:  # noqa: ANN401, N802
            return any(particle.isFinal() and particle.idAbs() in (4, 5) for particle in process)

        def canVetoPT(self) -> bool:  # noqa: N802
            return True

        def scaleVetoPT(self) -> float:  # noqa: N802
            return float(_VETO_SCALE_GEV)

        def doVetoPT(self, _: int, event: Any) -> bool:  # noqa: ANN401, N802
            partons = [fastjet.PseudoJet(p.px(), p.py(), p.pz(), p.e()) for p in event if p.isFinal() and p.id() != 23]
            sequence = fastjet._swig.ClusterSequence(partons, definition)
            jets = fastjet._swig.sorted_by_pt(sequence.inclusive_jets(100.0))
            low, high = _VETO_PT_GEV
            return not (jets and low < jets[0].pt() < high and abs(jets[0].rap()) < _VETO_RAPIDITY_MAX)

    return EarlyVeto()


def _jets(particles: Jagged) -> dict[str, Array]:
    """The hardest jet of each event, where it is in the window."""
    import awkward as ak

    particles = particles[is_visible(particles, eta_max=None)]
    visible = momenta_of(particles)
    jets, index = cluster(visible, _RADIUS, 20.0)
    jets, index = ak.firsts(jets), ak.firsts(index)
    pt, y = transverse(jets), rapidity(jets)
    chosen = ak.fill_none((pt > _PT_GEV[0]) & (pt < _PT_GEV[1]) & (abs(y) < _RAPIDITY_MAX), value=False)
    jets, index = jets[chosen], ak.drop_none(index[chosen], axis=0)
    constituents, pid = visible[chosen][index], particles.id[chosen][index]
    order = ak.argsort(transverse(constituents), axis=1, ascending=False)
    constituents, pid = constituents[order], pid[order]
    px, py, pz, energy = (flat(jets[name]) for name in ("px", "py", "pz", "E"))
    phi = np.arctan2(py, px)
    mass = np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0))
    n = flat(ak.num(constituents, axis=1))
    near = np.repeat(phi, n)
    turned = np.arctan2(flat(constituents.py), flat(constituents.px)) - near
    azimuth = near + (turned + np.pi) % (2 * np.pi) - np.pi
    columns = [flat(transverse(constituents)), flat(rapidity(constituents)), azimuth]
    jet = [np.hypot(px, py), flat(rapidity(jets)), phi, mass]
    return {
        "particles": np.stack(columns, axis=1).astype(np.float32),
        "pid": flat(pid).astype(np.int32),
        "n": n.astype(np.int16),
        "jet": np.stack(jet, axis=1).astype(np.float32),
    }


QUARK_GLUON = DataSet(
    name="quark-gluon",
    what="jets of light quarks and gluons at 500-550 GeV, every constituent",
    features="constituents (pT, rapidity, azimuth, particle id), jagged; pT, rapidity, azimuth and mass of the jet",
    kinds=KINDS,
    shares=(1, 1),
    block_rows=500,
    generate=generate,
    settings={
        "revision": 1,
        "pythia": _COMMON,
        "processes": _PROCESS,
        "quarks": "u d s",
        "visible": {"eta_max": None, "neutrinos": False},
        "jets": {
            "algorithm": "anti-kT",
            "radius": _RADIUS,
            "pt_gev": list(_PT_GEV),
            "rapidity_max": _RAPIDITY_MAX,
            "per_event": 1,
        },
        "early_veto": {
            "scale_gev": _VETO_SCALE_GEV,
            "pt_gev": list(_VETO_PT_GEV),
            "rapidity_max": _VETO_RAPIDITY_MAX,
        },
    },
    packages=GENERATORS,
    rate="30 jets a second of one core",
    source="P. Komiske, E. Metodiev, J. Thaler, JHEP 01 (2019) 121; the settings of doi:10.5281/zenodo.3164691",
    constants={"classes": KINDS},
)
