"""A simulator with the design compiled into it, built once for each content of the sources."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bittrigger.errors import InternalError, ToolNotFoundError
from bittrigger.simulate.simulators.verilator import find_verilator, fingerprint
from bittrigger.system.resources import folder
from bittrigger.system.toolchain import cache_folder, compiler_environment, require_tool, run_tool

SIMULATORS = ("verilator", "icarus")
BUILD_TIMEOUT_S = 3600.0
_KEY = "key.txt"
_PORTS = ("clk", "rst", "in_valid", "in_data", "out_valid", "out_data")
_VERILATOR_OPTIONS = ("-Wall", "--no-timing", "--output-split", "20000", "--no-public-flat-rw")
"""cocotb makes every signal public, which triples the C++ of a design; here only the ports of the top are."""


@dataclass(frozen=True)
class _Recipe:
    """How one simulator is built: cocotb's name of it is the simulator's.

    Attributes:
        product: what the build leaves, relative to the build folder.
        arguments: for the simulator's compiler.
        versions: of everything that goes into the product.
        environment: variables of the build.
    """

    product: str
    arguments: tuple[str, ...]
    versions: tuple[str, ...]
    environment: dict[str, str]


def _recipe(simulator: str, top: str, shims: Path) -> _Recipe:
    cocotb = importlib.metadata.version("cocotb")
    match simulator:
        case "verilator":
            tool = find_verilator()
            environment = tool.environment(shims)
            versions = (tool.version, str(tool.binary), environment["MAKEFLAGS"], cocotb, sysconfig.get_path("purelib"))
            return _Recipe(top, _VERILATOR_OPTIONS, versions, environment)
        case "icarus":
            program = require_tool("iverilog")
            if shutil.which("vvp") is None:
                raise ToolNotFoundError(
                    "program 'vvp' of Icarus Verilog not found; looked in PATH; install Icarus Verilog"
                )
            return _Recipe("sim.vvp", (), (program, cocotb), {})
        case _:
            raise InternalError(f"simulator {simulator!r}")


def build_model(top: str, sources: Sequence[Path], target: Path, simulator: str) -> Path:
    """Compile ``sources`` unless ``target`` holds the result for the very same content and tools.

    Args:
        top: name of the top module.
        target: folder that receives the compiled model, its key and the log.

    Returns:
        The compiled model.

    Raises:
        ToolNotFoundError: if the simulator or a compiler is missing.
        ToolError: if a compiler fails.
    """
    recipe = _recipe(simulator, top, cache_folder() / "bin")
    product, log, key_file = target / recipe.product, target / "build.log", target / _KEY
    parts = [path.read_bytes() for path in sources]
    key = fingerprint(
        [
            *parts,
            *(text.encode() for text in (top, simulator, compiler_environment(), *recipe.arguments, *recipe.versions)),
        ]
    )
    if product.is_file() and key_file.is_file() and key_file.read_text(encoding="utf-8") == key:
        return product
    key_file.unlink(missing_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        job = {
            "simulator": simulator,
            "top": top,
            "sources": [
                *_plain_copies(sources, Path(scratch) / "sources"),
                *_public_ports(simulator, top, Path(scratch)),
            ],
            "build_dir": f"{scratch}/build",
            "build_args": recipe.arguments,
        }
        launch("build", job, log=log, environment=recipe.environment, timeout_s=BUILD_TIMEOUT_S)
        shutil.copy2(Path(scratch) / "build" / recipe.product, product)
    key_file.write_text(key, encoding="utf-8")
    return product


def _plain_copies(sources: Sequence[Path], scratch: Path) -> list[str]:
    """Copies of ``sources`` below ``scratch``, because make cannot cope with blanks in a path."""
    scratch.mkdir()
    return [str(shutil.copy2(path, scratch / path.name)) for path in sources]


def _public_ports(simulator: str, top: str, scratch: Path) -> list[str]:
    """Verilator's control file by which the bench sees the ports of ``top``."""
    if simulator != "verilator":
        return []
    path = scratch / "ports.vlt"
    lines = [f'public_flat_rw -module "{top}" -var "{port}"' for port in _PORTS]
    path.write_text("\n".join(["`verilator_config", *lines]) + "\n", encoding="utf-8")
    return [path.as_posix()]


def launch(
    action: Literal["build", "test"],
    job: Mapping[str, object],
    *,
    log: Path,
    environment: dict[str, str],
    timeout_s: float,
) -> str:
    """Run ``sim/launch.py`` on ``job``, which is kept beside the log, and return what it printed.

    Raises:
        ToolError: if it fails.
    """
    order = log.with_name(f"{action}.json")
    order.write_text(json.dumps(job, indent=2) + "\n", encoding="utf-8")
    return run_tool(
        [sys.executable, str(folder("sim") / "launch.py"), action, str(order)],
        log=log,
        env=environment,
        timeout_s=timeout_s,
    )
