"""Calling the harness that is compiled together with a verilated design."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ToolError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.arrival import to_words, word_fields
from bittrigger.ir.held.bus import SETTLING, writes
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import output_fields
from bittrigger.simulate.simulators.stimulus import Schedule

_ERROR_BYTES = 256
_NUMBERS = ("cycles", "n_inputs", "n_outputs", "seed", "n_writes", "settle")
_POINTERS = (
    *("inputs", "outputs", "rst", "valid", "start", "row", "due", "codes", "results", "out_valid", "error"),
    *("probe_fields", "probe_codes", "wave", "writes"),
)


class _Run(ctypes.Structure):
    """``Run`` of rtl_harness.cpp.j2."""

    _fields_ = (*((name, ctypes.c_int64) for name in _NUMBERS), *((name, ctypes.c_void_p) for name in _POINTERS))


@dataclass(frozen=True, eq=False)
class Played:
    """What came out.

    Attributes:
        due: the event that is due in each cycle, or -1, `(cycles,)`.
        results: output codes in each cycle in which an event is due, `(due events, n_outputs)`.
        out_valid: in each cycle, `(cycles,)` uint8.
        probed: the codes on the probes in each cycle, `(cycles, n_codes)`.
    """

    due: IntArray
    results: IntArray
    out_valid: npt.NDArray[np.uint8]
    probed: IntArray


FieldRow = tuple[int, int, bool]
"""Lowest bit of a code in its bus, its bits, and whether it is signed."""


def play(
    library: Path,
    pipeline: Pipeline,
    plan: Schedule,
    codes: IntArray,
    *,
    seed: int,
    probes: Sequence[FieldRow] = (),
    wave: Path | None = None,
) -> Played:
    """Drive ``plan`` into the design in ``library``, from power-up with random register contents.

    Args:
        codes: `(events, n_inputs)` int64, contiguous.
        seed: of the register contents.
        probes: the codes on all buses that the library was built to probe.
        wave: path of the waveform, for such a library.

    Raises:
        ToolError: if the design stops the simulation, or has other ports than ``pipeline``.
    """
    graph, fields = pipeline.graph, word_fields(pipeline.graph, pipeline.arrival)
    due = plan.due()
    results = np.empty((int((due >= 0).sum()), graph.n_outputs), dtype=np.int64)
    out_valid = np.empty(due.size, dtype=np.uint8)
    probed = np.empty((due.size, len(probes)), dtype=np.int64)
    arrays: dict[str, npt.NDArray[Any]] = {
        "inputs": _table([(f.offset, f.width, f.type.signed) for f in fields]),
        "outputs": _table([(f.offset, f.width, f.type.signed) for f in output_fields(graph)]),
        "rst": plan.rst.astype(np.uint8),
        "valid": plan.valid.astype(np.uint8),
        "start": plan.start.astype(np.uint8),
        "row": np.ascontiguousarray(plan.row, dtype=np.int64),
        "due": due,
        "codes": to_words(graph, pipeline.arrival, codes),
        "results": results,
        "out_valid": out_valid,
        "probe_fields": _table(probes),
        "probe_codes": probed,
    }
    written = writes(graph)
    arrays["writes"] = np.array(written, dtype=np.int64).reshape(-1, 2)
    error = ctypes.create_string_buffer(_ERROR_BYTES)
    path = ctypes.create_string_buffer(str(wave or "").encode())
    run = _Run(cycles=due.size, n_inputs=len(fields), n_outputs=graph.n_outputs, seed=seed)
    run.n_writes, run.settle = len(written), pipeline.latency_cycles + SETTLING
    for name, array in arrays.items():
        setattr(run, name, array.ctypes.data)
    run.error, run.wave = ctypes.addressof(error), ctypes.addressof(path)
    function = ctypes.CDLL(str(library)).bittrigger_play
    function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int
    if function(ctypes.byref(run)):
        raise ToolError(f"rtl-fast: the design stopped the simulation: {error.value.decode(errors='replace')}")
    return Played(due, results, out_valid, probed)


def _table(rows: Sequence[FieldRow]) -> IntArray:
    return np.array(rows, dtype=np.int64).reshape(-1, 3)
