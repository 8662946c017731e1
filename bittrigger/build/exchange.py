"""Putting a new build in the place of an earlier one: whole or not at all, and nothing else in the folder is touched.

A folder that is not there appears by renaming. In one that is there (a mount point, where a shell stands, what a link points to)
the entries of the old build move out and those of the new one in; a plan on disk says which, so that a run that was killed is
undone by the next. Files of the old build's folders that bittrigger did not write, or that were changed since, move to ``kept/``.

::

    DIR/.bittrigger-XXXX/        of one run; beside DIR as .NAME.bittrigger-XXXX where DIR is not there yet
        .lock                    held while the run lives
        new/                     the new build
        old/                     what has been moved out
        plan.json                names that move out and in
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import fnmatch
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bittrigger.build.manifest import SEAL, present, read_file, read_seal, sha256
from bittrigger.errors import ConfigError

FIRST = "bittrigger.json"
"""Moves out first and in last: a folder that has it is whole."""

FOLDERS = ("rtl", "hls", "emulator", "synth", "wrap")
"""What belongs to a build besides the files in its seal."""

WRITTEN = ".written.json"
"""Hashes of the files that a run wrote and that are not sealed, such as a card."""

_MADE = (
    WRITTEN,
    "proof.json",
    "timing.json",
    "emulator/build/*",
    "hls/build/*",
    "synth/*.log",
    SEAL,
    "report.*",
    FIRST,
)
"""What bittrigger and the build's own Makefiles leave behind without sealing it; it goes with the build."""

_LATER = {SEAL, "proof.json", "timing.json"}
"""What later commands leave in the folder of a build."""

_MARK = ".bittrigger-"


@contextmanager
def exchanged(target: Path) -> Iterator[Path]:
    """An empty folder whose content takes the place of the build in ``target`` when the block ends well.

    Args:
        target: absolute, no link; a build, an empty folder, or not there.

    Raises:
        ConfigError: if something cannot be written; ``target`` is as it was then.
    """
    inside = target.is_dir()
    before = _identity(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place, prefix = (target, _MARK) if inside else (target.parent, f".{target.name}{_MARK}")
        work = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        lock = (work / ".lock").open("w", encoding="utf-8")
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (work / "new").mkdir()
            (work / "old").mkdir()
            yield work / "new"
            if _identity(target) != before:
                raise ConfigError(
                    f"output folder {target} was written by another run meanwhile; this one leaves it alone: choose another with "
                    "-o"
                )
            _note_written(work / "new")
            if inside:
                _exchange(work, target)
            else:
                (work / "new").rename(target)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):  # of the machine, not of the folder
            raise
        raise _unwritable(target, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def recover(target: Path) -> None:
    """Undo, or finish, what earlier runs into ``target`` left when they were killed; runs that live are left alone."""
    with contextlib.suppress(OSError):
        beside = [path for path in target.parent.glob(f".*{_MARK}*") if path.name.startswith(f".{target.name}{_MARK}")]
        for work in (*target.glob(f"{_MARK}*"), *beside):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError), _stale(work):
                if (work / "plan.json").exists():
                    _settle(work, target)
                shutil.rmtree(work)


@contextmanager
def _stale(work: Path) -> Iterator[None]:
    """Hold the lock of a run that has ended.

    Raises:
        OSError: if it lives, or this is no folder of ours.
    """
    handle = os.open(work / ".lock", os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _identity(target: Path) -> tuple[int, int, int] | None:
    """What tells whether the build in ``target`` is still the same; None where there is none."""
    try:
        status = (target / FIRST).lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _note_written(folder: Path) -> None:
    sealed = set(present(folder))
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    sums = {name: sha256((folder / name).read_bytes()) for name in names if name not in sealed | {SEAL}}
    (folder / WRITTEN).write_text(json.dumps(sums, indent=0) + "\n", encoding="utf-8")


def _exchange(work: Path, target: Path) -> None:
    new = [path.name for path in (work / "new").iterdir()]
    ours = {*FOLDERS, FIRST, *_sealed_names(target), *new}
    old = [path.name for path in target.iterdir() if path.name in ours or fnmatch.filter([path.name], "report.*")]
    plan = {"out": sorted(old, key=_first_last(first=True)), "in": sorted(new, key=_first_last(first=False))}
    (work / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    try:
        for name in plan["out"]:
            (target / name).rename(work / "old" / name)
        for name in plan["in"]:
            (work / "new" / name).rename(target / name)
    except BaseException:
        _undo(plan, work, target)
        raise
    _rescue(work / "old", target)


def _first_last(*, first: bool) -> Callable[[str], tuple[bool, str]]:
    return lambda name: ((name == FIRST) != first, name)


def _sealed_names(folder: Path) -> set[str]:
    with contextlib.suppress(ConfigError):
        return {name.split("/", maxsplit=1)[0] for name in read_seal(folder)} | _LATER
    return {name.split("/", maxsplit=1)[0] for name in present(folder)} | _LATER


def _settle(work: Path, target: Path) -> None:
    """Undo an exchange that was cut off, or finish one of which only the cleaning was."""
    plan = json.loads((work / "plan.json").read_text(encoding="utf-8"))
    for name in (*plan["out"], *plan["in"]):
        if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or name.startswith(_MARK):
            raise ValueError(name)
    if (target / FIRST).is_file() and not (work / "new" / FIRST).is_file():
        _rescue(work / "old", target)
    else:
        _undo(plan, work, target)


def _undo(plan: dict[str, list[str]], work: Path, target: Path) -> None:
    for name in reversed(plan["in"]):
        if _is_there(target / name) and not _is_there(work / "new" / name) and _moved_out(plan, work, name):
            (target / name).rename(work / "new" / name)
    for name in reversed(plan["out"]):
        if _is_there(work / "old" / name):
            (work / "old" / name).rename(target / name)


def _moved_out(plan: dict[str, list[str]], work: Path, name: str) -> bool:
    """Whether what bears ``name`` now cannot be of the old build."""
    return name not in plan["out"] or _is_there(work / "old" / name)


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _rescue(old: Path, target: Path) -> None:
    """Move to ``kept/`` what of the old build bittrigger did not write, or somebody has changed since."""
    sums = _sums(old)
    for place, folders, files in os.walk(old):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for path in (Path(place) / name for name in (*files, *links)):
            name = path.relative_to(old).as_posix()
            if not _is_ours(old, name, sums) and not _is_same(path, target / name):
                kept = _free(target / "kept" / name)
                kept.parent.mkdir(parents=True, exist_ok=True)
                path.rename(kept)


def _sums(old: Path) -> dict[str, str | None]:
    """The hash of each file that bittrigger wrote; None where it is not known."""
    try:
        sums: dict[str, str | None] = dict(read_seal(old))
    except ConfigError:
        sums = dict.fromkeys(present(old))
    with contextlib.suppress(ConfigError, ValueError):
        others = json.loads(read_file(old, WRITTEN))
        sums |= others if isinstance(others, dict) else {}
    return sums


def _is_ours(old: Path, name: str, sums: dict[str, str | None]) -> bool:
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in _MADE):
        return not (old / name).is_symlink()
    if name not in sums:
        return False
    try:
        return sums[name] in (None, sha256(read_file(old, name)))
    except ConfigError:
        return False


def _is_same(path: Path, other: Path) -> bool:
    plain = all(item.is_file() and not item.is_symlink() for item in (path, other))
    return plain and path.read_bytes() == other.read_bytes()


def _free(path: Path) -> Path:
    """``path``, or the first name like it that nothing bears."""
    number = 1
    found = path
    while _is_there(found):
        number += 1
        found = path.with_name(f"{path.name}.{number}")
    return found


def _unwritable(target: Path, error: OSError) -> ConfigError:
    where = f" ({error.filename})" if error.filename else ""
    return ConfigError(
        f"output folder {target} cannot be written: {error.strerror or error}{where}; free some space, or choose another with -o"
    )
