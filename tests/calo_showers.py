"""Files of showers for the tests of their generators."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bittrigger.data import SETS, Block


def write_showers(path: Path, seed: int, rows: int = 40) -> Path:
    """Write a few showers, with each incident energy among them."""
    arrays = dict(SETS["showers"].generate(Block("photon", 0, 0, rows, seed)).arrays)
    np.savez(path, **arrays)
    return path
