"""Compiling for the executors: everything under the hash of what it was made from, files that appear by renaming.

Builds may therefore run at the same time, share their caches, and lose them at any time.
"""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from bittrigger.errors import ToolError
from bittrigger.system.toolchain import cache_folder, run_tool


def digest(*parts: str | bytes) -> str:
    """A hash of ``parts``; no two different lists of parts share one."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()[:32]


def folder_digest(folder: Path, pattern: str = "*") -> str:
    """A hash of the files below ``folder`` whose names match ``pattern``: of their names and of what is in them."""
    files = sorted(path for path in folder.rglob(pattern) if path.is_file())
    return digest(*(part for path in files for part in (str(path.relative_to(folder)), path.read_bytes())))


def compiler_version(compiler: str) -> str:
    """What ``compiler`` says of itself.

    Raises:
        ToolError: if it fails.
    """
    done = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise ToolError(f"{compiler} --version\nfailed with exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def _temporary(target: Path) -> Path:
    """A name beside ``target`` that no other process uses."""
    return target.with_name(f".{target.stem}.{uuid.uuid4().hex[:12]}{target.suffix}")


def write_atomically(target: Path, text: str) -> None:
    """Write ``text`` to ``target``, which is never seen half-written."""
    scratch = _temporary(target)
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(target)


def make_atomically(target: Path, command: Callable[[Path], list[str]], cwd: Path | None = None) -> None:
    """Run ``command``, which writes a scratch file, and move that to ``target``; only a failure leaves its log.

    Raises:
        ToolError: if the command fails.
    """
    scratch = _temporary(target)
    log = scratch.with_suffix(".log")
    try:
        run_tool(command(scratch), log=log, cwd=cwd)
        if not scratch.is_file():
            raise ToolError(f"{' '.join(command(scratch))}\nended well and wrote nothing; full log: {log}")
        scratch.replace(target)
        log.unlink()
    finally:
        scratch.unlink(missing_ok=True)


def precompiled_header(name: str, text: str, command: Sequence[str], key: str) -> Path:
    """A header that g++ has parsed once for all builds of the user: name it with ``-include``.

    Args:
        name: of the header, with its suffix.
        text: the header itself.
        command: compiler and options; the same ones must be used with the header, or g++ parses it again.
        key: hash of the compiler and of all that ``text`` includes.
    """
    folder = cache_folder() / "headers" / digest(key, name, text, *command)
    header = folder / name
    compiled = folder / f"{name}.gch"
    if not (header.is_file() and compiled.is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(header, text)
        make_atomically(compiled, lambda target: [*command, "-x", "c++-header", str(header), "-o", str(target)])
    return header
