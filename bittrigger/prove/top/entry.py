"""Where events are let into the top, and the ports that it has."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.ir.forms.arrival import word_fields
from bittrigger.ir.held.bus import bus_ports
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import bus_width, output_fields
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Cell, Netlist

ABSENT = -1
"""The net of what an instance would drive that is not there."""


@dataclass(frozen=True)
class Entry:
    """The net that says that an event is let in, cycles from one to the next at least, and the net of ``rst``.

    Attributes:
        whole: the net that says that all of it has come, ``late`` cycles after it was let in.
    """

    net: int
    ii: int
    reset: int
    whole: int
    late: int = 0


def check_top(pipeline: Pipeline, netlist: Netlist) -> None:
    """Check that the top has the ports of the pipeline, and no others."""
    in_width = bus_width(word_fields(pipeline.graph, pipeline.arrival))
    late = {"dropped": 1} if pipeline.guard_name else {}
    start = {"in_start": 1} if pipeline.arrival else {}
    if pipeline.settings_name:
        start |= {f"settings_{port}": width for port, width in bus_ports(pipeline.graph).items()}
        late["settings_busy"] = 1
    outputs = {"out_valid": 1, "out_data": bus_width(output_fields(pipeline.graph)), **late}
    check_ports(netlist, {"rst": 1, "in_valid": 1, **start, "in_data": in_width}, outputs)


def entry_of(pipeline: Pipeline, netlist: Netlist) -> Entry:
    """Where events are let in: ``in_valid``, or what the guard of the interval makes of it."""
    reset = netlist.inputs["rst"][0]
    if pipeline.guard_name is None:
        return Entry(netlist.inputs["in_valid"][0], 1, reset, netlist.inputs["in_valid"][0])
    cell = only_cell(netlist, pipeline.guard_name)
    for port in ("clk", "rst", "in_valid", *(("in_start",) if pipeline.arrival else ())):
        if cell.inputs[port] != netlist.inputs[port]:
            raise Unproven(f"{port} of {cell.name} is not the port of the top")
    if cell.outputs["dropped"] != netlist.outputs["dropped"]:
        raise Unproven("port dropped of the top is driven by something else than the guard of the interval")
    accept = next(iter(cell.outputs["accept"]), ABSENT)  # a tool leaves out what nothing reads
    whole = next(iter(cell.outputs["whole"]), ABSENT) if pipeline.arrival else accept
    return Entry(accept, pipeline.ii, reset, whole, pipeline.arriving)


def only_cell(netlist: Netlist, kind: str) -> Cell:
    """The one instance of a module."""
    cells = [cell for cell in netlist.cells if cell.type == kind]
    if len(cells) != 1:
        raise Unproven(f"module {kind} occurs {len(cells)} times in the top; it is due once")
    return cells[0]
