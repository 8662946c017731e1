"""What the layers inside the SystemVerilog give: a short run with every layer's bus readable, and a waveform of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import intervals
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import common_type
from bittrigger.ir.waiting import last_reads
from bittrigger.simulate.simulators import stimulus
from bittrigger.simulate.simulators.harness import FieldRow, play
from bittrigger.simulate.simulators.verilated import Probe, build_library
from bittrigger.simulate.simulators.waves import wave_format


def layer_codes(pipeline: Pipeline, folder: Path, cache: Path, codes: IntArray, wave: Path) -> Mapping[str, IntArray]:
    """The codes of every module, those of all copies together, `(events, size)`, as the emitted SystemVerilog gives them.

    Args:
        folder: holds the SystemVerilog.
        cache: for the library.
        codes: `(events, n_inputs)`, few.
        wave: receives the waveform of the run, one clock cycle in two time units; the suffix says in which format.

    Raises:
        ToolNotFoundError: if Verilator or g++ is missing.
        ToolError: if one of them fails, or the design has no such buses.
    """
    graph = pipeline.graph
    ranges = intervals(graph)
    read = last_reads(pipeline)
    nodes = [module.node for module in pipeline.modules if module.node.name in read]
    names = [f"{node.name}_codes" for node in nodes]
    probes = [Probe(name, f"{graph.name}__DOT__{name}", node.size) for name, node in zip(names, nodes, strict=True)]
    kind = wave_format()
    library = build_library(graph.name, sorted(folder.glob("*.sv")), cache, probes=probes, wave=kind)
    fields: list[FieldRow] = []
    for node in nodes:
        element = common_type(ranges[node.name], node.frac)
        fields += [(lane * element.width, element.width, element.signed) for lane in range(node.size)]
    plan = stimulus.back_to_back(len(codes), stimulus.Pace.of(pipeline))
    codes = np.ascontiguousarray(codes, dtype=np.int64)
    probed = play(library, pipeline, plan, codes, seed=1, probes=fields, wave=wave.with_suffix(kind.suffix)).probed
    first = int(np.flatnonzero(plan.valid)[0])
    result, start = {}, 0
    for node in nodes:
        cycle = first + pipeline.source_stage(node.name)
        result[node.name] = probed[cycle : cycle + pipeline.ii * len(codes) : pipeline.ii, start : start + node.size]
        start += node.size
    return result
