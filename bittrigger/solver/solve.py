"""``solve``: the public entry of the solver. Checks its input, calls the native part, proves the result."""

from __future__ import annotations

import numpy as np

from bittrigger.errors import ConfigError, InternalError
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term, verify
from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Interval
from bittrigger.ir.graph import Intervals
from bittrigger.solver.native import library
from bittrigger.solver.options import EFFORTS, SolverOptions
from bittrigger.solver.watch import run_native

MAX_WEIGHTS = 1 << 24
"""Most weights that the solver takes: beyond that a layer is not to be unrolled into adders."""

_ADDER_COLUMNS = 11
_OUTPUT_COLUMNS = 3


def solve(weights: IntArray, bias: IntArray, source: Intervals, options: SolverOptions | None = None) -> AdderGraph:
    """An adder graph for ``codes @ weights + bias``, proven equal to it for every input.

    Args:
        weights: `(n_in, n_out)` integers of any memory layout; multi-bit weights become canonical signed digits.
        bias: `(n_out,)` integers.
        source: ranges of the `n_in` input codes.
        options: see ``SolverOptions``; None takes the defaults.

    Inside ``watching``, it tells its progress, and Ctrl-C ends the search and keeps what was found.

    Raises:
        ConfigError: if the matrix is empty, does not fit ``bias`` or ``source``, is too large, could need more than 62
            bits, or cannot be had within ``options.depth``.
    """
    options = options or SolverOptions()
    matrix = np.ascontiguousarray(weights, dtype=np.int64)
    offset = np.ascontiguousarray(bias, dtype=np.int64)
    _check(matrix, offset, source)
    graph = _call(matrix, offset, source, options)
    verify(graph, matrix, offset)
    return graph


def _check(matrix: IntArray, bias: IntArray, source: Intervals) -> None:
    if matrix.ndim != 2 or matrix.size == 0:
        raise ConfigError(f"solver: a matrix of shape {matrix.shape}; expected (n_in, n_out), both at least 1")
    if bias.shape != (matrix.shape[1],):
        raise ConfigError(f"solver: a bias of shape {bias.shape}; expected {(matrix.shape[1],)}, one for each column")
    if len(source) != matrix.shape[0]:
        raise ConfigError(f"solver: {len(source)} input ranges; expected {matrix.shape[0]}, one for each row")
    if matrix.size > MAX_WEIGHTS:
        raise ConfigError(
            f"solver: a matrix of shape {matrix.shape} has {matrix.size} weights; allowed are {MAX_WEIGHTS}; "
            "split the layer, or keep it folded"
        )
    reach = [max(abs(interval.lo), abs(interval.hi), 1) for interval in source]
    # Signed digits reach at most 4/3 of a weight, and a partial sum no more than the sum of all magnitudes.
    largest = np.abs(matrix).astype(object).T @ np.array(reach, dtype=object) + np.abs(bias).astype(object)
    worst = int(np.argmax(largest))
    if 4 * int(largest[worst]) >= 1 << MAX_WIDTH:
        raise ConfigError(
            f"solver: column {worst} reaches {int(largest[worst])}; allowed are sums below 2**{MAX_WIDTH - 2}; "
            "use coarser weights or inputs"
        )


def _call(matrix: IntArray, bias: IntArray, source: Intervals, options: SolverOptions) -> AdderGraph:
    native = library()
    n_in, n_out = matrix.shape
    lows = np.array([interval.lo for interval in source], dtype=np.int64)
    highs = np.array([interval.hi for interval in source], dtype=np.int64)
    depth = -1 if options.depth is None else options.depth
    settings = np.array([options.adder_inputs, depth, EFFORTS.index(options.effort), options.seed], dtype=np.int64)
    sizes, cells = np.zeros(3, dtype=np.int64), np.zeros(2, dtype=np.int64)
    arrays = (matrix, bias, lows, highs, settings, sizes, cells)
    handle = run_native(
        lambda: native.bittrigger_solve(n_in, n_out, *(array.ctypes.data for array in arrays)),
        native.bittrigger_free,
        cells,
    )
    if handle is None:
        _refuse(int(sizes[0]), int(sizes[1]), matrix.shape, options)
    try:
        adders = np.zeros((int(sizes[0]), _ADDER_COLUMNS), dtype=np.int64)
        outputs = np.zeros((n_out, _OUTPUT_COLUMNS), dtype=np.int64)
        native.bittrigger_read(handle, adders.ctypes.data, outputs.ctypes.data)
    finally:
        native.bittrigger_free(handle)
    return _graph(adders, outputs, source)


def _refuse(code: int, least: int, shape: tuple[int, ...], options: SolverOptions) -> None:
    match code:
        case -1:
            raise ConfigError(
                f"solver: depth {options.depth} for a matrix of shape {shape}; it takes at least {least} levels of "
                f"{options.adder_inputs}-input adders; raise the depth"
            )
        case -2:
            raise ConfigError(f"solver: a matrix of shape {shape} does not fit the memory; split the layer")
        case _:
            raise InternalError(f"the native solver returned code {code}")


def _graph(adders: IntArray, outputs: IntArray, source: tuple[Interval, ...]) -> AdderGraph:
    fields = adders[:, 2:].reshape(-1, 3)
    codes = fields @ np.array([128, 2, 1])
    distinct, places = np.unique(codes, return_inverse=True)  # the same term is often read again
    known = [Term(code >> 7, code >> 1 & 63, bool(code & 1)) for code in distinct.tolist()]
    rows = [
        Adder(tuple([known[place] for place in row[:count]]), constant)
        for (count, constant), row in zip(adders[:, :2].tolist(), places.reshape(-1, 3).tolist(), strict=True)
    ]
    results = tuple(
        Output(None if value < 0 else value, shift, constant) for value, shift, constant in outputs.tolist()
    )
    return AdderGraph(source, tuple(rows), results)
