"""Resources, latency and what is still missing: the report of a build."""

from __future__ import annotations

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
