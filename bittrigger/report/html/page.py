"""The report as one self-contained HTML file: every style, script and picture is inside, nothing is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import jinja2
from markupsafe import Markup, escape

from bittrigger import __version__
from bittrigger.device.budgets import find_budget
from bittrigger.ir.adders import depth
from bittrigger.ir.pipeline import Pipeline
from bittrigger.report.draw import draw_svg
from bittrigger.report.hints import hints
from bittrigger.report.html.card import render_card
from bittrigger.report.html.facts import Evidence
from bittrigger.report.html.network import draw_network
from bittrigger.report.html.timeline import draw_stage_times, draw_timeline, stage_times
from bittrigger.report.html.treemap import draw_treemap
from bittrigger.report.html.weights import Weights, weights_of
from bittrigger.report.model import Report, Resources
from bittrigger.report.numbers import number
from bittrigger.report.render import (
    FORMS_NOTE,
    FORMS_TITLE,
    head_lines,
    margin_text,
)
from bittrigger.report.timing_text import latency_text, outcome_text
from bittrigger.report.verdict import Criterion, Verdict, verdict
from bittrigger.system.resources import folder

MAX_DRAWN = 700
"""Values of an adder graph that is drawn; larger ones cannot be read, and would fill the page."""


@dataclass(frozen=True)
class Drawing:
    """The adder graph of one layer, or why it is not drawn."""

    name: str
    title: str
    picture: Markup


@dataclass(frozen=True)
class Tile:
    """One figure at the head of the page."""

    value: str
    name: str
    note: str


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The templates of pages; what they are given is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder("hls_templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    made.filters["number"] = number
    made.filters["marked"] = marked
    made.globals["version"] = __version__
    return made


def marked(line: str) -> Markup:
    """``line`` as text, with what stands between backticks as code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if k % 2 else escape(part)
        for k, part in enumerate(line.split("`") if line.count("`") % 2 == 0 else [line])
    )


def render_html(report: Report, pipeline: Pipeline, evidence: Evidence) -> str:
    """The page of a build."""
    judged = verdict(report, find_budget(report.budget)) if report.budget else None
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            **_common(report, judged),
            fragment=False,
            network=draw_network(pipeline),
            timeline=draw_timeline(pipeline),
            stage_times=draw_stage_times(pipeline),
            partly=any(item.partly for item in stage_times(pipeline)),
            treemaps={"LUT": draw_treemap(report, "lut"), "FF": draw_treemap(report, "ff")},
            forms_title=FORMS_TITLE if any(layer.forms for layer in report.layers) else None,
            forms_note=FORMS_NOTE,
            hints=hints(report),
            weights=weights_of(pipeline),
            drawings=_drawings(pipeline),
            evidence=evidence,
            card=None if evidence.card is None else render_card(evidence.card),
        )
    )


def render_fragment(report: Report) -> str:
    """The head of the page, for a notebook."""
    judged = verdict(report, find_budget(report.budget)) if report.budget else None
    return environment().get_template("report.html.j2").render(**_common(report, judged), fragment=True)


def _common(report: Report, judged: Verdict | None) -> dict[str, object]:
    return {
        "report": report,
        "part": report.device,
        "judged": judged,
        "outcome": "no budget" if judged is None else outcome_text(judged, report),
        "margin": None if judged is None else margin_text(judged),
        "tiles": _tiles(report),
        "latency": latency_text(report),
        "grade": head_lines(report),
        "sources": _sources(report),
        "percent": _percent,
    }


def _percent(criterion: Criterion) -> float:
    """The part of its limit that a criterion's figure takes, in per cent, for a bar."""
    return min(100.0, 100.0 * (criterion.fraction or 0.0))


def _sources(report: Report) -> list[tuple[str, Resources]]:
    totals = report.totals
    named = {
        "routed": totals.route,
        "synthesised": totals.synth,
        "C-synthesis": totals.csynth,
        "estimated": totals.estimate,
    }
    return [(name, used) for name, used in named.items() if used.lut.value is not None]


def _tiles(report: Report) -> list[Tile]:
    totals = report.totals
    used = _sources(report)[0][1]
    origin = f"{used.lut.origin.value}, {used.lut.tool} {used.lut.version}".strip()
    period = f"{report.clock_mhz:g} MHz"
    tiles = [
        Tile(number(used.lut.value), "LUT", origin),
        Tile(number(used.ff.value), "FF", origin),
        Tile(number(used.dsp.value), "DSP", origin),
        Tile(
            number(totals.latency_cycles.value),
            "cycles of latency",
            f"{number(totals.latency_ns.value)} ns at {period}",
        ),
        Tile(number(totals.ii_cycles.value), "cycle a new event", f"{number(totals.ii_ns.value)} ns"),
    ]
    if used.logic_levels.value is not None:
        tiles.append(Tile(number(used.logic_levels.value), "logic levels", origin))
    if totals.wns_ns.value is not None:
        tiles.append(Tile(f"{totals.wns_ns.value:+.3f} ns", "worst slack", f"route, {totals.wns_ns.tool}"))
    elif report.period is not None and report.period.slack_ns.value is not None:
        tiles.append(Tile(f"{report.period.slack_ns.value:+.3f} ns", "slack of the period", "sta, our own placement"))
    return tiles


def _drawings(pipeline: Pipeline) -> list[Drawing]:
    found = []
    for module in pipeline.modules:
        graph = module.adders
        if graph is None or not graph.adders:
            continue
        values = graph.n_inputs + len(graph.adders) + len(graph.outputs)
        title = f"{module.node.name}: {len(graph.adders):,} adders, depth {depth(graph)}"
        if values > MAX_DRAWN:
            said = f"<p>{values:,} values; drawn are at most {MAX_DRAWN}. The table of adders is in design.json.</p>"
            found.append(Drawing(module.node.name, title, Markup(said)))  # noqa: S704 - numbers
        else:
            found.append(Drawing(module.node.name, title, Markup(draw_svg(graph, module.stages))))  # noqa: S704 - our SVG
    return found


__all__ = ["Weights", "render_fragment", "render_html"]
