"""``bittrigger budgets``: the catalogue of Level-1 budgets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bittrigger.cli.shared.console import json_option, terminal, write_json


@click.command()
@click.argument("name", required=False)
@json_option()
def command(name: str | None, json_file: Path | None) -> None:
    """List the Level-1 budgets, or show the one called NAME, or in the file NAME (.yaml), with its source."""
    from rich.table import Table

    from bittrigger.device.budgets import BUDGETS, find_budget

    console = terminal()
    chosen = BUDGETS if name is None else (find_budget(name),)
    write_json(json_file, "budgets-1", {"budgets": [asdict(budget) for budget in chosen]})
    if name is None:
        table = Table()
        for head in ("name", "latency ns", "II ns", "LUT", "clock MHz", "part"):
            table.add_column(head, overflow="fold")
        for budget in BUDGETS:
            numbers = (budget.latency_ns, budget.ii_ns, budget.lut, budget.clock_mhz)
            table.add_row(budget.name, *(_text(value) for value in numbers), budget.part or "-")
        console.print(table)
        console.print("`bittrigger budgets NAME` shows what a budget covers, and its source.")
        return
    budget = find_budget(name)
    rows = {
        "title": budget.title,
        "latency": f"{_text(budget.latency_ns)} ns, for {budget.covers}",
        "initiation interval": f"{_text(budget.ii_ns)} ns; {budget.ii_note or 'no source gives one'}",
        "LUT": _text(budget.lut),
        "clock": f"{_text(budget.clock_mhz)} MHz",
        "part": budget.part or "-",
        "source": budget.source,
        "trust": _TRUST[budget.trust],
        "retrieved": budget.retrieved,
    }
    for key, value in rows.items():
        console.print(f"{key:<20} {value}")


_TRUST = {"P": "read at the source", "D": "derived from figures at the source", "own": "as the file says"}


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,g}"
