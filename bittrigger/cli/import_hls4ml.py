"""``bittrigger import-hls4ml``: a firmware project that hls4ml wrote becomes a build of the same bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from bittrigger.cli.shared.console import busy, json_option, terminal, write_json
from bittrigger.cli.shared.options import chosen_settings, design_options, take_own_budget
from bittrigger.cli.shared.progress import STAGES, searching


@click.command("import-hls4ml")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="Folder of the build.")
@design_options(
    "part",
    "clock_mhz",
    "period_margin_ns",
    "budget",
    "effort",
    "latency_cycles",
    "register_weight",
    "ii",
    "name",
    "logits",
)
@click.option("--top", help="Name of the top function.  [default: the only one that calls nnet]")
@click.option(
    "--check-with-csim",
    is_flag=True,
    help="Compile and run the C++ of PROJECT itself, and compare every bit. Only for projects that you trust.",
)
@click.option("--events", "-n", type=int, default=1000, help="Random events to compare and simulate.  [default: 1000]")
@click.option("--no-synth", is_flag=True, help="Do not run Yosys; LUT rows are missing then.")
@click.option("--simulate", is_flag=True, help="Run every executor and compare every bit.")
@click.option("--prove", is_flag=True, help="Prove Verilog and netlist for every input.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier build in the output folder.")
@json_option()
def command(
    project: Path,
    output: Path,
    top: str | None,
    check_with_csim: bool,
    events: int,
    no_synth: bool,
    simulate: bool,
    prove: bool,
    overwrite: bool,
    json_file: Path | None,
    **chosen: object,
) -> None:
    """Convert PROJECT, a folder that hls4ml wrote, with the rounding and saturation of its C++.

    Its types, sizes, weights and calls are parsed as text. Nothing in it is compiled or run without --check-with-csim.
    """
    from bittrigger.cli.prove import run as run_proof
    from bittrigger.cli.report import show
    from bittrigger.cli.simulate import simulate as run
    from bittrigger.compile import convert as job
    from bittrigger.compile.hls_csim import check_with_csim as compare
    from bittrigger.frontend.hls4ml_project.lower import lower_project, output_ports
    from bittrigger.frontend.hls4ml_project.project import read_project
    from bittrigger.report.schema import report_json
    from bittrigger.simulate.compare import raise_first

    own = take_own_budget(chosen)
    settings = chosen_settings(chosen)
    console = terminal()
    with busy(f"reading {project}") as say, searching(say, STAGES["solve"], settings.effort):
        read = read_project(project, top)
        if check_with_csim:
            say("running the C++ of the project")
            whole = lower_project(read, name=settings.name)
            compared = compare(read, whole, output_ports(read), events=events)
        graph = lower_project(read, name=settings.name, logits=settings.logits)
        build, report = job.convert(
            graph,
            output,
            settings,
            synthesize=not no_synth,
            overwrite=overwrite,
            announce=lambda stage: say(STAGES[stage]),
        )
    if check_with_csim:
        console.print(f"The project's own C++ and the integers: {compared} events, every bit equal")
    outcomes = run(build, ("all",), None, events=events, seed=0, model=None)[0] if simulate else []
    proof = run_proof(build, console, netlist=not no_synth) if prove else None
    report = replace(report, budget=own or report.budget)
    show(report, "text", console, build, evidence=False)
    console.print(f"Build in {output}", markup=False)
    facts = {"design": report.design, "folder": str(output), "stage_seconds": build.stage_seconds}
    write_json(json_file, "convert-1", facts | {"report": report_json(report), "simulation": None, "proof": None})
    raise_first(outcomes)
    if proof is not None:
        proof.raise_unless_proven()
