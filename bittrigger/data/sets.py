"""The sets that can be generated, by name."""

from __future__ import annotations

from bittrigger.data.jets5 import JETS5, JETS5_RANGE
from bittrigger.data.l1_jets import L1_JETS
from bittrigger.data.l1_objects import L1_OBJECTS
from bittrigger.data.l1_regions import L1_REGIONS
from bittrigger.data.l1_vertices import L1_VERTICES
from bittrigger.data.model import DataSet
from bittrigger.data.quark_gluon import QUARK_GLUON
from bittrigger.data.showers import SHOWERS
from bittrigger.data.wz_decay_plane import WZ_DECAY_PLANE
from bittrigger.errors import ConfigError

SETS: dict[str, DataSet] = {
    dataset.name: dataset
    for dataset in (
        *(JETS5, JETS5_RANGE, QUARK_GLUON, WZ_DECAY_PLANE),
        *(L1_OBJECTS, L1_JETS, L1_REGIONS, L1_VERTICES, SHOWERS),
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
