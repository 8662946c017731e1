"""The card of a model, from Markdown into the page, with its pictures inside."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from bittrigger.report.html.weights import data_uri

MAX_PICTURE = 4 << 20
"""Largest picture that is taken into the page, in bytes."""

_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}
_IMAGE = re.compile(r'<img src="([^"]*)"([^>]*)>')


def render_card(path: Path) -> Markup:
    """The card at ``path`` as HTML; raw HTML in it stays text, and a picture beside it becomes a part of the page."""

    def embed(match: re.Match[str]) -> str:
        picture = path.parent / match[1]
        kind = _KINDS.get(picture.suffix.lower())
        inside = picture.resolve().is_relative_to(path.parent.resolve())
        if kind is None or not inside or not picture.is_file() or picture.stat().st_size > MAX_PICTURE:
            return ""
        return f'<img src="{data_uri(picture.read_bytes(), kind)}"{match[2]}>'

    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(path.read_text(encoding="utf-8"))
    return Markup(_IMAGE.sub(embed, html))  # noqa: S704 - markdown-it escapes what is not Markdown
