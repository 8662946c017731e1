"""The network as a graph: what each layer computes, its width, and the range of its codes."""

from __future__ import annotations

import networkx
from markupsafe import Markup

from bittrigger.ir.fixed import hull
from bittrigger.ir.graph import Input, Intervals, intervals
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Pipeline
from bittrigger.report.html.svg import element, picture, text

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 236.0, 62.0, 34.0, 34.0
_ACROSS = 4
"""Boxes side by side; a chain goes on in the next row."""

Place = tuple[float, float]


def type_text(codes: Intervals, frac: int) -> str:
    """Number, width, range and step of the codes of a vector."""
    span = hull(codes)
    step = "" if frac == 0 else f" in 2^{-frac}"
    return f"{len(codes)} x {span.width} bit: {span.lo:,}..{span.hi:,}{step}"


def draw_network(pipeline: Pipeline) -> Markup:
    """Boxes from the inputs to the outputs; what may run at the same time stands in one column."""
    graph = pipeline.graph
    net = networkx.DiGraph()
    net.add_nodes_from(node.name for node in graph.nodes)
    net.add_edges_from((name, node.name) for node in graph.nodes for name in node.inputs)
    ranks = [list(rank) for rank in networkx.topological_generations(net)]
    places = _places(ranks)
    ranges, kinds = intervals(graph), {module.node.name: module.kind for module in pipeline.modules}
    parts = [_ARROW_HEAD, *(_arrow(places[a], places[b]) for a, b in net.edges)]
    for node in graph.nodes:
        kind = kinds.get(node.name, "wire" if isinstance(node, Wire) else "input")
        name = f"{node.name} (output)" if node.name in graph.outputs else node.name
        times = f" x {node.copies}" if not isinstance(node, Input) and node.copies > 1 else ""
        parts.append(_box(places[node.name], f"{name}{times}", kind, type_text(ranges[node.name], node.frac)))
    width = max(x for x, _ in places.values()) + _WIDTH + 6
    height = max(y for _, y in places.values()) + _HEIGHT + 6
    return picture(width, height, parts, f"network {graph.name}")


def _places(ranks: list[list[str]]) -> dict[str, Place]:
    """The upper left corner of each box: ``_ACROSS`` ranks a row, the boxes of a rank below each other."""
    places: dict[str, Place] = {}
    top = 6.0
    for start in range(0, len(ranks), _ACROSS):
        row = ranks[start : start + _ACROSS]
        for column, names in enumerate(row):
            for k, name in enumerate(names):
                places[name] = (6 + column * (_WIDTH + _GAP_X), top + k * (_HEIGHT + 10))
        top += max(len(names) for names in row) * (_HEIGHT + 10) - 10 + _GAP_Y
    return places


_ARROW_HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" class="head"/></marker></defs>'
)


def _arrow(source: Place, target: Place) -> str:
    """From the right edge of a box to the left edge of the next, or from its lower edge into the row below."""
    (x1, y1), (x2, y2) = source, target
    if x2 > x1 and y2 < y1 + _HEIGHT:
        start, end = (x1 + _WIDTH, y1 + _HEIGHT / 2), (x2, y2 + _HEIGHT / 2)
        bend = (start[0] + end[0]) / 2
        turns = (bend, start[1]), (bend, end[1])
    else:
        start, end = (x1 + _WIDTH / 2, y1 + _HEIGHT), (x2 + _WIDTH / 2, y2)
        bend = (start[1] + end[1]) / 2
        turns = (start[0], bend), (end[0], bend)
    curve = " ".join(f"{x:.0f} {y:.0f}" for x, y in (*turns, end))
    return element("path", d=f"M{start[0]:.0f} {start[1]:.0f}C{curve}", class_="arrow", marker_end="url(#head)")


def _box(place: Place, name: str, kind: str, codes: str) -> str:
    x, y = place
    short = name if len(name) <= 30 else f"{name[:28]}…"
    return element(
        "g",
        element("rect", x=x, y=y, width=_WIDTH, height=_HEIGHT, rx=7, class_=f"box {kind}"),
        text(short, x + 10, y + 19, "strong"),
        text(kind.replace("_", " "), x + 10, y + 35, "soft"),
        text(codes, x + 10, y + 52, "small"),
        title=f"{name}: {kind}, {codes}",
    )
