"""Tamperings that change no bit of any output, each with the reason; what is not argued here and survives ``prove`` is a fault."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from library import yosys

from bittrigger.synth.strict import load_module, reached_bits
from tamper.edits import Tampering, cell_of

_INIT = re.compile(r"bit (\d+) of (\w+) (\d+) of (\w+)")


def argument(tampering: Tampering, sound: Path) -> str | None:
    """Why ``tampering`` of the build ``sound`` changes nothing; None if it may change something."""
    if tampering.kind.startswith("netlist: a bit of INIT"):
        return _unreached(tampering.name, sound)
    if (tampering.kind, tampering.name) == ("netlist: connections", "two inputs of a LUT"):
        init = cell_of(load_module(sound / "synth" / "example_requantize_relu_0.json"), "LUT3")["parameters"]["INIT"][
            ::-1
        ]
        same = all(init[row] == init[row & 4 | row >> 1 & 1 | (row & 1) << 1] for row in range(8))
        return f"its table, {init[::-1]}, is the same with both exchanged" if same else None
    if tampering.kind == "netlist: folded, queues":
        return _handed_out(tampering, sound)
    return None


QUEUE, TURNS = "folded_queue_each", 3
"""The queue that is tampered with, and the cycles in which it is read after an event was taken."""


def _handed_out(tampering: Tampering, sound: Path) -> str | None:
    """Whether both queues hand out the same in each cycle in which they are read, as Yosys' SAT solver has it.

    From any two states, and for any codes that come meanwhile; ``prove`` follows symbols, with a reader and cells of its own.
    """
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        shutil.copytree(sound / "synth", work / "synth")
        tampering.apply(work)
        files = [path.name for path in sorted((sound / "synth").glob("*.json"))]
        if [name for name in files if _differ(sound, work, name)] != [f"{QUEUE}.json"]:
            return None
        commands = []
        for name, folder in (("gold", sound), ("gate", work)):
            commands += [f"read_json {folder / 'synth' / f'{QUEUE}.json'}", "read_verilog -sv +/xilinx/cells_sim.v"]
            commands += [f"hierarchy -top {QUEUE}", "proc; flatten; opt_clean; setattr -unset init w:*"]
            commands += [f"rename {QUEUE} {name}", f"design -stash {name}"]
        commands += ["design -copy-from gold gold", "design -copy-from gate gate"]
        commands += ["miter -equiv -flatten gold gate both", "hierarchy -top both"]
        loads = " ".join(f"-set-at {cycle} in_load {int(cycle == 1)}" for cycle in range(1, TURNS + 2))
        commands.append(f"sat -verify -seq {TURNS + 1} -prove-skip 1 {loads} -prove trigger 0 both")
        done = yosys(work, *commands)
    same = done.returncode == 0 and "SAT proof finished - no model found: SUCCESS!" in done.stdout
    return (
        f"what the queue hands out in the {TURNS} cycles after an event was taken is the same from any state"
        if same
        else None
    )


def _differ(one: Path, other: Path, name: str) -> bool:
    return (one / "synth" / name).read_bytes() != (other / "synth" / name).read_bytes()


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
