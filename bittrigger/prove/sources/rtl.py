"""The emitted Verilog as Yosys reads it: an implementation of the language that shares nothing with the emitters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrigger.errors import ToolError
from bittrigger.ir.pipeline import Pipeline
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Netlist, flatten, read_modules
from bittrigger.synth.recipe import cells_for
from bittrigger.synth.worker import run_scripts
from bittrigger.synth.yosys import tool_version

TIMEOUT_S = 600.0

MEMORY = "bittrigger_memory"
"""The library module in which bits are undefined as Yosys reads it: where and what would be written while nothing is."""


@dataclass(frozen=True)
class Rtl:
    """The modules of a design, processes turned into registers and multiplexers, nothing optimised.

    Attributes:
        modules: Yosys' JSON of each, by name.
        design: the names of the pipeline's modules.
        unread: why nothing was read, or nothing.
    """

    modules: dict[str, Any]
    design: frozenset[str]
    unread: str = ""

    def module(self, name: str) -> Netlist:
        """Module ``name`` with the library modules that it uses, flat; other modules of the design stay cells.

        Raises:
            Unproven: if there is no such module, or a bit of it is undefined.
        """
        if self.unread:
            raise Unproven(self.unread, refuted=False)
        if name not in self.modules:
            raise Unproven(f"there is no module {name}")
        parts = {key: value for key, value in self.modules.items() if key == name or key not in self.design}
        for key in (name, *_used(name, parts)):
            if key in self.design or MEMORY not in key:
                _check_defined(key, parts[key])
        return flatten(name, parts)

    def library(self) -> list[str]:
        """The library modules, each with its parameters."""
        return [name for name in self.modules if name not in self.design]


def _used(name: str, modules: dict[str, Any]) -> list[str]:
    found: list[str] = []
    pending = [name]
    while pending:
        types = {cell["type"] for cell in modules[pending.pop()]["cells"].values()}
        new = [kind for kind in types if kind in modules and kind not in found]
        found += new
        pending += new
    return found


def _check_defined(name: str, module: dict[str, Any]) -> None:
    for port, value in module["ports"].items():
        if value["direction"] not in ("input", "output") or any(bit in ("x", "z") for bit in value["bits"]):
            raise Unproven(f"module {name}: port {port} is undefined, or neither input nor output")
    for cell_name, cell in module["cells"].items():
        for pin, bits in cell["connections"].items():
            if any(bit in ("x", "z") for bit in bits):
                raise Unproven(f"module {name}: pin {pin} of cell {cell_name} is undefined")


def rtl_commands(top: str, sources: list[Path], result: Path) -> list[str]:
    """The Yosys commands that read ``sources``, with the cells of the part known already, and write ``result``."""
    files = " ".join(f'"{path.absolute().as_posix()}"' for path in sources)
    return [
        f"read_verilog -sv {files}",
        f"hierarchy -check -top {top}",
        "proc -noopt",
        "memory_collect",
        f'json -o "{result.absolute()}"',
    ]


def collect_rtl(pipeline: Pipeline, result: Path) -> Rtl:
    """What ``rtl_commands`` wrote to ``result``.

    Raises:
        ToolError: if it is not readable, or lacks the top.
    """
    modules = read_modules([result])
    if pipeline.graph.name not in modules:
        raise ToolError(f"Yosys found no module {pipeline.graph.name!r} in the Verilog; emit the design again")
    return Rtl(modules, frozenset({*pipeline.module_names, pipeline.graph.name}))


def read_rtl(pipeline: Pipeline, sources: list[Path], work: Path) -> Rtl:
    """Let Yosys read ``sources``.

    Args:
        work: folder for its script, log and result.

    Raises:
        ToolNotFoundError: if Yosys is not installed.
        ToolError: if it does not take the Verilog.
    """
    tool_version()
    work.mkdir(parents=True, exist_ok=True)
    commands = rtl_commands(pipeline.graph.name, sources, work / "rtl.json")
    script = work / "rtl.ys"
    script.write_text("\n".join([*cells_for(sources), *commands]) + "\n", encoding="utf-8")
    run_scripts([script], work / "rtl.log", 1, TIMEOUT_S)
    return collect_rtl(pipeline, work / "rtl.json")
