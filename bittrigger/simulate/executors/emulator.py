"""The emulator as an executor: the emitted C++ library, built with its own Makefile for the processor at hand."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.emit.emulator import library_name
from bittrigger.emit.render import render
from bittrigger.errors import ConfigError, InternalError, MismatchError, ToolError
from bittrigger.ir.fixed import FloatArray, IntArray
from bittrigger.ir.graph import Graph, Input, input_intervals
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.held.weight_file import weights_text
from bittrigger.simulate.executors.emulator_entries import Library, check_entries
from bittrigger.simulate.executors.emulator_loads import check_loads
from bittrigger.simulate.simulators.compiled import (
    compiler_version,
    digest,
    make_atomically,
    write_atomically,
)
from bittrigger.system.toolchain import compiler_environment, require_tool, run_tool

_BLOCK = 128
"""Events that the emulator takes at a time."""

_LEAST_EVENTS = 8192
"""Events from which a thread of its own pays."""

_Entry = Callable[[int, int, int], int]


@dataclass(frozen=True, eq=False)
class Emulator:
    """Runs the emitted emulator.

    Attributes:
        graph: the network; only its name and sizes are used.
        source: folder that ``emit_emulator`` wrote.
        cache: folder for libraries, one for each content of ``source`` and each kind of processor; may be deleted, and
            shared by several builds at the same time.
        version: the version that was emitted.
        arch: compiler options that choose the processor; ``""`` builds for every processor of the family.
        jobs: threads that a run is spread over, by default one a core.
    """

    graph: Graph
    source: Path
    cache: Path
    version: int = 1
    arch: str = "-march=native"
    jobs: int | None = None

    @property
    def name(self) -> str:
        """``emulator``."""
        return "emulator"

    @property
    def library(self) -> str:
        """Name of the library, without its suffix."""
        return library_name(self.graph.name, self.version)

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`.

        Raises:
            ConfigError: if the source folder holds no emulator of this graph and version.
            InternalError: if the shape is wrong or a code lies outside its port.
            MismatchError: if it refuses codes that lie in their ports.
            ToolNotFoundError: if g++ or make is missing.
            ToolError: if the sources do not compile.
        """
        self._check_shape(codes)
        inputs = np.ascontiguousarray(codes, dtype=np.int64)
        outputs = np.empty((inputs.shape[0], self.graph.n_outputs), dtype=np.int64)
        done = self._spread("run_codes", inputs, outputs)
        if 0 <= done < inputs.shape[0] and all(
            int(code) in span for span, code in zip(input_intervals(self.graph), inputs[done], strict=True)
        ):
            raise MismatchError(self._refusal(done, "refused, though every code lies in its port"))
        if done < inputs.shape[0]:
            raise InternalError(self._refusal(done, "a code lies outside its port"))
        return outputs

    def run_values(self, values: npt.NDArray[np.floating[Any]]) -> FloatArray:
        """Outputs `(events, n_outputs)` for real inputs `(events, n_inputs)`, both in the units of the Keras model.

        Raises:
            ConfigError: if a value is not finite, or the source folder holds no emulator of this graph and version.
            InternalError: if the shape is wrong.
            ToolNotFoundError: if g++ or make is missing.
            ToolError: if the sources do not compile.
        """
        self._check_shape(values)
        single = values.dtype == np.float32
        inputs = np.ascontiguousarray(values, dtype=np.float32 if single else np.float64)
        outputs = np.empty((inputs.shape[0], self.graph.n_outputs), dtype=np.float64)
        done = self._spread("run_floats" if single else "run_values", inputs, outputs)
        if done < inputs.shape[0]:
            raise ConfigError(self._refusal(done, "an input is not finite; all must be"))
        return outputs

    def _spread(self, function: str, inputs: npt.NDArray[Any], outputs: npt.NDArray[Any]) -> int:
        """Run all events, a run of them a thread; the number of events done before the first bad one, as in the C interface."""
        entry, events = self._entry(function), len(inputs)
        threads = max(1, min(self.jobs or os.cpu_count() or 1, events // _LEAST_EVENTS))
        bounds = [events * k // threads for k in range(threads + 1)]

        def part(first: int, last: int) -> int:
            return entry(inputs[first:].ctypes.data, outputs[first:].ctypes.data, last - first)

        with ThreadPoolExecutor(threads) as pool:
            done = list(pool.map(part, bounds[:-1], bounds[1:]))
        for first, last, count in zip(bounds[:-1], bounds[1:], done, strict=True):
            if count < last - first:
                return count if count < 0 else first + count
        return events

    def check_entries(self) -> None:
        """Compare every other public entry with the oracle: real numbers, ``encode``, sizes, refusals, Python, CMSSW.

        Raises:
            MismatchError: if one differs.
            ToolNotFoundError: if g++ or make is missing.
            ToolError: if the sources do not compile.
        """
        check_entries(
            Library(self.graph, self.library, self.source, self.build(), self.cache, self._entry, self._count)
        )
        if held_nodes(self.graph):
            check_loads(self.graph, self._load, self._run_model, self._free)

    def _run_model(self, model: int, codes: IntArray) -> IntArray:
        inputs = np.ascontiguousarray(codes, dtype=np.int64)
        outputs = np.empty((len(inputs), self.graph.n_outputs), dtype=np.int64)
        self._entry_of_model("run_codes", model)(inputs.ctypes.data, outputs.ctypes.data, len(inputs))
        return outputs

    def _free(self, model: int) -> None:
        free = getattr(self._loaded, f"{self.library}_free")
        free.argtypes, free.restype = [ctypes.c_void_p], None
        free(model)

    def _count(self, function: str) -> int:
        entry = getattr(self._loaded, f"{self.library}_{function}")
        entry.restype = ctypes.c_int64
        return int(entry())

    def _check_shape(self, events: npt.NDArray[Any]) -> None:
        if events.ndim != 2 or events.shape[1] != self.graph.n_inputs:
            raise InternalError(f"events of shape {events.shape} into a design of {self.graph.n_inputs} inputs")

    def _refusal(self, done: int, reason: str) -> str:
        return f"emulator {self.library!r}: event {done}: {reason}" if done >= 0 else f"{self.library}: out of memory"

    def _entry(self, function: str) -> _Entry:
        if function.startswith("run_") and self._model is not None:
            return self._entry_of_model(function, self._model)
        entry = getattr(self._loaded, f"{self.library}_{function}")
        entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        entry.restype = ctypes.c_int64

        def call(inputs: int, outputs: int, events: int) -> int:
            return int(entry(inputs, outputs, events))

        return call

    def _entry_of_model(self, function: str, model: int) -> _Entry:
        """An entry for what the graph holds, which went through a weight file."""
        entry = getattr(self._loaded, f"{self.library}_model_{function}")
        entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        entry.restype = ctypes.c_int64

        def call(inputs: int, outputs: int, events: int) -> int:
            return int(entry(model, inputs, outputs, events))

        return call

    @contextmanager
    def _weights(self) -> Iterator[Path]:
        """The weight file of what the graph holds."""
        with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
            path = Path(scratch) / "weights.txt"
            path.write_text(weights_text(self.graph), encoding="ascii")
            yield path

    @cached_property
    def _model(self) -> int | None:
        """The model of what the graph holds; None if it holds nothing."""
        if not held_nodes(self.graph):
            return None
        with self._weights() as path:
            model = self._load(path)
        if isinstance(model, str):
            raise MismatchError(f"emulator {self.library!r}: {model}")
        return model

    def _load(self, path: Path) -> int | str:
        """The model of a weight file, or why there is none."""
        load = getattr(self._loaded, f"{self.library}_load")
        load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64], ctypes.c_void_p
        reason = ctypes.create_string_buffer(1024)
        model = load(str(path).encode(), reason, len(reason))
        return reason.value.decode(errors="replace") if model is None else int(model)

    @cached_property
    def _loaded(self) -> ctypes.CDLL:
        return ctypes.CDLL(str(self.build()))

    def build(self) -> Path:
        """Build the library unless it is in the cache, and return it.

        Raises:
            ConfigError: if the source folder holds no emulator of this graph and version.
            ToolNotFoundError: if g++ or make is missing.
            ToolError: if the sources do not compile.
        """
        if not (self.source / f"{self.library}.cpp").is_file():
            raise ConfigError(
                f"{self.source}: no emulator {self.library!r} ({self.library}.cpp is missing); convert the model again"
            )
        compiler, make = require_tool("g++"), require_tool("make")
        self.cache.mkdir(parents=True, exist_ok=True)
        target = self.cache / f"{self.library}-{self._digest(compiler)}"
        library = target / f"{self.library}.so"
        if library.is_file():
            return library
        scratch = Path(tempfile.mkdtemp(prefix=f".{self.library}.", dir=self.cache))
        # by relative paths, because make cannot cope with blanks in a path
        command = [make, f"-j{os.cpu_count() or 1}", "BUILD=../build", f"CXX={compiler}", f"ARCH={self.arch}"]
        log = (self.cache / f"{target.name}.log").absolute()
        try:
            (scratch / "source").mkdir()
            for path in self._files():
                shutil.copy2(path, scratch / "source")
            run_tool(command, log=log, cwd=scratch / "source")
            if not (scratch / "build" / library.name).is_file():
                raise ToolError(f"{' '.join(command)}\nended well and wrote no {library.name}; full log: {log}")
            (scratch / "build").rename(target)
        except OSError as error:
            if not library.is_file():  # else another build was first
                raise ToolError(f"{target} cannot be written: {error}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return library

    def layer_codes(self, codes: IntArray) -> dict[str, IntArray]:
        """The codes of each node but the inputs, `(events, size)`.

        Raises:
            ConfigError: if the source folder holds no emulator of this graph and version.
            InternalError: if a code lies outside its port.
            ToolNotFoundError: if g++ is missing.
            ToolError: if the sources do not compile.
        """
        nodes = [node for node in self.graph.nodes if not isinstance(node, Input)]
        function = ctypes.CDLL(str(self._build_layers([node.name for node in nodes]))).bittrigger_layers
        held = bool(held_nodes(self.graph))
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, *([ctypes.c_char_p] if held else [])]
        blocks = []
        with self._weights() if held else nullcontext() as path:
            weights = [] if path is None else [str(path).encode()]
            for start in range(0, codes.shape[0], _BLOCK):
                inputs = np.ascontiguousarray(codes[start : start + _BLOCK], dtype=np.int64)
                found = np.empty((sum(node.size for node in nodes), len(inputs)), dtype=np.int64)
                match function(inputs.ctypes.data, found.ctypes.data, len(inputs), *weights):
                    case 1:
                        raise InternalError(f"emulator {self.library!r}: a code lies outside its port")
                    case 2:
                        raise MismatchError(f"emulator {self.library!r}: refused the weight file of its own design")
                blocks.append(found.T)
        ends = np.cumsum([node.size for node in nodes])
        parts = np.split(np.concatenate(blocks), ends[:-1], axis=1)
        return {node.name: part for node, part in zip(nodes, parts, strict=True)}

    def _build_layers(self, nodes: list[str]) -> Path:
        """A library that gives access to the nodes; compiled for any processor, without optimisation."""
        top = self.source / f"{self.library}.cpp"
        if not top.is_file():
            raise ConfigError(
                f"{self.source}: no emulator {self.library!r} ({top.name} is missing); convert the model again"
            )
        layers = sorted(path.name for path in self.source.glob("*.cpp") if not path.name.startswith(self.library))
        held = bool(held_nodes(self.graph))
        text = render(
            "emulator_layers.cpp.j2",
            library=self.library,
            sources=[top.name, *([f"{self.library}_held.cpp"] if held else []), *layers],
            nodes=nodes,
            held=held,
        )
        compiler = require_tool("g++")
        key = digest(
            compiler_version(compiler), compiler_environment(), text, *(path.read_bytes() for path in self._files())
        )
        self.cache.mkdir(parents=True, exist_ok=True)
        bridge, library = self.cache / f"{key}.cpp", self.cache / f"lib{self.library}_layers-{key}.so"
        if not library.is_file():
            write_atomically(bridge, text)
            command = [compiler, "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden", "-w", f"-I{self.source}"]
            make_atomically(library, lambda target: [*command, str(bridge), "-o", str(target)])
        return library

    def _files(self) -> list[Path]:
        """What was emitted; the cache may lie in the same folder."""
        return sorted(path for path in self.source.iterdir() if path.is_file())

    def _digest(self, compiler: str) -> str:
        """A hash of the sources, of the compiler, and of the processor that it builds for."""
        log = Path(tempfile.mkstemp(prefix=".macros.", dir=self.cache)[1])
        macros = run_tool([compiler, *self.arch.split(), "-dM", "-E", "-x", "c++", os.devnull], log=log)
        log.unlink()
        total = hashlib.sha256(f"{compiler}\0{self.arch}\0{macros}\0{compiler_environment()}".encode())
        for path in self._files():
            for part in (path.name.encode(), path.read_bytes()):
                total.update(len(part).to_bytes(8, "little") + part)
        return total.hexdigest()[:32]
