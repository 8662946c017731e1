"""Figures of a report counted again, from the design and the netlist that lie beside it.

A report is sealed with its build, but whoever writes the seal anew could write other figures. All of them follow from the
design, the settings and the netlists, so that whoever shows, compares or releases a report takes it from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from bittrigger.build.folder import Build
from bittrigger.errors import TamperError
from bittrigger.report.create import make_report
from bittrigger.report.model import Report
from bittrigger.report.period import present_period
from bittrigger.report.schema import load_report
from bittrigger.synth.yosys import count_netlists

_NO_FIGURES = frozenset({"version", "part_of"})
"""Versions of tools, and a name that older reports lack."""

REPORT = "report.json"
"""The file of a build that holds its report."""


def report_of(build: Build) -> Report:
    """The report of ``build``, once all its figures have been counted again, with what is known of its clock period.

    Raises:
        ReportError: if there is none, or it cannot be read.
        TamperError: naming the first figure that is not what is counted.
        ToolError: if a netlist cannot be read.
    """
    path = build.folder / REPORT
    said = load_report(path)
    wrong = next(iter(wrong_figures(said, build)), None)
    if wrong is not None:
        raise TamperError(f"{path}: {wrong}; convert the model again, or take the file back")
    return replace(said, period=present_period(said.period, build))


def wrong_figures(said: Report, build: Build) -> list[str]:
    """How ``said`` differs from what is counted in ``build``, one line a figure; versions of tools and the period are left out.

    A placement depends on the last bit of what a processor computes: the period is not counted again, but is of this netlist or
    not shown; see ``bittrigger.report.period``.

    Raises:
        ToolError: if a netlist cannot be read.
    """
    counted = make_report(build.pipeline, build.settings, count_netlists(build.pipeline, build.folder / "synth"))
    pairs = _pairs(replace(said, period=None), counted, "")
    return [f"{name} is {one!r}, and {other!r} when counted again" for name, one, other in pairs]


def _pairs(said: Any, counted: Any, name: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - any field
    """Where two reports differ: the dotted name, and the values there."""
    if isinstance(said, tuple) and len(said) == len(counted):
        for one, other in zip(said, counted, strict=True):
            yield from _pairs(one, other, f"{name} {getattr(other, 'name', '')}".strip())
    elif isinstance(said, tuple):
        yield f"the number of {name}", len(said), len(counted)
    elif is_dataclass(said):
        for field in (field.name for field in fields(said) if field.name not in _NO_FIGURES):
            yield from _pairs(getattr(said, field), getattr(counted, field), f"{name} {field}".strip())
    elif said != counted or type(said) is not type(counted):
        yield name.removesuffix(" value"), said, counted


def has_report(folder: Path) -> bool:
    """Whether the build in ``folder`` has a report at all; those of ``solve`` have none."""
    return (folder / REPORT).is_file()
