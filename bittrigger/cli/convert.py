"""``bittrigger convert``: a Keras model becomes proven firmware."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bittrigger.cli.shared.console import busy, json_option, junit_option, terminal, write_json, write_junit
from bittrigger.cli.shared.options import chosen_settings, design_options, take_own_budget
from bittrigger.cli.shared.progress import STAGES, searching

if TYPE_CHECKING:
    from bittrigger.build.folder import Build
    from bittrigger.prove import Proof
    from bittrigger.report import Report
    from bittrigger.simulate.compare import Outcome


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="Folder of the build.")
@design_options(
    "part",
    "clock_mhz",
    "period_margin_ns",
    "input_precision",
    "budget",
    "effort",
    "latency_cycles",
    "register_weight",
    "ii",
    "port",
    "name",
    "output_precision",
    "hdl",
    "logits",
    "keep_activation",
    "head_bits",
    "log_odds",
    "weight_precision",
    "layer_precision",
    "require",
    "tunable",
    "reloadable",
    "emulator_weights",
    "bias_bits",
)
@click.option(
    "--inputs", type=click.Path(path_type=Path), help="Real events to check and simulate: .npy, or 'x' in .npz."
)
@click.option("--events", "-n", type=int, help="Events to simulate.  [default: all of --inputs, else 1000]")
@click.option("--no-synth", is_flag=True, help="Do not run Yosys; LUT rows are missing then.")
@click.option(
    "--dump-passes", type=click.Path(path_type=Path), help="Folder for the integer graph as text after each pass."
)
@click.option("--vendor", is_flag=True, help="Run Vitis HLS and Vivado too; they must be on PATH.")
@click.option("--simulate", is_flag=True, help="Run every executor and compare every bit.")
@click.option("--prove", is_flag=True, help="Prove Verilog and netlist for every input.")
@click.option(
    "--check", is_flag=True, help="Exit with 1 if the budget fails or cannot be judged. (Differing bits always do.)"
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier build in the output folder.")
@json_option()
@junit_option()
def command(
    model: Path,
    output: Path,
    inputs: Path | None,
    events: int | None,
    no_synth: bool,
    dump_passes: Path | None,
    vendor: bool,
    simulate: bool,
    prove: bool,
    check: bool,
    overwrite: bool,
    json_file: Path | None,
    junit: Path | None,
    **chosen: object,
) -> None:
    """Convert the Keras MODEL (.h5 or .keras) into firmware, proven right and judged by a budget."""
    from bittrigger.cli.prove import run as run_proof
    from bittrigger.cli.report import show
    from bittrigger.cli.simulate import judge_events, keep_results, raise_unless_fitting
    from bittrigger.cli.simulate import simulate as run
    from bittrigger.compile import convert as job
    from bittrigger.report.vendor import add_captured, run_vendor_tools
    from bittrigger.simulate.compare import of_keras, raise_first
    from bittrigger.simulate.results import results_json
    from bittrigger.system.toolchain import require_tool

    own = take_own_budget(chosen)
    settings = chosen_settings(chosen)
    if vendor:
        require_tool("vitis-run")
        require_tool("vivado")
    values = job.read_inputs(inputs) if inputs else None
    console = terminal()
    with busy(f"converting {model}") as say, searching(say, STAGES["solve"], settings.effort):
        build, report = job.convert(
            model,
            output,
            settings,
            inputs=values,
            synthesize=not no_synth,
            overwrite=overwrite,
            announce=lambda stage: say(STAGES[stage]),
            dump=dump_passes,
        )
    console.print(_stage_line(build.stage_seconds))
    outcomes: list[Outcome] = []
    results = None
    if simulate:
        names = ("all",) if not no_synth else ("oracle", *of_keras(build), "csim", "emulator", "rtl", "rtl-fast")
        outcomes, corners = run(build, names, values, events=events, seed=0, model=model)
        results = results_json(build.graph, outcomes, corners)
        keep_results(build, results)
    proof = run_proof(build, console, netlist=not no_synth) if prove else None
    if vendor:
        with busy("running Vitis HLS and Vivado"):
            run_vendor_tools(output)
        report = add_captured(report, output)
    report = replace(report, budget=own or report.budget)
    show(report, "text", console, build, evidence=False)
    console.print(f"Build in {output}", markup=False)
    _write_machine_files(build, report, outcomes, results, proof, (json_file, junit))
    fits = judge_events(build, values, outcomes, 0 if results is None else results["corner_vectors"], events=events)
    raise_first(outcomes)
    if proof is not None:
        proof.raise_unless_proven()
    if check:
        raise_unless_fitting(fits)
        report.raise_unless_passed()


def _write_machine_files(
    build: Build,
    report: Report,
    outcomes: list[Outcome],
    results: dict[str, Any] | None,
    proof: Proof | None,
    files: tuple[Path | None, Path | None],
) -> None:
    """Write the JSON and the JUnit report that were asked for."""
    from bittrigger.prove.run import proof_cases, proof_json
    from bittrigger.report.junit import report_cases
    from bittrigger.report.schema import report_json
    from bittrigger.simulate.junit import outcome_cases

    facts = {
        "design": report.design,
        "folder": str(build.folder),
        "stage_seconds": build.stage_seconds,
        "report": report_json(report),
        "simulation": results,
        "proof": None if proof is None else proof_json(proof),
    }
    write_json(files[0], "convert-1", facts)
    cases = [*outcome_cases(outcomes), *(proof_cases(proof) if proof else ()), *report_cases(report)]
    write_junit(files[1], report.design, cases)


def _stage_line(seconds: dict[str, float]) -> str:
    parts = ", ".join(f"{stage} {value:.2f}" for stage, value in seconds.items())
    return f"{sum(seconds.values()):.2f} s: {parts}"
