"""NumPy files from users, read without pickles and with no more memory than the file is worth."""

from __future__ import annotations

import math
import os
import stat
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

MAX_BYTES = 2 << 30
"""Largest array that is read."""

FREE_BYTES = 256 << 20
MAX_RATIO = 200
"""An array beyond ``FREE_BYTES`` may be this many times as large as its compressed form; DEFLATE reaches 1,032 on nothing."""

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
        max_entries: most entries that the array may have, looked at before it is read; None for any number.

    Raises:
        ConfigError: if the file cannot be read, is no regular file, is damaged, holds pickles, has more than ``max_entries``
            or than ``MAX_BYTES``, or is much smaller than what it unpacks to.
    """
    kinds = ".npy" if member is None else ".npy or .npz"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{what} {path}: it is no regular file; allowed are {kinds} files; copy it to one")
            if member is None or stream.read(2) != b"PK":
                stream.seek(0)
                return _read_npy(stream, status.st_size, f"{what} {path}", max_entries)
            return _from_archive(stream, f"{what} {path}", member, max_entries)
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(f"{what} {path}: not a readable {kinds} file ({reason})") from error


def _from_archive(stream: BinaryIO, where: str, member: str, max_entries: int | None) -> npt.NDArray[Any]:
    with zipfile.ZipFile(stream) as archive:
        if f"{member}.npy" not in archive.namelist():
            raise ConfigError(f"{where}: no array {member!r} in it; save it with numpy.savez(path, {member}=events)")
        info = archive.getinfo(f"{member}.npy")
        size, packed = info.file_size, info.compress_size
        if size > MAX_BYTES:
            raise ConfigError(f"{where}: array {member!r} unpacks to {size} bytes; allowed are {MAX_BYTES}; split it")
        if size > FREE_BYTES and size > MAX_RATIO * packed:
            raise ConfigError(
                f"{where}: array {member!r} unpacks from {packed} to {size} bytes; allowed are {FREE_BYTES}, or {MAX_RATIO} "
                "times as many; save it with numpy.savez"
            )
        with archive.open(info) as unpacked:
            return _read_npy(unpacked, size, where, max_entries)


def _read_npy(stream: IO[bytes], size: int, where: str, max_entries: int | None) -> npt.NDArray[Any]:
    """The array in an .npy file of ``size`` bytes, whose header is held against them before memory is taken."""
    version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)  # type: ignore[no-untyped-call]
    entries = math.prod(shape)
    if min(shape, default=0) < 0 or entries * dtype.itemsize > size:
        raise ValueError(f"shape {shape} of {dtype} in {size} bytes")
    if max_entries is not None and entries > max_entries:
        raise ConfigError(
            f"{where}: shape {shape} is too large for memory: {entries} entries; allowed are {max_entries}; split it"
        )
    if size > MAX_BYTES:
        raise ConfigError(f"{where}: it has {size} bytes; allowed are {MAX_BYTES}; split it")
    stream.seek(0)
    array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)  # type: ignore[no-untyped-call]
    return array
