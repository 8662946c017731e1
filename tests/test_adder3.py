"""The three-input adder of the firmware library: LUT6_2 and CARRY8 equal the behavioural form, for every input."""

from itertools import product

from library import assert_equal, compare, primitive_form, yosys

MODULE = "bittrigger_adder3"


def form(width, negate):
    return {"WIDTH": width, "NEGATE": negate}, dict.fromkeys(("a", "b", "c", "sum"), width), True


def test_the_primitive_form_is_proven_equal(root, tmp_path):
    forms = [form(width, negate) for width, negate in product((1, 8, 11), range(7))]
    assert_equal(compare(root, tmp_path, MODULE, forms), forms)


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    wrong = compare(root, tmp_path, MODULE, [form(8, 2)], lambda t: t.replace("(A & B) | (A & C)", "(A & B) | (A & B)"))
    assert wrong.returncode != 0


def test_it_takes_one_lut_a_bit(root, tmp_path):
    (tmp_path / "b.sv").write_text(primitive_form(root, MODULE))
    done = yosys(
        tmp_path,
        "read_verilog -sv b.sv",
        f"chparam -set WIDTH 13 {MODULE}",
        f"synth_xilinx -family xcup -top {MODULE} -flatten -noiopad -noclkbuf",
        "select -assert-count 13 t:LUT6_2",
        "select -assert-count 2 t:CARRY8",
        "select -assert-count 0 t:LUT?",
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
