"""The multiplexer of the firmware library: LUTs and MUXF7 equal the behavioural form, for every input."""

from library import assert_equal, assert_refuted, assert_takes, compare

MODULE = "bittrigger_pick"
FORMS = [({"INVERT": invert}, {"choices": 8, "index": 3, "chosen": 1}, True) for invert in (0, 1, 128, 165)]


def test_the_primitive_form_is_proven_equal(root, tmp_path):
    assert_equal(compare(root, tmp_path, MODULE, FORMS), FORMS)


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    assert_refuted(root, tmp_path, MODULE, FORMS[1], ("ff00f0f0ccccaaaa", "ff00f0f0ccccaaab"))


def test_it_takes_two_luts(root, tmp_path):
    assert_takes(root, tmp_path, MODULE, {"INVERT": 128}, {"LUT6": 2, "MUXF7": 1, "LUT?": 2})
