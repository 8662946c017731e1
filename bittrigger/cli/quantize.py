"""``bittrigger quantize``: a float network becomes a mixed one, trained, which converts as it is."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bittrigger.cli.shared.confined import confine
from bittrigger.cli.shared.console import json_option, terminal, write_json
from bittrigger.cli.shared.training import progress, read_probe, read_task, training_options

if TYPE_CHECKING:
    from bittrigger.explore.candidates import Task
    from bittrigger.explore.selective import MixedResult
    from bittrigger.explore.sensitivity import Announce


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@training_options
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="Model to write, .h5 or .keras.")
@click.option("--ternary", multiple=True, help="all, or layers: dense_1,dense_2.  [default: all]")
@click.option("--keep", multiple=True, help="Layers that keep some bits, 4 to 8: logits:6,dense_1:8.")
@click.option("--drop-at-most", type=float, help="Choose the ternary layers: as many as the metric's drop allows.")
@click.option("--probe-epochs", type=int, default=1, show_default=True, help="Of each try for --drop-at-most.")
@click.option("--epochs", type=int, default=20, show_default=True, help="Of the training; 0 quantises only.")
@click.option(
    "--distil", type=float, default=0.0, show_default=True, help="Share of the loss: outputs of MODEL, 0 to 1."
)
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Folder of the training.  [default: OUTPUT.run]")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists, once the new one is complete.")
@json_option()
def command(
    model: Path,
    output: Path,
    ternary: tuple[str, ...],
    keep: tuple[str, ...],
    drop_at_most: float | None,
    probe_epochs: int,
    epochs: int,
    distil: float,
    folder: Path | None,
    json_file: Path | None,
    *,
    overwrite: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Make layers of the Keras MODEL (.h5 or .keras) ternary, train it, and write a model that converts.

    The other layers keep a few bits, as --keep says, else --bits. Ranges of activations are calibrated. The epoch that is
    best on validation events is kept, and the metric is told on test events. The training goes on with the same command
    if it is stopped; its checkpoint, history and card lie in OUTPUT.run.
    """
    from bittrigger.explore.selective import check_output, parse_keep, parse_layers, quantize_model

    folder = folder or output.with_name(f"{output.name}.run")
    named, kept = parse_layers(ternary), parse_keep(keep)
    check_output(model, output, named, drop_at_most, overwrite=overwrite)
    probe = read_probe(epochs, distil, options)
    confine([folder, output])
    try:
        with progress() as announce:
            task = read_task(model, probe, options)
            kernels = _kernels(task, named, kept, (drop_at_most, probe_epochs), folder, announce)
            announce("training", 0, 1)
            result = quantize_model(task, kernels, output=output, folder=folder / "training")
    except KeyboardInterrupt:
        click.echo(f"the training so far is kept in {folder}; run the same command to go on", err=True)
        raise click.Abort from None
    show(result)
    click.echo(f"wrote {output}; convert it with: bittrigger convert {output} -o build/{output.stem}")
    write_json(json_file, "quantize-1", {"model": str(output)} | asdict(result))


def _kernels(
    task: Task,
    named: list[str],
    kept: dict[str, int],
    limit: tuple[float | None, int],
    folder: Path,
    announce: Announce,
) -> dict[str, int]:
    """The kernels that the options ask for, or that the search finds."""
    from bittrigger.explore.selective import choose_kernels, select_kernels

    most, epochs = limit
    if most is None:
        return choose_kernels(task.model, named or ["all"], kept, task.probe.bits)
    trial = replace(task, probe=replace(task.probe, epochs=epochs))
    kernels, _ = select_kernels(trial, most, keep=kept, folder=folder / "tries", announce=announce)
    return kernels


def show(result: MixedResult) -> None:
    """Print the kernels, and what became of metric and LUTs."""
    from rich.table import Table

    table = Table("layer", "kernel")
    for name, bits in result.kernels.items():
        table.add_row(name, f"{bits} bits" if bits else "ternary")
    error = "" if result.drop_error is None else f" ± {result.drop_error:.4f}"
    epoch = "no training" if result.best_epoch is None else f"epoch {result.best_epoch} of {result.epochs}"
    console = terminal()
    console.print(table)
    console.print(
        f"{result.metric} on {result.events:,} test events: {result.original:.4f} as given, {result.mixed:.4f} now, "
        f"{'worse' if result.drop > 0 else 'better'} by {abs(result.drop):.4f}{error} ({epoch}, seed {result.seed})"
    )
    console.print(
        f"LUT: {result.luts:,}; {result.few_bits_luts:,} with all kernels at {result.few_bits} bits, untrained; both are the "
        f"{result.luts_origin} of the solver"
    )
