"""``bittrigger simulate``: run a build in several executors and compare every bit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bittrigger.cli.shared.console import (
    SeveralWords,
    busy,
    errors,
    json_option,
    junit_option,
    terminal,
    write_json,
    write_junit,
)
from bittrigger.simulate import EXECUTORS

if TYPE_CHECKING:
    from bittrigger.build.folder import Build
    from bittrigger.ir.fixed import FloatArray
    from bittrigger.simulate.compare import Outcome
    from bittrigger.simulate.inputs import PortFit

DEFAULT_EVENTS = 1000


@click.command(cls=SeveralWords)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--executor",
    "-x",
    "executors",
    multiple=True,
    help=f"{', '.join(EXECUTORS)} or all.  [default: all]",
)
@click.option("--simulator", default="verilator", show_default=True, help="verilator or icarus, for rtl.")
@click.option("--events", "-n", type=int, help="Events to run: the first of --inputs, or random ones.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Real events: .npy, or 'x' in an .npz.")
@click.option("--save-outputs", type=click.Path(path_type=Path), help="Write the outputs of each executor (.npz).")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Run the build with what this weight file holds; see `bittrigger weights`.",
)
@click.option("--model", type=click.Path(path_type=Path), help="The Keras model of the build, for keras.")
@click.option("--as-is", is_flag=True, help="Compile and run what lies in FOLDER, even if bittrigger did not write it.")
@click.option(
    "--check", is_flag=True, help="Exit with 1 if events do not fit the port, too. (Differing bits always do.)"
)
@json_option()
@junit_option()
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random events.")
def command(
    folder: Path,
    executors: tuple[str, ...],
    simulator: str,
    events: int | None,
    inputs: Path | None,
    save_outputs: Path | None,
    weights: Path | None,
    model: Path | None,
    as_is: bool,
    json_file: Path | None,
    junit: Path | None,
    seed: int,
    check: bool,
) -> None:
    """Run the build in FOLDER in several executors and compare every bit with the oracle."""
    from bittrigger.build.folder import load_build
    from bittrigger.compile.convert import read_inputs
    from bittrigger.simulate import compare
    from bittrigger.simulate.intake import check_emitted
    from bittrigger.simulate.junit import outcome_cases
    from bittrigger.simulate.results import results_json

    names = executors or ("all",)
    compare.check_names(names)
    build = load_build(folder)
    if not as_is:
        check_emitted(build)
    if weights is not None:
        names = named_for(build, names)
        build = holding(build, weights)
    values = read_inputs(inputs) if inputs else None
    outcomes, corners = simulate(
        build, names, values, events=events, seed=seed, simulator=simulator, model=model, entries=weights is None
    )
    if save_outputs:
        compare.save_outputs(save_outputs, build.graph, [without_corners(item, corners) for item in outcomes])
    results = results_json(build.graph, outcomes, corners)
    keep_results(build, results)
    write_json(json_file, "simulate-1", results)
    write_junit(junit, build.graph.name, outcome_cases(outcomes))
    fits = judge_events(build, values, outcomes, corners, events=events)
    compare.raise_first(outcomes)
    if check:
        raise_unless_fitting(fits)


def holding(build: Build, weights: Path) -> Build:
    """``build`` with what a weight file holds in its registers, or that of its emulator where no other executor takes it."""
    from dataclasses import replace

    from bittrigger.build.weights import read_weights
    from bittrigger.ir.held.weight_file import with_numbers

    pipeline = build.pipeline.emulation
    return replace(build, pipeline=with_numbers(pipeline, read_weights(weights, pipeline.graph)))


def named_for(build: Build, names: tuple[str, ...]) -> tuple[str, ...]:
    """The executors that can hold other numbers than those of ``build``, if any are named that cannot.

    Raises:
        ConfigError: if one is named that cannot.
    """
    from bittrigger.errors import ConfigError

    able = ("oracle", "emulator")
    if build.pipeline.emulated is None or set(names) <= set(able):
        return names
    if names == ("all",):
        return able
    wrong = next(name for name in names if name not in able)
    raise ConfigError(
        f"--weights with executor {wrong!r}: only the emulator of {build.folder} takes weight files, the firmware's numbers are "
        "constants; allowed are oracle and emulator; convert with --reloadable weights for the others"
    )


def judge_events(
    build: Build, values: FloatArray | None, outcomes: Sequence[Outcome], corners: int, *, events: int | None
) -> tuple[PortFit, ...]:
    """Say on standard error where events do not fit their port, or outputs do not tell events apart."""
    from bittrigger.simulate.inputs import fit_lines, output_lines, port_fits

    lines: list[str] = []
    fits: tuple[PortFit, ...] = ()
    if values is not None:
        own = build.settings.input_precision is None
        fits = port_fits(build.graph, values[:events], own=own)
        lines += fit_lines(fits)
        oracle = next((item.codes for item in outcomes if item.codes is not None), None)
        if oracle is not None:
            lines += output_lines(build.graph, oracle[: len(oracle) - corners])
    for line in lines:
        errors().print(f"note: {line}", markup=False)
    return fits


def raise_unless_fitting(fits: Sequence[PortFit]) -> None:
    """Refuse events of which the firmware sees other values than the model."""
    from bittrigger.errors import BittriggerError
    from bittrigger.simulate.inputs import fit_lines

    harmful = [fit for fit in fits if fit.harmful]
    if harmful:
        raise BittriggerError("; ".join(fit_lines(harmful)))


def simulate(
    build: Build,
    names: Sequence[str],
    values: FloatArray | None,
    *,
    events: int | None,
    seed: int,
    simulator: str = "verilator",
    model: Path | None = None,
    entries: bool = True,
) -> tuple[list[Outcome], int]:
    """Run ``names`` on the events and the corner vectors, with progress and a table; also the number of corner vectors."""
    import numpy as np

    from bittrigger.errors import ConfigError
    from bittrigger.ir.ports import encode_events
    from bittrigger.simulate.compare import run_executors
    from bittrigger.simulate.vectors import corner_codes, random_codes

    if events is not None and events < 1:
        raise ConfigError(f"--events {events}; must be at least 1")
    if values is None:
        wanted = random_codes(build.graph, events or DEFAULT_EVENTS, seed)
    else:
        wanted = encode_events(build.graph, values[:events])
    corners = corner_codes(build.graph)
    with busy(f"simulating {len(wanted):,} events") as say:
        outcomes = run_executors(
            build,
            names,
            np.concatenate([wanted, corners]),
            simulator=simulator,
            model=model,
            entries=entries,
            events=None if values is None else values[:events],
            on_start=lambda name: say(f"simulating: {name}"),
        )
    terminal().print(_table(outcomes, wanted.shape[0], corners.shape[0]))
    return outcomes, corners.shape[0]


def keep_results(build: Build, results: dict[str, Any]) -> None:
    """Leave the results in the build, for its report; a release and a build that cannot be written go without."""
    from bittrigger.build.package import MANIFEST as RELEASE
    from bittrigger.cli.shared.evidence import SIMULATION
    from bittrigger.system.locks import is_writable

    if is_writable(build.folder) and not (build.folder / RELEASE).exists():
        (build.folder / SIMULATION).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def without_corners(outcome: Outcome, corners: int) -> Outcome:
    """``outcome`` on the user's events alone."""
    from dataclasses import replace

    return outcome if outcome.codes is None else replace(outcome, codes=outcome.codes[: len(outcome.codes) - corners])


def _table(outcomes: Sequence[Outcome], events: int, corners: int) -> object:
    from rich.markup import escape
    from rich.table import Table

    from bittrigger.simulate.results import verdict

    table = Table(title=f"{events:,} events and {corners} corner vectors", title_justify="left")
    table.add_column("executor")
    table.add_column("verdict")
    table.add_column("build (s)", justify="right")
    table.add_column("run (s)", justify="right")
    table.add_column("events/s", justify="right")
    for outcome in outcomes:
        if outcome.not_run is not None:
            table.add_row(outcome.executor, f"[yellow]not run: {escape(outcome.not_run)}[/]", "", "", "")
            continue
        said = "every bit equal" if outcome.agrees else verdict(outcome)
        mark = f"[green]{said}[/]" if outcome.agrees else f"[red]{said}[/]"
        rate = f"{(events + corners) / outcome.run_seconds:,.0f}" if outcome.codes is not None else ""
        table.add_row(outcome.executor, mark, f"{outcome.build_seconds:.2f}", f"{outcome.run_seconds:.2f}", rate)
    return table
