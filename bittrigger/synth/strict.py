"""What a netlist may hold: the cells of one list with all of their pins and parameters, and one driver for each bit.

Cells and pins are those of Yosys' ``xilinx/cells_sim.v`` that the recipe can give. A register that is not a plain ``FDRE``, or
whose value at power-up is not 0, is refused, and so is an undefined bit anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bittrigger.errors import ToolError
from bittrigger.synth.memory import LETTERS
from bittrigger.synth.netlist import Netlist, flatten

Pins = Mapping[str, tuple[str, int]]
"""Direction and width of each pin."""

Json = dict[str, Any]


@dataclass(frozen=True)
class CellKind:
    """A cell of the FPGA.

    Attributes:
        pins: all of them; inputs must be connected, outputs need not be.
        init: bits of its parameter ``INIT``; 0 if it has none.
        power_up: whether INIT is what it holds after configuration, which has to be 0.
        fixed: parameters that may be given, and the only value of each.
        needed: parameters that have to be given, and the only value of each.
    """

    pins: Pins
    init: int = 0
    power_up: bool = False
    fixed: tuple[tuple[str, int], ...] = ()
    needed: tuple[tuple[str, int | str], ...] = ()


def _pins(inputs: str, outputs: str) -> Pins:
    """Pins from words such as ``DI:4``."""
    found = {}
    for direction, words in (("input", inputs), ("output", outputs)):
        for word in words.split():
            name, _, width = word.partition(":")
            found[name] = (direction, int(width or 1))
    return found


def _memory(places: int, width: int) -> CellKind:
    """Eight LUTs that are memory, of which each is read at an address of its own; all hold 0 after configuration."""
    inputs = " ".join(f"ADDR{letter}:{places} DI{letter}:{width}" for letter in LETTERS)
    return CellKind(_pins(f"{inputs} WCLK WE", " ".join(f"DO{letter}:{width}" for letter in LETTERS)))


_MUX = CellKind(_pins("I0 I1 S", "O"))
CELLS: Mapping[str, CellKind] = {
    **{f"LUT{n}": CellKind(_pins(" ".join(f"I{k}" for k in range(n)), "O"), 1 << n) for n in range(1, 7)},
    "LUT6_2": CellKind(_pins("I0 I1 I2 I3 I4 I5", "O5 O6"), 64),
    "INV": CellKind(_pins("I", "O")),
    "MUXF7": _MUX,
    "MUXF8": _MUX,
    "MUXF9": _MUX,
    "CARRY4": CellKind(_pins("CI CYINIT DI:4 S:4", "CO:4 O:4")),
    "CARRY8": CellKind(_pins("CI CI_TOP DI:8 S:8", "CO:8 O:8")),
    "FDRE": CellKind(
        _pins("C CE D R", "Q"), 1, True, (("IS_C_INVERTED", 0), ("IS_D_INVERTED", 0), ("IS_R_INVERTED", 0))
    ),
    "SRL16E": CellKind(_pins("A0 A1 A2 A3 CE CLK D", "Q"), 16, True, (("IS_CLK_INVERTED", 0),)),
    "SRLC32E": CellKind(_pins("A:5 CE CLK D", "Q Q31"), 32, True, (("IS_CLK_INVERTED", 0),)),
    "RAM32M16": _memory(5, 2),
    "RAM64M8": _memory(6, 1),
    "RAMB18E2": CellKind(
        _pins(
            "CLKARDCLK CLKBWRCLK ENARDEN ENBWREN ADDRENA ADDRENB REGCEAREGCE REGCEB RSTRAMARSTRAM RSTRAMB RSTREGARSTREG RSTREGB "
            "SLEEP WEA:2 WEBWE:4 ADDRARDADDR:14 ADDRBWRADDR:14 DINADIN:16 DINBDIN:16 DINPADINP:2 DINPBDINP:2 CASDIMUXA CASDIMUXB "
            "CASDINA:16 CASDINB:16 CASDINPA:2 CASDINPB:2 CASDOMUXA CASDOMUXB CASDOMUXEN_A CASDOMUXEN_B CASOREGIMUXA CASOREGIMUXB "
            "CASOREGIMUXEN_A CASOREGIMUXEN_B",
            "DOUTADOUT:16 DOUTBDOUT:16 DOUTPADOUTP:2 DOUTPBDOUTP:2 CASDOUTA:16 CASDOUTB:16 CASDOUTPA:2 CASDOUTPB:2",
        ),
        needed=(
            *(("CLOCK_DOMAINS", "COMMON"), ("WRITE_MODE_A", "READ_FIRST"), ("WRITE_MODE_B", "READ_FIRST")),
            *(("DOA_REG", 1), ("DOB_REG", 1), ("READ_WIDTH_A", 36), ("WRITE_WIDTH_B", 36)),
        ),
    ),
}


MAX_MESSAGE = 600
"""Most characters of what is said of a netlist, which may hold names of any length."""


class NetlistFault(Exception):  # noqa: N818 - not an error of the program
    """Raised where a netlist holds what it may not; a name or a value of any length in it is cut."""

    def __init__(self, text: str) -> None:
        super().__init__(
            text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE // 2]}…{text[-MAX_MESSAGE // 2 :]}"
        )


def load_module(path: Path) -> Json:
    """The one module of the JSON file ``path`` of Yosys, which has to bear the file's name.

    Raises:
        NetlistFault: if it cannot be read, a name occurs twice in it, or it holds another module.
    """
    try:
        data = json.loads(path.read_bytes(), object_pairs_hook=_no_repeats)
    except (OSError, ValueError, RecursionError) as error:
        raise NetlistFault(f"not readable ({error})") from error
    modules = data.get("modules") if isinstance(data, dict) else None
    module = modules.get(path.stem) if isinstance(modules, dict) and len(modules) == 1 else None
    if not isinstance(module, dict):
        raise NetlistFault(f"holds other than the one module {path.stem!r}")
    return module


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NetlistFault(f"a name occurs twice among {', '.join(name for name, _ in pairs[:4])}")
    return found


def read_strict(files: list[Path]) -> Netlist:
    """The flat netlist of a design, one file a module, the top last.

    Raises:
        ToolError: if it holds what it may not.
    """
    modules: dict[str, Json] = {}
    ports: dict[str, Pins] = {}
    path = files[-1]
    try:
        for path in files:
            modules[path.stem] = load_module(path)
            ports[path.stem] = ports_of(modules[path.stem])
        before: dict[str, Pins] = {}
        for path in files:  # a module holds those alone that come before it, so that none can hold itself
            check_module(modules[path.stem], before)
            before = {**before, path.stem: ports[path.stem]}
    except NetlistFault as fault:
        raise ToolError(f"netlist {path}: {fault}; convert the model again") from fault
    return flatten(files[-1].stem, modules)


def ports_of(module: Json) -> Pins:
    """Direction and width of each port.

    Raises:
        NetlistFault: if they cannot be read.
    """
    try:
        return {name: (port["direction"], len(port["bits"])) for name, port in module["ports"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise NetlistFault(f"its ports are not readable ({error})") from error


def check_module(module: Json, modules: Mapping[str, Pins], ports: Pins | None = None) -> int:
    """Check one module of a netlist, in Yosys' JSON.

    Args:
        modules: the ports of the modules that it may instantiate besides cells.
        ports: those that it has to have itself; None for any.

    Returns:
        How many bits are driven.

    Raises:
        NetlistFault: naming the first cell, pin, parameter or bit that is not as it has to be.
    """
    try:
        if set(module) != {"attributes", "ports", "cells", "netnames"}:
            raise NetlistFault(f"a module of {', '.join(module)}")
        if ports is not None and ports_of(module) != ports:
            raise NetlistFault(
                f"its ports are {', '.join(module['ports'])}; {', '.join(ports)} of given widths are due"
            )
        return _check(module, modules)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetlistFault(f"not of the structure that Yosys writes ({type(error).__name__}: {error})") from error


@dataclass
class _Nets:
    """What drives and what reads each net, seen from inside the module."""

    driven: dict[int, str] = field(default_factory=dict)
    read: dict[int, str] = field(default_factory=dict)

    def note(self, where: str, bits: list[object], *, drives: bool) -> None:
        for bit in bits:
            if drives:
                if type(bit) is not int or bit < 2:
                    raise NetlistFault(f"{where} drives {bit!r}, which is no net")
                if bit in self.driven:
                    raise NetlistFault(f"net {bit} is driven by {self.driven[bit]} and by {where}")
                self.driven[bit] = where
            elif type(bit) is int and bit >= 2:
                self.read.setdefault(bit, where)
            elif bit not in ("0", "1"):
                raise NetlistFault(f"{where} reads {bit!r}; allowed are nets, 0 and 1")


def _check(module: Json, modules: Mapping[str, Pins]) -> int:
    nets = _Nets()
    for port, value in module["ports"].items():
        if value["direction"] not in ("input", "output"):
            raise NetlistFault(f"port {port} is an {value['direction']}; allowed are input and output")
        nets.note(f"port {port}", value["bits"], drives=value["direction"] == "input")
    for name, cell in module["cells"].items():
        pins = _pins_of(name, cell, modules)
        _check_pins(f"cell {name} ({cell['type']})", pins, cell)
        for pin, bits in cell["connections"].items():
            nets.note(f"pin {pin} of cell {name}", bits, drives=pins[pin][0] == "output")
    for bit, where in nets.read.items():
        if bit not in nets.driven:
            raise NetlistFault(f"{where} reads net {bit}, which nothing drives")
    for name, wire in module["netnames"].items():
        if any(type(bit) is not int and bit not in ("0", "1", "x", "z") for bit in wire["bits"]):
            raise NetlistFault(f"name {name} stands for {wire['bits']}; allowed are nets and constants")
    return len(nets.driven)


def _pins_of(name: str, cell: Json, modules: Mapping[str, Pins]) -> Pins:
    """The pins of a cell whose type and parameters are allowed."""
    kind = cell["type"]
    if kind in CELLS:
        _check_parameters(name, kind, cell["parameters"])
        return CELLS[kind].pins
    if kind not in modules:
        raise NetlistFault(f"cell {name} is a {kind!r}; allowed are {', '.join(CELLS)} and modules of the design")
    if cell["parameters"]:
        raise NetlistFault(f"cell {name} ({kind}) has parameters")
    return modules[kind]


def _check_parameters(name: str, kind: str, parameters: Mapping[str, str]) -> None:
    rule = CELLS[kind]
    found = {key: parameters[key] if isinstance(due, str) else int(parameters[key], 2) for key, due in rule.needed}
    if rule.needed:
        if found != dict(rule.needed) or found.keys() != parameters.keys():
            raise NetlistFault(f"cell {name} ({kind}): parameters {dict(parameters)}; expected {dict(rule.needed)}")
        return
    allowed = dict(rule.fixed)
    for key, value in parameters.items():
        if key == "INIT" and rule.init:
            continue
        if key not in allowed or int(value, 2) != allowed[key]:
            raise NetlistFault(f"cell {name} ({kind}): parameter {key} = {value!r}")
    if rule.init:
        init = parameters.get("INIT", "")
        if len(init) != rule.init or set(init) - {"0", "1"}:
            raise NetlistFault(f"cell {name} ({kind}): INIT = {init!r}; expected {rule.init} binary digits")
        if rule.power_up and "1" in init:
            raise NetlistFault(f"cell {name} ({kind}) holds {init} after configuration; 0 is due")


def _check_pins(what: str, pins: Pins, cell: Json) -> None:
    connections, directions = cell["connections"], cell["port_directions"]
    for pin in connections.keys() | directions.keys():
        if pin not in pins:
            raise NetlistFault(f"{what} has no pin {pin!r}")
        if directions.get(pin) != pins[pin][0]:
            raise NetlistFault(f"{what}: pin {pin} is an {directions.get(pin)}; it is an {pins[pin][0]}")
    for pin, (direction, width) in pins.items():
        count = len(connections.get(pin, ()))
        if count != width and not (direction == "output" and count == 0):
            raise NetlistFault(f"{what}: pin {pin} has {count} bits; {width} are due")


def reached_bits(cell: Json) -> frozenset[int]:
    """The bits of INIT of a look-up table that constant inputs, or inputs on one net, leave within reach.

    Whether the nets on its other inputs take every combination is not looked at; what is never read may be anything.
    """
    pins = {int(pin[1:]): bits[0] for pin, bits in cell["connections"].items() if pin.startswith("I")}
    found: set[int] = set()
    for output, bits in cell["connections"].items():
        if cell["port_directions"][output] == "output" and bits:
            read = {k: net for k, net in pins.items() if output != "O5" or k < 5}
            found |= _rows(read)
    return frozenset(found)


def _rows(read: Mapping[int, int | str]) -> set[int]:
    """The rows of a table that can be addressed where input ``k`` is net ``read[k]``."""
    rows = {0}
    seen: dict[int | str, int] = {}
    for k, net in sorted(read.items()):
        if net in ("0", "1"):
            rows = {row | int(net) << k for row in rows}
        elif net in seen:
            rows = {row | (row >> seen[net] & 1) << k for row in rows}
        else:
            rows = {row | bit << k for row in rows for bit in (0, 1)}
            seen[net] = k
    return rows
