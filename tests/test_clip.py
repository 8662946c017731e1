"""The limiter of the firmware library: LUT6_2 equals the behavioural form, for every input."""

import pytest
from test_adder3 import yosys

MITER = """
module miter(input [{top}:0] code, input zero, input [{high}:0] over, output equal);
  wire [{top}:0] wanted, found;
  behavioural #(.WIDTH({width}), .OVER({over})) u0(.code(code), .zero(zero), .over(over), .clipped(wanted));
  bittrigger_clip #(.WIDTH({width}), .OVER({over})) u1(.code(code), .zero(zero), .over(over), .clipped(found));
  assign equal = wanted == found;
endmodule
"""


def proof(root, folder, width, over, change=lambda text: text):
    behavioural = (root / "firmware" / "bittrigger_clip.sv").read_text()
    (folder / "a.sv").write_text(behavioural.replace("module bittrigger_clip", "module behavioural"))
    (folder / "b.sv").write_text(change((root / "firmware" / "ultrascale" / "bittrigger_clip.sv").read_text()))
    (folder / "m.sv").write_text(MITER.format(top=width - 1, width=width, high=over - 1, over=over))
    return yosys(
        folder,
        "read_verilog -sv a.sv b.sv m.sv",
        "read_verilog -sv +/xilinx/cells_sim.v",
        "hierarchy -top miter",
        "proc; flatten; opt_clean",
        "sat -verify -prove equal 1 -timeout 60 miter",
    )


@pytest.mark.parametrize("over", [1, 2])
@pytest.mark.parametrize("width", [1, 7, 8])
def test_the_primitive_form_is_proven_equal(root, tmp_path, width, over):
    done = proof(root, tmp_path, width, over)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "no model found: SUCCESS" in done.stdout


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    assert proof(root, tmp_path, 8, 2, lambda text: text.replace("FULL | SECOND", "FULL | FIRST")).returncode != 0


def test_it_takes_one_lut_for_two_bits(root, tmp_path):
    (tmp_path / "b.sv").write_text((root / "firmware" / "ultrascale" / "bittrigger_clip.sv").read_text())
    done = yosys(
        tmp_path,
        "read_verilog -sv b.sv",
        "chparam -set WIDTH 9 -set OVER 2 bittrigger_clip",
        "synth_xilinx -family xcup -top bittrigger_clip -flatten -noiopad -noclkbuf",
        "select -assert-count 5 t:LUT6_2",
        "select -assert-count 0 t:LUT?",
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
