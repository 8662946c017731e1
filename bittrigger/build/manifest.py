"""The files of a build, sealed: ``SHA256SUMS`` lists every file that a tool reads, and readers refuse what has changed.

``convert`` writes the list when all else is written, in the format of ``sha256sum``, so that ``sha256sum -c SHA256SUMS`` checks
it where bittrigger is not installed. It protects against edits and damage, not against somebody who writes the list anew;
``bittrigger prove`` does: it trusts the design alone and compares every other file with what is emitted for it.

* ``seal(folder)`` writes the list (``save_build`` calls it), ``read_seal(folder)`` reads it.
* ``seal_part(folder, part, names)`` lists files that a later command has written, and leaves all other lines.
* ``check_seal(folder)`` refuses the first file that is changed, missing or foreign.
* ``read_file(folder, name)`` reads one file and follows no link.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from bittrigger.errors import ConfigError
from bittrigger.system.files import read_at_most, replace_text

SEAL = "SHA256SUMS"

SEALED_FILES = (
    "bittrigger.json",
    "design.json",
    "emulated.json",
    "report.json",
    "adders.*",
    "weights.txt",
    "hls/*.cpp",
    "hls/*.tcl",
    "hls/*akefile",
    "hls/*.h",
    "emulator/*",
    "synth/*.ys",
    "synth/*.json",
    "synth/*.v",
    "synth/*.sv",
    "synth/*.tcl",
    "synth/*.f",
)
"""Patterns of the files that are listed: what a compiler, a simulator, a synthesis tool or bittrigger takes from a build.

Not listed: ``sim/`` and ``hls/build/`` (made anew at any time), logs, vendor reports.
"""

SEALED_FOLDERS = ("rtl", "vhdl", "hls/firmware", "hls/tb_data", "synth/ultrascale", "wrap")
"""Folders of which all is listed, whatever it is called."""

MAX_BYTES = 1 << 30
"""Largest file that is read."""

_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_][A-Za-z0-9_.]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*)")
_REMEDY = "convert the model again, or take the file back"


def seal(folder: Path) -> None:
    """Write ``SHA256SUMS``; whatever writes a build calls this last."""
    _write(folder, {name: sha256(read_file(folder, name)) for name in present(folder)})


def seal_part(folder: Path, part: str, names: list[str]) -> None:
    """List the files ``names`` as they are now in the place of all that begins with ``part``; other lines stay.

    Raises:
        ConfigError: if there is no list, or a file cannot be read.
    """
    others = {name: known for name, known in read_seal(folder).items() if not name.startswith(part)}
    _write(folder, others | {name: sha256(read_file(folder, name)) for name in names})


def _write(folder: Path, sums: dict[str, str]) -> None:
    replace_text(folder / SEAL, "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)))


def present(folder: Path) -> list[str]:
    """The names, relative to ``folder``, of all that is there and ought to be listed: files, and links to anything."""
    found = {path for pattern in SEALED_FILES for path in folder.glob(pattern)}
    for name in SEALED_FOLDERS:
        for place, folders, files in os.walk(folder / name):
            found |= {Path(place) / entry for entry in (*folders, *files)}
    return sorted(path.relative_to(folder).as_posix() for path in found if path.is_symlink() or not path.is_dir())


def read_seal(folder: Path) -> dict[str, str]:
    """The SHA-256 of each sealed file, by its name relative to ``folder``.

    Raises:
        ConfigError: if there is no list, or it is not one.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(read_file(folder, SEAL).decode(errors="replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in sums:
            raise ConfigError(
                f"{folder / SEAL}: line {number} is {line[:80]!r}; expected a SHA-256 and a new name; convert the model again"
            )
        sums[match[2]] = match[1]
    return sums


def check_seal(folder: Path, *, apart: str | None = None) -> dict[str, str]:
    """Check that the build in ``folder`` is as it was written, and return its list.

    Args:
        apart: files whose names begin so are left out.

    Raises:
        ConfigError: naming the first file that is changed, missing, or not of the build.
    """
    listed, there = read_seal(folder), present(folder)
    if apart is not None:
        there = [name for name in there if not name.startswith(apart)]
    sums = {name: known for name, known in listed.items() if apart is None or not name.startswith(apart)}
    foreign = next((name for name in there if name not in sums), None)
    if foreign is not None:
        raise ConfigError(f"{str(folder / foreign)!r}: not a file of this build; remove it")
    for name, wanted in sums.items():
        if sha256(read_file(folder, name)) != wanted:
            raise ConfigError(f"{folder / name}: changed since the build was written; {_REMEDY}")
    return sums


def read_file(folder: Path, name: str) -> bytes:
    """The bytes of the file ``name`` of the build in ``folder``; no link is followed, nor anything but a file opened.

    Raises:
        ConfigError: if it is missing, a link, behind a link, not a regular file, or larger than ``MAX_BYTES``.
    """
    path = folder / name
    for part in (path, *path.parents[: name.count("/")]):
        if part.is_symlink():
            raise ConfigError(f"{str(part)!r}: is a link; a build holds files alone; {_REMEDY}")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
                raise ConfigError(f"{str(path)!r}: not a file of at most {MAX_BYTES:,} bytes; {_REMEDY}")
            with open(handle, "rb", closefd=False) as stream:
                return read_at_most(stream, MAX_BYTES)
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigError(f"{str(path)!r}: not readable ({error.strerror}); {_REMEDY}") from error


def sha256(data: bytes) -> str:
    """The SHA-256 of ``data``, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
