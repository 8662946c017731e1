"""The solver on its own: a matrix in a file becomes an adder graph, its picture and its firmware."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.build.folder import fresh_folder, save_build, write_firmware
from bittrigger.compile.pipeline import create_pipeline, placed
from bittrigger.device.cost_model import estimate
from bittrigger.errors import ConfigError, InternalError
from bittrigger.ir import adders
from bittrigger.ir.adders import AdderGraph
from bittrigger.ir.fixed import FixedPoint, IntArray, Interval
from bittrigger.ir.forms.engine import busy_percent
from bittrigger.ir.forms.serial import passing_percent
from bittrigger.ir.graph import Graph, Input, Intervals, Linear, frozen_array, input_intervals
from bittrigger.ir.naming import identifier
from bittrigger.ir.origin import Origin
from bittrigger.ir.pipeline import Pipeline
from bittrigger.report.draw import MAX_VALUES, draw_svg
from bittrigger.settings import Settings
from bittrigger.solver import graph_luts, solve
from bittrigger.system.arrays import read_array
from bittrigger.system.files import read_regular

MAX_ENTRIES = 1 << 24
"""Most entries of a matrix: beyond that a layer is not to be unrolled into adders."""

MAX_WEIGHT = 1 << 24


@dataclass(frozen=True, eq=False)
class Solution:
    """A solved matrix.

    Attributes:
        facts: what is printed; the LUT figure is an estimate of the cost model.
    """

    pipeline: Pipeline
    adders: AdderGraph
    settings: Settings
    facts: dict[str, object]


def _load(path: Path, what: str) -> IntArray:
    return _whole(read_array(path, what, max_entries=MAX_ENTRIES), f"{what} {path}")


def _whole(values: npt.NDArray[Any], where: str) -> IntArray:
    if values.dtype.kind not in "fiub":
        raise ConfigError(f"{where}: entries of type {values.dtype}; expected integers (or floats that are whole)")
    whole = np.asarray(values, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(whole) | (whole != np.rint(whole)) | (np.abs(whole) > 2.0**53))
    if wrong.size:
        place = [int(i) for i in np.unravel_index(wrong[0], whole.shape)]
        raise ConfigError(
            f"{where}: entry {place} is {whole.ravel()[wrong[0]]:g} ({wrong.size} such in all); every entry must be an "
            "integer of at most 53 bits; divide by the scale of the weights first"
        )
    return values.astype(np.int64)


def read_problem(path: Path, *, bits: int, signed: bool, ranges: Path | None) -> Graph:
    """The graph of one layer without bias, from the matrix `(n_in, n_out)` in ``path``.

    Args:
        bits: width of each input, 1 to 32, unless ``ranges`` is given.
        ranges: an .npy `(n_in, 2)` with the lowest and highest code of each input.

    Raises:
        ConfigError: if a file does not hold what it should, or a setting is out of range.
    """
    weights = _weights(_load(path, "matrix"), f"matrix {path}")
    name = identifier(path.stem)
    if ranges is None:
        return layer_graph(name, _ports(weights, bits, signed=signed), weights)
    limits = _read_ranges(ranges, weights.shape[0])
    return layer_graph(name, range_ports(tuple(Interval(lo, hi) for lo, hi in limits)), weights)


def matrix_graph(name: str, values: npt.NDArray[Any], *, bits: int, signed: bool) -> Graph:
    """The graph of one layer without bias, from a matrix `(n_in, n_out)`; arguments and errors as in ``read_problem``."""
    weights = _weights(_whole(values, "matrix"), "matrix")
    return layer_graph(identifier(name), _ports(weights, bits, signed=signed), weights)


def _weights(weights: IntArray, where: str) -> IntArray:
    if weights.ndim != 2 or 0 in weights.shape:
        raise ConfigError(f"{where}: shape {weights.shape}; expected (inputs, outputs), both at least 1")
    if np.abs(weights).max() > MAX_WEIGHT:
        raise ConfigError(
            f"{where}: an entry of magnitude {np.abs(weights).max()}; allowed are {MAX_WEIGHT}; use coarser weights"
        )
    return weights


def _ports(weights: IntArray, bits: int, *, signed: bool) -> tuple[Input, ...]:
    if not 1 <= bits <= 32:
        raise ConfigError(f"--bits {bits}; allowed are 1 to 32")
    kind = FixedPoint(signed, bits, 0)
    return (Input("x", weights.shape[0], kind, kind.interval),)


def layer_graph(name: str, ports: tuple[Input, ...], weights: IntArray) -> Graph:
    """The graph of one layer without bias, ``y = x @ weights``, called ``matrix``."""
    bias = frozen_array(np.zeros(weights.shape[1], dtype=np.int64))
    layer = Linear("matrix", tuple(port.name for port in ports), frozen_array(weights), bias, 0)
    return Graph(name, (*ports, layer), (layer.name,))


def _read_ranges(path: Path, n_in: int) -> list[tuple[int, int]]:
    ranges = _load(path, "ranges")
    if ranges.shape != (n_in, 2):
        raise ConfigError(f"ranges {path}: shape {ranges.shape}; expected ({n_in}, 2): lo and hi of each input")
    wrong = np.flatnonzero((ranges[:, 0] > ranges[:, 1]) | (np.abs(ranges) >= 1 << 31).any(axis=1))
    if wrong.size:
        row = int(wrong[0])
        raise ConfigError(
            f"ranges {path}: row {row} is {ranges[row].tolist()} ({wrong.size} such in all); expected lo <= hi within 32 bits"
        )
    return [(int(lo), int(hi)) for lo, hi in ranges]


def range_ports(source: Intervals) -> tuple[Input, ...]:
    """A port ``x<k>`` for each input, as wide as its range needs."""
    return tuple(Input(f"x{k}", 1, FixedPoint.holding(interval, 0), interval) for k, interval in enumerate(source))


def solve_matrix(graph: Graph, settings: Settings, file: Path | None = None) -> Solution:
    """Solve the layer of ``graph``, prove the result equal to the matrix, and place it in a pipeline.

    Args:
        file: where the matrix was read from; None if it is in no file.
    """
    layer = graph["matrix"]
    if not isinstance(layer, Linear):
        raise ConfigError("the graph has no matrix")
    pipeline, seconds = _pipeline(graph, layer, settings)
    pipeline = replace(pipeline, origin=_origin(layer.weights, file))
    solved = pipeline.modules[0].adders
    if solved is None:
        raise InternalError("a matrix without adders")
    operands = [adder.operands for adder in solved.adders]
    engine, serial, (_, total) = pipeline.modules[0].engine, pipeline.modules[0].serial, estimate(pipeline)
    facts: dict[str, object] = {
        "matrix": f"{layer.weights.shape[0]} x {layer.weights.shape[1]}",
        "non_zeros": int(np.count_nonzero(layer.weights)),
        "adders": len(operands),
        "three_input_adders": sum(count > 2 for count in operands),
        "two_input_equivalents": sum(max(count - 1, 1) for count in operands),
        "lut_estimate": graph_luts(solved),
        "depth": adders.depth(solved),
        "latency_cycles": pipeline.latency_cycles,
        "ff_estimate": total.ff,
        "cpu_seconds": round(seconds, 3),
    }
    if settings.ii > 1:
        facts |= {
            "form": "accumulated" if engine else "serial" if serial else "unrolled",
            "ii_cycles": pipeline.ii,
            "design_lut_estimate": total.lut,
        }
    if engine:
        facts |= {"lanes": engine.lanes, "terms": engine.terms, "busy_percent": busy_percent(engine, settings.ii)}
    if serial:
        facts |= {
            "digit_bits": serial.digit,
            "passes": serial.groups,
            "busy_percent": passing_percent(serial, settings.ii),
        }
    return Solution(pipeline, solved, settings, facts)


def _origin(weights: IntArray, file: Path | None) -> Origin:
    """What stands in the header of every emitted file; of a matrix in no file its shape and its integers are hashed."""
    data = repr(weights.shape).encode() + weights.tobytes() if file is None else read_regular(file)
    return Origin(kind="matrix", sha256=hashlib.sha256(data).hexdigest())


def _pipeline(graph: Graph, layer: Linear, settings: Settings) -> tuple[Pipeline, float]:
    """The pipeline, and the CPU seconds of the solver; with a bound on the latency, of all that was tried."""
    started = time.process_time()
    if settings.latency_cycles is None:
        solved = solve(layer.weights, layer.bias, input_intervals(graph), settings.solver)
        seconds = time.process_time() - started
        return placed(graph, {layer.name: solved}, settings), seconds
    made = create_pipeline(graph, settings)
    return made, time.process_time() - started


def write_solution(solution: Solution, folder: Path | None, *, synthesize: bool, overwrite: bool) -> dict[str, object]:
    """Write graph (JSON, text, SVG), Verilog and HLS C++ to ``folder``, and count LUTs with Yosys if told.

    Returns:
        Further facts: LUTs and flip-flops of origin synth, and the folder.
    """
    facts: dict[str, object] = {}
    with _target(folder, overwrite=overwrite) as target:
        write_firmware(solution.pipeline, target, solution.settings)
        (target / "adders.txt").write_text(adders.text(solution.adders), encoding="utf-8")
        values = solution.adders.n_inputs + len(solution.adders.adders) + len(solution.adders.outputs)
        if values <= MAX_VALUES:
            (target / "adders.svg").write_text(draw_svg(solution.adders), encoding="utf-8")
        if synthesize:
            from bittrigger.synth.yosys import synthesize as run_yosys

            counted = run_yosys(solution.pipeline, target / "rtl", target / "synth")
            facts |= {"lut_synth": counted.total.lut, "ff_synth": counted.total.ff, "yosys": counted.version}
        save_build(target, solution.pipeline, solution.settings, {})
    return facts | ({"folder": str(folder)} if folder is not None else {})


@contextmanager
def _target(folder: Path | None, *, overwrite: bool) -> Iterator[Path]:
    if folder is None:
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
    else:
        with fresh_folder(folder, overwrite=overwrite) as scratch_folder:
            yield scratch_folder
