"""Models in two files, as ``to_json`` and ``save_weights`` write them: where the weights of a ``model.json`` lie."""

from __future__ import annotations

from pathlib import Path

from bittrigger.errors import UnsupportedModelError
from bittrigger.system.files import read_regular

DESCRIPTION = ".json"
"""What the file of a configuration ends in."""

_ENDINGS = ("_weights.h5", ".h5")


def weights_beside(path: Path) -> Path:
    """The file of the weights of the configuration in ``path``: the one of its name beside it.

    Raises:
        UnsupportedModelError: if there is none, or more than one.
    """
    names = [f"{path.stem}{ending}" for ending in _ENDINGS]
    found = [path.with_name(name) for name in names if path.with_name(name).is_file()]
    if len(found) != 1:
        there = "none of them is there" if not found else f"there are {' and '.join(file.name for file in found)}"
        raise UnsupportedModelError(
            f"model file {path}: a configuration without weights, which have to lie in one file beside it: {', '.join(names)}; "
            f"{there}; put those of model.save_weights('{names[0]}') there"
        )
    return found[0]


def content_of(path: Path) -> bytes:
    """The bytes of the file, or of the two files, that hold the model in ``path``.

    Raises:
        OSError: if one is no file that can be read.
        UnsupportedModelError: if the weights of a configuration are missing.
    """
    files = (path, weights_beside(path)) if path.suffix.lower() == DESCRIPTION else (path,)
    return b"".join(map(read_regular, files))
