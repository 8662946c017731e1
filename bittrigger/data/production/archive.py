"""The finished file: the arrays of all blocks joined one part at a time, and the record of how they were made."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from bittrigger.data.model import Json
from bittrigger.data.production.parts import TRIED, remedy
from bittrigger.errors import ConfigError, InternalError
from bittrigger.system.arrays import read_array

PROVENANCE = "provenance"
"""Name of the array that holds the record, one JSON string."""

_MAX_RECORD_BYTES = 4 << 20

_FAILURES = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    NotImplementedError,
)


@dataclass(frozen=True)
class Member:
    """An array of a file, without its values."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def members(path: Path, what: str = "file") -> tuple[Member, ...]:
    """Names, types and shapes of the arrays of an .npz file; only the headers are read.

    Raises:
        ConfigError: if the file is not a readable .npz file.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigError(f"{what} {path}: it is no regular file; copy it to one")
    try:
        with zipfile.ZipFile(path) as archive:
            found = []
            for info in archive.infolist():
                with archive.open(info) as stream:
                    shape, _, dtype = _header(stream)
                found.append(Member(info.filename.removesuffix(".npy"), str(dtype), shape))
            return tuple(found)
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(f"{what} {path}: not a readable .npz file ({reason})") from error


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:  # noqa: ANN401 - a zip member
    version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(stream)  # type: ignore[no-untyped-call]
    return shape, fortran_order, dtype


@dataclass(frozen=True)
class _Column:
    """An array of the finished file, and the parts that hold its rows."""

    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]
    rows: int
    sources: tuple[Path, ...]


def join(parts: Sequence[Path], constants: Mapping[str, tuple[str, ...]], record: Json, output: Path) -> None:
    """Write ``output`` from finished parts; equal parts and records give equal bytes.

    The memory taken is that of one array of one part.

    Raises:
        ConfigError: if a part is damaged or the file cannot be written; an older ``output`` stays as it was.
    """
    columns = _columns(parts)
    words = {name: np.array(values) for name, values in constants.items()}
    words[PROVENANCE] = np.array(json.dumps(record, indent=1))
    scratch = output.with_name(f".{output.name}.scratch")
    try:
        with scratch.open("wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, column in columns.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        _write_column(member, name, column)
                for name, array in words.items():
                    with archive.open(f"{name}.npy", "w") as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)  # type: ignore[no-untyped-call]
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(output)
    except OSError as error:
        raise ConfigError(f"-o {output} cannot be written: {error.strerror}; {remedy(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _columns(parts: Sequence[Path]) -> dict[str, _Column]:
    columns: dict[str, _Column] = {}
    for path in parts:
        for member in members(path, "part"):
            if member.name == TRIED:
                continue
            dtype, (rows, *rest) = np.dtype(member.dtype), member.shape
            column = columns.get(member.name, _Column(dtype, tuple(rest), 0, ()))
            if (column.dtype, column.row_shape) != (dtype, tuple(rest)):
                raise InternalError(f"{path}: {member} does not go with {column.dtype} {column.row_shape}")
            columns[member.name] = _Column(dtype, tuple(rest), column.rows + rows, (*column.sources, path))
    return columns


def _write_column(member: IO[bytes], name: str, column: _Column) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(column.dtype),  # type: ignore[no-untyped-call]
        "fortran_order": False,
        "shape": (column.rows, *column.row_shape),
    }
    np.lib.format.write_array_header_1_0(member, header)  # type: ignore[no-untyped-call]
    for path in column.sources:
        member.write(np.ascontiguousarray(read_array(path, "part", name)).tobytes())


def read_record(path: Path) -> Json | None:
    """The record of how a file was made, or None if it holds none.

    Raises:
        ConfigError: if the file is unreadable or the record is damaged.
    """
    found = {member.name: member for member in members(path)}
    if PROVENANCE not in found:
        return None
    size = np.dtype(found[PROVENANCE].dtype).itemsize
    if found[PROVENANCE].shape == () and size <= _MAX_RECORD_BYTES:
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(str(read_array(path, "file", PROVENANCE)[()]))
            if isinstance(record, dict):
                return record
    raise ConfigError(f"file {path}: array {PROVENANCE!r} is not a record of bittrigger data; make the file again")
