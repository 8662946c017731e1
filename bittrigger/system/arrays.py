"""NumPy files from users, read without pickles and with no more memory than the file is worth."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

MAX_BYTES = 2 << 30
"""Largest array that is unpacked from an archive."""

_FAILURES = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    RuntimeError,  # an encrypted archive
    SyntaxError,  # a header is a Python literal
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_array(path: Path, what: str, member: str | None = None, *, max_entries: int | None = None) -> npt.NDArray[Any]:
    """The array in ``path``: of an .npy file, or the array ``member`` of an .npz file.

    Args:
        what: what the file holds, for messages.
        member: name in an .npz; None if only .npy will do.
        max_entries: most entries that an .npy may have, looked at before it is read; None for any number.

    Raises:
        ConfigError: if the file cannot be read, is damaged, holds pickles, has more than ``max_entries``, or unpacks to
            more than ``MAX_BYTES``.
    """
    kinds = ".npy" if member is None else ".npy or .npz"
    try:
        if member is not None and zipfile.is_zipfile(path):
            return _from_archive(path, what, member)
        mapped = np.lib.format.open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
        if max_entries is None or mapped.size <= max_entries:
            return np.array(mapped)
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(f"{what} {path}: not a readable {kinds} file ({reason})") from error
    raise ConfigError(
        f"{what} {path}: shape {mapped.shape} is too large for memory: {mapped.size} entries; allowed are {max_entries}; "
        "split it"
    )


def _from_archive(path: Path, what: str, member: str) -> npt.NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        if f"{member}.npy" not in archive.namelist():
            raise ConfigError(
                f"{what} {path}: no array {member!r} in it; save it with numpy.savez(path, {member}=events)"
            )
        size = archive.getinfo(f"{member}.npy").file_size
        if size > MAX_BYTES:
            raise ConfigError(
                f"{what} {path}: array {member!r} unpacks to {size} bytes; allowed are {MAX_BYTES}; split it"
            )
        data = io.BytesIO(archive.read(f"{member}.npy"))
    array: npt.NDArray[Any] = np.load(data, allow_pickle=False)
    return array
