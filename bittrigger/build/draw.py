"""Adder graphs as SVG pictures."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from bittrigger.ir.adders import AdderGraph, depths, value_intervals
from bittrigger.errors import ConfigError

MAX_VALUES = 3000
"""Inputs, adders and outputs that a picture may hold; beyond it nobody can read one."""

_WIDTH, _HEIGHT, _GAP = 46.0, 20.0, 14.0
_SWEEPS = 8
_FILL = {"input": "#dbe9f6", "two": "#fdf1d6", "three": "#fbd9c0", "output": "#dcefdc"}


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


def _place(graph: AdderGraph, edges: list[tuple[int, int, bool]]) -> list[tuple[float, float]]:
    """Positions in levels: inputs, adders by depth, outputs; each value near the middle of what it reads and feeds."""
    levels = depths(graph)
    last = max(levels, default=0) + 1
    levels = [*levels, *(last for _ in graph.outputs)]
    neighbours: list[list[int]] = [[] for _ in levels]
    for a, b, _ in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    rows = [[k for k, level in enumerate(levels) if level == row] for row in range(last + 1)]
    widest = max(len(row) for row in rows)
    position = [0.0] * len(levels)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            if sweep:
                row.sort(key=lambda k: sum(position[n] for n in neighbours[k]) / max(1, len(neighbours[k])))
            for rank, k in enumerate(row):
                position[k] = (rank + 0.5) * widest / len(row)
    return [(x * (_WIDTH + _GAP), level * 4 * _HEIGHT) for x, level in zip(position, levels, strict=True)]


def draw_svg(graph: AdderGraph) -> str:
    """The graph as an SVG: inputs on top, adders by level, outputs below; dashed lines are subtracted.

    Two-input adders are pale, three-input adders darker; a tooltip gives width and range.

    Raises:
        ConfigError: if the graph holds more than 3,000 values.
    """
    nodes, edges = _nodes(graph), _edges(graph)
    if len(nodes) > MAX_VALUES:
        raise ConfigError(f"a picture of {len(nodes)} values; allowed are {MAX_VALUES}; draw a smaller matrix")
    places = _place(graph, edges)
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
