"""``bittrigger wrap``: a build behind AXI4-Stream or EMP links, and what it holds behind AXI4-Lite or IPbus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.patterns import link_options
from bittrigger.cli.shared.console import json_option, terminal, write_json

if TYPE_CHECKING:
    from bittrigger.patterns.design import LinkOptions

INTERFACES = ("axi-stream", "emp", "axi-lite", "ipbus")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--interface", "-i", required=True, help="axi-stream, emp, axi-lite or ipbus.")
@click.option("--beat-bits", type=int, default=64, show_default=True, help="axi-stream: width of TDATA.")
@click.option("--out-beat-bits", type=int, help="axi-stream: width of TDATA at the output.  [default: the same]")
@json_option()
@link_options
def command(
    folder: Path,
    interface: str,
    beat_bits: int,
    out_beat_bits: int | None,
    json_file: Path | None,
    options: LinkOptions,
) -> None:
    """Write a wrapper for the build in FOLDER to FOLDER/wrap/INTERFACE, and into its seal.

    --tmux, --gap, --frames-per-bx, --links and --out-links are those of `bittrigger patterns`, and of emp only. axi-lite and
    ipbus have no options, and need a build that holds numbers.
    """
    from bittrigger.build.wrapping import load_to_wrap, wrap
    from bittrigger.emit.wrappers import AxisOptions, axis_latency_cycles, axis_streams
    from bittrigger.emit.wrappers.control import AxiLiteOptions, IpbusOptions
    from bittrigger.errors import ConfigError
    from bittrigger.ir.held.bus import writes
    from bittrigger.patterns.design import make_payload

    if interface not in INTERFACES:
        raise ConfigError(f"--interface {interface!r}; allowed are {', '.join(INTERFACES)}")
    build = load_to_wrap(folder)
    pipeline = build.pipeline
    if interface in ("axi-lite", "ipbus"):
        control = AxiLiteOptions() if interface == "axi-lite" else IpbusOptions()
        files = wrap(build, control)
        words = len(writes(pipeline.graph)) - 1
        terminal().print(f"wrote {files[0]}: {words:,} words, and registers", markup=False)
        names = {"interface": interface, "words": words, "files": [str(path) for path in files]}
        write_json(json_file, "wrap-1", names)
        return
    if interface == "emp":
        files = wrap(build, options)
        payload = make_payload(pipeline.graph, pipeline.latency_cycles, options)
        latency = payload.latency_cycles
        sides = [{"links": side.links, "words": side.words} for side in (payload.inputs, payload.outputs)]
        text = (
            f"inputs {payload.inputs.words} words on {payload.inputs.links} links, outputs {payload.outputs.words} words on "
            f"{payload.outputs.links} links, latency {latency} cycles"
        )
    else:
        choice = AxisOptions(beat_bits, out_beat_bits)
        files = wrap(build, choice)
        inputs, outputs = axis_streams(pipeline, choice)
        latency = axis_latency_cycles(pipeline, inputs)
        sides = [{"beats": side.beats, "beat_bits": side.beat_bits} for side in (inputs, outputs)]
        text = (
            f"inputs {inputs.beats} beats of {inputs.beat_bits} bits, outputs {outputs.beats} beats of {outputs.beat_bits} bits, "
            f"latency {latency} cycles if nothing waits"
        )
    terminal().print(f"wrote {files[0]}: {text}", markup=False)
    facts = {"interface": interface, "inputs": sides[0], "outputs": sides[1], "latency_cycles": latency}
    write_json(json_file, "wrap-1", facts | {"files": [str(path) for path in files]})
