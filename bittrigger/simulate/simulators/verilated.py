"""A verilated design as a shared library: the harness, the design and Verilator's run-time library.

The run-time library and its headers are the same for every design: they are compiled once a user. What is left of a small
design is one compilation of a few tenths of a second, without make.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bittrigger.emit.render import render
from bittrigger.simulate.simulators.compiled import (
    compiler_version,
    digest,
    folder_digest,
    make_atomically,
    precompiled_header,
)
from bittrigger.simulate.simulators.verilator import Verilator, find_verilator
from bittrigger.simulate.simulators.waves import WaveFormat
from bittrigger.system.toolchain import cache_folder, compiler_environment, require_tool, run_tool

FLAGS = (
    "-std=gnu++17",
    "-O1",  # half the compile time of -O2, and within 10 % of its speed
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-gnu-unique",  # two designs in one process must not share a template's data
    "-w",
    "-DVL_USER_FATAL",
    "-DVL_USER_FINISH",
    "-DVL_USER_STOP",
)
LINK_FLAGS = ("-shared", "-Wl,-Bsymbolic", "-Wl,--build-id=none")
LIBRARIES = ("-lpthread",)
OPTIONS = ("--cc", "--no-timing", "-Wno-lint", "-Wno-style", "-Wno-fatal", "--output-split", "300000")
"""Of Verilator. Lint is the business of the executor ``rtl``; registers start at random, Verilator's default."""

UNIT_BYTES = 900_000
"""Most C++ text in one compilation: about 4 s and 350 MB of g++."""

BUILD_TIMEOUT_S = 3600.0
_HEADER = '#include "verilated.h"\n'
_UNOPTIMISED = ("#pragma GCC push_options", '#pragma GCC optimize ("O0")', "#pragma GCC pop_options")


@dataclass(frozen=True)
class _Runtime:
    """Verilator's run-time library, compiled.

    Attributes:
        key: hash of the compiler, the library and the options.
        command: compiler and options, the precompiled header included.
        objects: to link.
    """

    key: str
    command: tuple[str, ...]
    objects: tuple[Path, ...]


def _runtime(tool: Verilator, parts: tuple[str, ...]) -> _Runtime:
    """The run-time library ``parts``, from the cache or compiled."""
    compiler = require_tool("g++")
    include = tool.root / "include"
    key = digest(compiler_version(compiler), compiler_environment(), _include_digest(include), str(include), *FLAGS)
    command = (compiler, *FLAGS, f"-I{include}", f"-I{include / 'vltstd'}")
    header = precompiled_header("design.h", _HEADER, command, key)
    folder = cache_folder() / "verilated"
    objects = [folder / f"{part}-{key}.o" for part in parts]
    for part, target in zip(parts, objects, strict=True):
        if not target.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            source = str(include / f"{part}.cpp")
            make_atomically(target, lambda path, source=source: [*command, "-c", source, "-o", str(path)])  # type: ignore[misc]
    return _Runtime(key, (*command, "-include", str(header)), tuple(objects))


@lru_cache(maxsize=4)
def _include_digest(include: Path) -> str:
    return folder_digest(include)


@dataclass(frozen=True)
class Probe:
    """A bus of the top module that the harness reads in every cycle.

    Attributes:
        variable: its name in Verilog.
        signal: its name in the verilated C++.
        size: codes on it.
    """

    variable: str
    signal: str
    size: int


def build_library(
    top: str,
    sources: Sequence[Path],
    cache: Path,
    *,
    jobs: int = 1,
    probes: Sequence[Probe] = (),
    wave: WaveFormat | None = None,
) -> Path:
    """The shared library of the design ``top``, from ``cache`` or built there.

    Args:
        sources: SystemVerilog.
        cache: may be deleted, shared and used at the same time by several builds.
        jobs: compilers at a time, for a large design.
        probes: what the harness reads inside the design.
        wave: format of the waveform that it writes, if any.

    Raises:
        ToolNotFoundError: if Verilator or g++ is missing.
        ToolError: if one of them fails.
    """
    tool = find_verilator()
    runtime = _runtime(tool, ("verilated", "verilated_threads", *((wave.part,) if wave else ())))
    texts = {path.name: path.read_bytes() for path in sources}
    if probes:
        texts["probes.vlt"] = _public(top, probes)
    options = (*OPTIONS, *((wave.option,) if wave else ()))
    harness = render("rtl_harness.cpp.j2", probes=probes, wave=wave)
    identity = (tool.version, str(tool.binary), str(tool.binary.stat().st_mtime_ns), runtime.key, harness)
    content = [part for name, text in texts.items() for part in (name, text)]
    library = cache / f"lib{top}-{digest(top, *identity, *options, *LINK_FLAGS, *content)}.so"
    if library.is_file():
        return library
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as name:
        scratch = Path(name)
        for source, text in texts.items():
            (scratch / source).write_bytes(text)
        log = cache / f"{library.stem}.log"
        command = [str(tool.binary), *options, "--top-module", top, "--prefix", "Vdesign", "--Mdir", "cpp", *texts]
        run_tool(command, log=log, cwd=scratch, env={"VERILATOR_ROOT": str(tool.root)}, timeout_s=BUILD_TIMEOUT_S)
        units = _write_units(scratch / "cpp", harness)
        if len(units) == 1:
            inputs = units
        else:
            with ThreadPoolExecutor(jobs) as pool:
                inputs = list(pool.map(lambda unit: _compile(unit, runtime.command, log), units))
        objects = [str(path) for path in (*inputs, *runtime.objects)]
        libraries = (*LIBRARIES, *(wave.libraries if wave else ()))
        make_atomically(library, lambda path: [*runtime.command, *LINK_FLAGS, *objects, *libraries, "-o", str(path)])
        log.unlink()
    return library


def _public(top: str, probes: Sequence[Probe]) -> bytes:
    """Verilator's control file by which ``probes`` keep their names and stay readable."""
    lines = [f'public_flat_rd -module "{top}" -var "{probe.variable}"' for probe in probes]
    return "\n".join(["`verilator_config", *lines, ""]).encode()


def _compile(unit: Path, command: tuple[str, ...], log: Path) -> Path:
    target = unit.with_suffix(".o")
    run_tool(
        [*command, "-c", str(unit), "-o", str(target)],
        log=log.with_name(f"{log.stem}.{unit.stem}.log"),
        timeout_s=BUILD_TIMEOUT_S,
    )
    log.with_name(f"{log.stem}.{unit.stem}.log").unlink()
    return target


def _write_units(folder: Path, harness: str) -> list[Path]:
    """Compilation units that include what Verilator wrote: one, unless that would be very long."""
    groups: list[list[Path]] = [[]]
    room = UNIT_BYTES
    for path in sorted(folder.glob("*.cpp"), key=lambda path: (path.stat().st_size, path.name)):
        size = path.stat().st_size
        if size > room and groups[-1]:
            groups.append([])
            room = UNIT_BYTES
        groups[-1].append(path)
        room -= size
    units = []
    for number, group in enumerate(groups):
        lines: list[str] = ['#include "Vdesign__pch.h"']
        for path in group:
            include = f'#include "{path.name}"'
            before, level, after = _UNOPTIMISED
            slow = path.stem.endswith("__Slow") and path.stat().st_size > 2000
            lines += [before, level, include, after] if slow else [include]
        unit = folder / f"unit_{number}.cc"
        unit.write_text("\n".join(lines) + "\n" + ("" if number else harness), encoding="utf-8")
        units.append(unit)
    return units
