"""The sets that can be generated, by name."""

from __future__ import annotations

from bittrigger.data.level1.jets import L1_JETS
from bittrigger.data.level1.objects import L1_OBJECTS
from bittrigger.data.level1.rates import L1_RATES
from bittrigger.data.level1.regions import L1_REGIONS
from bittrigger.data.level1.vertices import L1_VERTICES
from bittrigger.data.model import DataSet
from bittrigger.data.pythia.jets5 import JETS5, JETS5_RANGE
from bittrigger.data.pythia.quark_gluon import QUARK_GLUON
from bittrigger.data.pythia.wz_decay_plane import WZ_DECAY_PLANE
from bittrigger.data.showers import SHOWERS
from bittrigger.errors import ConfigError

SETS: dict[str, DataSet] = {
    dataset.name: dataset
    for dataset in (
        *(JETS5, JETS5_RANGE, QUARK_GLUON, WZ_DECAY_PLANE),
        *(L1_OBJECTS, L1_RATES, L1_JETS, L1_REGIONS, L1_VERTICES, SHOWERS),
    )
}


def find_set(name: str) -> DataSet:
    """The set called ``name``.

    Raises:
        ConfigError: if there is none.
    """
    if name not in SETS:
        raise ConfigError(
            f"set {name!r} is unknown; allowed are {', '.join(SETS)}; `bittrigger data list` describes them"
        )
    return SETS[name]
