"""C-simulation: the emitted HLS sources, compiled with g++ against the ap_types that hls4ml installs.

Sources are compiled a few at a time, since parsing ``ap_int.h`` costs more than compiling a small layer. Every object
is kept under the hash of all that it was made from, so nothing unchanged is compiled twice. Files appear in the cache
by renaming, so builds may run at the same time.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from bittrigger.emit.hls.project import top_ports
from bittrigger.emit.render import render
from bittrigger.errors import ConfigError, InternalError, MismatchError, ToolNotFoundError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, evaluate, evaluate_nodes
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.nodes.held import Weigh
from bittrigger.ir.pipeline import Pipeline
from bittrigger.simulate.executors.csim_entries import check_project
from bittrigger.simulate.simulators.compiled import (
    compiler_version,
    digest,
    folder_digest,
    make_atomically,
    precompiled_header,
    write_atomically,
)
from bittrigger.simulate.vectors import corner_codes, turned_numbers
from bittrigger.system.toolchain import compiler_environment, require_tool

FLAGS = (
    "-std=c++11",
    "-Og",  # compiles as fast as -O0 and runs as fast as -O1
    "-fPIC",
    "-fno-exceptions",
    "-fvisibility=hidden",
    "-fno-gnu-unique",  # two designs in one process must not share a template's data
    "-Wno-unknown-pragmas",
)
LINK_FLAGS = ("-shared", "-Wl,-Bsymbolic", "-Wl,--build-id=none")
UNIT_BYTES = (100_000, 400_000)
"""Least and most source text of a compilation unit: about 2 s, and about 6 s and 350 MB of g++."""

_TYPES = '#include "ap_fixed.h"\n#include "ap_int.h"\n'
_INCLUDE = re.compile(r'\s*#include "([^"]+)"')


def ap_types_folder() -> Path:
    """The folder of ``ap_int.h`` in the installed hls4ml, found without importing it.

    Raises:
        ToolNotFoundError: if hls4ml is not installed or lacks the headers.
    """
    spec = importlib.util.find_spec("hls4ml")
    for package in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(package) / "templates" / "vivado" / "ap_types"
        if (folder / "ap_int.h").is_file():
            return folder
    raise ToolNotFoundError(
        "header 'ap_int.h' not found; looked in templates/vivado/ap_types of the installed package hls4ml; "
        "install it with `pip install 'hls4ml==1.3.*'`"
    )


def _flattened(folder: Path, name: str, seen: set[str]) -> str:
    """The text of a source with each header of ``folder`` in place of its first ``#include``.

    What is hashed is then what is compiled, even if the folder is written to in between.
    """
    here = f'"{folder.name}/{name}"'
    parts = [f"#line 1 {here}\n"]
    for number, line in enumerate((folder / name).read_text(encoding="utf-8").splitlines(), 1):
        include = _INCLUDE.match(line)
        if include is None or not (folder / include[1]).is_file():
            parts.append(line + "\n")
        elif include[1] not in seen:
            seen.add(include[1])
            parts += [_flattened(folder, include[1], seen), f"#line {number + 1} {here}\n"]
        else:
            parts.append("\n")
    return "".join(parts)


def group_sources(sizes: dict[str, int]) -> list[list[str]]:
    """Sources in order, gathered into compilation units: at least about four where there is enough text for them.

    Args:
        sizes: bytes of each source.
    """
    least, most = UNIT_BYTES
    limit = min(most, max(least, sum(sizes.values()) // 4))
    groups: list[list[str]] = []
    room = 0
    for name, size in sizes.items():
        if not groups or size > room:
            groups.append([])
            room = limit
        groups[-1].append(name)
        room -= size
    return groups


def _held(graph: Graph) -> list[dict[str, object]]:
    """What the C++ holds in arrays."""
    found: list[dict[str, object]] = []
    for node in held_nodes(graph):
        kind, rows = ("weigh", node.weights.shape[0]) if isinstance(node, Weigh) else ("hold", 0)
        name = f"{graph.name}_{kind}_{node.name}"
        found.append({"name": name, "rows": rows, "columns": int(node.bias.size), "bits": node.bits})
    return found


def _numbers(graph: Graph) -> IntArray:
    """What these arrays are to hold, in order."""
    parts = []
    for node in held_nodes(graph):
        rows = [node.weights] if isinstance(node, Weigh) else []
        parts.append(np.concatenate([*rows, node.held[None]]).T.reshape(-1))
    return np.ascontiguousarray(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class _Unit:
    """One compilation: its text, and the key of the object that it gives."""

    text: str
    key: str


@dataclass(frozen=True, eq=False)
class CSim:
    """Runs the emitted HLS sources.

    Attributes:
        graph: the network; only its name and sizes are used.
        project: folder that ``emit_hls`` wrote.
        cache: folder for objects and libraries; may be deleted, shared and used at the same time by several builds.
        jobs: compilers that run at the same time, by default one a core.
        on_compiled: called with ``(done, total)`` after each compilation.
    """

    graph: Graph
    project: Path
    cache: Path
    jobs: int | None = None
    on_compiled: Callable[[int, int], None] = lambda _done, _total: None

    @property
    def name(self) -> str:
        """``csim``."""
        return "csim"

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`.

        Raises:
            ConfigError: if the project folder holds no HLS project of this graph.
            ToolNotFoundError: if g++ or hls4ml's headers are missing.
            ToolError: if the sources do not compile.
        """
        if codes.ndim != 2 or codes.shape[1] != self.graph.n_inputs:
            raise InternalError(f"codes of shape {codes.shape} into a design of {self.graph.n_inputs} inputs")
        inputs = np.ascontiguousarray(codes, dtype=np.int64)
        outputs = np.empty((inputs.shape[0], self.graph.n_outputs), dtype=np.int64)
        self._entry(inputs.ctypes.data, outputs.ctypes.data, inputs.shape[0])
        return outputs

    def check_entries(self) -> None:
        """Check what the project promises besides: no state, no text for synthesis alone, right test data.

        Raises:
            MismatchError: if it does not hold.
            ToolNotFoundError: if g++ or hls4ml's headers are missing.
            ToolError: if the sources do not compile.
        """
        check_project(self.graph, self.project, self.run)
        codes = corner_codes(self.graph)
        if _held(self.graph) and not np.array_equal(self._beginning(codes), evaluate(self.graph, codes)):
            raise MismatchError("csim: what the project holds in the beginning is not what the design holds")
        for other in turned_numbers(self.graph):
            if not np.array_equal(replace(self, graph=other).run(codes), evaluate(other, codes)):
                raise MismatchError("csim: a project given other weights and biases gives other results than these")

    def _beginning(self, codes: IntArray) -> IntArray:
        """As ``run``, with what the project's arrays hold before anything is written: what HLS tools take for constants."""
        inputs = np.ascontiguousarray(codes, dtype=np.int64)
        outputs = np.empty((len(inputs), self.graph.n_outputs), dtype=np.int64)
        with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:  # a library that no run has written to
            library = ctypes.CDLL(str(shutil.copy2(self.build(), Path(scratch) / "beginning.so")))
        library.bittrigger_csim(
            *(ctypes.c_void_p(array.ctypes.data) for array in (inputs, outputs)), ctypes.c_longlong(len(inputs))
        )
        return outputs

    @cached_property
    def _entry(self) -> Callable[[int, int, int], None]:
        library = ctypes.CDLL(str(self.build()))
        entry, numbers = library.bittrigger_csim, _numbers(self.graph)
        entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_longlong]
        entry.restype = None

        def call(inputs: int, outputs: int, events: int) -> None:
            if numbers.size:  # another run of the same library may have left others
                library.bittrigger_csim_hold(ctypes.c_void_p(numbers.ctypes.data))
            entry(inputs, outputs, events)

        return call

    def build(self) -> Path:
        """Compile what has changed, and return the shared library.

        Raises:
            ConfigError: if the project folder holds no HLS project of this graph.
            ToolNotFoundError: if g++ or hls4ml's headers are missing.
            ToolError: if the sources do not compile.
        """
        return self._build_library("", "")

    def layer_codes(self, pipeline: Pipeline, codes: IntArray) -> dict[str, IntArray]:
        """What each layer gives for the operands that the oracle has there: for each node `(events, size)`.

        Raises:
            ConfigError: if the project folder holds no HLS project of this graph.
            ToolNotFoundError: if g++ or hls4ml's headers are missing.
            ToolError: if the sources do not compile.
        """
        layers = [
            {
                "name": module.name,
                "n_in": module.node.copies * len(module.source),
                "n_out": module.node.size,
            }
            for module in pipeline.modules
        ]
        bridge = render("csim_layers.cpp.j2", layers=layers)
        library = ctypes.CDLL(str(self._build_library("_layers", bridge)))
        values = evaluate_nodes(self.graph, codes)
        found = {}
        for module in pipeline.modules:
            operand = np.concatenate([values[name] for name in module.node.inputs], axis=1)
            inputs = np.ascontiguousarray(operand, dtype=np.int64)
            outputs = np.empty((len(codes), module.node.size), dtype=np.int64)
            entry = getattr(library, f"bittrigger_{module.name}")
            entry.argtypes, entry.restype = [ctypes.c_void_p, ctypes.c_void_p], None
            for source, target in zip(inputs, outputs, strict=True):
                entry(source.ctypes.data, target.ctypes.data)
            found[module.node.name] = outputs
        return found

    def _build_library(self, suffix: str, bridge: str) -> Path:
        """The library with a unit of its own for ``bridge``, if there is one."""
        compiler, headers = require_tool("g++"), ap_types_folder()
        self.cache.mkdir(parents=True, exist_ok=True)
        toolchain = digest(compiler_version(compiler), compiler_environment(), folder_digest(headers), *FLAGS)
        units = self._units(toolchain)
        firmware = self.project / "firmware"
        if bridge:
            units.append(_Unit(bridge, digest(toolchain, bridge, folder_digest(firmware, "*.h"))))
        library = self.cache / f"lib{self.graph.name}{suffix}-{digest(*LINK_FLAGS, *(unit.key for unit in units))}.so"
        if library.is_file():
            return library
        command = [compiler, *FLAGS, f"-I{headers}"]
        types = precompiled_header("ap_types.h", _TYPES, command, toolchain)
        objects = self._compile(units, [*command, "-include", str(types), f"-I{firmware.absolute()}"])
        make_atomically(library, lambda target: [compiler, *LINK_FLAGS, "-o", str(target), *map(str, objects)])
        return library

    def _units(self, toolchain: str) -> list[_Unit]:
        firmware = self.project / "firmware"
        if not (firmware / f"{self.graph.name}_codes.h").is_file():
            raise ConfigError(
                f"{self.project}: no HLS project of {self.graph.name!r}: "
                f"firmware/{self.graph.name}_codes.h is missing; convert the model again"
            )
        sources = sorted(firmware.glob("*.cpp"))
        groups = group_sources({path.name: path.stat().st_size for path in sources})
        texts = []
        for group in groups:
            seen: set[str] = set()
            texts.append("".join(_flattened(firmware, name, seen) for name in group))
        texts[-1] += _flattened(firmware, f"{self.graph.name}_codes.h", set())
        texts[-1] += render(
            "csim_bridge.cpp.j2", name=self.graph.name, ports=top_ports(self.graph), held=_held(self.graph)
        )
        return [_Unit(text, digest(toolchain, text)) for text in texts]

    def _compile(self, units: list[_Unit], command: list[str]) -> list[Path]:
        """The objects of ``units``, each compiled unless it is in the cache."""
        objects = [self.cache / f"{unit.key}.o" for unit in units]
        missing = [(unit, path) for unit, path in zip(units, objects, strict=True) if not path.is_file()]

        def compile_one(unit: _Unit, path: Path) -> None:
            source = self.cache / f"{unit.key}.cpp"
            write_atomically(source, unit.text)
            make_atomically(path, lambda target: [*command, "-c", str(source), "-o", str(target)])

        with ThreadPoolExecutor(self.jobs or os.cpu_count() or 1) as pool:
            running = [pool.submit(compile_one, unit, path) for unit, path in missing]
            try:
                for done, future in enumerate(as_completed(running), 1):
                    future.result()
                    self.on_compiled(done, len(missing))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return objects
