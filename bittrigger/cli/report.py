"""``bittrigger report``: resources, latency and the budget's verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.shared.console import json_option, junit_option, terminal, write_json, write_junit, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from bittrigger.build.folder import Build
    from bittrigger.report import Report

FORMATS = ("text", "json", "md", "html")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--format", "-f", "kind", default="text", show_default=True, help="text, json, md or html.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="File of html.  [default: report.html in FOLDER, - for stdout]",
)
@click.option(
    "--card", type=click.Path(path_type=Path), help="html: Markdown with the model's accuracy.  [default: card.md]"
)
@click.option("--budget", help="Judge by this budget: a name, or a file.  [default: that of the build]")
@click.option("--check", is_flag=True, help="Exit with 1 unless the budget passes.")
@json_option()
@junit_option()
def command(
    folder: Path,
    kind: str,
    output: Path | None,
    card: Path | None,
    budget: str | None,
    check: bool,
    json_file: Path | None,
    junit: Path | None,
) -> None:
    """Show resources, latency and verdict of the build in FOLDER; each number says which tool it came from.

    Every figure is counted again from design and netlist; a report that says otherwise is refused. Reports that Vitis or Vivado
    left in the build are read along. `html` writes one self-contained page: the network, its
    pipeline, where LUTs go, adder graphs, weights, the card's accuracy, and what was proven and tested.
    """
    from bittrigger.build.folder import load_build
    from bittrigger.device.budgets import find_budget
    from bittrigger.device.own_file import is_file_name
    from bittrigger.errors import ConfigError
    from bittrigger.report.junit import report_cases
    from bittrigger.report.recount import report_of
    from bittrigger.report.schema import SCHEMA, report_json
    from bittrigger.report.vendor import add_captured

    if kind not in FORMATS:
        raise ConfigError(f"--format {kind!r}; allowed are {', '.join(FORMATS)}")
    if card is not None and not card.is_file():
        raise ConfigError(f"--card {card}: no such file; give a Markdown file")
    build = load_build(folder)
    report = add_captured(report_of(build), folder)
    if budget is not None:
        found = find_budget(budget)
        report = replace(report, budget=budget if is_file_name(budget) else found.name)
    if kind == "html":
        target = write_page(build, report, output, card)
        terminal().print(f"wrote {target}", soft_wrap=True, markup=False)
    else:
        show(report, kind, terminal(), build)
    write_json(json_file, f"report-{SCHEMA}", report_json(report))
    write_junit(junit, report.design, report_cases(report))
    if check:
        report.raise_unless_passed()


def write_page(build: Build, report: Report, output: Path | None = None, card: Path | None = None) -> Path:
    """Write the page of ``build``; into the build itself where nothing else is said."""
    from bittrigger.cli.shared.evidence import find_evidence
    from bittrigger.report.html import render_html

    target = output or build.folder / "report.html"
    write_text(target, render_html(report, build.pipeline, find_evidence(build, card)))
    return target


def show(report: Report, kind: str, console: Console, build: Build, *, evidence: bool = True) -> None:
    """Print ``report`` as text, JSON or Markdown; as text also what is late, and what was proven and tested."""
    from bittrigger.report import render_markdown, render_text, to_json
    from bittrigger.report.hints import late

    match kind:
        case "text":
            render_text(report, console)
            for sentence in late(build.pipeline):
                console.print(f"late: {sentence}", markup=False)
            if evidence:
                _show_evidence(build, console)
        case "md":
            click.echo(render_markdown(report), nl=False)
        case _:
            click.echo(to_json(report), nl=False)


def _show_evidence(build: Build, console: Console) -> None:
    from bittrigger.cli.shared.evidence import proof_lines, simulation_lines

    proven, tested = proof_lines(build)[:1], simulation_lines(build)
    for fact in proven:
        console.print(f"proven: {fact.what} ({fact.detail})", markup=False)
    if not proven:
        console.print("proven: nothing yet; run `bittrigger prove`")
    if tested:
        names = ", ".join(f"{fact.what}" for fact in tested)
        console.print(f"tested: {names} ({tested[0].detail})", markup=False)
    else:
        console.print("tested: nothing yet; run `bittrigger simulate`")
