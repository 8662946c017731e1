"""Netlists of FPGA cells, read from the JSON that Yosys writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrigger.errors import ToolError

LOW, HIGH = 0, 1
"""The nets that are always 0 and always 1; an undefined bit reads as 0."""

_CONSTANTS = {"0": LOW, "1": HIGH, "x": LOW, "z": LOW}

Bits = tuple[int, ...]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: nets on its pins, parameters as Yosys prints them (binary digits or text)."""

    name: str
    type: str
    parameters: Mapping[str, str]
    inputs: Mapping[str, Bits]
    outputs: Mapping[str, Bits]


@dataclass(frozen=True)
class Netlist:
    """A flat netlist.

    Attributes:
        inputs: the nets of each input port, lowest bit first.
        outputs: the nets of each output port.
        cells: in no particular order.
        n_nets: net numbers lie below this.
        wires: the nets of each named wire of the top module.
    """

    name: str
    inputs: Mapping[str, Bits]
    outputs: Mapping[str, Bits]
    cells: tuple[Cell, ...]
    n_nets: int
    wires: Mapping[str, Bits]


class _Flattener:
    """Copies modules into one net space; a child's output becomes an alias of the parent's net."""

    def __init__(self, modules: Mapping[str, Json]) -> None:
        self.modules = modules
        self.n_nets = 2
        self.alias: dict[int, int] = {}
        self.cells: list[tuple[str, Any, dict[str, Bits], dict[str, Bits]]] = []

    def add(self, module: Json, prefix: str, nets: dict[int, int]) -> None:
        """Copy ``module``, whose nets are ``nets`` where they are known already."""
        for name, cell in module["cells"].items():
            directions = cell["port_directions"]
            pins = {pin: self.bits(bits, nets) for pin, bits in cell["connections"].items()}
            child = self.modules.get(cell["type"])
            if child is None:
                reads = {pin: bits for pin, bits in pins.items() if directions[pin] == "input"}
                drives = {pin: bits for pin, bits in pins.items() if directions[pin] != "input"}
                self.cells.append((prefix + name, cell, reads, drives))
                continue
            inner: dict[int, int] = {}
            for port, value in child["ports"].items():
                if value["direction"] == "input":
                    inner.update(zip(value["bits"], pins.get(port, (LOW,) * len(value["bits"])), strict=True))
            self.add(child, f"{prefix}{name}.", inner)
            for port, value in child["ports"].items():
                if value["direction"] == "output" and port in pins:
                    self.alias.update(zip(pins[port], self.bits(value["bits"], inner), strict=True))

    def bits(self, bits: list[int | str], nets: dict[int, int]) -> Bits:
        """The nets of a module's ``bits``; new ones enter ``nets``."""
        result = []
        for bit in bits:
            if isinstance(bit, str):
                result.append(_CONSTANTS[bit])
                continue
            if bit not in nets:
                nets[bit] = self.n_nets
                self.n_nets += 1
            result.append(nets[bit])
        return tuple(result)

    def resolve(self, bits: Bits) -> Bits:
        """``bits`` with every alias replaced."""
        if not self.alias:
            return bits
        return tuple(map(self._root, bits))

    def _root(self, net: int) -> int:
        start = net
        for _ in range(len(self.alias) + 1):
            if net not in self.alias:
                return net
            net = self.alias[net]
        raise ToolError(f"netlist: net {start} drives itself; synthesise the design again")


def read_modules(paths: list[Path]) -> dict[str, Json]:
    """The modules in Yosys' JSON files ``paths``, by name, black boxes left out.

    Raises:
        ToolError: if a file cannot be read.
    """
    modules: dict[str, Json] = {}
    for path in paths:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["modules"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ToolError(f"netlist {path}: not readable ({error}); synthesise the design again") from error
        modules |= {name: module for name, module in found.items() if not _is_blackbox(module)}
    return modules


def _is_blackbox(module: Json) -> bool:
    return any(int(module["attributes"].get(name, "0"), 2) for name in ("blackbox", "whitebox"))


def read_netlist(top: str, paths: list[Path]) -> Netlist:
    """The flat netlist of module ``top``, whose modules lie in the JSON files ``paths``.

    Raises:
        ToolError: if a file cannot be read or ``top`` is in none of them.
    """
    modules = read_modules(paths)
    if top not in modules:
        raise ToolError(f"netlist of {top!r} is not in {', '.join(map(str, paths))}; synthesise the design again")
    return flatten(top, modules)


def flatten(top: str, modules: Mapping[str, Json]) -> Netlist:
    """The flat netlist of module ``top``; a cell whose type is not among ``modules`` stays a cell."""
    flat = _Flattener(modules)
    nets: dict[int, int] = {}
    ports = {name: (port["direction"], flat.bits(port["bits"], nets)) for name, port in modules[top]["ports"].items()}
    flat.add(modules[top], "", nets)
    cells = tuple(
        Cell(
            name,
            cell["type"],
            cell["parameters"],
            {pin: flat.resolve(bits) for pin, bits in reads.items()},
            {pin: flat.resolve(bits) for pin, bits in drives.items()},
        )
        for name, cell, reads, drives in flat.cells
    )
    return Netlist(
        top,
        {name: bits for name, (direction, bits) in ports.items() if direction == "input"},
        {name: flat.resolve(bits) for name, (direction, bits) in ports.items() if direction == "output"},
        cells,
        flat.n_nets,
        {name: flat.resolve(flat.bits(wire["bits"], nets)) for name, wire in modules[top]["netnames"].items()},
    )
