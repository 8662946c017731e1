"""The report for a browser: one self-contained file, and a fragment for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bittrigger.system.lazily import attributes

if TYPE_CHECKING:
    from bittrigger.report.html.facts import Evidence, Fact
    from bittrigger.report.html.page import render_fragment, render_html

__all__ = ["Evidence", "Fact", "render_fragment", "render_html"]

__getattr__ = attributes(__name__, {"facts": ("Evidence", "Fact"), "page": ("render_fragment", "render_html")})
