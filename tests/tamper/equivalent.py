"""Tamperings that change no bit of any output, each with the reason; what is not argued here and survives ``prove`` is a fault."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from library import yosys

from bittrigger.synth.strict import load_module, reached_bits
from tamper.edits import Tampering, cell_of

_INIT = re.compile(r"bit (\d+) of (\w+) (\d+) of (\w+)")


def argument(tampering: Tampering, sound: Path) -> str | None:
    """Why ``tampering`` of the build ``sound`` changes nothing; None if it may change something."""
    if tampering.kind.startswith("netlist: a bit of INIT"):
        return _unreached(tampering.name, sound) or BY_HAND.get(tampering.name) or _asked(tampering, sound)
    if (tampering.kind, tampering.name) == ("netlist: connections", "two inputs of a LUT"):
        init = cell_of(load_module(sound / "synth" / "example_requantize_relu_0.json"), "LUT3")["parameters"]["INIT"][
            ::-1
        ]
        same = all(init[row] == init[row & 4 | row >> 1 & 1 | (row & 1) << 1] for row in range(8))
        return f"its table, {init[::-1]}, is the same with both exchanged" if same else None
    if tampering.kind == "netlist: folded, queues":
        return _asked(tampering, sound)
    return None


@dataclass(frozen=True)
class Question:
    """Whether two modules give the same outputs, as Yosys' SAT solver has it: from any two states, for any inputs that come.

    Attributes:
        cycles: how many are looked at.
        skip: how many of the first ones may differ.
        given: an input by name, and its values in the first cycles; later it is as in the last of these.
        assumed: what the codes that come keep to, of ``in_x``; nothing if it is empty.
    """

    cycles: int
    skip: int
    given: tuple[str, tuple[int, ...]] = ("", ())
    assumed: str = ""


ASKED = {
    "folded_queue_each": Question(4, 1, ("load", (1, 0))),
    "digits_interval": Question(40, 1, ("rst", (1,))),
    "digits_bitlinear_last": Question(12, 11, ("load", (1, 0))),
    "tables_lookup_few": Question(4, 2, assumed="in_x[12:0] <= 8000 && in_x[25:13] <= 8000"),
}
"""By module: a queue is read in three cycles after an event was taken; every state of a guard comes up within 20 cycles after a
reset, and is told by what it lets in within 18 more; results of digits are there 11 cycles after an event was taken."""

BY_HAND = {
    "bit 495 of LUT 945 of digits_bitlinear_first": "its row is addressed in no cycle of a pass: Yosys finds the same outputs in "
    "cycles 12 to 21 after an event was taken, from any state, in minutes",
    "bit 178 of LUT 508 of scales_shift_down_q1": "its row needs an exponent that comes with no such code: Yosys finds the same "
    "outputs of the whole design, 5 cycles after any events whose codes lie in their ranges, from any state, in a minute",
}
"""What takes too long to be asked each time."""


def _asked(tampering: Tampering, sound: Path) -> str | None:
    """What Yosys finds for the one module that was changed; ``prove`` has a reader, cells and a solver of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        shutil.copytree(sound / "synth", work / "synth")
        tampering.apply(work)
        changed = [path.stem for path in sorted((sound / "synth").glob("*.json")) if _differ(sound, work, path.name)]
        if len(changed) != 1 or changed[0] not in ASKED:
            return None
        (name,), question = changed, ASKED[changed[0]]
        done = yosys(work, *_both(name, sound, work, question), _sat(question))
    if done.returncode or "SAT proof finished - no model found: SUCCESS!" not in done.stdout:
        return None
    return f"{name}: the same outputs from any state, in cycles {question.skip + 1} to {question.cycles}"


def _both(name: str, sound: Path, work: Path, question: Question) -> list[str]:
    """Commands that put the module of both builds side by side, whose ``trigger`` is high where they differ."""
    commands = []
    for form, folder in (("gold", sound), ("gate", work)):
        commands += [f"read_json {folder / 'synth' / f'{name}.json'}", "read_verilog -sv +/xilinx/cells_sim.v"]
        commands += [f"hierarchy -top {name}", "proc; flatten; opt_clean; setattr -unset init w:*"]
        commands += [f"rename {name} {form}", f"design -stash {form}"]
    commands += ["design -copy-from gold gold", "design -copy-from gate gate"]
    commands += ["miter -equiv -flatten gold gate both", "hierarchy -top both"]
    if question.assumed:
        ports = ("clk", 1), ("x", 26)
        inputs = ", ".join(f"input [{size - 1}:0] in_{port}" for port, size in ports)
        pins = ", ".join(f".in_{port}(in_{port})" for port, _ in ports)
        (work / "asked.sv").write_text(
            f"module asked({inputs}, output trigger);\n  both u(.trigger(trigger), {pins});\n"
            f"  always @* assume({question.assumed});\nendmodule\n"
        )
        commands += [
            f"read_verilog -sv -formal {work / 'asked.sv'}",
            "hierarchy -top asked",
            "proc; flatten; chformal -lower; opt_clean",
        ]
    return commands


def _sat(question: Question) -> str:
    port, values = question.given
    cycles = range(1, question.cycles + 1 if len(values) > 1 else len(values) + 1)
    given = " ".join(f"-set-at {cycle} in_{port} {values[min(cycle, len(values)) - 1]}" for cycle in cycles)
    assumed = "-set-assumes " if question.assumed else ""
    return f"sat -verify -seq {question.cycles} -prove-skip {question.skip} {assumed}{given} -prove trigger 0"


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
