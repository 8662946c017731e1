"""Two runs on one folder at once: the second waits for the first, or says that it is taken."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bittrigger.errors import ConfigError


@contextmanager
def locked(folder: Path, what: str, *, wait: bool = True) -> Iterator[None]:
    """Hold ``folder`` for this process alone inside the block; the operating system lets go of it whenever the process ends.

    Args:
        what: what the folder is, for the message.
        wait: whether to wait for another process, or to refuse at once.

    Raises:
        ConfigError: if the folder cannot be written, or another process holds it and ``wait`` is off.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{what} {folder} cannot be written: {error.strerror}; choose another folder") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"{what} {folder} is in use by another run of bittrigger; wait for it to end") from error
        yield


def is_writable(folder: Path) -> bool:
    """Whether files can be made in ``folder``, or in the nearest folder above it that exists."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return False
    try:
        with tempfile.TemporaryFile(dir=there):
            return True
    except OSError:
        return False
