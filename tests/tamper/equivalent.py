"""Tamperings that change no bit of any output, each with the reason; what is not argued here and survives ``prove`` is a fault."""

from __future__ import annotations

import re
from pathlib import Path

from bittrigger.synth.strict import load_module, reached_bits
from tamper.edits import Tampering, cell_of

_INIT = re.compile(r"bit (\d+) of (\w+) (\d+) of (\w+)")


def argument(tampering: Tampering, sound: Path) -> str | None:
    """Why ``tampering`` of the build ``sound`` changes nothing; None if it may change something."""
    if tampering.kind == "netlist: a bit of INIT":
        return _unreached(tampering.name, sound)
    if (tampering.kind, tampering.name) == ("netlist: connections", "two inputs of a LUT"):
        init = cell_of(load_module(sound / "synth" / "example_requantize_relu_0.json"), "LUT3")["parameters"]["INIT"][
            ::-1
        ]
        same = all(init[row] == init[row & 4 | row >> 1 & 1 | (row & 1) << 1] for row in range(8))
        return f"its table, {init[::-1]}, is the same with both exchanged" if same else None
    return None


def _unreached(name: str, sound: Path) -> str | None:
    match = _INIT.fullmatch(name)
    assert match is not None
    cells = load_module(sound / "synth" / f"{match[4]}.json")["cells"].values()
    tables = [cell for cell in cells if cell["type"].startswith(match[2])]
    cell = tables[int(match[3]) % len(tables)]
    bit = int(match[1]) % len(cell["parameters"]["INIT"])
    if bit in reached_bits(cell):
        return None
    constant = {
        pin: bits[0] for pin, bits in cell["connections"].items() if pin.startswith("I") and bits[0] in ("0", "1")
    }
    return f"row {bit} of the table is never addressed, as {', '.join(f'{pin} is {value}' for pin, value in constant.items())}"
