"""The limiter of the firmware library: LUT6_2 equals the behavioural form, for every input."""

from itertools import product

from library import assert_equal, compare, primitive_form, yosys

MODULE = "bittrigger_clip"


def form(width, over):
    return {"WIDTH": width, "OVER": over}, {"code": width, "zero": 1, "over": over, "clipped": width}, True


def test_the_primitive_form_is_proven_equal(root, tmp_path):
    forms = [form(width, over) for width, over in product((1, 7, 8), (1, 2))]
    assert_equal(compare(root, tmp_path, MODULE, forms), forms)


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    wrong = compare(root, tmp_path, MODULE, [form(8, 2)], lambda t: t.replace("FULL | SECOND", "FULL | FIRST"))
    assert wrong.returncode != 0


def test_it_takes_one_lut_for_two_bits(root, tmp_path):
    (tmp_path / "b.sv").write_text(primitive_form(root, MODULE))
    done = yosys(
        tmp_path,
        "read_verilog -sv b.sv",
        f"chparam -set WIDTH 9 -set OVER 2 {MODULE}",
        f"synth_xilinx -family xcup -top {MODULE} -flatten -noiopad -noclkbuf",
        "select -assert-count 5 t:LUT6_2",
        "select -assert-count 0 t:LUT?",
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
