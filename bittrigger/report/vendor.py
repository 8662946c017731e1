"""Vitis HLS and Vivado, where the user has them: run the scripts of a build, and read what they leave behind."""

from __future__ import annotations

from pathlib import Path

from bittrigger.errors import ToolError
from bittrigger.report.create import with_vendor
from bittrigger.report.model import Report
from bittrigger.report.vitis import parse_csynth_xml
from bittrigger.report.vivado import parse_slack, parse_utilization
from bittrigger.system.toolchain import require_tool, run_tool

VIVADO_TIMEOUT_S = 24 * 3600.0


def run_vendor_tools(folder: Path) -> None:
    """Run Vitis HLS and Vivado on the build in ``folder``, by its own scripts; takes minutes to hours.

    Raises:
        ToolNotFoundError: if one is not on PATH.
        ToolError: if one fails; the message names its log.
    """
    vitis, vivado = require_tool("vitis-run"), require_tool("vivado")
    hls, synth = folder / "hls", folder / "synth"
    run_tool(
        [vitis, "--mode", "hls", "--tcl", "build_prj.tcl"],
        log=hls / "build_prj.log",
        cwd=hls,
        timeout_s=VIVADO_TIMEOUT_S,
    )
    script, timing = synth / "vivado_synth.tcl", synth / "timing_route.rpt"
    timing.unlink(missing_ok=True)
    try:
        run_tool(
            [vivado, "-mode", "batch", "-nojournal", "-nolog", "-source", str(script.resolve())],
            log=synth / "vivado.log",
            cwd=synth,
            timeout_s=VIVADO_TIMEOUT_S,
        )
    except ToolError:
        if not timing.is_file():  # else it was routed, and misses the clock: a verdict for the report
            raise


def add_captured(report: Report, folder: Path) -> Report:
    """``report`` with the figures of the vendor reports that lie in the build in ``folder``, if any.

    Raises:
        ReportError: if one is there and cannot be read.
    """
    csynth = folder / "hls" / f"{report.design}_prj" / "solution1" / "syn" / "report" / "csynth.xml"
    usage, slack = folder / "synth" / "utilization_route.rpt", folder / "synth" / "timing_route.rpt"
    return with_vendor(
        report,
        csynth=parse_csynth_xml(csynth).resources if csynth.is_file() else None,
        route=parse_utilization(usage) if usage.is_file() else None,
        wns_ns=parse_slack(slack) if slack.is_file() else None,
    )
