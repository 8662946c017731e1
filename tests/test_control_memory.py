"""The memories of a control computer's slave see no address that another clock may change: their contents would suffer."""

import subprocess
import sys

from bittrigger.system.resources import folder

SCRIPT = """
import sys
from pyosys import libyosys
*files, bus = sys.argv[1:]
registers = ",".join("$" + kind for kind in ("dff", "dffe", "sdff", "sdffe", "sdffce"))
addresses = f"t:$mem_v2 %ci1:+[RD_ADDR,WR_ADDR] t:$mem_v2 %d %ci*:-{registers}"
prepared = f"hierarchy -check -top {bus}", "proc", "flatten", "opt -mux_undef", "memory -nomap"
checks = "select -assert-count 2 t:$mem_v2", f"select -assert-any w:u_cross.* {addresses} %i"
check = f"select -assert-none w:*taken_* {addresses} %i"
design = libyosys.Design()
for command in (*(f"read_verilog -sv {name}" for name in files), *prepared, *checks):
    libyosys.run_pass(command, design)
print("prepared", flush=True)
libyosys.run_pass(check, design)
print("kept apart")
"""
TOP = """
module top (input wire bus_clk, clk, start, bus_write, input wire [7:0] bus_address, input wire [31:0] bus_data,
            output wire done, refused, output wire [31:0] answer);
    wire idle, request, write, finish, request_refused;
    wire [7:0] address;
    wire [31:0] data, request_answer;
    bittrigger_cross #(.ADDRESS_BITS(8)) u_cross (.*);
    bittrigger_control #(.WORDS(40), .SETTINGS_BITS(6), .WINDOW_BITS(6)) u_control (
        .clk, .request, .write, .address, .data, .finish, .refused(request_refused), .answer(request_answer),
        .settings_write(), .settings_address(), .settings_data(), .settings_busy(1'b0)
    );
endmodule
"""


def said(work, *changes):
    """How far Yosys comes with the library's modules, with texts of ``bittrigger_cross`` changed."""
    text = (folder("firmware") / "bittrigger_cross.sv").read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (work / "cross.sv").write_text(text)
    (work / "top.sv").write_text(TOP)
    files = (work / "cross.sv", folder("firmware") / "bittrigger_control.sv", work / "top.sv")
    words = [sys.executable, "-c", SCRIPT, *map(str, files), "top"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert "prepared" in done.stdout, (done.stdout + done.stderr)[-2000:]
    return "kept apart" in done.stdout


def test_addresses_of_memories_are_registers_of_their_clock(tmp_path):
    assert said(tmp_path)


def test_one_of_the_other_clock_is_found(tmp_path):
    taken = "assign data  = taken_data;", "assign data  = taken_data;\n    assign address = taken_address;"
    assert not said(
        tmp_path,
        ("if (asked[1]) address <= taken_address;", ""),
        ("output reg  [ADDRESS_BITS-1:0] address,", "output wire [ADDRESS_BITS-1:0] address,"),
        ("        address = '0;\n", ""),
        taken,
    )
