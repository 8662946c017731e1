"""``bittrigger timing``: slack and critical paths before any vendor tool has run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bittrigger.cli.shared.console import busy, json_option, json_text, terminal, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from bittrigger.build.folder import Build
    from bittrigger.synth.paths import Timing


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--clock-mhz", type=float, help="Clock.  [default: that of the build]")
@click.option("--check", is_flag=True, help="Exit with 1 if a path takes longer than the clock period.")
@json_option()
def command(folder: Path, clock_mhz: float | None, check: bool, json_file: Path | None) -> None:
    """Estimate the slack of each module of the build in FOLDER, and show its slowest path.

    The delays of cells and wires are those that AMD publishes for UltraScale+ with RapidWright; where cells lie is our own simple
    placement, in which slices change places until the clock is met, if it can be. It shows which stage is the tightest, and is no
    sign-off: only Vivado's routed figures are. At the clock of the build the result is kept in it, for `report`.
    """
    from bittrigger.build.folder import load_build
    from bittrigger.errors import BittriggerError, ConfigError
    from bittrigger.report.timing_text import proposed_margin_ns
    from bittrigger.synth.slack import netlist_hash, timing_of
    from bittrigger.synth.yosys import netlist_files

    build = load_build(folder)
    clock = build.settings.clock_mhz if clock_mhz is None else clock_mhz
    if not 0 < clock < math.inf:
        raise ConfigError(f"--clock-mhz {clock:g}; must be positive")
    files = netlist_files(build.pipeline, folder / "synth")
    if not files[-1].is_file():
        raise ConfigError(f"{folder / 'synth'}: no netlist; convert without --no-synth")
    with busy(f"analysing {build.graph.name}"):
        timing = timing_of(build.pipeline, folder / "synth", clock)
    _show(timing, terminal())
    facts = timing_json(timing) | {"netlist": netlist_hash(files)}
    if clock == build.settings.clock_mhz:
        _keep(build, facts, terminal())
    write_json(json_file, "timing-1", facts)
    if check and timing.slack_ps < 0:
        worst = timing.paths[0]
        meets, place = math.floor(1e6 / (1e6 / clock - worst.slack_ps)), worst.module or "the top"
        margin = proposed_margin_ns(timing.slack_ns)
        raise BittriggerError(
            f"timing at {clock:g} MHz: slack {worst.slack_ps / 1000:.3f} ns (sta) in {place}; by this estimate the netlist meets "
            f"{meets} MHz; lower the clock to that, or convert for {clock:g} MHz with --period-margin-ns {margin:g} or "
            "more, which puts registers closer together"
        )


def _keep(build: Build, facts: dict[str, Any], console: Console) -> None:
    """Leave what was found in the build, for its report; a release and a build that cannot be written go without."""
    from bittrigger.build.package import MANIFEST as RELEASE
    from bittrigger.report.period import TIMING
    from bittrigger.system.files import replace_text
    from bittrigger.system.locks import is_writable

    if is_writable(build.folder) and not (build.folder / RELEASE).exists():
        replace_text(build.folder / TIMING, json_text("timing-1", facts))
        console.print(f"Kept in {build.folder / TIMING}; `bittrigger report` shows it.", markup=False)


def timing_json(timing: Timing) -> dict[str, Any]:
    """``timing`` as plain types, times in nanoseconds."""
    return {
        "clock_mhz": timing.clock_mhz,
        "origin": "sta",
        "slack_ns": timing.slack_ns,
        "tiles": [timing.columns, timing.rows],
        "paths": [
            {
                "module": path.module,
                "end": path.end,
                "slack_ns": math.floor(path.slack_ps) / 1000,
                "delay_ns": _ns(path.delay_ps),
                "cells_ns": _ns(path.logic_ps),
                "wires_ns": _ns(path.wire_ps),
                "levels": path.levels,
                "steps": [
                    {"cell": step.cell, "type": step.type, "pin": step.pin, "arrival_ns": _ns(step.arrival_ps)}
                    for step in path.steps
                ],
            }
            for path in timing.paths
        ],
    }


def _ns(ps: float) -> float:
    return round(ps / 1000, 3)


def _show(timing: Timing, console: Console) -> None:
    from rich.table import Table

    table = Table(title=f"timing at {timing.clock_mhz:g} MHz (sta, before placement and routing)", title_justify="left")
    table.add_column("slowest path to")
    for column in ("slack (ns)", "delay (ns)", "cells (ns)", "wires (ns)", "levels"):
        table.add_column(column, justify="right")
    for path in timing.paths:
        figures = (path.slack_ps, path.delay_ps, path.logic_ps, path.wire_ps)
        mark = "[red]" if path.slack_ps < 0 else ""
        shown = [f"{value / 1000:.3f}" for value in figures]
        table.add_row(path.module or "the top", mark + shown[0], *shown[1:], str(path.levels))
    console.print(table)
    worst = timing.paths[0]
    console.print(f"The slowest, to {worst.end}:", markup=False)
    path_table = Table()
    for column in ("cell", "type", "pin"):
        path_table.add_column(column)
    for column in ("wire (ns)", "cell (ns)", "at (ns)"):
        path_table.add_column(column, justify="right")
    for step in worst.steps:
        times = (step.wire_ps, step.cell_ps, step.arrival_ps)
        path_table.add_row(step.cell or "input port", step.type, step.pin, *(f"{value / 1000:.3f}" for value in times))
    console.print(path_table, markup=False)
    console.print(
        "Delays: AMD, RapidWright's model of UltraScale+; wires: a simple placement in "
        f"{timing.columns} columns of {timing.rows} slices. An estimate; only routed figures are a sign-off."
    )
