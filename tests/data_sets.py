"""A data set without physics, for the tests of blocks, workers and files; other processes import it."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np

from bittrigger.data.model import Block, DataSet, Part
from bittrigger.errors import ToolError


def generate(block: Block) -> Part:
    """Rows that depend on all that a block may depend on."""
    print("a banner")  # noqa: T201
    x = block.random().normal(size=(block.rows, 3)).astype(np.float32)
    x[:, 0] = block.pythia_seed()
    return Part({"X": x, "y": np.full(block.rows, block.kind_index, np.int8)}, 2 * block.rows)


def forgetful(block: Block) -> Part:
    """Rows that depend on what the process did before: what a shared generator would do."""
    forgetful.calls = getattr(forgetful, "calls", 0) + 1
    part = generate(block)
    part.arrays["X"][:, 2] = forgetful.calls
    return part


def generate_nothing(block: Block) -> Part:
    raise ToolError(f"block {block.name}: no event passes")


def fill_the_disk(block: Block) -> Part:  # noqa: ARG001 - the signature of a generator
    raise OSError(errno.ENOSPC, "No space left on device")


def die(block: Block) -> Part:  # noqa: ARG001 - the signature of a generator
    import os

    os._exit(3)


def fake(name: str = "fake", function=generate, **changes) -> DataSet:
    settings = {"pt_gev": [500, 550], "lines": ["Beams:eCM=13000"]}
    values = {
        "what": "numbers",
        "features": "three numbers",
        "kinds": ("a", "b"),
        "shares": (3, 1),
        "block_rows": 4,
        "settings": settings,
        "packages": (),
        "rate": "1000 rows",
        "source": "nobody",
        "constants": {"classes": ("a", "b")},
    }
    return DataSet(name=name, generate=function, **{**values, **changes})


def slow(block: Block) -> Part:
    """One block at once, the others never."""
    import time

    if block.number or block.kind_index:
        time.sleep(600)
    return generate(block)


def content(path: Path) -> dict[str, np.ndarray]:
    """Every array of a file, by name."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
