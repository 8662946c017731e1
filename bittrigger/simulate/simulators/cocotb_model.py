"""A verilated design as the program in which cocotb runs its tests, without make.

As for ``verilated``, Verilator's run-time library and its headers are compiled once a user, for both; what is left of a small
design is one compilation.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from bittrigger.emit.render import render
from bittrigger.errors import ToolError, ToolNotFoundError
from bittrigger.simulate.simulators.compiled import make_atomically
from bittrigger.simulate.simulators.runtime import LIBRARIES, compiled_runtime, runtime_key
from bittrigger.simulate.simulators.verilated_design import Maker
from bittrigger.simulate.simulators.verilated_design import identity as design_identity
from bittrigger.simulate.simulators.verilator import find_verilator

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
    cocotb = (importlib.metadata.version("cocotb"), str(_cocotb()))
    return (*design_identity(tool), runtime_key(tool), *cocotb, _main())


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
    texts = {source.name: source.read_bytes() for source in sources}
    with Maker(tool, runtime, log, os.cpu_count() or 1).design(top, texts) as design:
        _check_lint(design.said, log)
        main = design.headers / "main.cc"
        main.write_text(_main(), encoding="utf-8")
        link = [f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator", *LIBRARIES]
        inputs = [f"-I{design.headers}", *map(str, (main, *design.objects, *runtime.objects))]
        make_atomically(target, lambda path: [*runtime.command, *inputs, *link, "-o", str(path)])


def _check_lint(said: str, log: Path) -> None:
    """Raise the first warning that Verilator gave; in a design of ours each is an error."""
    first = next((line for line in said.splitlines() if line.startswith("%Warning")), None)
    if first is not None:
        log.write_text(said, encoding="utf-8")
        raise ToolError(f"Verilator warns of the design: {first}; full log: {log}")
