"""A bench of every cell that the gate-level executor knows, in CXXRTL: Yosys' own cell models, compiled."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

from bittrigger.synth import yosys

WIDTHS = {"small": 10, "carry8": 18}
"""Bits of the stimulus of each bench: both carries in, data and propagate bits of a CARRY4 and a CARRY8."""

HARNESS = """
#include "bench.cc"
#include <cstdio>
int main() {
    cxxrtl_design::p_bench bench;
    uint32_t word;
    while (std::fread(&word, 4, 1, stdin) == 1) {
        bench.p_v.set<uint32_t>(word);
        bench.p_clk.set<bool>(false);
        bench.step();
        std::fwrite(bench.p_y.data, 4, bench.p_y.chunks, stdout);
        bench.p_clk.set<bool>(true);
        bench.step();
    }
}
"""


def carry8_cells():
    """Both forms of a CARRY8 over the stimulus ``v``."""
    for kind in ("SINGLE_CY8", "DUAL_CY4"):
        pins = ".CI(v[0]), .CI_TOP(v[1]), .DI(v[9:2]), .S(v[17:10])"
        yield "CARRY8", f'.CARRY_TYPE("{kind}")', pins, {"O": 8, "CO": 8}


def small_cells():
    """All others, each as ``(cell, parameters, connections, outputs)``."""
    for size in range(1, 7):
        pins = "".join(f", .I{k}(v[{k}])" for k in range(size))
        for row in range(1 << size):
            yield f"LUT{size}", f".INIT({1 << size}'d{1 << row})", pins[2:], {"O": 1}
    for row in range(64):
        yield "LUT6_2", f".INIT(64'd{1 << row})", "".join(f", .I{k}(v[{k}])" for k in range(6))[2:], {"O6": 1, "O5": 1}
    yield "INV", "", ".I(v[0])", {"O": 1}
    for size in (7, 8, 9):
        yield f"MUXF{size}", "", ".I0(v[0]), .I1(v[1]), .S(v[2])", {"O": 1}
    yield "CARRY4", "", ".CI(v[0]), .CYINIT(v[1]), .DI(v[5:2]), .S(v[9:6])", {"O": 4, "CO": 4}
    for kind, force in (("FDRE", "R"), ("FDSE", "S")):
        for bits in range(8):
            turned = f".INIT({bits & 1}), .IS_D_INVERTED({bits >> 1 & 1}), .IS_{force}_INVERTED({bits >> 2 & 1})"
            yield kind, turned, f".C(clk), .D(v[0]), .CE(v[1]), .{force}(v[2])", {"Q": 1}
        yield kind, "", f".C(clk), .D(v[0]), .CE(1'b1), .{force}(1'b0)", {"Q": 1}
    yield (
        "SRL16E",
        ".INIT(16'hb1c5)",
        ".CLK(clk), .CE(1'b1), .D(v[0]), .A0(v[1]), .A1(v[2]), .A2(v[3]), .A3(v[4])",
        {"Q": 1},
    )
    yield "SRLC32E", ".INIT(32'hb1c52e97)", ".CLK(clk), .CE(1'b1), .D(v[0]), .A(v[5:1])", {"Q": 1, "Q31": 1}


def verilog(bench):
    """The bench as Verilog."""
    body, offset = [], 0
    cells = small_cells() if bench == "small" else carry8_cells()
    for k, (kind, parameters, pins, outputs) in enumerate(cells):
        connections = pins
        for pin, width in outputs.items():
            connections += f", .{pin}(y[{offset + width - 1}:{offset}])"
            offset += width
        body.append(f"  {kind} #({parameters}) u{k}({connections});")
    head = f"module bench(input clk, input [{WIDTHS[bench] - 1}:0] v, output [{offset - 1}:0] y);"
    return "\n".join([head, *body, "endmodule"]) + "\n"


def run_yosys(folder, *commands):
    """Run commands in a process of their own, in ``folder``."""
    (folder / "bench.ys").write_text("\n".join(commands) + "\n")
    worker = Path(yosys.__file__).with_name("yosys_worker.py")
    subprocess.run([sys.executable, worker, "bench.ys"], cwd=folder, check=True, capture_output=True)


def build(folder, bench):
    """Write ``bench.json`` and compile the bench; returns the program."""
    (folder / "bench.v").write_text(verilog(bench))
    (folder / "main.cc").write_text(HARNESS)
    run_yosys(
        folder,
        "read_verilog -lib +/xilinx/cells_sim.v",
        "read_verilog bench.v",
        "hierarchy -top bench",
        "json -o bench.json",
    )
    run_yosys(
        folder,
        "read_verilog +/xilinx/cells_sim.v bench.v",
        "hierarchy -top bench",
        "proc",
        "flatten",
        "write_cxxrtl -g0 bench.cc",
    )
    runtime = files("pyosys") / "share/include/backends/cxxrtl/runtime"
    subprocess.run(
        ["g++", "-O0", f"-I{runtime}", "-o", "bench", "main.cc"], cwd=folder, check=True, capture_output=True
    )
    return folder / "bench"


def simulate(program, stimulus, n_outputs):
    """The outputs `(cycles, n_outputs)` in each cycle, before its rising edge, as bits."""
    done = subprocess.run([program], input=stimulus.astype("<u4").tobytes(), check=True, capture_output=True)
    words = np.frombuffer(done.stdout, dtype=np.uint8).reshape(stimulus.size, -1)
    return np.unpackbits(words, axis=1, bitorder="little")[:, :n_outputs]
