"""Cells of a netlist in the order of the data, registers taken as wires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import HIGH, Bits, Cell, Netlist


def drivers(netlist: Netlist) -> dict[int, Cell]:
    """The cell that drives each net.

    Raises:
        Unproven: if two cells drive one net.
    """
    found: dict[int, Cell] = {}
    for cell in netlist.cells:
        for bits in cell.outputs.values():
            for net in bits:
                if net in found or net <= HIGH:
                    raise Unproven(f"net {net} is driven twice, the second time by cell {cell.name}")
                found[net] = cell
    return found


def cone(netlist: Netlist, targets: Iterable[int]) -> list[Cell]:
    """The cells that the nets ``targets`` depend on, each after all that it reads.

    Raises:
        Unproven: if they form a loop, or a net is driven by nothing.
    """
    makers = drivers(netlist)
    given = {net for bits in netlist.inputs.values() for net in bits} | {0, 1}
    order: list[Cell] = []
    state: dict[str, bool] = {}  # False while what a cell reads is being placed
    stack: list[tuple[Cell, bool]] = []
    for target in targets:
        if target in given:
            continue
        stack.append((_maker(makers, target), False))
        while stack:
            cell, placed = stack.pop()
            if placed:
                state[cell.name] = True
                order.append(cell)
                continue
            if cell.name in state:
                if not state[cell.name]:
                    raise Unproven(f"cell {cell.name} lies on a loop")
                continue
            state[cell.name] = False
            stack.append((cell, True))
            sources = (_maker(makers, net) for bits in cell.inputs.values() for net in bits if net not in given)
            for source in {source.name: source for source in sources}.values():
                if state.get(source.name) is False:
                    raise Unproven(f"cell {source.name} lies on a loop")
                if source.name not in state:
                    stack.append((source, False))
    return order


def _maker(makers: dict[int, Cell], net: int) -> Cell:
    if net not in makers:
        raise Unproven(f"net {net} is driven by nothing")
    return makers[net]


def check_ports(netlist: Netlist, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
    """Check names and widths of all ports but the clock.

    Raises:
        Unproven: naming the first port that is missing, too many, or of another width.
    """
    for kind, due, there in (("input", inputs, netlist.inputs), ("output", outputs, netlist.outputs)):
        found = {port: len(bits) for port, bits in there.items() if port != "clk"}
        for port in {**due, **found}:
            if found.get(port) != due.get(port):
                raise Unproven(
                    f"{kind} {port} of {netlist.name} has {found.get(port, 0)} bits; {due.get(port, 0)} are due"
                )


def flat(groups: Iterable[Bits]) -> list[int]:
    """All nets of ``groups``, one after another."""
    return [net for bits in groups for net in bits]
