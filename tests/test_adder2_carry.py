"""The two-input adder whose top bit is a carry: where it may be built, and its carry chain against the behavioural form."""

from itertools import product

import pytest
from library import assert_equal, assert_refuted, assert_takes, carry_form, carry_forms, compare

from bittrigger.device.carry import Field, plain_carry, top_is_carry

MODULE = "bittrigger_adder2_carry"


def test_the_forms_that_may_be_built_are_proven_equal(root, tmp_path):
    right = [entry for entry in carry_forms(4, product((1, 2, 3), repeat=2)) if entry[2]]
    right += [entry for width in (2, 3, 9, 10) for entry in carry_forms(width, [(width - 1, width - 1)]) if entry[2]]
    assert len(right) > 80
    assert_equal(compare(root, tmp_path, MODULE, right), right)


@pytest.mark.parametrize("negative", [(False, False), (True, False), (False, True)])
def test_signed_operands_always_grow(negative):
    for sizes in ((8, 8), (8, 3), (3, 8), (1, 1)):
        fields = [Field(size, True, minus) for size, minus in zip(sizes, negative, strict=True)]
        assert top_is_carry(fields, max(sizes) + 1, signed=True)
        assert not top_is_carry(fields, max(sizes), signed=True)
        assert not plain_carry(fields, max(sizes) + 1)


def test_a_signed_and_an_unsigned_operand_of_one_bit_less_may_not_be_built_so(root, tmp_path):
    wrong = [carry_form(4, [Field(3, True, False), Field(3, False, False)])]
    assert not wrong[0][2]
    assert_equal(compare(root, tmp_path, MODULE, wrong), wrong)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("total == 2;", "total == 0;"),
        ("? wide_b[i]", "? wide_a[i]"),
        (" ^ (|NEGATE)", ""),
        ("WIDTH - 1 && SIGN", "WIDTH"),
    ],
)
def test_the_proof_finds_a_fault(root, tmp_path, right, wrong):
    fields = [Field(8, True, True), Field(8, True, False)]
    assert_refuted(root, tmp_path, MODULE, carry_form(9, fields), (right, wrong))


def test_it_takes_no_lut_for_the_top_bit(root, tmp_path):
    cells = {"LUT2": 11, "LUT6_2": 1, "CARRY8": 2, "INV": 0}
    assert_takes(root, tmp_path, MODULE, {"WIDTH": 13, "A": 12, "B": 12, "NEGATE": 2}, cells)
