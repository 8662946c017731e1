"""What the pictures of a page share: SVG text from parts, numbers without noise, and colours by name of a style."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup


def number(value: float) -> str:
    """``value`` with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def element(name: str, *children: str, title: str = "", **attributes: float | str) -> str:
    """One element; an underscore in an attribute's name is a hyphen, one at its end is left out.

    Args:
        children: text that is markup already.
        title: a tooltip, plain text.
    """
    parts = []
    for key, value in attributes.items():
        text = value if isinstance(value, str) else number(value)
        parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    inside = "".join([f"<title>{escape(title)}</title>" if title else "", *children])
    return f"<{name}{''.join(parts)}>{inside}</{name}>" if inside else f"<{name}{''.join(parts)}/>"


def text(content: str, x: float, y: float, style: str = "") -> str:
    """A line of plain text that begins, or as its style says, at ``(x, y)``."""
    return (
        element("text", escape(content), x=x, y=y, class_=style)
        if style
        else element("text", escape(content), x=x, y=y)
    )


def picture(width: float, height: float, parts: Sequence[str], label: str) -> Markup:
    """A picture that shrinks with the page and says to a screen reader what it is."""
    return Markup(  # noqa: S704 - made of escaped parts
        element(
            "svg",
            *parts,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {number(width)} {number(height)}",
            width=width,
            height=height,
            role="img",
            aria_label=label,
        )
    )
