"""Resources, latency and what is still missing: the report of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bittrigger.system.lazily import attributes

if TYPE_CHECKING:
    from bittrigger.report.create import make_report
    from bittrigger.report.model import Figure, Layer, Origin, Report, Resources, Totals
    from bittrigger.report.render import render_markdown, render_text
    from bittrigger.report.schema import load_report, save_report, to_json

__all__ = [
    "Figure",
    "Layer",
    "Origin",
    "Report",
    "Resources",
    "Totals",
    "load_report",
    "make_report",
    "render_markdown",
    "render_text",
    "save_report",
    "to_json",
]

__getattr__ = attributes(
    __name__,
    {
        "create": ("make_report",),
        "model": ("Figure", "Layer", "Origin", "Report", "Resources", "Totals"),
        "render": ("render_markdown", "render_text"),
        "schema": ("load_report", "save_report", "to_json"),
    },
)
