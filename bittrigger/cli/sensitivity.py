"""``bittrigger sensitivity``: what making each layer ternary costs, and what it saves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bittrigger.cli.shared.confined import confine
from bittrigger.cli.shared.console import json_option, terminal, write_json
from bittrigger.cli.shared.training import progress, read_probe, read_task, training_options

if TYPE_CHECKING:
    from bittrigger.explore.sensitivity import Sensitivity


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@training_options
@click.option("--epochs", type=int, default=0, show_default=True, help="Of training before each measurement.")
@json_option()
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Folder of the result, its picture, and the trainings."
)
def command(model: Path, epochs: int, json_file: Path | None, output: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Rank the dense layers of the Keras MODEL (.h5 or .keras) by what it costs to make each ternary.

    Each layer by itself is made ternary by the absmean rule, with calibrated activation ranges, while the others have
    kernels of --bits bits. The drop is that of the metric on validation events against LUTs saved in the whole design.
    All LUTs are of origin `estimate`: the solver's adder graphs and the cost model. With --output, trainings that
    are stopped go on with the same command.
    """
    from bittrigger.explore.sensitivity import measure_sensitivity, sensitivity_json
    from bittrigger.train.checkpoint import make_folder, replace_file

    probe = read_probe(epochs, 0.0, options)
    if output:
        from bittrigger.train.plots import require_matplotlib

        require_matplotlib()  # before the work, not after it
        make_folder(output)
    confine([output, json_file])
    try:
        with progress() as announce:
            task = read_task(model, probe, options)
            folder = output / "runs" if output and epochs else None
            found = measure_sensitivity(task, folder=folder, announce=announce)
    except KeyboardInterrupt:
        if output and epochs:
            click.echo(f"trainings so far are kept in {output}; run the same command to go on", err=True)
        raise click.Abort from None
    show(found)
    facts = sensitivity_json(found)
    write_json(json_file, "sensitivity-1", facts)
    if output:
        from bittrigger.explore.sensitivity_plot import plot_sensitivity

        replace_file(output / "sensitivity.json", (json.dumps(facts, indent=1) + "\n").encode())
        plot_sensitivity(found, output / "sensitivity.png")


def show(found: Sensitivity) -> None:
    """Print the table, and what it compares with."""
    from rich.table import Table

    from bittrigger.explore.sensitivity import ORIGIN

    table = Table(title=found.model)
    for head in ("layer made ternary", "weights", found.metric, "drop", "LUT", "LUT saved", "drop / 1000 LUT saved"):
        table.add_column(head, overflow="fold", justify="left" if head.startswith("layer") else "right")
    for layer in found.layers:
        error = "" if layer.drop_error is None else f" ± {layer.drop_error:.4f}"
        rate = layer.drop_per_kilolut
        table.add_row(
            layer.layer,
            f"{layer.weights:,}",
            f"{layer.metric:.4f}",
            f"{layer.drop:.4f}{error}",
            f"{layer.luts:,}",
            f"{layer.luts_saved:,}",
            "-" if rate is None else f"{rate:.4f}",
        )
    probe, settings, console = found.probe, found.probe.settings, terminal()
    console.print(table)
    console.print(
        f"{found.metric} on {found.events:,} validation events: {found.original:.4f} as given; {found.baseline:.4f} with "
        f"{found.baseline_luts:,} LUT, all kernels at {probe.bits} bits; {found.ternary:.4f} with {found.ternary_luts:,} LUT, "
        f"all ternary (activations {probe.activation_bits} bits, {probe.epochs} epochs of training, seed {probe.seed})"
    )
    console.print(f"LUT: {ORIGIN} of the solver, effort {settings.effort}, {settings.part}, {settings.clock_mhz:g} MHz")
