"""Where the LUTs and registers go: a treemap by layer."""

from __future__ import annotations

from dataclasses import dataclass

import squarify
from markupsafe import Markup

from bittrigger.report.html.svg import element, picture, text
from bittrigger.report.model import Figure, Report

_WIDTH, _HEIGHT = 470.0, 300.0


@dataclass(frozen=True)
class Area:
    """One layer's part of a resource."""

    name: str
    kind: str
    count: float


def areas(report: Report, resource: str) -> tuple[tuple[Area, ...], Figure]:
    """The layers' parts of ``lut`` or ``ff``, and the whole design's figure, all of one origin.

    What the layers leave of the whole belongs to the top: registers between layers, and the valid chain.
    """
    synthesised = getattr(report.totals.synth, resource).value is not None
    origin = "synth" if synthesised else "estimate"
    whole: Figure = getattr(getattr(report.totals, origin), resource)
    parts = [Area(x.name, x.kind, getattr(getattr(x, origin), resource).value or 0) for x in report.layers]
    rest = (whole.value or 0) - sum(part.count for part in parts)
    if rest > 0:
        parts.append(Area("top: between layers", "top", rest))
    return tuple(sorted((part for part in parts if part.count), key=lambda part: -part.count)), whole


def draw_treemap(report: Report, resource: str) -> Markup:
    """Areas in proportion to ``lut`` or ``ff``; an empty picture where there is none."""
    parts, whole = areas(report, resource)
    total = sum(part.count for part in parts)
    drawn = []
    if total:
        sizes = squarify.normalize_sizes([part.count for part in parts], _WIDTH, _HEIGHT)
        for part, box in zip(parts, squarify.squarify(sizes, 0, 0, _WIDTH, _HEIGHT), strict=True):
            drawn += _tile(part, box, total)
    name = resource.upper()
    return picture(_WIDTH, _HEIGHT, drawn, f"{name} by layer, {whole.origin.value}, {whole.tool} {whole.version}")


def shortened(name: str, room: int) -> str:
    """``name`` in ``room`` characters; one that is cut says so, and keeps its end, by which layers differ."""
    if len(name) <= room:
        return name
    last = (room - 1) // 2
    return f"{name[: room - 1 - last]}…{name[len(name) - last :]}"


def _tile(part: Area, box: dict[str, float], total: float) -> list[str]:
    x, y, width, height = box["x"], box["y"], box["dx"], box["dy"]
    share = f"{100 * part.count / total:.1f} %"
    said = f"{part.name}: {part.count:,.0f} ({share})"
    parts = [
        element(
            "rect", title=said, x=x + 1, y=y + 1, width=max(width - 2, 0.5), height=max(height - 2, 0.5), rx=4,
            class_=f"tile {part.kind}",
        )
    ]  # fmt: skip
    room = int((width - 14) / 8)
    if room >= 4 and height > 22:
        parts.append(text(shortened(part.name, room), x + 8, y + 18, "strong"))
    if room >= 6 and height > 42:
        both, alone = f"{part.count:,.0f}  {share}", f"{part.count:,.0f}"
        parts.append(text(both if len(both) <= room else alone if len(alone) <= room else "", x + 8, y + 35, "small"))
    return parts
