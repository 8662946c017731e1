"""``bittrigger demo``: the jet tagger that is shipped, converted, simulated, proven and judged."""

from __future__ import annotations

from pathlib import Path

import click

from bittrigger.cli.shared.console import terminal

BUDGET = "cms-phase2-correlator-layer2"


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("build/jet_tagger"),
    show_default=True,
    help="Folder of the build.",
)
@click.option("--fast", is_flag=True, help="Effort fast, no synthesis, no proof: a minute less.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier build in the output folder.")
@click.pass_context
def command(context: click.Context, output: Path, fast: bool, overwrite: bool) -> None:  # fmt: skip
    """Convert the five-class jet tagger that is shipped, simulate and prove it, and write the page of its report."""
    from bittrigger.cli import cli
    from bittrigger.system.resources import folder

    model = folder("jet_tagger")
    words = ["convert", f"{model / 'model.h5'}", "-o", f"{output}", "--budget", BUDGET]
    words += ["--inputs", f"{model / 'sample.npz'}", "--simulate"]
    words += ["--effort", "fast", "--no-synth", "-n", "500"] if fast else ["--prove", "--check"]
    words += ["--overwrite"] if overwrite else []
    terminal().print(f"bittrigger {' '.join(words)}", markup=False, soft_wrap=True)
    for step in (words, ["report", f"{output}", "--format", "html"]):
        cli.main(step, prog_name="bittrigger", standalone_mode=False, parent=context)
