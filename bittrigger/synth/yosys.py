"""Synthesis with Yosys: each emitted module on its own, in parallel, and the whole netlist put together.

Each module is mapped for itself because the emitter closes stages inside modules: on the example networks this changes
the LUT total of a flattened run by less than 1 % and its flip-flops by two at most, and a changed layer costs one layer.
Forms of library modules, the netlists of modules and their counts are kept under a hash of all that they come from.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from pathlib import Path

from bittrigger.emit.render import write_changed
from bittrigger.errors import ToolError, ToolNotFoundError
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.origin import without_mark
from bittrigger.ir.pipeline import Pipeline
from bittrigger.synth import tables
from bittrigger.synth.count import Utilization, utilization
from bittrigger.synth.forms import Form, FormMapper, forms_in
from bittrigger.synth.netlist import Netlist, read_netlist
from bittrigger.synth.recipe import script
from bittrigger.synth.strict import read_strict
from bittrigger.synth.tables import has_tables
from bittrigger.synth.worker import run_scripts
from bittrigger.system.kept import Kept, key_of
from bittrigger.system.resources import folder as library_folder

TOOL = "Yosys"
NETLISTS = Kept("yosys-netlists")
COUNTS = Kept("yosys-counts", room_bytes=1 << 24)
COUNTING = ("count.py", "memory.py", "netlist.py")
"""The code that counts, of which what is kept depends."""

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
    return [folder / f"{name}.json" for name in (*pipeline.module_names, pipeline.graph.name)]


def synthesize(
    pipeline: Pipeline, rtl: Path, folder: Path, *, jobs: int | None = None, timeout_s: float = 3600.0
) -> Synthesis:
    """Synthesise the Verilog of ``pipeline`` for UltraScale+ and count it.

    ``folder`` gets, for each module, the script ``<module>.ys``, the log ``<module>.log`` of a module that was not known yet,
    and the netlist as ``<module>.json`` and ``<module>.v`` (simulate the latter with ``xilinx/cells_sim.v`` of Yosys).

    Args:
        rtl: folder of the emitted Verilog.
        jobs: processes at a time; by default one a core.
        timeout_s: longest run of Yosys.

    Raises:
        ToolNotFoundError: if Yosys is not installed.
        ToolError: if it fails, or the netlist has a loop.
    """
    release, workers = tool_version(), jobs or os.cpu_count() or 1
    folder.mkdir(parents=True, exist_ok=True)
    files = netlist_files(pipeline, folder)
    names = [path.stem for path in files]
    runs, primitives = _runs(pipeline, names, rtl, folder)
    mapper = FormMapper(primitives, folder, release, workers, timeout_s)
    mapped = mapper.mapped(frozenset().union(*(run.forms for run in runs)))
    keys = {run.name: run.key(release, mapped) for run in runs}
    missing = [run for run in runs if not _restore(keys[run.name], folder / run.name)]
    for run in runs:
        run.write_script(release, folder)  # what is known may have been synthesised in another place
    for run in missing:
        (folder / f"{run.name}.json").unlink(missing_ok=True)
    _execute(missing, mapped, folder, workers, timeout_s)
    NETLISTS.keep({keys[run.name]: _results(folder / run.name) for run in missing})
    total, *each = _counts(_counted(pipeline, files), workers)
    return Synthesis(release, total, dict(zip(names, each, strict=True)))


def write_scripts(pipeline: Pipeline, rtl: Path, folder: Path, release: str) -> None:
    """Write the scripts that ``synthesize`` leaves, as those of Yosys ``release``, and run nothing."""
    runs, _ = _runs(pipeline, [path.stem for path in netlist_files(pipeline, folder)], rtl, folder)
    for run in runs:
        run.write_script(release, folder)


def _runs(pipeline: Pipeline, names: list[str], rtl: Path, folder: Path) -> tuple[list[_Run], dict[str, Path]]:
    """The synthesis of each module, and the files of library modules in primitives, by module."""
    sources = [_read(path) for path in design_sources(rtl, folder)]
    primitives = {name: s.path for s in sources if s.path.parent != rtl for name in s.declares}
    multiply = {module.name for module in pipeline.modules if isinstance(module.node, Product)}
    known = frozenset(primitives)
    runs = [_run(name, set(names) - {name}, sources, rtl, known, muxes=name not in multiply) for name in names]
    return runs, primitives


def count_netlists(pipeline: Pipeline, folder: Path) -> Synthesis | None:
    """What the netlists that lie in ``folder`` use, as ``synthesize`` counted it; None where there is none of the top.

    Raises:
        ToolError: if one is missing or cannot be read.
    """
    files = netlist_files(pipeline, folder)
    if not files[-1].is_file():
        return None
    parts = _counted(pipeline, files)
    if any(COUNTS.find(_count_key(*part)) is None for part in parts):  # nobody has looked at these files yet
        read_strict(files)
    total, *each = _counts(parts)
    return Synthesis(tool_version(), total, dict(zip((path.stem for path in files), each, strict=True)))


def _counted(pipeline: Pipeline, files: list[Path]) -> list[tuple[str, list[Path], list[str]]]:
    """What is counted: the whole, and each module without those that are counted on their own; the arguments of ``_count``."""
    names = [path.stem for path in files]
    return [(pipeline.graph.name, files, []), *((path.stem, [path], names) for path in files)]


def _counts(parts: list[tuple[str, list[Path], list[str]]], jobs: int | None = None) -> list[Utilization]:
    """What each of ``parts`` uses; those that are not known yet are counted side by side."""
    from bittrigger.system.spread import spread  # not where all is known

    found = [COUNTS.find(_count_key(*part)) for part in parts]
    missing = [partial(_count, *part) for part, known in zip(parts, found, strict=True) if known is None]
    made = iter([used for _, used in sorted(spread(missing, jobs), key=itemgetter(0))])
    return [next(made) if known is None else Utilization(**json.loads(known)) for known in found]


def _restore(key: str, stem: Path) -> bool:
    """Write the netlist that is kept under ``key``, and whether there is one."""
    found = NETLISTS.find(key)
    if found is None:
        return False
    for suffix, text in json.loads(found).items():
        write_changed(stem.with_name(f"{stem.name}.{suffix}"), text)
    return True


def _results(stem: Path) -> bytes:
    texts = {
        suffix: stem.with_name(f"{stem.name}.{suffix}").read_text(encoding="utf-8") for suffix in ("ys", "v", "json")
    }
    return json.dumps(texts).encode()


def _count(name: str, files: list[Path], apart: list[str]) -> Utilization:
    """Count what module ``name`` uses whose netlist lies in ``files``, without cells of the types ``apart``."""
    used = utilization(_without(read_netlist(name, files), apart))
    COUNTS.keep({_count_key(name, files, apart): json.dumps(asdict(used)).encode()})
    return used


def _count_key(name: str, files: list[Path], apart: list[str]) -> str:
    """Of a count and of the code that makes it.

    Raises:
        ToolError: if a netlist cannot be read.
    """
    code = [Path(__file__).with_name(module).read_bytes() for module in COUNTING]
    try:
        return key_of(name, *code, *apart, "in", *(path.read_bytes() for path in files))
    except OSError as error:
        raise ToolError(
            f"netlist {error.filename}: not readable ({error.strerror}); convert the model again"
        ) from error


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


def _needed(name: str, sources: list[_Source], apart: set[str], rtl: Path) -> list[_Source]:
    """The files that declare ``name`` and, in turn, any module that they mention and that is not ``apart``."""
    needed: list[_Source] = []
    wanted = {name}
    while wanted:
        found = [source for source in sources if source not in needed and source.declares & wanted]
        needed += found
        wanted = {word for source in found for word in source.words} - apart
    if not needed:
        raise ToolError(f"module {name!r} is declared in no .sv file of {rtl}; emit the design again")
    return sorted(needed, key=lambda source: source.path.name)


@dataclass(frozen=True)
class _Run:
    """The synthesis of one module.

    Attributes:
        sources: of the module and the library modules in it.
        parts: of modules in it that are synthesised on their own.
        forms: of library modules in it.
        muxes: whether MUXF7/8 may be used.
    """

    name: str
    sources: list[_Source]
    parts: list[_Source]
    forms: frozenset[Form]
    muxes: bool

    def key(self, release: str, mapped: dict[Form, str]) -> str:
        """Of all that the netlist depends on."""
        texts = [without_mark(source.text) for source in self.sources]
        texts += ["parts", *(without_mark(source.text) for source in self.parts)]
        forms = [mapped[form] for form in sorted(self.forms)]
        if any(has_tables(source.text) for source in self.sources):
            texts += ["tables", Path(tables.__file__).read_text(encoding="utf-8")]
        commands = script(self.name, [], [], None, Path(), muxes=self.muxes)
        return key_of(release, self.name, *commands, *texts, "forms", *forms)

    def prepare(self, mapped: dict[Form, str], folder: Path) -> Path:
        """Write the script, which is returned, and the forms that it reads."""
        if self.forms:
            write_changed(folder / f"{self.name}.forms.il", "".join(mapped[form] for form in sorted(self.forms)))
        return self.write_script(tool_version(), folder)

    def write_script(self, release: str, folder: Path) -> Path:
        """Write the script for Yosys ``release``; its path."""
        forms = folder / f"{self.name}.forms.il" if self.forms else None
        sources, parts = ([source.path for source in some] for some in (self.sources, self.parts))
        lines = [f"# {TOOL} {release}: {self.name} for UltraScale+"]
        lines += script(self.name, sources, parts, forms, folder, muxes=self.muxes)
        path = folder / f"{self.name}.ys"
        write_changed(path, "\n".join(lines) + "\n")
        return path


def _run(
    name: str, others: set[str], sources: list[_Source], rtl: Path, primitives: frozenset[str], *, muxes: bool
) -> _Run:
    """What the synthesis of module ``name`` reads; ``others`` are synthesised on their own."""
    needed = _needed(name, sources, others, rtl)
    words = {word for source in needed for word in source.words}
    parts = [source for source in sources if source.declares & others & words]
    forms = frozenset().union(*(forms_in(source.text, primitives) for source in needed))
    return _Run(name, needed, parts, forms, muxes)


def _execute(runs: list[_Run], mapped: dict[Form, str], folder: Path, jobs: int, timeout_s: float) -> None:
    """Synthesise ``runs`` in one process, the longest first; netlists appear whole or not at all.

    Raises:
        ToolError: if Yosys fails or takes too long.
    """
    if not runs:
        return
    by_size = sorted(runs, key=lambda run: sum(len(source.text) for source in run.sources), reverse=True)
    scripts = [run.prepare(mapped, folder) for run in by_size]
    log = folder / (f"{runs[0].name}.log" if len(runs) == 1 else "yosys.log")
    run_scripts(scripts, log, jobs, timeout_s)
    for run in runs:
        for suffix in ("v", "json"):
            (folder / f"{run.name}.part.{suffix}").replace(folder / f"{run.name}.{suffix}")
        (folder / f"{run.name}.forms.il").unlink(missing_ok=True)
    if len(runs) > 1:
        log.unlink()
