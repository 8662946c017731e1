"""Proof that pins read the bits that are due, in the cycle that they are due, through registers that nothing else moves."""

from __future__ import annotations

from bittrigger.ir.forms.tally import Tally
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.stages import Tracer, Trail, clock_of
from bittrigger.prove.claims import Unproven
from bittrigger.prove.top.due import Due
from bittrigger.prove.top.entry import Entry, only_cell
from bittrigger.synth.netlist import LOW, Bits, Cell, Netlist


def check_pins(tracer: Tracer, found: Bits, wanted: list[Due], what: str, entry: Entry) -> int:
    """Check that the nets ``found`` are the bits that are due, and return how many they are."""
    if len(found) != len(wanted):
        raise Unproven(f"{what} has {len(found)} bits; {len(wanted)} are due")
    for k, (net, due) in enumerate(zip(found, wanted, strict=True)):
        trail = tracer.trail(net)
        if trail.origin in tracer.held and trail.origin != due.net:
            _check_held(tracer, trail, due, f"{what}: bit {k}", entry)
        elif trail.origin != due.net:
            raise Unproven(f"{what}: bit {k} reads another net")
        elif due.delay is not None and trail.cycles != due.delay:
            raise Unproven(f"{what}: bit {k} is delayed by {trail.cycles} cycles; {due.delay} are due")
        if set(trail.resets) - {LOW}:
            raise Unproven(f"{what}: bit {k} is reset")
    return len(found)


def _check_held(tracer: Tracer, trail: Trail, due: Due, what: str, entry: Entry) -> None:
    """Check a register that takes a bit when that of its event is there, and keeps it until that of the next one is.

    It may be read from the cycle after on, until ``ii`` cycles after it took it: no event comes sooner than that. It may take
    the bit from another such register, while that one may be read.
    """
    held = tracer.held[trail.origin]
    data, enable = tracer.trail(held.d), tracer.trail(held.enable)
    if enable.origin != entry.net or set(enable.resets) - {entry.reset} or {*data.resets, held.force} - {LOW}:
        raise Unproven(f"{what} is held by something else than its event, or reset")
    if not enable.cycles < due.stage - trail.cycles <= enable.cycles + entry.ii:
        raise Unproven(f"{what} is read in stage {due.stage - trail.cycles}; it is taken in stage {enable.cycles}")
    if data.origin in tracer.held and data.origin != due.net:
        delay = None if due.delay is None else due.delay - (due.stage - enable.cycles)
        _check_held(tracer, data, Due(due.net, delay, enable.cycles), what, entry)
    elif data.origin != due.net:
        raise Unproven(f"{what} holds another net")
    elif due.delay is not None and enable.cycles - data.cycles != due.stage - due.delay:
        raise Unproven(f"{what} is taken in stage {enable.cycles}, {data.cycles} cycles late")


def check_loaded(tracer: Tracer, netlist: Netlist, module: Module, cell: Cell, entry: Entry) -> None:
    """Check that a queue or a feed is loaded when its event is there, and not otherwise."""
    if cell.inputs["clk"] != (clock_of(netlist),):
        raise Unproven(f"module {cell.type} is not clocked by clk")
    (load,) = cell.inputs["load"]
    trail = tracer.trail(load)
    if trail.origin != entry.net or trail.cycles != module.told:
        raise Unproven(f"module {cell.type} is not loaded when its event is there")
    if set(trail.resets) - set(netlist.inputs["rst"]):
        raise Unproven(f"load of {cell.type} is reset by something else than rst")


def check_feed(tracer: Tracer, netlist: Netlist, module: Module, due: list[Due], entry: Entry) -> int:
    """Check that the feed of an engine, or of columns that take turns, takes the operand when it is there."""
    feed = only_cell(netlist, module.feed_name)
    check_loaded(tracer, netlist, module, feed, entry)
    return 1 + check_pins(tracer, feed.inputs["x"], due, f"x of {feed.name}", entry)


def check_lanes(netlist: Netlist, module: Module, lanes: dict[int, Cell]) -> int:
    """Check that each lane of an engine reads what is handed out to it."""
    feed, pins = only_cell(netlist, module.feed_name), 0
    for k, cell in lanes.items():
        own = {"clear": feed.outputs["clear"], "settle": feed.outputs["settle"], "x": feed.outputs["step"]}
        for port in ("weights", "bias"):
            size = len(feed.outputs[port]) // module.lanes
            own[port] = feed.outputs[port][size * k : size * (k + 1)]
        for port, nets in own.items():
            if cell.inputs[port] != nets:
                raise Unproven(f"{port} of {cell.name} is not what is handed out to it")
            pins += len(nets)
    return pins


def check_columns(netlist: Netlist, module: Module, x: str, columns: dict[int, Cell]) -> int:
    """Check that each of the columns that take turns reads what it is fed; all of them read the same operand codes, at ``x``."""
    feed, pins = only_cell(netlist, module.feed_name), 0
    for k, cell in columns.items():
        own = {x: feed.outputs["now_codes"]}
        for port in ("weights", "bias"):
            size = len(feed.outputs[f"now_{port}"]) // module.lanes
            own[port] = feed.outputs[f"now_{port}"][size * k : size * (k + 1)]
        for port, nets in own.items():
            if cell.inputs[port] != nets:
                raise Unproven(f"{port} of {cell.name} is not what it is fed")
            pins += len(nets)
    return pins


def check_tally(
    tracer: Tracer, module: Module, tally: Tally, cells: tuple[dict[int, Cell], dict[int, Bits], int], entry: Entry
) -> int:
    """Check that each sum over positions starts with its event, and reads its feature of every position as they come.

    Args:
        cells: the sums, what each instance before them delivers, and from which stage on.
    """
    sums, given, there = cells
    pins = 0
    for k, cell in sums.items():
        trail = tracer.trail(cell.inputs["first"][0])
        if trail.origin != entry.net or trail.cycles != module.start or set(trail.resets) - {entry.reset}:
            raise Unproven(f"{cell.name} does not start when the first positions of its event are there")
        due = []
        for lane in range(tally.lanes):
            width = len(given[lane]) // len(tally.rows)
            nets = given[lane][width * tally.rows[k] : width * (tally.rows[k] + 1)]
            due += [Due(net, module.start - there, module.start) for net in nets]
        pins += 1 + check_pins(tracer, cell.inputs["x"], due, f"x of {cell.name}", entry)
    return pins


def check_queue(tracer: Tracer, netlist: Netlist, module: Module, due: list[Due], entry: Entry) -> int:
    """Check that the queue of a folded module takes the operands of all copies of an event, when they are there."""
    cell = queue_cell(netlist, module)
    check_loaded(tracer, netlist, module, cell, entry)
    return 1 + check_pins(tracer, cell.inputs["x"], due, f"x of {cell.name}", entry)


def queue_cell(netlist: Netlist, module: Module) -> Cell:
    """The queue of a folded module."""
    return only_cell(netlist, module.queue_name)
