"""``bittrigger weights``: a retrained network of the same shape as a weight file, for a build whose bitstream stays."""

from __future__ import annotations

from pathlib import Path

import click

from bittrigger.cli.console import busy, json_option, terminal, write_json
from bittrigger.cli.progress import STAGES


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="The weight file.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Real events to check on: .npy, or 'x' in an .npz.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier file.")
@json_option()
def command(
    model: Path, folder: Path, output: Path, inputs: Path | None, overwrite: bool, json_file: Path | None
) -> None:
    """Write what the registers of the build in FOLDER have to hold to be MODEL, a network of the same shape."""
    from bittrigger.build.folder import load_build
    from bittrigger.compile.convert import read_inputs
    from bittrigger.compile.read import Stages
    from bittrigger.compile.weights import held_counts, retrained
    from bittrigger.errors import ConfigError
    from bittrigger.ir.held_bus import writes
    from bittrigger.ir.weight_file import network_hash

    if output.exists() and not overwrite:
        raise ConfigError(f"{output}: is there already; choose another with -o, or replace it with --overwrite")
    build = load_build(folder)
    values = read_inputs(inputs) if inputs else None
    with busy(f"reading {model}") as say:
        stages = Stages(lambda stage: say(STAGES[stage]))
        graph = retrained(model, build, output, inputs=values, stages=stages)
    counts = held_counts(graph)
    console = terminal()
    for layer, count in counts.items():
        console.print(f"{layer}: {count:,} numbers", markup=False)
    console.print(f"{len(writes(graph)):,} words to write; weights in {output}", markup=False)
    facts = {"design": graph.name, "network": network_hash(graph), "layers": counts, "words": len(writes(graph))}
    write_json(json_file, "weights-1", facts)
