"""The solver on its own: a matrix in a file becomes an adder graph, its picture and its firmware."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrigger import adders
from bittrigger.adders import AdderGraph
from bittrigger.arrays import read_array
from bittrigger.build import BuildSettings, fresh_folder, save_build, write_firmware
from bittrigger.draw import MAX_VALUES, draw_svg
from bittrigger.errors import ConfigError
from bittrigger.fixed import FixedPoint, IntArray, Interval
from bittrigger.graph import Graph, Input, Linear, frozen_array, input_intervals
from bittrigger.naming import identifier
from bittrigger.parts import find_part
from bittrigger.passes.schedule import Schedule
from bittrigger.pipeline import Pipeline
from bittrigger.solver import SolverOptions, graph_luts, solve

MAX_ENTRIES = 1 << 24
MAX_WEIGHT = 1 << 24


@dataclass(frozen=True)
class MatrixOptions:
    """What can be chosen about a matrix: the part decides whether three-input adders are used."""

    part: str
    clock_mhz: float
    depth: int | None = None
    effort: str = "default"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Solution:
    """A solved matrix.

    Attributes:
        facts: what is printed; the LUT figure is an estimate of the cost model.
    """

    pipeline: Pipeline
    adders: AdderGraph
    options: MatrixOptions
    facts: dict[str, object]


def _load(path: Path, what: str) -> IntArray:
    values = read_array(path, what)
    if values.dtype.kind not in "fiub":
        raise ConfigError(f"{what} {path}: expected an .npy array of integers")
    whole = np.asarray(values, dtype=np.float64)
    if not np.isfinite(whole).all() or (whole != np.rint(whole)).any() or (np.abs(whole) > 2.0**53).any():
        raise ConfigError(f"{what} {path}: every entry must be an integer; divide by the scale of the weights first")
    return values.astype(np.int64)


def read_problem(path: Path, *, bits: int, signed: bool, ranges: Path | None) -> Graph:
    """The graph of one layer without bias, from the matrix `(n_in, n_out)` in ``path``.

    Args:
        bits: width of each input, 1 to 32, unless ``ranges`` is given.
        ranges: an .npy `(n_in, 2)` with the lowest and highest code of each input.

    Raises:
        ConfigError: if a file does not hold what it should, or a setting is out of range.
    """
    weights = _load(path, "matrix")
    if weights.ndim != 2 or 0 in weights.shape:
        raise ConfigError(f"matrix {path}: shape {weights.shape}; expected (inputs, outputs), both at least 1")
    if weights.size > MAX_ENTRIES or np.abs(weights).max() > MAX_WEIGHT:
        raise ConfigError(
            f"matrix {path}: {weights.size} entries up to {np.abs(weights).max()}; allowed are {MAX_ENTRIES} entries "
            f"up to {MAX_WEIGHT}; split it"
        )
    n_in, n_out = weights.shape
    if ranges is None:
        if not 1 <= bits <= 32:
            raise ConfigError(f"--bits {bits}; allowed are 1 to 32")
        kind = FixedPoint(signed, bits, 0)
        ports: tuple[Input, ...] = (Input("x", n_in, kind, kind.interval),)
    else:
        ports = tuple(_port(k, lo, hi) for k, (lo, hi) in enumerate(_read_ranges(ranges, n_in)))
    layer = Linear(
        "matrix", tuple(p.name for p in ports), frozen_array(weights), frozen_array(np.zeros(n_out, dtype=np.int64)), 0
    )
    return Graph(identifier(path.stem), (*ports, layer), ("matrix",))


def _read_ranges(path: Path, n_in: int) -> list[tuple[int, int]]:
    ranges = _load(path, "ranges")
    if ranges.shape != (n_in, 2) or (ranges[:, 0] > ranges[:, 1]).any() or (np.abs(ranges) >= 1 << 31).any():
        raise ConfigError(f"ranges {path}: expected shape ({n_in}, 2) with lo <= hi within 32 bits in each row")
    return [(int(lo), int(hi)) for lo, hi in ranges]


def _port(index: int, lo: int, hi: int) -> Input:
    interval = Interval(lo, hi)
    return Input(f"x{index}", 1, FixedPoint.holding(interval, 0), interval)


def solve_matrix(graph: Graph, options: MatrixOptions) -> Solution:
    """Solve the layer of ``graph``, prove the result equal to the matrix, and place it in a pipeline."""
    adder_inputs = find_part(options.part).adder_inputs
    layer = graph["matrix"]
    if not isinstance(layer, Linear):
        raise ConfigError("the graph has no matrix")
    started = time.process_time()
    solved = solve(
        layer.weights,
        layer.bias,
        input_intervals(graph),
        SolverOptions(adder_inputs=adder_inputs, depth=options.depth, effort=options.effort, seed=options.seed),
    )
    seconds = time.process_time() - started
    pipeline = Schedule(options.clock_mhz).apply(graph, {"matrix": solved})
    operands = [adder.operands for adder in solved.adders]
    facts: dict[str, object] = {
        "matrix": f"{layer.weights.shape[0]} x {layer.weights.shape[1]}",
        "non_zeros": int(np.count_nonzero(layer.weights)),
        "adders": len(operands),
        "three_input_adders": sum(count > 2 for count in operands),
        "two_input_equivalents": sum(max(count - 1, 1) for count in operands),
        "lut_estimate": graph_luts(solved),
        "depth": adders.depth(solved),
        "latency_cycles": pipeline.latency_cycles,
        "cpu_seconds": round(seconds, 3),
    }
    return Solution(pipeline, solved, options, facts)


def write_solution(solution: Solution, folder: Path | None, *, synthesize: bool, overwrite: bool) -> dict[str, object]:
    """Write graph (JSON, text, SVG), Verilog and HLS C++ to ``folder``, and count LUTs with Yosys if told.

    Returns:
        Further facts: LUTs and flip-flops of origin synth, and the folder.
    """
    facts: dict[str, object] = {}
    settings = BuildSettings(part=solution.options.part, clock_mhz=solution.options.clock_mhz)
    with _target(folder, overwrite=overwrite) as target:
        write_firmware(solution.pipeline, target, settings)
        save_build(target, solution.pipeline, settings, {})
        (target / "adders.txt").write_text(adders.text(solution.adders), encoding="utf-8")
        values = solution.adders.n_inputs + len(solution.adders.adders) + len(solution.adders.outputs)
        if values <= MAX_VALUES:
            (target / "adders.svg").write_text(draw_svg(solution.adders), encoding="utf-8")
        if synthesize:
            from bittrigger.synth.yosys import synthesize as run_yosys

            counted = run_yosys(solution.pipeline, target / "rtl", target / "synth")
            facts |= {"lut_synth": counted.total.lut, "ff_synth": counted.total.ff, "yosys": counted.version}
    return facts | ({"folder": str(folder)} if folder is not None else {})


@contextmanager
def _target(folder: Path | None, *, overwrite: bool) -> Iterator[Path]:
    if folder is None:
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
    else:
        with fresh_folder(folder, overwrite=overwrite) as scratch_folder:
            yield scratch_folder
