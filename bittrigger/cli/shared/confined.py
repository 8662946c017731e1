"""Verbs that train give up what a model must not have before they read one.

A model is trained where it is, so that no process apart helps. The command line's own process is confined instead, as a whole:
no networks, no programs, and no writing but to the folders that the user named, the cache, and a scratch folder in it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

_state = {"own": False}


def process_is_ours() -> None:
    """Say that this process is the command line and nothing else, so that it may be confined."""
    _state["own"] = True


def confine(written: Iterable[Path | None]) -> tuple[str, ...]:
    """Confine this process, unless somebody else's program runs in it; there is no way back.

    Args:
        written: files and folders that will be written, beside which others may be, too; ``-`` is standard output.

    Returns:
        What holds, as ``jail.confine`` says; nothing where it is not Linux or not our process.
    """
    if not _state["own"] or sys.platform != "linux":
        return ()
    from bittrigger.solver.native import library
    from bittrigger.system import jail
    from bittrigger.system.toolchain import cache_folder

    library()  # compiled now if it has to be, for compilers are programs
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix="scratch-", dir=cache)
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    os.environ |= {"TMPDIR": scratch, "MPLCONFIGDIR": scratch}
    tempfile.tempdir = None
    places = {_folder_of(path.absolute()) for path in written if path is not None and str(path) != "-"}
    return jail.confine(sorted({cache, *places}))


def _folder_of(path: Path) -> Path:
    """The folder that ``path`` lies in, or the nearest one above it that is there."""
    return next(place for place in path.parents if place.is_dir())
