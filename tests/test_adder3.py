"""The three-input adder of the firmware library: LUT6_2 and CARRY8 equal the behavioural form, for every input."""

import subprocess
import sys

import pytest

MITER = """
module miter(input [{top}:0] a, b, c, output equal);
  wire [{top}:0] wanted, found;
  behavioural #(.WIDTH({width}), .NEGATE(3'd{negate})) u0(.a(a), .b(b), .c(c), .sum(wanted));
  bittrigger_adder3 #(.WIDTH({width}), .NEGATE(3'd{negate})) u1(.a(a), .b(b), .c(c), .sum(found));
  assign equal = wanted == found;
endmodule
"""

PROVE = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.argv[1:]:
    ys.run_pass(command, design)
"""


def yosys(folder, *commands):
    command = [sys.executable, "-c", PROVE, *commands]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def proof(root, folder, width, negate, change=lambda text: text):
    behavioural = (root / "firmware" / "bittrigger_adder3.sv").read_text()
    (folder / "a.sv").write_text(behavioural.replace("module bittrigger_adder3", "module behavioural"))
    (folder / "b.sv").write_text(change((root / "firmware" / "ultrascale" / "bittrigger_adder3.sv").read_text()))
    (folder / "m.sv").write_text(MITER.format(top=width - 1, width=width, negate=negate))
    return yosys(
        folder,
        "read_verilog -sv a.sv b.sv m.sv",
        "read_verilog -sv +/xilinx/cells_sim.v",
        "hierarchy -top miter",
        "proc; flatten; opt_clean",
        "sat -verify -prove equal 1 -timeout 60 miter",
    )


@pytest.mark.parametrize("negate", range(7))
@pytest.mark.parametrize("width", [1, 8, 11])
def test_the_primitive_form_is_proven_equal(root, tmp_path, width, negate):
    done = proof(root, tmp_path, width, negate)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "no model found: SUCCESS" in done.stdout


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    done = proof(root, tmp_path, 8, 2, lambda text: text.replace("(A & B) | (A & C)", "(A & B) | (A & B)"))
    assert done.returncode != 0


def test_it_takes_one_lut_a_bit(root, tmp_path):
    (tmp_path / "b.sv").write_text((root / "firmware" / "ultrascale" / "bittrigger_adder3.sv").read_text())
    done = yosys(
        tmp_path,
        "read_verilog -sv b.sv",
        "chparam -set WIDTH 13 bittrigger_adder3",
        "synth_xilinx -family xcup -top bittrigger_adder3 -flatten -noiopad -noclkbuf",
        "select -assert-count 13 t:LUT6_2",
        "select -assert-count 2 t:CARRY8",
        "select -assert-count 0 t:LUT?",
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
