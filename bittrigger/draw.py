"""Adder graphs as SVG pictures."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from bittrigger.adders import AdderGraph, value_intervals
from bittrigger.errors import ConfigError

MAX_VALUES = 3000
"""Inputs, adders and outputs that a picture may hold; beyond it nobody can read one."""

_WIDTH, _HEIGHT, _GAP = 46.0, 20.0, 14.0
_FILL = {"input": "#dbe9f6", "two": "#fdf1d6", "three": "#fbd9c0", "output": "#dcefdc"}


@dataclass
class _Box:
    """What the layout library wants to know of a box, and where it puts it."""

    w: float = _WIDTH
    h: float = _HEIGHT
    xy: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class _Node:
    label: str
    title: str
    kind: str


def _nodes(graph: AdderGraph) -> list[_Node]:
    ranges = value_intervals(graph)
    nodes = [_Node(f"x{i}", f"{r.lo}..{r.hi}", "input") for i, r in enumerate(graph.inputs)]
    for k, adder in enumerate(graph.adders):
        span = ranges[graph.n_inputs + k]
        kind = "three" if adder.operands > 2 else "two"
        nodes.append(_Node(f"s{k}", f"{adder.operands} operands, {span.width} bits, {span.lo}..{span.hi}", kind))
    nodes += [_Node(f"y{j}", f"<< {out.shift}" if out.value is not None else str(out.constant), "output")
              for j, out in enumerate(graph.outputs)]  # fmt: skip
    return nodes


def _edges(graph: AdderGraph) -> list[tuple[int, int, bool]]:
    """Source, target, and whether the source is subtracted."""
    base = graph.n_inputs
    edges = [(t.value, base + k, t.negative) for k, adder in enumerate(graph.adders) for t in adder.terms]
    last = base + len(graph.adders)
    return edges + [(out.value, last + j, False) for j, out in enumerate(graph.outputs) if out.value is not None]


def _place(count: int, edges: list[tuple[int, int, bool]]) -> list[tuple[float, float]]:
    """Layered positions; components side by side."""
    from grandalf.graphs import Edge, Graph, Vertex
    from grandalf.layouts import SugiyamaLayout

    vertices: list[Any] = [Vertex(k) for k in range(count)]
    for vertex in vertices:
        vertex.view = _Box()
    drawing = Graph(vertices, [Edge(vertices[a], vertices[b]) for a, b in sorted({(a, b) for a, b, _ in edges})])
    left = 0.0
    for component in drawing.C:
        layout = SugiyamaLayout(component)
        layout.init_all()
        layout.draw()
        boxes = [vertex.view for vertex in component.sV]
        start = min(box.xy[0] for box in boxes)
        for box in boxes:
            box.xy = (box.xy[0] - start + left, box.xy[1])
        left = max(box.xy[0] for box in boxes) + _WIDTH + _GAP
    return [vertex.view.xy for vertex in vertices]


def draw_svg(graph: AdderGraph) -> str:
    """The graph as an SVG: inputs on top, adders by level, outputs below; dashed lines are subtracted.

    Two-input adders are pale, three-input adders darker; a tooltip gives width and range.

    Raises:
        ConfigError: if the graph holds more than 3,000 values.
    """
    nodes, edges = _nodes(graph), _edges(graph)
    if len(nodes) > MAX_VALUES:
        raise ConfigError(f"a picture of {len(nodes)} values; allowed are {MAX_VALUES}; draw a smaller matrix")
    places = _place(len(nodes), edges)
    margin = _WIDTH
    left, top = min(x for x, _ in places) - margin, min(y for _, y in places) - margin
    width, height = max(x for x, _ in places) - left + margin, max(y for _, y in places) - top + margin
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}" '
        'font-family="sans-serif" font-size="11" text-anchor="middle">'
    ]
    for a, b, negative in edges:
        (x1, y1), (x2, y2) = places[a], places[b]
        dash = ' stroke-dasharray="4 3"' if negative else ""
        lines.append(
            f'<line x1="{x1:.1f}" y1="{y1 + _HEIGHT / 2:.1f}" x2="{x2:.1f}" y2="{y2 - _HEIGHT / 2:.1f}" '
            f'stroke="#888" stroke-width="0.7"{dash}/>'
        )
    for node, (x, y) in zip(nodes, places, strict=True):
        lines.append(
            f'<g><title>{escape(node.title)}</title><rect x="{x - _WIDTH / 2:.1f}" y="{y - _HEIGHT / 2:.1f}" '
            f'width="{_WIDTH:g}" height="{_HEIGHT:g}" rx="4" fill="{_FILL[node.kind]}" stroke="#555"/>'
            f'<text x="{x:.1f}" y="{y + 4:.1f}">{escape(node.label)}</text></g>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"
