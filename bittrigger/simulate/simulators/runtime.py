"""Verilator's run-time library and its headers, compiled once a user, and what compiles the C++ of a design against them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bittrigger.simulate.simulators.compiled import (
    compiler_version,
    digest,
    folder_digest,
    make_atomically,
    precompiled_header,
)
from bittrigger.simulate.simulators.verilator import Verilator
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
_VPI_FLAGS = ("-fvisibility=default", "-Og")
"""Of the part that cocotb's libraries call; -O1 takes twice as long over it."""

LIBRARIES = ("-lpthread",)
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
    return digest(version, compiler_environment(), _include_digest(include), str(include), *FLAGS, *_VPI_FLAGS)


def compiled_runtime(tool: Verilator, parts: tuple[str, ...]) -> Runtime:
    """The run-time library ``parts``, from the cache or compiled."""
    compiler, key = require_tool("g++"), runtime_key(tool)
    include = tool.root / "include"
    command = (compiler, *FLAGS, f"-I{include}", f"-I{include / 'vltstd'}")
    folder = cache_folder() / "verilated"
    objects = [folder / f"{part}-{key}.o" for part in parts]

    def compile_part(part: str, target: Path) -> None:
        own = _VPI_FLAGS if part == "verilated_vpi" else ()
        source = (*own, "-c", str(include / f"{part}.cpp"), "-o")
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


def compile_units(folder: Path, prefix: str, runtime: Runtime, log: Path, jobs: int) -> list[Path]:
    """The objects of what Verilator wrote to ``folder``.

    Args:
        prefix: that Verilator was given.
        log: beside which compilers leave theirs if they fail.
        jobs: compilers at a time.
    """
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda unit: _compile(unit, runtime.command, log), _write_units(folder, prefix)))


def _compile(unit: Path, command: tuple[str, ...], log: Path) -> Path:
    target = unit.with_suffix(".o")
    run_tool(
        [*command, f"-I{unit.parent}", "-c", str(unit), "-o", str(target)],
        log=log.with_name(f"{log.stem}.{unit.stem}.log"),
        timeout_s=BUILD_TIMEOUT_S,
    )
    log.with_name(f"{log.stem}.{unit.stem}.log").unlink()
    return target


def _write_units(folder: Path, prefix: str) -> list[Path]:
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
        unit.write_text("\n".join(lines) + "\n", encoding="utf-8")
        units.append(unit)
    return units
