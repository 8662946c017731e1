"""The files of a build: copied once, and every byte compared with what is emitted for the stored design.

The proofs that follow read the copy, so that what is proven is what was hashed. What is emitted is made anew from
``design.json`` and ``bittrigger.json`` alone; a file that differs in one byte, is missing, or is not of the build is refuted. The
netlist is no emission: it is proven by its meaning (``equivalence``), and its structure is checked apart (``synth.strict``).
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bittrigger.build.folder import DESIGN, EMULATED, MANIFEST, Build, load_build, save_stored, write_firmware
from bittrigger.build.manifest import SEAL, present, read_file, read_seal, sha256
from bittrigger.build.weights import FILE as WEIGHTS
from bittrigger.build.wrapping import WRAP, emit_wrappers_of, option_files
from bittrigger.errors import ConfigError, ReportError, ToolError
from bittrigger.ir.adders import AdderGraph, text
from bittrigger.prove.claims import Claim, Unproven, attempt
from bittrigger.prove.sources import emulated
from bittrigger.report import load_report
from bittrigger.report.draw import draw_svg
from bittrigger.report.recount import REPORT, has_report, wrong_figures
from bittrigger.synth.yosys import netlist_files, tool_version, write_scripts

EMITTED = ("rtl", "vhdl", "hls", "emulator", "synth", "wrap")
"""Folders whose files are emitted, but for the netlists; not every build has VHDL or wrappers."""

LEFT_BY_VENDORS = ("*.log", "*.jou", "*.rpt", "*.dcp", "hls/*_prj/*", "hls/logs/*")
"""What vendor tools leave in these folders and read no more, or begin anew; nothing else may lie there."""


@dataclass(frozen=True)
class Copy:
    """A copy of a build, in a folder of our own.

    Attributes:
        build: the design as it is stored, with the copy as its folder.
        sums: SHA-256 of every file that was copied, by its name relative to the build.
        faults: why a file was not copied, by its name.
        emitted: folder with what is emitted for the design.
    """

    build: Build
    sums: Mapping[str, str]
    faults: Mapping[str, str]
    emitted: Path

    def touches(self, part: str) -> bool:
        """Whether there is anything in the folder ``part``."""
        return any(name.startswith(f"{part}/") for name in (*self.sums, *self.faults))

    def differences(self, folder: str) -> list[str]:
        """How the files below ``folder`` differ from what is emitted, one line a file."""
        wanted = [name for name in present(self.emitted) if name.startswith(f"{folder}/")]
        found = [f"{name}: {self._difference(name)}" for name in wanted if self.sums.get(name) != self._wanted(name)]
        return found + [f"{name!r}: {reason}" for name, reason in self.faults.items() if name.startswith(f"{folder}/")]

    def _wanted(self, name: str) -> str:
        return sha256((self.emitted / name).read_bytes())

    def _difference(self, name: str) -> str:
        if name not in self.sums:
            return "missing"
        there, wanted = ((folder / name).read_bytes().split(b"\n") for folder in (self.build.folder, self.emitted))
        pairs = enumerate(zip(there, wanted, strict=False), 1)
        line = next((k for k, (one, other) in pairs if one != other), min(len(there), len(wanted)) + 1)
        return f"differs from what is emitted, first in line {line}"


def copy_build(folder: Path, work: Path) -> Copy:
    """Copy the build in ``folder`` to ``work`` and emit its design anew beside it; only files of known names are taken.

    Raises:
        ConfigError: if the design cannot be read.
    """
    copied, emitted = work / "build", work / "emitted"
    sums: dict[str, str] = {}
    faults: dict[str, str] = {}

    def take(name: str) -> None:
        try:
            data = read_file(folder, name)
        except ConfigError as error:
            faults[name] = str(error)
            return
        (copied / name).parent.mkdir(parents=True, exist_ok=True)
        (copied / name).write_bytes(data)
        sums[name] = sha256(data)

    for name in (MANIFEST, DESIGN, *(path.name for path in folder.glob(EMULATED))):
        take(name)
        if name in faults:
            raise ConfigError(faults[name])
    build = load_build(copied, sealed=False)
    write_firmware(build.pipeline, emitted, build.settings)
    save_stored(emitted, build.pipeline)
    for name in option_files(folder):
        take(name)
    for fault in emit_wrappers_of(copied, build.pipeline, emitted):
        faults[WRAP] = fault
    there = set(present(folder))
    scripts = f"synth/{build.graph.name}.ys"
    if scripts in there:
        take(scripts)
        write_scripts(build.pipeline, emitted / "rtl", emitted / "synth", _release(copied / scripts))
    _write_adders(build, emitted, there)
    netlists = [
        path.relative_to(folder).with_suffix(end).as_posix()
        for path in netlist_files(build.pipeline, folder / "synth")
        for end in (".json", ".v")
    ]
    known = {*present(emitted), *netlists, MANIFEST, SEAL, REPORT}
    for name in sorted((known & there) | {SEAL}):
        if name not in sums:
            take(name)
    faults |= dict.fromkeys(sorted((there | _others(folder)) - known), "not a file of this build; remove it")
    return Copy(build, sums, faults, emitted)


def _release(script: Path) -> str:
    """The version of Yosys in the first line of a script; that of today where there is none."""
    head = script.read_text(encoding="utf-8", errors="replace") if script.is_file() else ""
    found = re.match(r"# Yosys ([A-Za-z0-9.+-]{1,40}): ", head)
    return found[1] if found else tool_version()


def _write_adders(build: Build, emitted: Path, there: Set[str]) -> None:
    """Write again what `bittrigger solve` says of its adder graph, in text and drawn, if it is there."""
    graphs = [module.adders for module in build.pipeline.modules if module.adders is not None]
    if len(graphs) == 1:
        makers: dict[str, Callable[[AdderGraph], str]] = {"adders.txt": text, "adders.svg": draw_svg}
        for name in makers.keys() & there:
            (emitted / name).write_text(makers[name](graphs[0]), encoding="utf-8")


def _others(folder: Path) -> set[str]:
    """Files that no seal lists and that tools might take: objects that Makefiles left, or whatever somebody has put there."""
    found = set()
    for part in EMITTED:
        for place, folders, files in os.walk(folder / part):
            entries = [*files, *(name for name in folders if (Path(place) / name).is_symlink())]
            found |= {(Path(place) / name).relative_to(folder).as_posix() for name in entries}
    return {name for name in found if not any(fnmatch.fnmatchcase(name, pattern) for pattern in LEFT_BY_VENDORS)}


def file_claims(copy: Copy) -> list[Claim]:
    """That the files are those of the design, and sealed."""
    statement, method = "every file is what is emitted for the design, and there is no other", "byte equality"
    of_weights = {"emulator": (emulated.STATEMENT, emulated.METHOD)} if copy.build.pipeline.emulated else {}
    name = copy.build.graph.name
    optional = {"vhdl": copy.build.settings.hdl == "vhdl", "wrap": False}
    absent = [part for part, there in optional.items() if not there and not copy.touches(part)]
    return [
        *(
            attempt(f"{part}/", "files", *of_weights.get(part, (statement, method)), partial(_same, copy, part))
            for part in EMITTED
            if part not in absent
        ),
        attempt(
            name,
            "files",
            "the design is stored as bittrigger stores it, and every file is as it was written",
            "byte equality, hashes",
            lambda: _sealed(copy),
        ),
        *_figures(copy),
    ]


def _figures(copy: Copy) -> list[Claim]:
    if not has_report(copy.build.folder):
        return []
    statement = "every figure of the report is counted in the netlist, the schedule and the cost model"
    return [attempt(copy.build.graph.name, "figures", statement, "counted again", lambda: _counted(copy))]


def _counted(copy: Copy) -> str:
    try:
        report = load_report(copy.build.folder / REPORT)
        wrong = wrong_figures(report, copy.build)
    except (ReportError, ToolError) as error:
        raise Unproven(str(error).replace(f"{copy.build.folder}/", ""), refuted=False) from error
    if wrong:
        raise Unproven("; ".join(wrong[:3]) + (f"; {len(wrong)} in all" if len(wrong) > 3 else ""))
    return f"{len(report.layers)} layers"


def _same(copy: Copy, folder: str) -> str:
    found = copy.differences(folder)
    if found:
        raise Unproven("; ".join(found[:3]) + (f"; {len(found)} in all" if len(found) > 3 else ""))
    if folder == "emulator":
        emulated.check_emulated(copy.build.pipeline)
    return f"{sum(name.startswith(f'{folder}/') for name in copy.sums)} files"


def _sealed(copy: Copy) -> str:
    for name in (DESIGN, EMULATED, WEIGHTS):
        wanted = copy.emitted / name
        if copy.sums.get(name) != (sha256(wanted.read_bytes()) if wanted.is_file() else None):
            raise Unproven(f"{name}: missing, or written otherwise than bittrigger writes this design")
    if SEAL in copy.faults:
        raise Unproven(copy.faults[SEAL])
    try:
        sealed = read_seal(copy.build.folder)
    except ConfigError as error:
        raise Unproven(str(error)) from error
    for name in sorted((sealed.keys() | copy.sums.keys()) - {SEAL}):
        if sealed.get(name) != copy.sums.get(name):
            what = (
                "not listed"
                if name not in sealed
                else "missing"
                if name not in copy.sums
                else "changed since it was written"
            )
            raise Unproven(f"{name}: {what}; convert the model again, or take the file back")
    for name in ("adders.txt", "adders.svg"):
        if name in copy.sums and copy.sums[name] != sha256((copy.emitted / name).read_bytes()):
            raise Unproven(f"{name}: not that of the adder graph of the design")
    others = [name for name in copy.faults if "/" not in name]
    if others:
        raise Unproven(f"{others[0]!r}: {copy.faults[others[0]]}")
    return f"{len(sealed)} files"
