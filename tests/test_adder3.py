"""The three-input adder of the firmware library: LUT6_2 and CARRY8 equal the behavioural form, for every input."""

from itertools import product

from library import assert_equal, assert_refuted, assert_takes, compare

MODULE = "bittrigger_adder3"


def form(width, negate):
    return {"WIDTH": width, "NEGATE": negate}, dict.fromkeys(("a", "b", "c", "sum"), width), True


def test_the_primitive_form_is_proven_equal(root, tmp_path):
    forms = [form(width, negate) for width, negate in product((1, 8, 11), range(7))]
    assert_equal(compare(root, tmp_path, MODULE, forms), forms)


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    assert_refuted(root, tmp_path, MODULE, form(8, 2), ("(A & B) | (A & C)", "(A & B) | (A & B)"))


def test_it_takes_one_lut_a_bit(root, tmp_path):
    cells = {"LUT6_2": 13, "CARRY8": 2, "LUT?": 0}
    assert_takes(root, tmp_path, MODULE, {"WIDTH": 13}, cells)
