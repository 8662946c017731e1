"""``bittrigger solve``: the adder graph of one matrix, for those who bring a matrix and not a model."""

from __future__ import annotations

from pathlib import Path

import click

from bittrigger.cli.shared.console import busy, json_option, terminal, write_json
from bittrigger.cli.shared.options import chosen_settings, design_options
from bittrigger.cli.shared.progress import searching


@click.command()
@click.argument("matrix", type=click.Path(path_type=Path))
@click.option("--bits", type=int, default=8, show_default=True, help="Bits of each input.")
@click.option("--unsigned", is_flag=True, help="Inputs are unsigned.")
@click.option(
    "--ranges", type=click.Path(path_type=Path), help="Range of each input: (n, 2) integers lo, hi in an .npy."
)
@design_options(
    "part",
    "clock_mhz",
    "period_margin_ns",
    "adder_inputs",
    "depth",
    "effort",
    "seed",
    "latency_cycles",
    "register_weight",
    "ii",
)
@click.option("--synth", is_flag=True, help="Count LUTs with Yosys too.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Folder for the graph, its picture and its firmware."
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier build in the output folder.")
@json_option()
def command(
    matrix: Path,
    bits: int,
    unsigned: bool,
    ranges: Path | None,
    synth: bool,
    output: Path | None,
    overwrite: bool,
    json_file: Path | None,
    **chosen: object,
) -> None:
    """Find the adder graph of MATRIX, an .npy of integers of shape (inputs, outputs): y = x @ MATRIX."""
    from bittrigger.compile import matrix as job

    problem = job.read_problem(matrix, bits=bits, signed=not unsigned, ranges=ranges)
    settings = chosen_settings(chosen)
    console = terminal()
    with busy("solving") as say, searching(say, "solving", settings.effort):
        solution = job.solve_matrix(problem, settings, matrix)
    facts: dict[str, object] = dict(solution.facts)
    if output is not None or synth:
        with busy("writing" if not synth else "synthesising with Yosys"):
            facts |= job.write_solution(solution, output, synthesize=synth, overwrite=overwrite)
    for name, value in facts.items():
        console.print(f"{name.replace('_', ' '):<24} {value}")
    write_json(json_file, "solve-1", facts)
