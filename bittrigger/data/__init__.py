"""Physics data: generated with Pythia 8 and FastJet (extra ``data``), or read from published files.

Neither the generators nor TensorFlow are imported with this package.
"""

from __future__ import annotations

from bittrigger.data.loaders.energyflow import load_energyflow
from bittrigger.data.loaders.hdf5 import load_jets150, load_jets150_features, load_top_landscape
from bittrigger.data.loaders.npz import (
    load_jets5,
    load_l1_jets,
    load_l1_objects,
    load_l1_rates,
    load_quark_gluon,
    load_wz_decay_plane,
)
from bittrigger.data.loaders.openml import fetch_openml_jets, load_openml_jets
from bittrigger.data.loaders.samples import (
    Constituents,
    DecayPlanes,
    Provenance,
    RatedCrossings,
    Showers,
    Table,
    TriggerJets,
    pad,
)
from bittrigger.data.loaders.showers import load_showers
from bittrigger.data.model import Block, DataSet, Part, Request
from bittrigger.data.production.run import Progress, make
from bittrigger.data.production.workers import Workers, dask_cluster, processes
from bittrigger.data.sets import SETS, find_set

__all__ = [
    "SETS",
    "Block",
    "Constituents",
    "DataSet",
    "DecayPlanes",
    "Part",
    "Progress",
    "Provenance",
    "RatedCrossings",
    "Request",
    "Showers",
    "Table",
    "TriggerJets",
    "Workers",
    "dask_cluster",
    "fetch_openml_jets",
    "find_set",
    "load_energyflow",
    "load_jets5",
    "load_jets150",
    "load_jets150_features",
    "load_l1_jets",
    "load_l1_objects",
    "load_l1_rates",
    "load_openml_jets",
    "load_quark_gluon",
    "load_showers",
    "load_top_landscape",
    "load_wz_decay_plane",
    "make",
    "pad",
    "processes",
]
