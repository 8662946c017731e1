"""A verilated design as a shared library: the harness, the design and Verilator's run-time library.

The run-time library and its headers are the same for every design: they are compiled once a user. What is left of a small
design is one compilation of a few tenths of a second, without make.
"""

from __future__ import annotations

import os
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
from bittrigger.system.locks import locked
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
class Runtime:
    """Verilator's run-time library, compiled.

    Attributes:
        key: hash of the compiler, the library and the options.
        command: compiler and options, the precompiled header included.
        objects: to link.
    """

    key: str
    command: tuple[str, ...]
    objects: tuple[Path, ...]


def runtime_key(tool: Verilator) -> str:
    """A hash of all that the run-time library is made from."""
    include = tool.root / "include"
    version = compiler_version(require_tool("g++"))
    return digest(version, compiler_environment(), _include_digest(include), str(include), *FLAGS)


def compiled_runtime(tool: Verilator, parts: tuple[str, ...]) -> Runtime:
    """The run-time library ``parts``, from the cache or compiled."""
    compiler, key = require_tool("g++"), runtime_key(tool)
    include = tool.root / "include"
    command = (compiler, *FLAGS, f"-I{include}", f"-I{include / 'vltstd'}")
    folder = cache_folder() / "verilated"
    objects = [folder / f"{part}-{key}.o" for part in parts]

    def compile_part(part: str, target: Path) -> None:
        visible = ("-fvisibility=default",) if part == "verilated_vpi" else ()  # cocotb's libraries call it
        source = (*visible, "-c", str(include / f"{part}.cpp"), "-o")
        make_atomically(target, lambda path: [*command, *source, str(path)])

    with (
        locked(folder, "the cache folder"),
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
    ):  # two builds need it at once
        header = pool.submit(precompiled_header, "design.h", _HEADER, command, key)
        missing = [pair for pair in zip(parts, objects, strict=True) if not pair[1].is_file()]
        list(pool.map(lambda pair: compile_part(*pair), missing))
    return Runtime(key, (*command, "-include", str(header.result())), tuple(objects))


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
    runtime = compiled_runtime(tool, ("verilated", "verilated_threads", *((wave.part,) if wave else ())))
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
        inputs = compiled_units(scratch / "cpp", "Vdesign", harness, runtime=runtime, log=log, jobs=jobs)
        objects = [str(path) for path in (*inputs, *runtime.objects)]
        libraries = (*LIBRARIES, *(wave.libraries if wave else ()))
        make_atomically(library, lambda path: [*runtime.command, *LINK_FLAGS, *objects, *libraries, "-o", str(path)])
        log.unlink()
    return library


def _public(top: str, probes: Sequence[Probe]) -> bytes:
    """Verilator's control file by which ``probes`` keep their names and stay readable."""
    lines = [f'public_flat_rd -module "{top}" -var "{probe.variable}"' for probe in probes]
    return "\n".join(["`verilator_config", *lines, ""]).encode()


def compiled_units(folder: Path, prefix: str, main: str, *, runtime: Runtime, log: Path, jobs: int) -> list[Path]:
    """What Verilator wrote to ``folder``, with the text ``main`` behind it: a source to compile, or several objects.

    Args:
        prefix: that Verilator was given.
        log: beside which compilers leave theirs if they fail.
        jobs: compilers at a time.
    """
    units = _write_units(folder, prefix, main)
    if len(units) == 1:
        return units
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda unit: _compile(unit, runtime.command, log), units))


def _compile(unit: Path, command: tuple[str, ...], log: Path) -> Path:
    target = unit.with_suffix(".o")
    run_tool(
        [*command, f"-I{unit.parent}", "-c", str(unit), "-o", str(target)],
        log=log.with_name(f"{log.stem}.{unit.stem}.log"),
        timeout_s=BUILD_TIMEOUT_S,
    )
    log.with_name(f"{log.stem}.{unit.stem}.log").unlink()
    return target


def _write_units(folder: Path, prefix: str, main: str) -> list[Path]:
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
        lines: list[str] = [f'#include "{prefix}__pch.h"']
        for path in group:
            include = f'#include "{path.name}"'
            before, level, after = _UNOPTIMISED
            slow = path.stem.endswith("__Slow") and path.stat().st_size > 2000
            lines += [before, level, include, after] if slow else [include]
        unit = folder / f"unit_{number}.cc"
        unit.write_text("\n".join(lines) + "\n" + ("" if number else main), encoding="utf-8")
        units.append(unit)
    return units
