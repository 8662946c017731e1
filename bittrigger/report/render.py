"""Reports for people: tables in a terminal, and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bittrigger.device.budgets import find_budget
from bittrigger.device.feed_cost import BLOCK_LUTS
from bittrigger.device.parts import Part
from bittrigger.report.grade import grade_lines
from bittrigger.report.hints import hints
from bittrigger.report.model import Figure, Layer, Report, Resources
from bittrigger.report.numbers import number
from bittrigger.report.timing_text import latency_text, outcome_text
from bittrigger.report.verdict import Criterion, Verdict, verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

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
FORMS_TITLE = "Forms considered at the interval asked for (estimate)"
FORMS_NOTE = f"where forms are compared, a half block RAM counts as {BLOCK_LUTS} LUTs; it is none of the LUTs that are shown here"
_FORM_HEAD = ("layer", "form", "LUT", "FF", "cycles", "taken", "why")
_VERDICT_HEAD = ("criterion", "figure", "origin", "limit", "of limit", "outcome")

Rows = list[tuple[str, ...]]


def _percent(value: float | None, whole: float | None) -> str:
    return _ABSENT if value is None or not whole else f"{100 * value / whole:.2f} %"


def _tool(figure: Figure) -> str:
    return f"{figure.tool} {figure.version}".strip()


def _shape(layer: Layer) -> str:
    """Codes in and out, and how many times."""
    shape = f"{layer.n_in} x {layer.n_out}"
    if layer.form == "accumulated":
        return f"{shape} in {layer.instances} lanes, {layer.busy_percent:.0f} % busy"
    if layer.form == "serial":
        return f"{shape} by digits, {layer.busy_percent:.0f} % busy"
    folded = f" in {layer.instances}, {layer.busy_percent:.0f} % busy" if layer.form == "folded" else ""
    return f"{layer.copies} of {shape}{folded}" if layer.copies > 1 else shape


def _layer_row(layer: Layer) -> tuple[str, ...]:
    used = layer.synth
    figures = (used.lut, used.ff, used.carry8, used.carry_bits, used.dsp, used.bram36, used.logic_levels)
    return (
        layer.name,
        layer.kind,
        _shape(layer),
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
        _shape(layer),
        f"{100 * layer.zeros / weights:.0f} %" if weights else _ABSENT,
        *(number(count) for count in (layer.adders, layer.adder_depth, layer.latency_cycles.value)),
        *(number(figure.value) for figure in figures),
        used.lut.origin.value,
    )


def _form_rows(report: Report) -> Rows:
    """Each layer's forms, the one that it took first."""
    return [
        (
            layer.name if k == 0 else "",
            form.name,
            *(number(value) for value in (form.lut_estimate, form.ff_estimate, form.cycles_estimate)),
            "yes" if form.chosen else "no",
            form.reason,
        )
        for layer in report.layers
        for k, form in enumerate(layer.forms)
    ]


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
    part = report.device
    limit = find_budget(report.budget).lut if report.budget else None
    totals = report.totals
    rows: Rows = []
    for resources in (totals.estimate, totals.csynth, totals.synth, totals.route):
        rows += _resource_rows(resources, part, limit)
    return rows


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
            criterion.said,
        )
        for criterion in judged.criteria
    ]


def _judged(report: Report) -> Verdict | None:
    return verdict(report, find_budget(report.budget)) if report.budget else None


def margin_text(judged: Verdict) -> str | None:
    """How far the criterion that is nearest to its limit is from it; None where nothing can be said.

    The period is none of them: placing stops where it is met.
    """
    nearest = max(
        (c for c in judged.criteria if c.fraction is not None and not c.warns),
        key=lambda c: c.fraction or 0.0,
        default=None,
    )
    if nearest is None or nearest.fraction is None:
        return None
    if nearest.fraction > 1:
        return f"{nearest.name} is {nearest.fraction:,.2f} times its limit"
    return f"{nearest.name} takes most: {100 * nearest.fraction:.1f} % of its limit, {100 - 100 * nearest.fraction:.1f} % left"


def foreign_part_text(report: Report) -> str | None:
    """What is to be said where the budget is that of another part than the build's; else None."""
    if report.budget is None:
        return None
    budget, part = find_budget(report.budget), report.device
    if budget.part is None or budget.part.lower().split("-")[0] in (part.device, *part.aliases):
        return None
    return f"the budget is of boards with {budget.part}; this build is for {part.device}: shares of the part are of another"


def head_lines(report: Report) -> list[str]:
    """What the bits equal, and where the figures of a part come from that the catalogue does not hold; a sentence each."""
    own, lines = report.own_part, list(grade_lines(report.grade))
    if own is not None:
        lines.append(f"figures of {own.device}: {own.source}; read {own.retrieved}, as its file says")
    return lines


def _missing_lines(report: Report) -> list[str]:
    return [f"{missing.what}: {missing.command}" for missing in report.missing]


def _closing_lines(report: Report) -> list[str]:
    """What would be cheaper, and which figures no run has made yet."""
    return [f"hint: {hint}" for hint in hints(report)] + [f"missing: {line}" for line in _missing_lines(report)]


_LEFT = frozenset({"layer", "kind", "resource", "origin", "tool", "criterion", "outcome", "form", "taken", "why"})
_NAMES = frozenset({"layer", "criterion"})
_LESS = (
    "BRAM36",
    "DSP",
    "of one SLR",
    "tool",
    "zeros",
    "levels",
    "depth",
    "kind",
    "of part",
    "shape",
    "origin",
    "limit",
    "taken",
    "FF",
)
"""Columns in the order in which a narrow terminal does without them."""


_FOLDED = 12
"""Characters to which a long name may be folded."""


def fitting_table(title: str, head: tuple[str, ...], rows: Rows, console: Console) -> tuple[Table, list[str]]:
    """A table that fits the terminal with every number on one line, and the columns that were left out for that."""
    from rich.table import Table  # only the terminal needs it

    columns = dict(zip(head, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(head, ())
    widths = {name: max([len(name), *map(len, cells)]) for name, cells in columns.items()}
    least = {name: min(width, _FOLDED) if name in _NAMES else width for name, width in widths.items()}
    shown = list(head)
    for name in _LESS:
        if sum(least[kept] + 3 for kept in shown) - 3 <= console.width:
            break
        shown = [kept for kept in shown if kept != name]
    made = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for name in shown:
        side: Literal["left", "right"] = "left" if name in _LEFT else "right"
        made.add_column(name, justify=side, no_wrap=name not in _NAMES, overflow="fold", min_width=least[name])
    for row in zip(*(columns[name] for name in shown), strict=True):
        made.add_row(*row)
    return made, [name for name in head if name not in shown]


def render_text(report: Report, console: Console) -> None:
    """Print ``report`` as tables; a narrow terminal gets fewer columns, and is told which are missing."""

    def show(title: str, head: tuple[str, ...], rows: Rows) -> None:
        table, left_out = fitting_table(title, head, rows, console)
        console.print(table)
        if left_out:
            console.print(f"(too narrow for {', '.join(left_out)}; --format md has everything)")

    console.print(f"{report.design} on {report.part}")
    for line in head_lines(report):
        console.print(line, markup=False, highlight=False)
    show("Layers", _SHORT_HEAD, [_short_row(layer) for layer in report.layers])
    if rows := _form_rows(report):
        show(FORMS_TITLE, _FORM_HEAD, rows)
        console.print(FORMS_NOTE)
    show("Resources", _TOTAL_HEAD, _total_rows(report))
    for line in latency_text(report):
        console.print(line)
    judged = _judged(report)
    if judged is not None:
        show(f"Budget {judged.budget.name}: {outcome_text(judged, report)}", _VERDICT_HEAD, _verdict_rows(judged))
        for said in (margin_text(judged), foreign_part_text(report)):
            if said is not None:
                console.print(said)
        console.print(f"its latency covers {judged.budget.covers}")
        console.print(f"source: {judged.budget.source}; read {judged.budget.retrieved}")
    for line in _closing_lines(report):
        console.print(line)


def render_markdown(report: Report) -> str:
    """``report`` as Markdown."""

    def table(head: tuple[str, ...], rows: Rows) -> list[str]:
        lines = [head, ("---",) * len(head), *rows]
        return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines] + [""]

    lines = [f"# {report.design} on {report.part}", "", *(f"- {line}" for line in head_lines(report)), ""]
    lines += ["## Layers", ""]
    lines += table(_LAYER_HEAD, [_layer_row(layer) for layer in report.layers])
    if rows := _form_rows(report):
        lines += [f"## {FORMS_TITLE}", "", *table(_FORM_HEAD, rows), f"{FORMS_NOTE[0].upper()}{FORMS_NOTE[1:]}.", ""]
    lines += ["## Resources", "", *table(_TOTAL_HEAD, _total_rows(report))]
    lines += ["## Timing", "", *(f"- {line}" for line in latency_text(report)), ""]
    judged = _judged(report)
    if judged is not None:
        lines += [f"## Budget {judged.budget.name}: {outcome_text(judged, report)}", ""]
        lines += [f"Its latency covers {judged.budget.covers}.", ""]
        lines += table(_VERDICT_HEAD, _verdict_rows(judged))
        lines += [f"Source: {judged.budget.source}; read {judged.budget.retrieved}.", ""]
    if report.missing:
        lines += ["## Missing", "", *(f"- {line}" for line in _missing_lines(report)), ""]
    return "\n".join(lines)
