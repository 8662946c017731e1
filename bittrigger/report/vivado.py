"""What Vivado reports, read.

Tables differ from version to version: newer ones have a column "Prohibited", UltraScale+ counts "CLB LUTs" and 7-series
"Slice LUTs". Columns and rows are therefore found by their names.
"""

from __future__ import annotations

import re
from pathlib import Path

from bittrigger.errors import ReportError
from bittrigger.report.model import Figure, Origin, Resources
from bittrigger.report.tables import number, read_text, tables, tool_version

TOOL = "Vivado"
_ROWS = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers"),
    "carry8": ("CARRY8",),
    "dsp": ("DSPs",),
    "bram36": ("Block RAM Tile",),
}
_REQUIRED = ("lut", "ff")
_STATES = {"Synthesized": Origin.SYNTH, "Routed": Origin.ROUTE}
_STATE = re.compile(r"Design State\s*:\s*(.+?)\s*(?:\||$)", re.MULTILINE)


def parse_utilization(path: Path) -> Resources:
    """The figures of ``report_utilization``; their origin follows from the report's design state.

    Raises:
        ReportError: if the report is absent, or its layout is not known.
    """
    text = read_text(path)
    state = _STATE.search(text)
    words = state[1].split() if state else []
    # "Fully Placed" is neither synthesised nor routed; "Routed" and "Fully Routed" are
    origin = next((_STATES[word] for word in words if word in _STATES), None)
    if origin is None:
        found = f"design state {state[1]!r}" if state else "no design state"
        raise ReportError(f"report {path}: {found}; allowed are {' and '.join(_STATES)}; report it after that step")
    used = _used(text)
    values: dict[str, int | float] = {}
    for key, names in _ROWS.items():
        cell = next((used[name] for name in names if name in used), None)
        if cell is not None:
            values[key] = number(cell, path)
        elif key in _REQUIRED:
            raise ReportError(
                f"report {path}: no row {' or '.join(names)} with a column 'Used'; the layout is not known"
            )
    return Resources.of(origin, TOOL, tool_version(text, path), **values)


def _used(text: str) -> dict[str, str]:
    """The column "Used" of every table, by row; the first table that has a row counts."""
    used: dict[str, str] = {}
    for head, *rows in tables(text):
        if "Used" not in head:
            continue
        column = head.index("Used")
        name = next((k for k, title in enumerate(head) if title in ("Site Type", "Ref Name")), None)
        for row in rows:
            if name is not None and len(row) == len(head):
                used.setdefault(row[name].rstrip("*"), row[column])
    return used


def parse_slack(path: Path) -> Figure:
    """The worst negative slack, in ns, of ``report_timing_summary`` on a routed design.

    Raises:
        ReportError: if the report is absent, its layout is not known, or the design is not routed.
    """
    text = read_text(path)
    state = _STATE.search(text)
    if state is not None and "Routed" not in state[1].split():
        raise ReportError(f"report {path}: design state {state[1]!r}; allowed is Routed; report it after route_design")
    lines = iter(text.splitlines())
    for line in lines:
        if line.split()[:1] == ["WNS(ns)"]:
            next(lines, None)
            values = next(lines, "").split()
            if values:
                return Figure(number(values[0], path), Origin.ROUTE, TOOL, tool_version(text, path))
    raise ReportError(f"report {path}: no column 'WNS(ns)'; expected the output of report_timing_summary")
