"""Checks of arrays from files: shapes, numbers, labels; what fails is one message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.data.model import Array
from bittrigger.errors import ConfigError
from bittrigger.system.arrays import read_array

_REMEDY = "make or fetch the file again"


def read_checked(path: Path, name: str, shape: tuple[int | None, ...], kinds: str) -> Array:
    """The array ``name`` of an .npz file.

    Args:
        shape: what it must have; None is any size.
        kinds: allowed kinds of NumPy types: ``f`` real, ``i`` and ``u`` integer, ``U`` text.

    Raises:
        ConfigError: if it is absent, or of another shape or type.
    """
    array = read_array(path, "data file", name)
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in kinds:
        wanted = " x ".join("any" if size is None else str(size) for size in shape)
        words = " or ".join({"f": "real", "i": "integer", "u": "unsigned", "U": "text"}[kind] for kind in kinds)
        raise ConfigError(
            f"data file {path}: array {name!r} is {array.dtype} of shape {array.shape}; expected {words} of shape {wanted}; "
            f"{_REMEDY}"
        )
    return array


def check_lengths(path: Path, arrays: dict[str, Array]) -> None:
    """Refuse arrays that should have one entry a row and do not, or that are empty.

    Raises:
        ConfigError: if their first axes differ or are 0.
    """
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1 or 0 in sizes.values():
        text = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
        raise ConfigError(f"data file {path}: rows of {text}; expected the same number, at least 1; {_REMEDY}")


def check_finite(path: Path, name: str, values: Array, columns: Sequence[str] = ()) -> None:
    """Refuse NaN and infinity.

    Args:
        columns: names along the last axis, for the message.

    Raises:
        ConfigError: names the first row and column that is no number.
    """
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    where = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
    column = f", column {columns[where[-1]]!r}" if columns else f", index {where[1:]}" if len(where) > 1 else ""
    raise ConfigError(
        f"data file {path}: array {name!r} holds {values[where]} at row {where[0]}{column}; "
        f"expected finite numbers; remove such rows, or {_REMEDY}"
    )


def check_labels(path: Path, labels: Array, classes: Sequence[str]) -> npt.NDArray[np.int8]:
    """Labels as indices into ``classes``, `(n,)`.

    Raises:
        ConfigError: if one is no index, or a class has no row.
    """
    strange = (labels < 0) | (labels >= len(classes)) | (labels != np.floor(labels))
    known = ", ".join(f"{i} {name}" for i, name in enumerate(classes))
    if strange.any():
        row = int(np.argmax(strange))
        raise ConfigError(
            f"data file {path}: label {labels[row]} at row {row} is unknown; allowed are {known}; remove such rows, or {_REMEDY}"
        )
    y = labels.astype(np.int8)
    counts = np.bincount(y, minlength=len(classes))
    if 0 in counts:
        empty = classes[int(np.argmin(counts))]
        raise ConfigError(f"data file {path}: class {empty!r} has no row; expected rows of {known}; take a larger file")
    return y
