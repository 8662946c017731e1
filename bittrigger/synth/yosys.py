"""Synthesis with Yosys: each emitted module on its own, in parallel, and the whole netlist put together.

Each module is mapped for itself because the emitter closes stages inside modules: on the example networks this changes
the LUT total of a flattened run by less than 1 % and its flip-flops by two at most, and a changed layer costs one layer.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bittrigger.emit.render import write_changed
from bittrigger.errors import ToolError, ToolNotFoundError
from bittrigger.pipeline import Pipeline
from bittrigger.resources import folder as library_folder
from bittrigger.synth.count import Utilization, utilization
from bittrigger.synth.netlist import Netlist, read_netlist
from bittrigger.synth.recipe import script
from bittrigger.toolchain import run_tool

TOOL = "Yosys"
WORKER = Path(__file__).with_name("yosys_worker.py")
SMALL_CHARACTERS = 20_000
"""Modules of less Verilog share a process, as many as come to this size, or more where cores are few."""

_DECLARED = re.compile(r"^\s*module\s+(\w+)", re.MULTILINE)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Synthesis:
    """What Yosys made of a design.

    Attributes:
        version: of Yosys.
        total: the whole design, put together.
        modules: each module on its own, by name; the top's entry is what lies outside of the modules.
    """

    version: str
    total: Utilization
    modules: dict[str, Utilization]


@dataclass(frozen=True)
class _Source:
    """A Verilog file: the modules that it declares and every word in it."""

    path: Path
    text: str
    declares: frozenset[str]
    words: frozenset[str]


def tool_version() -> str:
    """The version of Yosys.

    Raises:
        ToolNotFoundError: if it is not installed.
    """
    try:
        return version("pyosys")
    except PackageNotFoundError as error:
        raise ToolNotFoundError(
            "Yosys not found; looked for the package pyosys; install it with `pip install pyosys`"
        ) from error


def netlist_files(pipeline: Pipeline, folder: Path) -> list[Path]:
    """The netlist of each module, the top last, that ``synthesize`` leaves in ``folder``."""
    names = [*dict.fromkeys(module.name for module in pipeline.modules), pipeline.graph.name]
    return [folder / f"{name}.json" for name in names]


def synthesize(
    pipeline: Pipeline, rtl: Path, folder: Path, *, jobs: int | None = None, timeout_s: float = 3600.0
) -> Synthesis:
    """Synthesise the Verilog of ``pipeline`` for UltraScale+ and count it.

    ``folder`` gets, for each module, the script ``<module>.ys``, the log ``<module>.log``, and the netlist as
    ``<module>.json`` and ``<module>.v`` (simulate the latter with ``xilinx/cells_sim.v`` of Yosys). A module whose sources
    and script have not changed is not synthesised again.

    Args:
        rtl: folder of the emitted Verilog.
        jobs: processes at a time; by default one a core.
        timeout_s: longest run of one process, which takes one large module or several small ones.

    Raises:
        ToolNotFoundError: if Yosys is not installed.
        ToolError: if it fails, or the netlist has a loop.
    """
    release = tool_version()
    folder.mkdir(parents=True, exist_ok=True)
    top = pipeline.graph.name
    files = netlist_files(pipeline, folder)
    names = [path.stem for path in files]
    sources = [_read(path) for path in design_sources(rtl, folder)]
    runs = [
        _Run(name, _needed(name, sources, rtl), names[:-1] if name == top else [], folder, release) for name in names
    ]

    def count(group: list[_Run]) -> dict[str, Utilization]:
        """Synthesise modules and count them, while others are still being synthesised."""
        _execute(group, timeout_s)
        netlists = {run.name: read_netlist(run.name, [folder / f"{run.name}.json"]) for run in group}
        return {name: utilization(_without(netlist, names)) for name, netlist in netlists.items()}

    workers = jobs or os.cpu_count() or 1
    counted: dict[str, Utilization] = {}
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(count, _groups(runs, workers)):
            counted |= part
    modules = {name: counted[name] for name in names}
    return Synthesis(release, utilization(read_netlist(top, files)), modules)


def _without(netlist: Netlist, types: list[str]) -> Netlist:
    """``netlist`` without the cells of ``types``, which are counted on their own."""
    return replace(netlist, cells=tuple(cell for cell in netlist.cells if cell.type not in types))


def design_sources(rtl: Path, folder: Path) -> list[Path]:
    """The Verilog to synthesise for UltraScale+: that in ``rtl``, save for library modules that have a form in primitives.

    Args:
        folder: gets a copy of these in its folder ``ultrascale``.
    """
    sources = []
    for path in sorted(rtl.glob("*.sv")):
        primitive = library_folder("firmware") / "ultrascale" / path.name
        if primitive.is_file():
            copy = folder / "ultrascale" / path.name
            write_changed(copy, primitive.read_text(encoding="utf-8"))
            sources.append(copy)
        else:
            sources.append(path)
    return sources


def _read(path: Path) -> _Source:
    text = path.read_text(encoding="utf-8")
    return _Source(path, text, frozenset(_DECLARED.findall(text)), frozenset(_WORD.findall(text)))


def _needed(name: str, sources: list[_Source], rtl: Path) -> list[_Source]:
    """The files that declare ``name`` and, in turn, any module that they mention."""
    needed: list[_Source] = []
    wanted = {name}
    while wanted:
        found = [source for source in sources if source not in needed and source.declares & wanted]
        needed += found
        wanted = {word for source in found for word in source.words}
    if not needed:
        raise ToolError(f"module {name!r} is declared in no .sv file of {rtl}; emit the design again")
    return sorted(needed, key=lambda source: source.path.name)


@dataclass(frozen=True)
class _Run:
    """The synthesis of one module."""

    name: str
    sources: list[_Source]
    blackboxes: list[str]
    folder: Path
    release: str

    def size(self) -> int:
        """Characters of Verilog, to start the longest run first."""
        return 0 if self.blackboxes else sum(len(source.text) for source in self.sources)

    def _script(self) -> str:
        digest = hashlib.sha256("".join(source.text for source in self.sources).encode()).hexdigest()
        head = [f"# {TOOL} {self.release}: {self.name} for UltraScale+", f"# sha256 of the sources: {digest}"]
        lines = script(self.name, [source.path for source in self.sources], self.blackboxes, self.folder)
        return "\n".join([*head, *lines]) + "\n"

    @property
    def recipe(self) -> Path:
        """The script that the netlist was made with."""
        return self.folder / f"{self.name}.ys"

    def is_done(self) -> bool:
        """Whether the very same run has been made."""
        result = self.folder / f"{self.name}.json"
        return result.is_file() and self.recipe.is_file() and self.recipe.read_text(encoding="utf-8") == self._script()

    def prepare(self) -> None:
        """Write the script, and remove what an earlier one made."""
        (self.folder / f"{self.name}.json").unlink(missing_ok=True)
        write_changed(self.recipe, self._script())

    def finish(self) -> None:
        """Give the results their names: the netlist appears whole or not at all."""
        for suffix in ("v", "json"):
            (self.folder / f"{self.name}.part.{suffix}").replace(self.folder / f"{self.name}.{suffix}")


def _groups(runs: list[_Run], workers: int) -> list[list[_Run]]:
    """Runs that share a process, the longest first: small modules do, since starting Yosys costs as much as one of them."""
    small = [run for run in runs if run.size() < SMALL_CHARACTERS]
    large = sorted((run for run in runs if run not in small), key=_Run.size, reverse=True)
    count = max(1, min(workers, sum(map(_Run.size, small)) // SMALL_CHARACTERS))
    return [*([run] for run in large), *(group for k in range(count) if (group := small[k::count]))]


def _execute(group: list[_Run], timeout_s: float) -> None:
    """Synthesise what is not done yet, in one process.

    Raises:
        ToolError: if Yosys fails or takes too long.
    """
    waiting = [run for run in group if not run.is_done()]
    if not waiting:
        return
    for run in waiting:
        run.prepare()
    folder, name = waiting[0].folder, waiting[0].name
    log = folder / (f"{name}.log" if len(waiting) == 1 else f"{name}.batch.log")
    scripts = [run.recipe.name for run in waiting]
    run_tool([sys.executable, str(WORKER), *scripts], log=log, cwd=folder, timeout_s=timeout_s)
    for run in waiting:
        run.finish()
    if len(waiting) > 1:
        log.unlink()
