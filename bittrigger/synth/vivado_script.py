"""The script with which Vivado synthesises, places and routes a build."""

from __future__ import annotations

import os
from pathlib import Path

from bittrigger.emit.render import render, write_changed
from bittrigger.ir.pipeline import Pipeline
from bittrigger.synth.yosys import design_sources


def write_vivado_script(pipeline: Pipeline, part: str, rtl: Path, folder: Path) -> Path:
    """Write ``folder/vivado_synth.tcl``: out-of-context synthesis, placement and routing of the Verilog in ``rtl``.

    The script leaves ``utilization_synth.rpt``, ``utilization_route.rpt`` and ``timing_route.rpt`` beside itself.
    """
    sources = [Path(os.path.relpath(path, folder)).as_posix() for path in design_sources(rtl, folder)]
    path = folder / "vivado_synth.tcl"
    text = render(
        "vivado_synth.tcl.j2",
        top=pipeline.graph.name,
        part=part,
        period_ns=f"{1000.0 / pipeline.clock_mhz:.4f}",
        clock_mhz=f"{pipeline.clock_mhz:g}",
        sources=sources,
    )
    write_changed(path, text)
    return path
