"""Files that are whole or not there: written beside their place and moved to it, whatever lies there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

from bittrigger.errors import ConfigError


def replace_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, which holds the old text or the new one at any time; a link there is replaced, not followed.

    Raises:
        OSError: if it cannot be written; nothing has changed then.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # no chmod, which a confined process may not
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        scratch.replace(path)
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def read_at_most(stream: BinaryIO, most: int) -> bytes:
    """The bytes of a regular file, at most so many; a small one takes little memory, whatever it might have been."""
    return stream.read(min(most, os.fstat(stream.fileno()).st_size + 1))


def read_regular(path: Path, most: int = 2 << 30) -> bytes:
    """The bytes of a regular file; a device or a pipe, which might never end, is not waited for.

    Raises:
        OSError: if it is none, is larger than ``most`` bytes, or cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"more than {most} bytes", str(path))
        return read_at_most(stream, most)


def inside(folder: Path, *parts: str) -> Path:
    """The folder ``parts`` below ``folder``, which may be somebody else's: none of them is a link that leads out of it.

    Raises:
        ConfigError: if one is.
    """
    place = folder
    for part in parts:
        place /= part
        if place.is_symlink():
            raise ConfigError(f"{place}: it is a link, and writing would follow it; remove it")
    return place
