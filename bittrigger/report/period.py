"""Whether the clock period is met, as far as our own static timing knows: measured, kept in a build, and found again.

A conversion measures it where that takes seconds, and writes it into ``report.json``. ``bittrigger timing`` measures any build,
and leaves ``timing.json`` in it, which no seal covers, since a later command writes it. Either holds the hash of the netlist that
was measured; a slack of another netlist is not shown.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from bittrigger import __version__
from bittrigger.build.folder import Build
from bittrigger.build.manifest import read_file
from bittrigger.errors import ConfigError, ToolError
from bittrigger.ir.pipeline import Pipeline
from bittrigger.report.model import Figure, Origin, Period, Standing
from bittrigger.synth.slack import TOOL, is_measured_here, netlist_hash, timing_of
from bittrigger.synth.yosys import netlist_files

TIMING = "timing.json"
"""What the last ``bittrigger timing`` at the clock of the build found, in its folder."""

QUICK_LUTS = 20_000
"""Up to so many LUTs a conversion measures the period: 4,545 take 1.1 CPU s, and what misses up to twelve such rounds."""

MOST_NS = 1e6
"""No slack is larger, nor is what is no number."""

_PLAIN = re.compile(r"[\w.+-]{0,80}", re.ASCII)
"""Names and versions; what a build says is shown, and has no other characters."""


def measure_period(pipeline: Pipeline, folder: Path, luts: float) -> Period:
    """The period of the netlist in ``folder``; not measured where it is too large for a conversion, or a cell has no known delay.

    Raises:
        ToolError: if a netlist cannot be read.
    """
    netlist = netlist_hash(netlist_files(pipeline, folder))
    if luts > QUICK_LUTS:
        return _unknown(netlist, Standing.LARGE)
    try:
        timing = timing_of(pipeline, folder)
    except ToolError:
        return _unknown(netlist, Standing.CELLS)
    slack = Figure(timing.slack_ns, Origin.STA, TOOL, __version__)
    return Period(slack, timing.paths[0].module, netlist, Standing.MEASURED)


def _unknown(netlist: str, why: Standing) -> Period:
    return Period(Figure(None, Origin.STA, TOOL, __version__), "", netlist, why)


def present_period(said: Period | None, build: Build) -> Period | None:
    """What is known of the netlist that lies in ``build``: by its ``timing.json``, else by what its report says.

    Raises:
        ToolError: if a netlist cannot be read.
    """
    files = netlist_files(build.pipeline, build.folder / "synth")
    if not files[-1].is_file():
        return None
    netlist, clock_mhz = netlist_hash(files), build.settings.clock_mhz
    found = [period for period in (_kept(build.folder, clock_mhz), said) if period is not None]
    for period in found:
        slack = period.slack_ns.value
        if period.netlist == netlist and slack is not None and _is_sound(period):
            here = is_measured_here(netlist, clock_mhz, slack)
            return replace(period, standing=Standing.MEASURED if here else Standing.SAID)
    if any(period.netlist != netlist for period in found):
        return _unknown(netlist, Standing.STALE)
    return said if said is None else _unknown(netlist, said.standing)


def _is_sound(period: Period) -> bool:
    """Whether a period that a file says can be one."""
    slack, texts = period.slack_ns, (period.module, period.slack_ns.version)
    tool = slack.origin is Origin.STA and slack.tool == TOOL
    return tool and abs(slack.value or 0) < MOST_NS and all(_PLAIN.fullmatch(text) for text in texts)


def _kept(folder: Path, clock_mhz: float) -> Period | None:
    """What ``timing.json`` says; None where there is none, none that can be read, or one for another clock."""
    try:
        data: Any = json.loads(read_file(folder, TIMING))
        slack, module, netlist = data["slack_ns"], data["paths"][0]["module"], data["netlist"]
        if data["clock_mhz"] != clock_mhz or type(slack) not in (int, float):
            return None
        texts = str(module), str(netlist)
        return Period(Figure(slack, Origin(data["origin"]), TOOL, str(data["version"])), *texts, Standing.SAID)
    except (ConfigError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
