"""``bittrigger weights``: a retrained network of the same shape as a weight file, for a build whose bitstream stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.shared.console import busy, json_option, terminal, write_json
from bittrigger.cli.shared.progress import STAGES

if TYPE_CHECKING:
    from bittrigger.build.folder import Build
    from bittrigger.ir.graph import Graph


class _Number(click.ParamType[int]):
    """A whole number of 32 bits, decimal or with 0x in front."""

    name = "integer"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a complaint."""
        try:
            number = int(str(value), 0)
        except ValueError:
            number = -1
        if not 0 <= number < 1 << 32:
            self.fail(f"{value!r} is no whole number from 0 to 0xffffffff", param, ctx)
        return number


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The weight file.")
@click.option("--writes", type=click.Path(path_type=Path), help="What a control computer plays on --bus to load it.")
@click.option("--bus", default="axi-lite", show_default=True, help="axi-lite or ipbus, of `bittrigger wrap`.")
@click.option("--base", type=_Number(), default=0, show_default=True, help="Address of the slave on the bus.")
@click.option(
    "--label", type=_Number(), default=0, show_default=True, help="A number of yours, which can be read back."
)
@click.option("--inputs", type=click.Path(path_type=Path), help="Real events to check on: .npy, or 'x' in an .npz.")
@click.option("--overwrite", is_flag=True, help="Replace earlier files.")
@json_option()
def command(
    model: Path,
    folder: Path,
    output: Path | None,
    writes: Path | None,
    bus: str,
    base: int,
    label: int,
    inputs: Path | None,
    overwrite: bool,
    json_file: Path | None,
) -> None:
    """Write what the registers of the build in FOLDER have to hold to be MODEL, a network of the same shape.

    MODEL may also be a weight file. --output writes a weight file, --writes the accesses of a bus that load it.
    """
    from bittrigger.build.folder import load_build
    from bittrigger.build.weights import write_accesses
    from bittrigger.cli.shared.confined import confine
    from bittrigger.compile.weights import held_counts
    from bittrigger.errors import ConfigError
    from bittrigger.ir.held.bus import writes as bus_writes
    from bittrigger.ir.held.control_map import UNITS
    from bittrigger.ir.held.weight_file import network_hash

    if output is None and writes is None:
        raise ConfigError("nothing to write; give --output, --writes, or both")
    if bus not in UNITS:
        raise ConfigError(f"--bus {bus!r}; allowed are {', '.join(UNITS)}")
    for path in (output, writes):
        if path is not None and path.exists() and not overwrite:
            raise ConfigError(f"{path}: is there already; choose another name, or replace it with --overwrite")
    build = load_build(folder)
    if writes is not None and not build.pipeline.held:
        raise ConfigError(
            f"{folder}: its firmware has constants, which no bus writes; leave out --writes, or convert with --reloadable weights"
        )
    confine((output, writes, json_file))  # the model is read in this process
    graph = _numbers(model, build, output, inputs)
    counts, console = held_counts(graph), terminal()
    for layer, count in counts.items():
        console.print(f"{layer}: {count:,} numbers", markup=False)
    words = len(bus_writes(graph))
    if writes is not None:
        write_accesses(writes, graph, bus, base=base, label=label)
    written = ", ".join(
        f"{what} in {path}" for what, path in (("weights", output), (f"{bus} accesses", writes)) if path
    )
    console.print(f"{words:,} words to write; {written}", markup=False)
    write_json(
        json_file,
        "weights-1",
        {"design": graph.name, "network": network_hash(graph), "layers": counts, "words": words},
    )


def _numbers(model: Path, build: Build, output: Path | None, inputs: Path | None) -> Graph:
    """The graph of ``build`` with the numbers of ``model``, in a weight file if there is to be one."""
    from bittrigger.build.weights import is_weight_file, read_weights, write_weights
    from bittrigger.compile.convert import read_inputs
    from bittrigger.compile.read import Stages
    from bittrigger.compile.weights import retrained

    if is_weight_file(model):
        graph = read_weights(model, build.pipeline.emulation.graph)
    else:
        values = read_inputs(inputs) if inputs else None
        with busy(f"reading {model}") as say:
            graph = retrained(model, build, inputs=values, stages=Stages(lambda stage: say(STAGES[stage])))
    if output is not None:
        write_weights(output, graph)
    return graph
