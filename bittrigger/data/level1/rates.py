"""Bunch crossings for the rates of a Level-1 trigger: each with the kHz that it stands for, those that may pass the more often.

Of crossings at 30 MHz one in ten thousand makes 3 kHz, so rates are not counted in zero bias. Here each crossing has one
collision that is generated, harder ones far more often than nature has them, and collisions of pile-up. Each real crossing is
counted once: by the collision that stands out most, of which a weight takes the chance that no other stands out more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.data.level1 import algorithms, towers
from bittrigger.data.level1.algorithms import find_objects
from bittrigger.data.level1.objects import BEAMS, INELASTIC, PILEUP, POOL
from bittrigger.data.level1.towers import Deposits, deposit, overlay, turned_at_random
from bittrigger.data.model import Array, Block, DataSet, Part
from bittrigger.data.pythia.events import GENERATORS, start_pythia

CROSSINGS_KHZ = 30_000.0
"""Bunches collide at about 30 MHz: 2,760 of 3,564 places of the LHC are filled, 11.245 kHz each."""

KINDS = ("qcd", "weak")
PT_HAT_MIN_GEV = 12
BIAS_POWER = 3
"""A collision of QCD is generated more often by its pT to this power, beyond what nature gives."""

MUON_WEIGHT = 4
"""How many GeV of the hard scattering a GeV of the leading muon is worth, where collisions are compared."""

_PT0_GEV = 2.28 * (13.6 / 7) ** 0.215
"""Below it multiple interactions are damped. Source: Pythia 8.3, MultipartonInteractions:pT0Ref and ecmPow, Monash tune."""

PROCESSES = {
    "qcd": [
        "HardQCD:all = on",
        f"PhaseSpace:pTHatMin = {PT_HAT_MIN_GEV}",
        "PhaseSpace:bias2Selection = on",
        f"PhaseSpace:bias2SelectionPow = {BIAS_POWER}",
    ],
    "weak": ["WeakSingleBoson:ffbar2W = on", "WeakSingleBoson:ffbar2gmZ = on", "PhaseSpace:mHatMin = 15"],
}

_POOL_BATCH, _BATCH = 250, 100


@dataclass(frozen=True)
class Collision:
    """What a collision leaves behind, and the pT of its hard scattering in GeV; soft: it has none, being diffractive."""

    deposits: Deposits
    pt_hat_gev: float
    soft: bool

    @property
    def prominence_gev(self) -> float:
        """How much it stands out."""
        return self.pt_hat_gev + MUON_WEIGHT * max(self.deposits.muons[:, 0], default=0.0)


def generate(block: Block) -> Part:
    """The crossings of a block: called like the kind `(rows, 57)` int16, `KIND_khz` and `KIND_pt_hat` `(rows,)`.

    The rate of what passes is the sum of its kHz over the number of all rows of the kind.
    """
    random = block.random()
    soft = start_pythia([*BEAMS, *INELASTIC], block.pythia_seed(1))
    pool, _ = _collisions(soft, max(POOL[0], min(POOL[1], block.rows)), _POOL_BATCH, random)
    hard = start_pythia([*BEAMS, *PROCESSES[block.kind]], block.pythia_seed())
    special, weights = _collisions(hard, block.rows, _BATCH, random)
    share = hard.infoPython().sigmaGen() / soft.infoPython().sigmaGen()
    khz = CROSSINGS_KHZ * PILEUP * share * weights / weights.mean()
    prominence = np.array([each.prominence_gev for each in pool])
    rows = np.zeros((block.rows, len(algorithms.FEATURES)), np.int16)
    for i, collision in enumerate(special):
        others: Array = np.arange(len(pool))
        if block.kind == "qcd":
            others = np.flatnonzero(prominence <= collision.prominence_gev)
            khz[i] *= counted_once(collision, pool, prominence)
        rows[i] = find_objects(*overlay([collision.deposits, *_others(pool, others, random)]), random)
    pt_hat = np.array([each.pt_hat_gev for each in special], np.float32)
    arrays = {block.kind: rows, f"{block.kind}_khz": khz, f"{block.kind}_pt_hat": pt_hat}
    return Part(arrays, len(pool) + len(special))


def counted_once(collision: Collision, pool: list[Collision], prominence_gev: npt.NDArray[np.float64]) -> float:
    """The chance that no other collision of the crossing stands out more, and that this one has no harder scattering.

    The generator of hard scatterings counts each of a collision, and does not damp them as that of whole collisions does.

    Args:
        prominence_gev: that of each collision of the pool.
    """
    alone = np.exp(-PILEUP * np.mean(prominence_gev > collision.prominence_gev))
    broken = [each.pt_hat_gev for each in pool if not each.soft]
    hardest = 1 - np.count_nonzero(np.array(broken) > collision.pt_hat_gev) / max(len(broken), 1)
    damping = (collision.pt_hat_gev**2 / (collision.pt_hat_gev**2 + _PT0_GEV**2)) ** 2
    return float(alone * hardest * damping)


def _others(pool: list[Collision], allowed: Array, random: np.random.Generator) -> list[Deposits]:
    """Pile-up of a crossing, of the allowed ones of the pool, each turned at random."""
    count = random.poisson(PILEUP * len(allowed) / len(pool))
    return [turned_at_random(pool[j].deposits, random) for j in random.choice(allowed, size=count)]


def _collisions(pythia: Any, count: int, batch: int, random: np.random.Generator) -> tuple[list[Collision], Array]:  # noqa: ANN401
    """So many collisions, and their weights `(count,)`."""
    found: list[Collision] = []
    weights: list[Array] = []
    while len(found) < count:
        events = pythia.nextBatch(min(batch, count - len(found)))
        pt_hat, soft = np.sqrt(np.asarray(events.info.pT2Hat)), np.asarray(events.info.Q2Fac) == 0
        found += [
            Collision(*each) for each in zip(deposit(events.prt, random), pt_hat.tolist(), soft.tolist(), strict=True)
        ]
        weights.append(np.asarray(events.info.weights)[:, 0])
    return found, np.concatenate(weights)


L1_RATES = DataSet(
    name="l1-rates",
    what="Level-1-like integers of background crossings at pile-up 55, each with the kHz that it stands for",
    features="57 integers as in l1-objects; a rate in kHz is the mean over a kind of what passes, added over the kinds",
    kinds=KINDS,
    shares=(19, 1),
    block_rows=5000,
    generate=generate,
    settings={
        "revision": 1,
        "pythia": BEAMS,
        "processes": {"pileup": INELASTIC, **PROCESSES},
        "crossings_khz": CROSSINGS_KHZ,
        "pileup": PILEUP,
        "pool": POOL,
        "muon_weight": MUON_WEIGHT,
        "towers": towers.SETTINGS,
        "algorithms": algorithms.SETTINGS,
    },
    packages=(*GENERATORS, "scipy"),
    rate="190 crossings a second of one core, after a pool of pile-up for each block at 142 events a second",
    source="the inputs of AXOL1TL, A. Gandrakota, arXiv:2411.19506; the detector is a plain model, not that of CMS",
    constants={"features": algorithms.FEATURES},
)
