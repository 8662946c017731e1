"""Loading the native part of the solver: as installed, or compiled on first use where only the sources are there."""

from __future__ import annotations

import ctypes
import hashlib
import platform
import tempfile
from functools import lru_cache
from pathlib import Path

from bittrigger.errors import InternalError
from bittrigger.system.toolchain import cache_folder, require_tool, run_tool

ABI = 3
"""Version of the C interface in ``native/api.cpp``."""

SOURCES = Path(__file__).resolve().parent / "native"
_INSTRUCTIONS = ("-mpopcnt",) if platform.machine() in ("x86_64", "AMD64") else ()
"""Counting bits: every x86-64 processor since 2008 has it, the compiler's default target does not."""

FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", *_INSTRUCTIONS)


def _sources() -> list[Path]:
    return sorted(SOURCES.glob("*.h")) + sorted(SOURCES.glob("*.cpp"))


def _installed() -> Path | None:
    """The library as it was installed; None if there is none, or sources beside it are newer, as in a checkout that moved on."""
    libraries = sorted(SOURCES.parent.glob("_native*.so"))
    if not libraries:
        return None
    newest = max(libraries, key=lambda path: path.stat().st_mtime_ns)
    changed = max((path.stat().st_mtime_ns for path in _sources()), default=0)
    return newest if newest.stat().st_mtime_ns >= changed else None


def _compiled() -> Path:
    """The library in the user's cache, named by its sources and compiled if it is not there yet."""
    files = _sources()
    if not files:
        raise InternalError("the installation has neither the compiled solver nor its sources")
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    library = cache_folder() / f"solver-{digest.hexdigest()[:16]}.so"
    if not library.is_file():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            fresh = Path(folder) / "solver.so"
            sources = [str(path) for path in files if path.suffix == ".cpp"]
            run_tool([require_tool("g++"), *FLAGS, *sources, "-o", str(fresh)], log=Path(folder) / "compile.log")
            fresh.replace(library)
    return library


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The native solver with its signatures declared.

    Raises:
        ToolNotFoundError: if it must be compiled and there is no C++ compiler.
        ToolError: if it does not compile.
        InternalError: if the installed library belongs to another version.
    """
    native = ctypes.CDLL(str(_installed() or _compiled()))
    if native.bittrigger_abi() != ABI:
        raise InternalError(f"the native solver has interface {native.bittrigger_abi()}, but {ABI} is needed")
    pointer = ctypes.c_void_p
    native.bittrigger_solve.argtypes = [ctypes.c_int, ctypes.c_int, *[pointer] * 7]
    native.bittrigger_solve.restype = pointer
    native.bittrigger_read.argtypes = [pointer, pointer, pointer]
    native.bittrigger_read.restype = None
    native.bittrigger_free.argtypes = [pointer]
    native.bittrigger_free.restype = None
    return native
