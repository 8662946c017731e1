"""What an HLS project promises besides its results: no state, no text for synthesis alone, right test data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bittrigger.errors import MismatchError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, evaluate, input_intervals
from bittrigger.simulate.vectors import corner_codes

SYNTHESIS_MACROS = ("__SYNTHESIS__", "__VITIS_HLS__", "__VIVADO_HLS__")
"""What HLS tools define and g++ does not: text behind one of them is never simulated."""


def check_project(graph: Graph, project: Path, run: Callable[[IntArray], IntArray]) -> None:
    """Check the project in ``project``, whose top function is ``run``.

    Raises:
        MismatchError: naming what differs from the oracle, or from itself.
    """
    for path in (*sorted((project / "firmware").iterdir()), project / f"{graph.name}_test.cpp"):
        text = path.read_text(encoding="utf-8", errors="replace")
        macro = next((macro for macro in SYNTHESIS_MACROS if macro in text), None)
        if macro is not None:
            raise MismatchError(f"csim: {path} asks for {macro}: an HLS tool reads another text than is simulated")
    codes = corner_codes(graph)
    wanted = evaluate(graph, codes)
    if not np.array_equal(run(codes[::-1]), wanted[::-1]) or not np.array_equal(run(codes), wanted):
        raise MismatchError("csim: the results depend on the events before, or differ from the oracle's")
    inputs, outputs = (_read(project / "tb_data" / f"tb_{name}.dat") for name in ("input", "output"))
    ranges = input_intervals(graph)
    lows, highs = np.array([span.lo for span in ranges]), np.array([span.hi for span in ranges])
    fits = inputs.shape[1:] == (graph.n_inputs,) and bool(((lows <= inputs) & (inputs <= highs)).all())
    if not fits or not np.array_equal(evaluate(graph, inputs), outputs):
        raise MismatchError(f"csim: {project / 'tb_data'}: tb_output.dat is not what the oracle gives for tb_input.dat")


def _read(path: Path) -> IntArray:
    try:
        rows = [[int(word) for word in line.split()] for line in path.read_text(encoding="ascii").splitlines()]
        return np.array(rows, dtype=np.int64)
    except (OSError, ValueError, OverflowError) as error:
        raise MismatchError(f"csim: {path}: not readable as events of codes ({error})") from error
