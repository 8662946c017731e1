"""The limiter of the firmware library: LUT6_2 equals the behavioural form, for every input."""

from itertools import product

from library import assert_equal, assert_refuted, assert_takes, compare

MODULE = "bittrigger_clip"


def form(width, over):
    return {"WIDTH": width, "OVER": over}, {"code": width, "zero": 1, "over": over, "clipped": width}, True


def test_the_primitive_form_is_proven_equal(root, tmp_path):
    forms = [form(width, over) for width, over in product((1, 7, 8), (1, 2))]
    assert_equal(compare(root, tmp_path, MODULE, forms), forms)


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    assert_refuted(root, tmp_path, MODULE, form(8, 2), ("FULL | SECOND", "FULL | FIRST"))


def test_it_takes_one_lut_for_two_bits(root, tmp_path):
    cells = {"LUT6_2": 5, "LUT?": 0}
    assert_takes(root, tmp_path, MODULE, {"WIDTH": 9, "OVER": 2}, cells)
