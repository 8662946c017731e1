"""Reports for people: tables in a terminal, and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bittrigger.device.budgets import BUNCH_CROSSING_NS, find_budget
from bittrigger.device.parts import Part, find_part
from bittrigger.report.model import Figure, Layer, Report, Resources
from bittrigger.report.verdict import Criterion, Outcome, Verdict, verdict

if TYPE_CHECKING:
    from rich.console import Console

_ABSENT = "-"
_LAYER_HEAD = (
    "layer", "kind", "shape", "zeros", "non-zeros", "mult. avoided", "adders", "depth", "cycles",
    "LUT estimate", "FF estimate", "LUT", "FF", "CARRY8", "carry bits", "DSP", "BRAM36", "levels",
)  # fmt: skip
_SHORT_HEAD = (
    "layer",
    "kind",
    "shape",
    "zeros",
    "adders",
    "depth",
    "cycles",
    "LUT",
    "FF",
    "DSP",
    "BRAM36",
    "levels",
    "origin",
)
"""What a terminal has room for; Markdown and JSON hold everything."""

_TOTAL_HEAD = ("resource", "used", "origin", "tool", "of part", "of one SLR", "of budget")
_VERDICT_HEAD = ("criterion", "figure", "origin", "limit", "of limit", "outcome")

Rows = list[tuple[str, ...]]


def number(value: float | None) -> str:
    """``value`` with thousands separated; a missing one is a dash."""
    if value is None:
        return _ABSENT
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _percent(value: float | None, whole: float | None) -> str:
    return _ABSENT if value is None or not whole else f"{100 * value / whole:.2f} %"


def _tool(figure: Figure) -> str:
    return f"{figure.tool} {figure.version}".strip()


def _layer_row(layer: Layer) -> tuple[str, ...]:
    used = layer.synth
    figures = (used.lut, used.ff, used.carry8, used.carry_bits, used.dsp, used.bram36, used.logic_levels)
    return (
        layer.name,
        layer.kind,
        f"{layer.n_in} x {layer.n_out}",
        *(number(count) for count in (layer.zeros, layer.non_zeros, layer.multiplications_avoided)),
        *(number(count) for count in (layer.adders, layer.adder_depth, layer.latency_cycles.value)),
        *(number(figure.value) for figure in (layer.estimate.lut, layer.estimate.ff, *figures)),
    )


def _short_row(layer: Layer) -> tuple[str, ...]:
    used = layer.synth if layer.synth.lut.value is not None else layer.estimate
    weights = layer.zeros + layer.non_zeros
    figures = (used.lut, used.ff, used.dsp, used.bram36, used.logic_levels)
    return (
        layer.name,
        layer.kind,
        f"{layer.n_in} x {layer.n_out}",
        f"{100 * layer.zeros / weights:.0f} %" if weights else _ABSENT,
        *(number(count) for count in (layer.adders, layer.adder_depth, layer.latency_cycles.value)),
        *(number(figure.value) for figure in figures),
        used.lut.origin.value,
    )


def _capacities(part: Part) -> dict[str, int | None]:
    return {"LUT": part.lut, "FF": part.ff, "DSP": part.dsp, "BRAM36": part.bram36}


def _resource_rows(resources: Resources, part: Part, lut_limit: int | None) -> Rows:
    named = {
        "LUT": resources.lut,
        "FF": resources.ff,
        "CARRY8": resources.carry8,
        "carry bits": resources.carry_bits,
        "DSP": resources.dsp,
        "BRAM36": resources.bram36,
        "logic levels": resources.logic_levels,
    }
    rows = []
    for name, figure in named.items():
        if figure.value is None:
            continue
        capacity = _capacities(part).get(name)
        region = capacity / part.slrs if capacity else None
        limit = lut_limit if name == "LUT" else None
        shares = (_percent(figure.value, whole) for whole in (capacity, region, limit))
        rows.append((name, number(figure.value), figure.origin.value, _tool(figure), *shares))
    return rows


def _total_rows(report: Report) -> Rows:
    part = find_part(report.part)
    limit = find_budget(report.budget).lut if report.budget else None
    totals = report.totals
    rows: Rows = []
    for resources in (totals.estimate, totals.csynth, totals.synth, totals.route):
        rows += _resource_rows(resources, part, limit)
    return rows


def _timing_lines(report: Report) -> list[str]:
    totals = report.totals
    origin = totals.latency_cycles.origin.value
    lines = [
        f"latency {number(totals.latency_cycles.value)} cycles = {number(totals.latency_ns.value)} ns = "
        f"{number(totals.latency_bx.value)} bunch crossings of {BUNCH_CROSSING_NS:g} ns, at {report.clock_mhz:g} MHz ({origin})",
        f"initiation interval {number(totals.ii_cycles.value)} cycle = {number(totals.ii_ns.value)} ns ({origin})",
    ]
    slack = totals.wns_ns
    met = "not known" if slack.value is None else "met" if slack.value >= 0 else "NOT met"
    lines.append(f"timing at {report.clock_mhz:g} MHz {met}: slack {number(slack.value)} ns ({slack.origin.value})")
    return lines


def _limit(criterion: Criterion, value: float | None) -> str:
    return _ABSENT if value is None else f"{number(value)} {criterion.unit}"


def _verdict_rows(judged: Verdict) -> Rows:
    return [
        (
            criterion.name,
            _limit(criterion, criterion.figure.value),
            f"{criterion.figure.origin.value}, {_tool(criterion.figure)}",
            _limit(criterion, criterion.limit),
            _percent(criterion.figure.value, criterion.limit),
            criterion.outcome.value,
        )
        for criterion in judged.criteria
    ]


def _judged(report: Report) -> Verdict | None:
    return verdict(report, find_budget(report.budget)) if report.budget else None


def _outcome(judged: Verdict, report: Report) -> str:
    """The verdict, and what it rests on."""
    if judged.outcome is Outcome.PASS and report.totals.wns_ns.value is None:
        return f"pass, provided that {report.clock_mhz:g} MHz is met"
    return judged.outcome.value


def _missing_lines(report: Report) -> list[str]:
    return [f"{missing.what}: {missing.command}" for missing in report.missing]


def render_text(report: Report, console: Console) -> None:
    """Print ``report`` as tables."""
    from rich.table import Table  # only the terminal needs it

    def table(title: str, head: tuple[str, ...], rows: Rows) -> Table:
        made = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
        for name in head:
            text = name in ("layer", "kind", "resource", "origin", "tool", "criterion", "outcome")
            made.add_column(name, justify="left" if text else "right", overflow="fold")
        for row in rows:
            made.add_row(*row)
        return made

    console.print(f"{report.design} on {report.part}")
    console.print(table("Layers", _SHORT_HEAD, [_short_row(layer) for layer in report.layers]))
    console.print(table("Resources", _TOTAL_HEAD, _total_rows(report)))
    for line in _timing_lines(report):
        console.print(line)
    judged = _judged(report)
    if judged is not None:
        title = f"Budget {judged.budget.name}: {_outcome(judged, report)}"
        console.print(table(title, _VERDICT_HEAD, _verdict_rows(judged)))
        console.print(f"its latency covers {judged.budget.covers}")
        console.print(f"source: {judged.budget.source}; read {judged.budget.retrieved}")
    for line in _missing_lines(report):
        console.print(f"missing: {line}")


def render_markdown(report: Report) -> str:
    """``report`` as Markdown."""

    def table(head: tuple[str, ...], rows: Rows) -> list[str]:
        lines = [head, ("---",) * len(head), *rows]
        return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines] + [""]

    lines = [f"# {report.design} on {report.part}", "", "## Layers", ""]
    lines += table(_LAYER_HEAD, [_layer_row(layer) for layer in report.layers])
    lines += ["## Resources", "", *table(_TOTAL_HEAD, _total_rows(report))]
    lines += ["## Timing", "", *(f"- {line}" for line in _timing_lines(report)), ""]
    judged = _judged(report)
    if judged is not None:
        lines += [f"## Budget {judged.budget.name}: {_outcome(judged, report)}", ""]
        lines += [f"Its latency covers {judged.budget.covers}.", ""]
        lines += table(_VERDICT_HEAD, _verdict_rows(judged))
        lines += [f"Source: {judged.budget.source}; read {judged.budget.retrieved}.", ""]
    if report.missing:
        lines += ["## Missing", "", *(f"- {line}" for line in _missing_lines(report)), ""]
    return "\n".join(lines)
