"""Tamperings of the netlist."""

from __future__ import annotations

import random
from collections.abc import Callable

from tamper.edits import TOP, Rows, cell_of, exchange_first, flip, fresh, insert, netlist, rewire, text


def netlist_kinds() -> dict[str, Rows]:
    """Of the netlist, in JSON and Verilog alike where nothing else is said."""
    dice = random.Random(7)  # noqa: S311 - a choice, no secret
    relu, last, first = "example_requantize_relu_0", "example_bitlinear_dense_1", "example_bitlinear_dense_0"
    top = TOP
    kinds: dict[str, Rows] = {
        "netlist: two drivers": (
            ("two nets of the top are one", netlist(top, lambda m: rewire(m, *_codes(m)[:2]))),
            ("a code and the valid chain are one", netlist(top, lambda m: rewire(m, _codes(m)[4], cell_of(m, "FDRE")["connections"]["Q"][0]))),
            ("a LUT1 on a code", netlist(top, lambda m: _lut1(m, _codes(m)[0]))),
            ("a LUT1 on out_valid", netlist(top, lambda m: _lut1(m, m["ports"]["out_valid"]["bits"][0]))),
            ("a LUT1 on out_data", netlist(top, lambda m: _lut1(m, m["ports"]["out_data"]["bits"][7]))),
            ("an FDRE on out_data", netlist(top, lambda m: _fdre(m, m["ports"]["out_data"]["bits"][0]))),
            ("an FDRE inside", netlist(relu, lambda m: _fdre(m, cell_of(m, "LUT3")["connections"]["O"][0]))),
            ("an output on an input", netlist(top, lambda m: rewire(m, cell_of(m, "FDRE")["connections"]["Q"][0], m["ports"]["in_valid"]["bits"][0]))),
        ),
        "netlist: power-up": tuple(
            (f"INIT of FDRE {k} of {module}", netlist(module, lambda m, k=k: flip(cell_of(m, "FDRE", k), 0)))
            for module, k in ((top, 0), (top, 2), (top, 9), (relu, 3), (last, 20))
        ),
        "netlist: other cells": (
            ("FDSE on the valid chain", netlist(top, lambda m: _set(m, 0))),
            ("FDSE in data", netlist(relu, lambda m: _set(m, 5))),
            ("FDCE", netlist(top, lambda m: cell_of(m, "FDRE").update(type="FDCE"))),
            ("a latch", netlist(last, lambda m: cell_of(m, "FDRE").update(type="LDCE"))),
            ("an unknown cell", netlist(relu, lambda m: cell_of(m, "LUT3").update(type="MAGIC"))),
            ("a LUT of another size", netlist(relu, lambda m: cell_of(m, "LUT3").update(type="LUT4"))),
            ("INV as a buffer", netlist(first, lambda m: cell_of(m, "INV").update(type="BUFG"))),
        ),
        "netlist: parameters": (
            ("x in INIT of a LUT", netlist(relu, lambda m: _init(m, "LUT3", "x1100000"))),
            ("z in INIT", netlist(relu, lambda m: _init(m, "LUT3", "1z100000"))),
            ("x in INIT of a register", netlist(top, lambda m: _init(m, "FDRE", "x"))),
            ("INIT too short", netlist(relu, lambda m: _init(m, "LUT3", "1100000"))),
            ("no INIT of a LUT", netlist(relu, lambda m: cell_of(m, "LUT3")["parameters"].clear())),
            ("no INIT of a register", netlist(top, lambda m: cell_of(m, "FDRE")["parameters"].clear())),
            ("no INIT of a LUT6_2", netlist(first, lambda m: cell_of(m, "LUT6_2")["parameters"].clear())),
            ("an inverted clock", netlist(top, lambda m: cell_of(m, "FDRE")["parameters"].update(IS_C_INVERTED="1"))),
            ("an inverted D", netlist(relu, lambda m: cell_of(m, "FDRE")["parameters"].update(IS_D_INVERTED="1"))),
            ("a split carry chain", netlist(first, lambda m: cell_of(m, "CARRY8")["parameters"].update(CARRY_TYPE="DUAL_CY4"))),
            ("an odd parameter", netlist(relu, lambda m: cell_of(m, "LUT3")["parameters"].update(KEEP="1"))),
        ),
        "netlist: pins": (
            ("CARRY8 without CI", netlist(first, lambda m: cell_of(m, "CARRY8")["connections"].pop("CI"))),
            ("CARRY8 without DI", netlist(first, lambda m: cell_of(m, "CARRY8")["connections"].pop("DI"))),
            ("LUT without I0", netlist(relu, lambda m: cell_of(m, "LUT3")["connections"].pop("I0"))),
            ("FDRE without R", netlist(top, lambda m: cell_of(m, "FDRE")["connections"].pop("R"))),
            ("FDRE without C", netlist(top, lambda m: cell_of(m, "FDRE")["connections"].pop("C"))),
            ("a pin with two bits", netlist(relu, lambda m: cell_of(m, "LUT3")["connections"]["I0"].append("0"))),
            ("a pin of no cell", netlist(relu, lambda m: cell_of(m, "LUT3")["connections"].update(I7=["0"]))),
            ("O as an input", netlist(relu, lambda m: cell_of(m, "LUT3")["port_directions"].update(O="input"))),
            ("I0 as an output", netlist(relu, lambda m: cell_of(m, "LUT3")["port_directions"].update(I0="output"))),
            ("Q as inout", netlist(top, lambda m: cell_of(m, "FDRE")["port_directions"].update(Q="inout"))),
            ("no directions", netlist(top, lambda m: cell_of(m, "FDRE").pop("port_directions"))),
            ("x on a pin", netlist(relu, lambda m: cell_of(m, "LUT3")["connections"].update(I0=["x"]))),
            ("a floating pin", netlist(relu, lambda m: cell_of(m, "LUT3")["connections"].update(I0=[fresh(m)]))),
            ("x on a port", netlist(top, lambda m: m["ports"]["out_data"]["bits"].__setitem__(29, "x"))),
            ("a port as inout", netlist(top, lambda m: m["ports"]["out_valid"].update(direction="inout"))),
            ("a port too many", netlist(top, lambda m: m["ports"].update(debug={"direction": "input", "bits": [fresh(m)]}))),
        ),
        "netlist: connections": (
            ("two inputs of a LUT", netlist(relu, lambda m: _exchange(cell_of(m, "LUT3"), "I0", "I1"))),
            ("two operands in the top", netlist(top, lambda m: exchange_first(cell_of(m, last)["connections"]["x"]))),
            ("two results in the top", netlist(top, lambda m: exchange_first(cell_of(m, first)["connections"]["y"]))),
            ("out_data reversed", netlist(top, lambda m: m["ports"]["out_data"]["bits"].reverse())),
            ("a reset on data", netlist(top, lambda m: cell_of(m, "FDRE", 8)["connections"].update(R=list(m["ports"]["rst"]["bits"])))),
            ("no reset of valid", netlist(top, lambda m: cell_of(m, "FDRE", 1)["connections"].update(R=["0"]))),
            ("an enable", netlist(top, lambda m: cell_of(m, "FDRE", 4)["connections"].update(CE=list(m["ports"]["in_valid"]["bits"])))),
            ("another clock", netlist(top, lambda m: cell_of(m, "FDRE", 4)["connections"].update(C=list(m["ports"]["rst"]["bits"])))),
            ("a register left out", netlist(top, lambda m: _without_register(m, 10))),
            ("a loop", netlist(relu, lambda m: cell_of(m, "LUT3")["connections"].update(I0=list(cell_of(m, "LUT3")["connections"]["O"])))),
        ),
        "netlist: one form alone": (
            ("INIT in the Verilog", netlist(relu, lambda m: flip(cell_of(m, "LUT3"), 0), forms="v")),
            ("INIT in the JSON", netlist(relu, lambda m: flip(cell_of(m, "LUT3"), 0), forms="json")),
            ("a pin in the Verilog", netlist(top, lambda m: exchange_first(cell_of(m, last)["connections"]["x"]), forms="v")),
            ("a cell less in the Verilog", netlist(top, lambda m: m["cells"].pop(next(iter(m["cells"]))), forms="v")),
            ("initial in the Verilog", insert(f"synth/{top}.v", "  initial valid = 3'h7;")),
            ("assign in the Verilog", insert(f"synth/{top}.v", "  assign out_valid = in_valid;")),
            ("ifdef in the Verilog", insert(f"synth/{relu}.v", "`ifdef SYNTHESIS\n  assign y[0] = x[0];\n`endif")),
            ("an attribute in the Verilog", text(f"synth/{top}.v", r"^  FDRE", "  (* DONT_TOUCH *) FDRE")),
            ("a second module in the Verilog", text(f"synth/{last}.v", r"\Z", "module FDRE(input C, CE, D, R, output Q); assign Q = D; endmodule\n")),
            ("a second module in the JSON", text(f"synth/{last}.json", r'"modules": \{', '"modules": {"other": {"attributes": {}, "ports": {}, "cells": {}, "netnames": {}}, ')),
            ("a name twice in the JSON", text(f"synth/{top}.json", r'"INIT": "0"', '"INIT": "1", "INIT": "0"')),
            ("the Verilog is gone", lambda folder: (folder / "synth" / f"{relu}.v").unlink()),
            ("the JSON is cut", lambda folder: (folder / "synth" / f"{relu}.json").write_text("{")),
        ),
    }  # fmt: skip
    flips = []
    for module, kind, count in (
        (relu, "LUT3", 3),
        (relu, "LUT6_2", 6),
        (first, "LUT6_2", 12),
        (first, "LUT", 2),
        (last, "LUT", 7),
    ):
        for _ in range(count):
            place, bit = dice.randrange(8), dice.randrange(1 << 10)
            flips.append((f"bit {bit} of {kind} {place} of {module}", netlist(module, _flip(kind, place, bit))))
    return kinds | {"netlist: a bit of INIT": tuple(flips)}


def _flip(kind: str, place: int, bit: int) -> Callable[[dict], None]:
    def change(module: dict) -> None:
        cells = [cell for cell in module["cells"].values() if cell["type"].startswith(kind)]
        cell = cells[place % len(cells)]
        flip(cell, bit % len(cell["parameters"]["INIT"]))

    return change


def _codes(module: dict) -> list[int]:
    return list(cell_of(module, "example_requantize")["connections"]["y"])


def _add(module: dict, kind: str, parameters: dict, inputs: dict, outputs: dict) -> None:
    ways = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    module["cells"]["added"] = {
        "hide_name": 0, "type": kind, "parameters": parameters, "attributes": {}, "port_directions": ways, "connections": inputs | outputs,
    }  # fmt: skip


def _lut1(module: dict, net: int) -> None:
    _add(module, "LUT1", {"INIT": "01"}, {"I0": list(module["ports"]["in_valid"]["bits"])}, {"O": [net]})


def _fdre(module: dict, net: int) -> None:
    pins = {"C": list(module["ports"]["clk"]["bits"]), "CE": ["1"], "D": ["0"], "R": ["0"]}
    _add(module, "FDRE", {"INIT": "0"}, pins, {"Q": [net]})


def _set(module: dict, place: int) -> None:
    cell = cell_of(module, "FDRE", place)
    cell["type"] = "FDSE"
    for key in ("connections", "port_directions"):
        cell[key]["S"] = cell[key].pop("R")


def _init(module: dict, kind: str, digits: str) -> None:
    cell_of(module, kind)["parameters"]["INIT"] = digits


def _exchange(cell: dict, one: str, other: str) -> None:
    pins = cell["connections"]
    pins[one], pins[other] = pins[other], pins[one]


def _without_register(module: dict, place: int) -> None:
    cell = cell_of(module, "FDRE", place)
    d, q = cell["connections"]["D"][0], cell["connections"]["Q"][0]
    name = next(name for name, value in module["cells"].items() if value is cell)
    del module["cells"][name]
    for port in module["ports"].values():
        port["bits"] = [d if bit == q else bit for bit in port["bits"]]
    rewire(module, q, d)
