"""The bus by which a design takes numbers, reached over AXI4-Lite or IPbus from a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bittrigger.emit.render import render, write_changed
from bittrigger.emit.wrappers.files import write_wrapper
from bittrigger.errors import ConfigError
from bittrigger.ir.held.bus import address_bits, writes
from bittrigger.ir.held.control_map import window_bits
from bittrigger.ir.held.weight_file import network_hash
from bittrigger.ir.pipeline import Pipeline
from bittrigger.system.resources import folder as folder_of

LIBRARY = ("bittrigger_cross", "bittrigger_control")
"""What both use of the firmware library."""


@dataclass(frozen=True)
class AxiLiteOptions:
    """An AXI4-Lite slave."""

    bus = "axi_lite"


@dataclass(frozen=True)
class IpbusOptions:
    """An IPbus slave."""

    bus = "ipbus"


ControlOptions = AxiLiteOptions | IpbusOptions


def emit_control(pipeline: Pipeline, options: ControlOptions, folder: Path) -> tuple[Path, ...]:
    """Write ``<graph name>_<bus>.sv``, the library modules that it needs, a list of all sources, and all in VHDL in ``vhdl/``.

    Returns:
        The SystemVerilog files, the top first; the design itself is in ``../../rtl``.

    Raises:
        ConfigError: if the design holds nothing.
        UnsupportedModelError: if the design has a module of the wrapper's name.
    """
    graph = pipeline.graph
    if not pipeline.held:
        raise ConfigError(
            f"design {graph.name!r} holds nothing in registers that a bus could write; convert the model with --reloadable "
            "weights or --tunable bias"
        )
    facts = {
        "name": graph.name,
        "mark": pipeline.origin.mark,
        "bus": options.bus,
        "words": len(writes(graph)) - 1,
        "settings_bits": address_bits(graph),
        "window_bits": window_bits(graph),
        "network": network_hash(graph),
        "unit": 4 if options.bus == "axi_lite" else 1,
    }
    top, library = f"{graph.name}_{options.bus}", (f"bittrigger_{options.bus}", *LIBRARY)
    write_changed(folder / "vhdl" / f"{top}.vhd", render("wrap_control.vhd.j2", **facts))
    for module in library:
        text = (folder_of("firmware") / "vhdl" / "control" / f"{module}.vhd").read_text(encoding="utf-8")
        write_changed(folder / "vhdl" / f"{module}.vhd", text)
    return write_wrapper(pipeline, folder, top, {".sv": render("wrap_control.sv.j2", **facts)}, library)
