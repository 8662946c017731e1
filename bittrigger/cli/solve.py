"""``bittrigger solve``: the adder graph of one matrix, for those who bring a matrix and not a model."""

from __future__ import annotations

from pathlib import Path

import click

from bittrigger.cli.console import busy, json_option, terminal, write_json


@click.command()
@click.argument("matrix", type=click.Path(path_type=Path))
@click.option("--bits", type=int, default=8, show_default=True, help="Bits of each input.")
@click.option("--unsigned", is_flag=True, help="Inputs are unsigned.")
@click.option(
    "--ranges", type=click.Path(path_type=Path), help="Range of each input: (n, 2) integers lo, hi in an .npy."
)
@click.option("--depth", type=int, help="Most adder levels.  [default: the solver's choice]")
@click.option("--effort", default="default", show_default=True, help="fast, default or max.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the search.")
@click.option("--part", default="xcvu13p-flga2577-2-e", show_default=True, help="FPGA; decides the kinds of adders.")
@click.option(
    "--adder-inputs",
    type=int,
    help="Operands of the widest adders, 2 or 3; 2 suits FPGAs without six-input LUTs.  [default: by the part]",
)
@click.option(
    "--clock-mhz", type=float, default=360.0, show_default=True, help="Clock of the pipeline that is written."
)
@click.option("--latency-cycles", type=int, help="Most clock cycles from input to output.  [default: no bound]")
@click.option(
    "--register-weight", type=float, default=0.5, show_default=True, help="LUTs a flip-flop counts for, with a bound."
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
    depth: int | None,
    effort: str,
    seed: int,
    part: str,
    adder_inputs: int | None,
    clock_mhz: float,
    latency_cycles: int | None,
    register_weight: float,
    synth: bool,
    output: Path | None,
    overwrite: bool,
    json_file: Path | None,
) -> None:
    """Find the adder graph of MATRIX, an .npy of integers of shape (inputs, outputs): y = x @ MATRIX."""
    from bittrigger.compile import matrix as job

    problem = job.read_problem(matrix, bits=bits, signed=not unsigned, ranges=ranges)
    choice = job.MatrixOptions(part, clock_mhz, adder_inputs, depth, effort, seed, latency_cycles, register_weight)
    console = terminal()
    with busy("solving"):
        solution = job.solve_matrix(problem, choice)
    facts: dict[str, object] = dict(solution.facts)
    if output is not None or synth:
        with busy("writing" if not synth else "synthesising with Yosys"):
            facts |= job.write_solution(solution, output, synthesize=synth, overwrite=overwrite)
    for name, value in facts.items():
        console.print(f"{name.replace('_', ' '):<24} {value}")
    write_json(json_file, "solve-1", facts)
