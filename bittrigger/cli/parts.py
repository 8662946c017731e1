"""``bittrigger parts``: the catalogue of FPGA parts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bittrigger.cli.shared.console import json_option, terminal, write_json


@click.command()
@click.argument("name", required=False)
@json_option()
def command(name: str | None, json_file: Path | None) -> None:
    """List the FPGA parts, or the one called NAME, or in the file NAME (.yaml), and where their figures come from."""
    from rich.table import Table

    from bittrigger.device.own_file import is_file_name
    from bittrigger.device.part_file import read_part
    from bittrigger.device.parts import PARTS, find_part

    chosen = PARTS
    if name is not None:
        chosen = (read_part(Path(name)) if is_file_name(name) else find_part(name),)
    table = Table()
    for head in ("device", "as", "family", "LUT", "FF", "DSP", "BRAM36", "URAM", "SLR"):
        table.add_column(head, overflow="fold", justify="left" if head in ("device", "as", "family") else "right")
    for part in chosen:
        counts = (part.lut, part.ff, part.dsp, part.bram36, part.uram, part.slrs)
        numbers = ("-" if count is None else f"{count:,}" for count in counts)
        table.add_row(part.device, ", ".join(part.aliases), part.family, *numbers)
    write_json(json_file, "parts-1", {"parts": [asdict(part) for part in chosen]})
    console = terminal()
    console.print(table)
    for source in dict.fromkeys(part.source for part in chosen):
        devices = ", ".join(part.device for part in chosen if part.source == source)
        console.print(f"{devices}: {source}")
