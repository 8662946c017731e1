"""The report for a browser: one self-contained file, and a fragment for notebooks."""

from __future__ import annotations

from bittrigger.report.html.page import Evidence, Fact, render_fragment, render_html

__all__ = ["Evidence", "Fact", "render_fragment", "render_html"]
