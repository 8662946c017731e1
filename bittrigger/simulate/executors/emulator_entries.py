"""Every public entry of the emulator against the oracle: real numbers, `encode`, sizes, refusals, Python, CMSSW.

The run of the executor takes codes alone. What experiments call is more: real numbers in both precisions, with ties, saturation
and values that are none; blocks of any size; the module for Python; the class that CMSSW loads. All of it is compared here.
"""

from __future__ import annotations

import ctypes
import os
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.emit.render import render
from bittrigger.errors import MismatchError
from bittrigger.ir.fixed import FixedPoint, FloatArray, IntArray
from bittrigger.ir.graph import Graph, evaluate
from bittrigger.ir.ports import decode_outputs, encode_events
from bittrigger.simulate.simulators.compiled import compiler_version, digest, make_atomically, write_atomically
from bittrigger.system.resources import folder as shipped
from bittrigger.system.toolchain import require_tool

EVENTS = 135
"""A block of the emulator, and seven events."""

SIZES = (0, 1, 7, EVENTS)
MARK = -(1 << 60)
"""What outputs hold before; exact as a double."""

HUGE = 3.0e38
"""Near the largest float32."""

FORMS = (
    ("floats", "float", np.float32),
    ("const_floats", "const float", np.float32),
    ("doubles", "double", np.float64),
    ("const_doubles", "const double", np.float64),
    ("codes", "std::int64_t", np.int64),
    ("const_codes", "const std::int64_t", np.int64),
)
"""How CMSSW may hand an event over: a name, the type that the pointer points to, and NumPy's."""

Entry = Callable[[int, int, int], int]


@dataclass(frozen=True, eq=False)
class Library:
    """An emulator to be checked.

    Attributes:
        graph: the oracle.
        name: of the library.
        source: folder with its sources.
        binary: the compiled library.
        cache: folder for what is compiled here.
        entry: the function of a name, ``(inputs, outputs, events)`` to how many were done.
        count: the value of the function of a name that takes nothing.
    """

    graph: Graph
    name: str
    source: Path
    binary: Path
    cache: Path
    entry: Callable[[str], Entry]
    count: Callable[[str], int]


@dataclass(frozen=True, eq=False)
class _Probe:
    """Events and what has to come out: real values and codes `(events, n_inputs)`, results `(events, n_outputs)`."""

    values: npt.NDArray[Any]
    codes: IntArray
    outputs: IntArray
    real_outputs: FloatArray


def probe_column(kind: FixedPoint, lo: int, hi: int, rng: np.random.Generator) -> FloatArray:
    """`(EVENTS,)` values of one input: on the grid, on ties and beside them, beyond the range, and next to nothing."""
    step = 2.0**-kind.frac
    codes = np.concatenate([[lo, hi, 0, lo - 1, hi + 1], rng.integers(lo, hi, 20, endpoint=True)]).astype(np.float64)
    ties = codes + 0.5
    beside = [
        np.nextafter(ties, np.inf),
        np.nextafter(ties, -np.inf),
        np.nextafter(ties.astype(np.float32), np.float32(0)),
    ]
    chosen = np.concatenate([codes, ties, *beside]) * step
    chosen = np.concatenate([chosen, [0.0, -0.0, HUGE, -HUGE, 1e-42, -1e-42, step / 2, -step / 2]])
    return np.asarray(rng.choice(chosen, EVENTS), dtype=np.float64)


def _probe(graph: Graph, kind: type[np.floating[Any]]) -> _Probe:
    rng = np.random.default_rng(11)
    columns = [
        probe_column(port.type, port.interval.lo, port.interval.hi, rng)
        for port in graph.inputs
        for _ in range(port.size)
    ]
    values = np.clip(np.stack(columns, axis=1), -HUGE, HUGE).astype(kind)
    codes = encode_events(graph, values)
    outputs = evaluate(graph, codes)
    return _Probe(values, codes, outputs, decode_outputs(graph, outputs))


def check_entries(library: Library) -> None:
    """Compare every entry of ``library`` with the oracle.

    Raises:
        MismatchError: naming the first entry that differs, and how.
        ToolError: if the form for CMSSW does not compile.
    """
    graph = library.graph
    for name, wanted in (("inputs", graph.n_inputs), ("outputs", graph.n_outputs)):
        if library.count(name) != wanted:
            raise _different(name, f"gives {library.count(name)}; {wanted} is due")
    double, single = _probe(graph, np.float64), _probe(graph, np.float32)
    for name, inputs, outputs in (
        ("run_codes", double.codes, double.outputs),
        ("run_values", double.values, double.real_outputs),
        ("run_floats", single.values, single.real_outputs),
        ("encode", double.values, double.codes),
    ):
        _check_entry(name, library.entry(name), inputs, outputs)
        for column, event in ((0, 5), (-1, 3)):
            for wrong in (1 << 62, -(1 << 62)) if name == "run_codes" else (np.nan, np.inf, -np.inf):
                bad = np.array(inputs)
                bad[event, column] = wrong
                _check_refusal(name, library.entry(name), bad, outputs, event)
    _check_python(library, double, single)
    _check_cmssw(library, double, single)


def _different(entry: str, how: str) -> MismatchError:
    return MismatchError(f"emulator: entry {entry!r} {how}")


def _call(entry: Entry, inputs: npt.NDArray[Any], like: npt.NDArray[Any], events: int) -> tuple[int, npt.NDArray[Any]]:
    inputs = np.ascontiguousarray(inputs)
    outputs = np.full(like.shape, MARK, dtype=like.dtype)
    return entry(inputs.ctypes.data, outputs.ctypes.data, events), outputs


def _compare(entry: str, found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> None:
    different = np.argwhere(found != wanted)
    if different.size:
        event, column = (int(k) for k in different[0])
        raise _different(
            entry, f"gives {found[event, column]} for event {event}, column {column}; oracle {wanted[event, column]}"
        )


def _check_entry(name: str, entry: Entry, inputs: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> None:
    for events in SIZES:
        done, outputs = _call(entry, inputs, wanted, events)
        if done != events:
            raise _different(name, f"says that {done} of {events} events are done")
        _compare(name, outputs[:events], wanted[:events])
        if (outputs[events:] != MARK).any():
            raise _different(name, f"writes beyond {events} events")


def _check_refusal(name: str, entry: Entry, inputs: npt.NDArray[Any], wanted: npt.NDArray[Any], first: int) -> None:
    """Event ``first`` of ``inputs`` is bad: those before it are done, and nothing else is written."""
    done, outputs = _call(entry, inputs, wanted, len(inputs))
    if done != first:
        raise _different(name, f"says that {done} events are done; event {first} holds what it has to refuse")
    _compare(name, outputs[:first], wanted[:first])
    if (outputs[first:] != MARK).any():
        raise _different(name, f"writes events from the refused one, {first}, on")


_PYTHON_FAULTS = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What a wrong module for Python may end with."""


def _check_python(library: Library, double: _Probe, single: _Probe) -> None:
    try:
        module = runpy.run_path(str(library.source / f"{library.name}.py"))
        if (module["N_INPUTS"], module["N_OUTPUTS"]) != (library.graph.n_inputs, library.graph.n_outputs):
            raise _different("python", "has other numbers of inputs or outputs")
        loaded = module["load"](library.binary)
        for events in SIZES:
            _same("python run_codes", loaded.run_codes(double.codes[:events]), double.outputs[:events])
            _same("python run", loaded.run(double.values[:events]), double.real_outputs[:events])
            _same("python run of float32", loaded.run(single.values[:events]), single.real_outputs[:events])
        _same("python run by columns", loaded.run(np.asfortranarray(double.values)), double.real_outputs)
    except _PYTHON_FAULTS as error:
        raise _different("python", f"ends with {type(error).__name__}: {error}") from error
    bad = np.array(double.values)
    bad[2, 0] = np.nan
    wrong: Mapping[str, npt.NDArray[Any]] = {
        "a value that is not finite": bad,
        "another shape": double.values[:, :-1],
        "one event": double.values[1],
    }
    for what, values in wrong.items():
        try:
            loaded.run(values)
        except ValueError:
            continue
        raise _different("python run", f"takes {what}")


def _same(entry: str, found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> None:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise _different(entry, f"gives {found.dtype} of shape {found.shape}; {wanted.dtype} of {wanted.shape} is due")
    _compare(entry, found, wanted)


def _check_cmssw(library: Library, double: _Probe, single: _Probe) -> None:
    # Its own symbols and those of its library first, whatever else of the same name the process has loaded for all.
    loaded = ctypes.CDLL(str(_build_cmssw(library)), mode=os.RTLD_LOCAL | getattr(os, "RTLD_DEEPBIND", 0))
    for name, _, kind in FORMS:
        probe = single if kind is np.float32 else double
        inputs = np.ascontiguousarray(probe.codes if kind is np.int64 else probe.values)
        function = getattr(loaded, f"cmssw_{name}")
        function.argtypes, function.restype = [ctypes.c_void_p] * 4 + [ctypes.c_int64], ctypes.c_int64
        run = partial(_run_cmssw, function, probe.outputs.shape)
        done, codes, doubles, floats = run(inputs)
        if done != len(inputs):
            raise _different(f"cmssw {name}", f"throws at event {done}")
        _compare(f"cmssw {name}", codes, probe.outputs)
        _compare(f"cmssw {name} as double", doubles, probe.real_outputs)
        _compare(f"cmssw {name} as float", floats, probe.real_outputs.astype(np.float32))
        bad = np.array(inputs)
        bad[4, 0] = (1 << 62) if kind is np.int64 else np.inf
        done, *_ = run(bad)
        if done != 4:
            raise _different(f"cmssw {name}", f"does {done} events; event 4 holds what it has to refuse")
    loaded.cmssw_refuses.restype = ctypes.c_int64
    if not loaded.cmssw_refuses():
        raise _different("cmssw", "takes an object that is no pointer")


def _run_cmssw(
    function: Callable[..., int], shape: tuple[int, ...], inputs: npt.NDArray[Any]
) -> tuple[int, IntArray, FloatArray, npt.NDArray[np.float32]]:
    codes, doubles, floats = np.full(shape, MARK), np.full(shape, 0.0), np.full(shape, 0.0, dtype=np.float32)
    data = [array.ctypes.data for array in (inputs, codes, doubles, floats)]
    return int(function(*data, len(inputs))), codes, doubles, floats


def _build_cmssw(library: Library) -> Path:
    """A library with the model for CMSSW, and the functions that use it; kept under the hash of all that it is made from."""
    compiler = require_tool("g++")
    graph = library.graph
    source = library.source / f"{library.name}_cmssw.cpp"
    forms = [(name, kind) for name, kind, _ in FORMS]
    text = render(
        "cmssw_bridge.cpp.j2", library=library.name, n_inputs=graph.n_inputs, n_outputs=graph.n_outputs, forms=forms
    )
    interface = (shipped("hls_templates") / "cmssw_interface.h").read_text(encoding="utf-8")
    header = (library.source / f"{library.name}.h").read_bytes()
    key = digest(
        compiler_version(compiler),
        "-Bsymbolic",
        text,
        interface,
        source.read_bytes(),
        header,
        str(library.binary.absolute()),
    )
    folder = library.cache / f"cmssw-{key}"
    target = folder / "model.so"
    if not target.is_file():
        (folder / "hls4ml").mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "hls4ml" / "emulator.h", interface)
        write_atomically(folder / "bridge.cpp", text)
        command = [
            compiler,
            "-std=c++17",
            "-O0",
            "-shared",
            "-Wl,-Bsymbolic",  # its own create_model, whatever else the process has loaded
            "-fPIC",
            "-fvisibility=hidden",
            "-w",
            f"-I{folder.absolute()}",
        ]
        inputs = [f"-I{library.source.absolute()}", str(source.absolute()), str((folder / "bridge.cpp").absolute())]
        binary = str(library.binary.absolute())
        make_atomically(target, lambda scratch: [*command, *inputs, binary, "-o", str(scratch)])
    return target
