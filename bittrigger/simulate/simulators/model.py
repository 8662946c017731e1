"""A simulator with the design compiled into it, built once for each content of the sources."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from bittrigger.errors import InternalError, ToolNotFoundError
from bittrigger.simulate.simulators.cocotb_model import build_program, identity
from bittrigger.simulate.simulators.verilator import fingerprint
from bittrigger.system.resources import folder
from bittrigger.system.toolchain import compiler_environment, require_tool, run_tool

SIMULATORS = ("verilator", "icarus", "ghdl")

BUILD_TIMEOUT_S = 3600.0
_KEY = "key.txt"


def options(simulator: str, target: Path) -> tuple[str, ...]:
    """What a simulator is told both when it compiles into ``target`` and when it runs what is there."""
    return ("--std=08", f"--workdir={target.absolute()}") if simulator == "ghdl" else ()


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
    name, versions = _product(simulator, top)
    product, log, key_file = target / name, target / "build.log", target / _KEY
    parts = [part for path in sources for part in (path.name.encode(), path.read_bytes())]
    key = fingerprint([*parts, *(text.encode() for text in (top, simulator, compiler_environment(), *versions))])
    if product.is_file() and key_file.is_file() and key_file.read_text(encoding="utf-8") == key:
        return product
    key_file.unlink(missing_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    if simulator == "verilator":
        build_program(top, sources, product, log)
    elif simulator == "ghdl":
        _analyse(top, sources, target, log)
    else:
        _build_with_cocotb(top, sources, product, log, simulator)
    key_file.write_text(key, encoding="utf-8")
    return product


def _product(simulator: str, top: str) -> tuple[str, tuple[str, ...]]:
    """The file that a build leaves, and the versions of all that goes into it."""
    match simulator:
        case "verilator":
            return top, identity()
        case "icarus":
            program = require_tool("iverilog")
            if shutil.which("vvp") is None:
                raise ToolNotFoundError(
                    "program 'vvp' of Icarus Verilog not found; looked in PATH; install Icarus Verilog"
                )
            return "sim.vvp", (program, importlib.metadata.version("cocotb"))
        case "ghdl":
            return "top-obj08.cf", (require_tool("ghdl"), importlib.metadata.version("cocotb"))
        case _:
            raise InternalError(f"simulator {simulator!r}")


def _build_with_cocotb(top: str, sources: Sequence[Path], product: Path, log: Path, simulator: str) -> None:
    """Build by cocotb's runner, from copies in a folder without blanks."""
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        copies = Path(scratch) / "sources"
        copies.mkdir()
        job = {
            "simulator": simulator,
            "top": top,
            "sources": [str(shutil.copy2(path, copies / path.name)) for path in sources],
            "build_dir": f"{scratch}/build",
            "build_args": (),
        }
        launch("build", job, log=log, environment={}, timeout_s=BUILD_TIMEOUT_S)
        shutil.copy2(Path(scratch) / "build" / product.name, product)


def _analyse(top: str, sources: Sequence[Path], target: Path, log: Path) -> None:
    """GHDL's library of the design; it holds no code, so that the sources have to stay beside it."""
    shutil.rmtree(target / "sources", ignore_errors=True)
    (target / "sources").mkdir()
    job = {
        "simulator": "ghdl",
        "top": top,
        "sources": [str(shutil.copy2(path, (target / "sources").absolute() / path.name)) for path in sources],
        "build_dir": str(target.absolute()),
        "build_args": options("ghdl", target),
    }
    launch("build", job, log=log, environment={}, timeout_s=BUILD_TIMEOUT_S)


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
