"""A verilated design as the program in which cocotb runs its tests, without make.

As for ``verilated``, Verilator's run-time library and its headers are compiled once a user, for both; what is left of a small
design is one compilation.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bittrigger.emit.render import render
from bittrigger.errors import ToolNotFoundError
from bittrigger.simulate.simulators.compiled import make_atomically
from bittrigger.simulate.simulators.verilated import (
    BUILD_TIMEOUT_S,
    LIBRARIES,
    compiled_runtime,
    compiled_units,
    runtime_key,
)
from bittrigger.simulate.simulators.verilator import find_verilator
from bittrigger.system.toolchain import run_tool

PORTS = ("clk", "rst", "in_valid", "in_data", "out_valid", "out_data", "dropped")
OPTIONS = (
    *("--cc", "--vpi", "-DCOCOTB_SIM=1", "-Wall", "--no-timing", "--no-public-flat-rw"),
    *("--timescale", "1ns/1ps", "--output-split", "300000"),
)
"""Of Verilator. cocotb makes every signal public, which triples the C++ of a design; here only the ports of the top are."""

_PARTS = ("verilated", "verilated_threads", "verilated_vpi")


def _cocotb() -> Path:
    """The folder of the installed cocotb.

    Raises:
        ToolNotFoundError: if there is none.
    """
    spec = importlib.util.find_spec("cocotb")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (Path(folder) / "share" / "lib" / "verilator" / "verilator.cpp").is_file():
            return Path(folder)
    raise ToolNotFoundError("package 'cocotb' not found; install it with `pip install cocotb`")


def identity() -> tuple[str, ...]:
    """All that a program is made from, besides the design: versions, options and places.

    Raises:
        ToolNotFoundError: if Verilator, g++ or cocotb is missing.
    """
    tool = find_verilator()
    binary = (str(tool.binary), str(tool.binary.stat().st_mtime_ns))
    cocotb = (importlib.metadata.version("cocotb"), str(_cocotb()))
    return (tool.version, *binary, runtime_key(tool), *cocotb, *OPTIONS, _main())


def _main() -> str:
    return render("cocotb_main.cpp.j2", main=(_cocotb() / "share" / "lib" / "verilator" / "verilator.cpp").as_posix())


def build_program(top: str, sources: Sequence[Path], target: Path, log: Path) -> None:
    """Verilate and compile ``sources`` into the program ``target``.

    Raises:
        ToolNotFoundError: if Verilator, g++ or cocotb is missing.
        ToolError: if one of them fails.
    """
    tool, libraries = find_verilator(), _cocotb() / "libs"
    runtime = compiled_runtime(tool, _PARTS)
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as name:
        scratch = Path(name)
        for source in sources:
            (scratch / source.name).write_bytes(source.read_bytes())
        declared = (scratch / f"{top}.sv").read_text(encoding="utf-8") if (scratch / f"{top}.sv").is_file() else ""
        ports = [port for port in PORTS if port != PORTS[-1] or re.search(rf"\boutput wire +{port}\b", declared)]
        public = [f'public_flat_rw -module "{top}" -var "{port}"' for port in ports]
        (scratch / "ports.vlt").write_text("\n".join(["`verilator_config", *public, ""]), encoding="utf-8")
        files = [*(source.name for source in sources), "ports.vlt"]
        command = [str(tool.binary), *OPTIONS, "--top-module", top, "--prefix", "Vtop", "--Mdir", "cpp", *files]
        run_tool(command, log=log, cwd=scratch, env={"VERILATOR_ROOT": str(tool.root)}, timeout_s=BUILD_TIMEOUT_S)
        inputs = compiled_units(scratch / "cpp", "Vtop", _main(), runtime=runtime, log=log, jobs=os.cpu_count() or 1)
        link = [f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator", *LIBRARIES]
        objects = [str(path) for path in (*inputs, *runtime.objects)]
        make_atomically(
            target, lambda path: [*runtime.command, f"-I{scratch / 'cpp'}", *objects, *link, "-o", str(path)]
        )
