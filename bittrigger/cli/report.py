"""``bittrigger report``: resources, latency and the budget's verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.console import terminal

if TYPE_CHECKING:
    from rich.console import Console

    from bittrigger.report import Report

FORMATS = ("text", "json", "md")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--format", "-f", "kind", default="text", show_default=True, help="text, json or md.")
@click.option("--budget", help="Judge by this budget.  [default: that of the build]")
@click.option("--check", is_flag=True, help="Exit with 1 unless the budget passes.")
def command(folder: Path, kind: str, budget: str | None, check: bool) -> None:
    """Show resources, latency and verdict of the build in FOLDER; each number says which tool it came from.

    Reports that Vitis or Vivado left in the build are read along.
    """
    from bittrigger.build.folder import load_build
    from bittrigger.device.budgets import find_budget
    from bittrigger.errors import ConfigError
    from bittrigger.report import load_report
    from bittrigger.report.vendor import add_captured

    if kind not in FORMATS:
        raise ConfigError(f"--format {kind!r}; allowed are {', '.join(FORMATS)}")
    load_build(folder)
    report = add_captured(load_report(folder / "report.json"), folder)
    if budget is not None:
        report = replace(report, budget=find_budget(budget).name)
    show(report, kind, terminal())
    if check:
        report.raise_unless_passed()


def show(report: Report, kind: str, console: Console) -> None:
    """Print ``report`` in one of ``FORMATS``."""
    from bittrigger.report import render_markdown, render_text, to_json

    match kind:
        case "text":
            render_text(report, console)
        case "md":
            click.echo(render_markdown(report), nl=False)
        case _:
            click.echo(to_json(report), nl=False)
