"""Physics data: generated with Pythia 8 and FastJet (extra ``data``), or read from published files.

Neither the generators nor TensorFlow are imported with this package.
"""

from __future__ import annotations

from bittrigger.data.model import Block, DataSet, Part, Request
from bittrigger.data.run import Progress, make
from bittrigger.data.sets import SETS, find_set
from bittrigger.data.workers import Workers, dask_cluster, processes

__all__ = [
    "SETS",
    "Block",
    "DataSet",
    "Part",
    "Progress",
    "Request",
    "Workers",
    "dask_cluster",
    "find_set",
    "make",
    "processes",
]
