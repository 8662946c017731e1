"""Adder graphs as SVG pictures, with legend, shifts and pipeline stages; light or dark as the page around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bittrigger.errors import ConfigError
from bittrigger.ir.adders import AdderGraph, depths, value_intervals

MAX_VALUES = 3000
"""Inputs, adders and outputs that a picture may hold; beyond it nobody can read one."""

_WIDTH, _HEIGHT, _GAP = 46.0, 20.0, 14.0
_ROW, _HEAD, _SIDE = 4 * _HEIGHT, 34.0, 64.0
_SWEEPS = 8
_STYLE = """
.bt-graph { font: 11px sans-serif; text-anchor: middle; --a: #dbe9f6; --b: #fdf1d6; --c: #fbd9c0; --d: #dcefdc; --e: #555;
  --f: #888; --g: #1a1a1a; --h: #b04a00; background: transparent; }
@media screen and (prefers-color-scheme: dark) { .bt-graph { --a: #1f3a55; --b: #4a3c16; --c: #5b341b; --d: #23472a; --e: #99a;
  --f: #778; --g: #e8e8ea; --h: #ffb37a; } }
.bt-graph text { fill: var(--g); } .bt-graph .k { stroke: var(--e); } .bt-graph .input { fill: var(--a); }
.bt-graph .two { fill: var(--b); } .bt-graph .three { fill: var(--c); } .bt-graph .output { fill: var(--d); }
.bt-graph .w { stroke: var(--f); stroke-width: .7; } .bt-graph .n { stroke-dasharray: 4 3; }
.bt-graph .s { font-size: 9px; fill: var(--h); } .bt-graph .r { stroke: var(--h); stroke-dasharray: 2 4; }
.bt-graph .l { text-anchor: start; }
"""


@dataclass(frozen=True)
class _Node:
    label: str
    title: str
    kind: str


@dataclass(frozen=True)
class _Edge:
    """``source`` shifted left by ``shift``, perhaps negated, enters ``target``."""

    source: int
    target: int
    shift: int
    negative: bool


def _nodes(graph: AdderGraph, stages: Sequence[int] | None) -> list[_Node]:
    ranges = value_intervals(graph)
    nodes = [_Node(f"x{i}", f"input {i}, {r.width} bits, {r.lo}..{r.hi}", "input") for i, r in enumerate(graph.inputs)]
    for k, adder in enumerate(graph.adders):
        span = ranges[graph.n_inputs + k]
        kind = "three" if adder.operands > 2 else "two"
        where = f", stage {stages[k]}" if stages else ""
        constant = f", constant {adder.constant}" if adder.constant else ""
        title = f"adder {k}: {adder.operands} operands, {span.width} bits, {span.lo}..{span.hi}{constant}{where}"
        nodes.append(_Node(f"s{k}", title, kind))
    for j, out in enumerate(graph.outputs):
        nodes.append(_Node(f"y{j}", f"output {j}" + (f" = {out.constant}" if out.value is None else ""), "output"))
    return nodes


def _edges(graph: AdderGraph) -> list[_Edge]:
    base = graph.n_inputs
    edges = [_Edge(t.value, base + k, t.shift, t.negative) for k, adder in enumerate(graph.adders) for t in adder.terms]
    last = base + len(graph.adders)
    outputs = enumerate(graph.outputs)
    return edges + [_Edge(out.value, last + j, out.shift, False) for j, out in outputs if out.value is not None]


def _levels(graph: AdderGraph, stages: Sequence[int] | None) -> tuple[list[int], list[tuple[int, int]]]:
    """The row of every node, and for each stage its number and its first row: adders by stage, in a stage by depth."""
    found = depths(graph)
    if stages is None:
        last = max(found, default=0) + 1
        return [*found, *(last for _ in graph.outputs)], []
    keys = [(stage, level) for stage, level in zip(stages, found[graph.n_inputs :], strict=True)]
    rows = {key: 1 + number for number, key in enumerate(sorted(set(keys)))}
    firsts = {stage: min(row for key, row in rows.items() if key[0] == stage) for stage in sorted(set(stages))}
    return [*(0 for _ in graph.inputs), *(rows[key] for key in keys), *(1 + len(rows) for _ in graph.outputs)], list(
        firsts.items()
    )


def _columns(levels: list[int], edges: list[_Edge]) -> list[float]:
    """The column of each node, in its row near the middle of what it reads and feeds."""
    neighbours: list[list[int]] = [[] for _ in levels]
    for edge in edges:
        neighbours[edge.source].append(edge.target)
        neighbours[edge.target].append(edge.source)
    rows = [[k for k, level in enumerate(levels) if level == row] for row in range(max(levels) + 1)]
    widest = max(len(row) for row in rows)
    position = [0.0] * len(levels)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            if sweep:
                row.sort(key=lambda k: sum(position[n] for n in neighbours[k]) / max(1, len(neighbours[k])))
            for rank, k in enumerate(row):
                position[k] = (rank + 0.5) * widest / len(row)
    return position


def _wire(edge: _Edge, places: list[tuple[float, float]]) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    y1, y2 = y1 + _HEIGHT / 2, y2 - _HEIGHT / 2
    line = f'<line class="w{" n" if edge.negative else ""}" x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"/>'
    if not edge.shift:
        return line
    x, y = x1 + 0.8 * (x2 - x1), y1 + 0.8 * (y2 - y1)
    return f'{line}<text class="s" x="{x:.0f}" y="{y:.0f}">≪{edge.shift}</text>'


def _box(node: _Node, place: tuple[float, float]) -> str:
    x, y = place
    return (
        f'<g><title>{escape(node.title)}</title><rect class="k {node.kind}" x="{x - _WIDTH / 2:.0f}" '
        f'y="{y - _HEIGHT / 2:.0f}" width="{_WIDTH:g}" height="{_HEIGHT:g}" rx="4"/>'
        f'<text x="{x:.0f}" y="{y + 4:.0f}">{escape(node.label)}</text></g>'
    )


def _legend(left: float, top: float, *, staged: bool) -> list[str]:
    parts = []
    entries = [("input", "input"), ("two", "two operands"), ("three", "three operands"), ("output", "output")]
    x = left
    for kind, label in entries:
        parts.append(f'<path class="k {kind}" d="M{x:.0f} {top:.0f}h14v10h-14z"/>')
        parts.append(f'<text class="l" x="{x + 18:.0f}" y="{top + 9:.0f}">{label}</text>')
        x += 32 + 6.0 * len(label)
    for style, label in (("w", "added"), ("w n", "subtracted"), *([("r", "register")] if staged else [])):
        parts.append(f'<line class="{style}" x1="{x:.0f}" y1="{top + 5:.0f}" x2="{x + 22:.0f}" y2="{top + 5:.0f}"/>')
        parts.append(f'<text class="l" x="{x + 26:.0f}" y="{top + 9:.0f}">{label}</text>')
        x += 40 + 6.0 * len(label)
    return [*parts, f'<text class="l s" x="{x:.0f}" y="{top + 9:.0f}">≪n</text>'
            f'<text class="l" x="{x + 18:.0f}" y="{top + 9:.0f}">shifted left by n</text>']  # fmt: skip


def draw_svg(graph: AdderGraph, stages: Sequence[int] | None = None) -> str:
    """The graph as an SVG: inputs on top, adders by stage and level, outputs below, and a legend.

    Dashed lines are subtracted, and a shift stands at the line that is shifted; a tooltip gives width and range.

    Args:
        stages: the pipeline stage of each adder; None draws levels alone.

    Raises:
        ConfigError: if the graph holds more than 3,000 values.
    """
    nodes, edges = _nodes(graph, stages), _edges(graph)
    if len(nodes) > MAX_VALUES:
        raise ConfigError(f"a picture of {len(nodes)} values; allowed are {MAX_VALUES}; draw a smaller matrix")
    levels, firsts = _levels(graph, stages)
    places = [(x * (_WIDTH + _GAP), y * _ROW) for x, y in zip(_columns(levels, edges), levels, strict=True)]
    left, top = min(x for x, _ in places) - _SIDE, min(y for _, y in places) - _HEIGHT - _HEAD
    width = max(max(x for x, _ in places) - left + _SIDE, 760.0)
    height = max(y for _, y in places) - top + 1.5 * _HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="bt-graph" role="img" viewBox="{left:.0f} {top:.0f} {width:.0f} '
        f'{height:.0f}" width="{width:.0f}" height="{height:.0f}">',
        f"<style>{_STYLE}</style>",
        *_legend(left + 8, top + 6, staged=stages is not None),
    ]
    for stage, row in firsts:
        y = (row - 0.5) * _ROW
        lines.append(f'<text class="l s" x="{left + 4:.0f}" y="{row * _ROW + 3:.0f}">stage {stage}</text>')
        if row > 1:
            lines.append(f'<line class="r" x1="{left:.0f}" y1="{y:.0f}" x2="{left + width:.0f}" y2="{y:.0f}"/>')
    lines += [_wire(edge, places) for edge in edges]
    lines += [_box(node, place) for node, place in zip(nodes, places, strict=True)]
    return "\n".join([*lines, "</svg>"]) + "\n"
