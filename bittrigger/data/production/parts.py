"""The folder of finished blocks beside a file that is being made: each is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bittrigger.data.model import Block, Json, Part
from bittrigger.errors import ConfigError
from bittrigger.system.arrays import read_array

TRIED = "events_tried"
"""Name of the count of events in a part."""

_RECORD, _LOCK, _SCRATCH = "request.json", "lock", ".scratch"


@dataclass(frozen=True)
class Parts:
    """A folder of parts; made and locked by ``open_parts``."""

    folder: Path

    def path(self, block: Block) -> Path:
        """Where the part of a block lies."""
        return self.folder / f"{block.name}.npz"


def folder_of(output: Path) -> Path:
    """The folder of the parts of ``output``."""
    return output.with_name(output.name + ".parts")


@contextlib.contextmanager
def open_parts(output: Path, record: Json) -> Iterator[Parts]:
    """Open, or make, the folder of the parts of ``output``; nobody else works in it meanwhile.

    Args:
        record: what ``describe`` says of the request; parts of another are not touched.

    Raises:
        ConfigError: if the folder cannot be written, is in use, or belongs to something else.
    """
    folder = folder_of(output)
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / _LOCK).open("w")
    except OSError as error:
        raise ConfigError(f"-o {output}: {folder} cannot be written: {error.strerror}; choose another place") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"{folder} is in use by another bittrigger; wait for it, or choose another -o") from error
        try:
            _check_record(folder, record, output)
            yield Parts(folder)
        finally:
            if not (folder / _RECORD).exists():  # nothing was begun, or all is done
                with contextlib.suppress(OSError):
                    (folder / _LOCK).unlink(missing_ok=True)
                    folder.rmdir()


def _check_record(folder: Path, record: Json, output: Path) -> None:
    path = folder / _RECORD
    if not path.exists():
        strangers = [entry.name for entry in folder.iterdir() if entry.name not in (_LOCK, _SCRATCH)]
        if strangers:
            raise ConfigError(
                f"{folder} holds {sorted(strangers)[0]!r} and no {_RECORD}: it is not a folder of parts; "
                "move it away, or choose another -o"
            )
        write_whole(path, (json.dumps(record, indent=1) + "\n").encode(), f"-o {output}: {path}")
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged; remove {folder} to begin again") from error
    changed = _differences(found, json.loads(json.dumps(record)))
    if changed:
        raise ConfigError(
            f"{folder} holds parts of another request: {'; '.join(changed)}; "
            "give the same settings to go on, or remove that folder to begin again"
        )


def _differences(found: Any, wanted: Any, where: str = "") -> list[str]:  # noqa: ANN401 - JSON
    """At most a few words on each value that differs."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [*wanted, *(key for key in found if key not in wanted)]
        lists = [_differences(found.get(k), wanted.get(k), f"{where}.{k}" if where else str(k)) for k in keys]
        return [text for texts in lists for text in texts][:4]
    return [] if found == wanted else [f"{where} was {str(found)[:60]!a}, now {str(wanted)[:60]!a}"]


def write_whole(path: Path, content: bytes, what: str) -> None:
    """Write a file whole or not at all.

    Raises:
        ConfigError: if it cannot be written; ``what`` begins the message.
    """
    scratch = path.with_name(_SCRATCH)
    try:
        with scratch.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise ConfigError(f"{what} cannot be written: {error.strerror}; {remedy(error)}") from error


def remedy(error: OSError) -> str:
    """What to do about a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "finished blocks are kept: free some space and run the same command to go on"
    return "finished blocks are kept: make the place writable and run the same command to go on"


def write_part(parts: Parts, block: Block, part: Part) -> None:
    """Store a finished block.

    Raises:
        ConfigError: if it cannot be written; what was there before stays.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **part.arrays, **{TRIED: np.array([part.events_tried], dtype=np.int64)})
    write_whole(parts.path(block), buffer.getvalue(), f"block {block.name}: {parts.path(block)}")


def is_finished(parts: Parts, block: Block) -> bool:
    """Whether the part of a block is there and undamaged."""
    try:
        with zipfile.ZipFile(parts.path(block)) as archive:
            return f"{TRIED}.npy" in archive.namelist() and archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError):
        return False


def events_tried(parts: Parts, block: Block) -> int:
    """How many events were generated for a finished block."""
    return int(read_array(parts.path(block), "part", TRIED)[0])


def remove_parts(parts: Parts, blocks: tuple[Block, ...]) -> None:
    """Remove what bittrigger put there; ``open_parts`` then removes the folder, if nothing else is in it."""
    with contextlib.suppress(OSError):
        for block in blocks:
            parts.path(block).unlink(missing_ok=True)
        for name in (_SCRATCH, _RECORD):
            (parts.folder / name).unlink(missing_ok=True)
