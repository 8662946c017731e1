"""What other synthesis tools read of a build: a script for Vivado, and a list of files."""

from __future__ import annotations

import os
from pathlib import Path

from bittrigger.emit.file_list import write_file_list
from bittrigger.emit.render import render, write_changed
from bittrigger.emit.verilog import LIBRARY
from bittrigger.ir.pipeline import Pipeline
from bittrigger.synth.yosys import design_sources


def write_vivado_script(pipeline: Pipeline, part: str, rtl: Path, folder: Path) -> Path:
    """Write ``folder/vivado_synth.tcl``: out-of-context synthesis, placement and routing of the Verilog in ``rtl``.

    The script leaves ``utilization_synth.rpt``, ``utilization_route.rpt`` and ``timing_route.rpt`` beside itself.
    """
    sources = _seen_from(folder, design_sources(rtl, folder))
    path = folder / "vivado_synth.tcl"
    text = render(
        "vivado_synth.tcl.j2",
        top=pipeline.graph.name,
        part=part,
        period_ns=f"{1000.0 / pipeline.clock_mhz:.4f}",
        clock_mhz=f"{pipeline.clock_mhz:g}",
        sources=sources,
        mark=pipeline.origin.mark,
    )
    write_changed(path, text)
    return path


def write_synthesis_list(pipeline: Pipeline, rtl: Path, folder: Path) -> Path:
    """Write ``folder/<design>_synth.f``: the Verilog in ``rtl``, with the firmware library in primitives of UltraScale+."""
    name = pipeline.graph.name
    sources = [path for path in design_sources(rtl, folder) if path.stem not in LIBRARY]
    title = f"{name}: sources for synthesis, with the firmware library in primitives"
    path = folder / f"{name}_synth.f"
    return write_file_list(path, title, pipeline.origin, _seen_from(folder, sources), ["ultrascale"])


def _seen_from(folder: Path, paths: list[Path]) -> list[str]:
    return [Path(os.path.relpath(path, folder)).as_posix() for path in paths]
