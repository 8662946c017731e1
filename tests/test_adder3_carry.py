"""The three-input adder whose top bit is a carry: where it may be built, and LUT6_2 and CARRY8 against the behavioural form."""

from collections import defaultdict
from itertools import product

import pytest
from library import assert_equal, assert_refuted, assert_takes, carry_form, carry_forms, compare

from bittrigger.device.carry import Field, top_is_carry

MODULE = "bittrigger_adder3_carry"


# the widest first: the order does not matter to the firmware, nor to top_is_carry
WIDTHS_OF_4 = [
    (3, 3, 3),
    (3, 3, 2),
    (3, 3, 1),
    (3, 2, 2),
    (3, 2, 1),
    (3, 1, 1),
    (2, 2, 2),
    (2, 2, 1),
    (2, 1, 1),
    (1, 1, 1),
]


def one_of_each(forms):
    """Of forms that differ in the order of their operands alone one, now in this order and now in that."""
    groups = defaultdict(list)
    for form in forms:
        numbers, _, _ = form
        bits = [tuple(numbers[mask] >> k & 1 for mask in ("SIGNED", "NEGATE")) for k in range(3)]
        groups[tuple(sorted((numbers[port], *own) for port, own in zip("ABC", bits, strict=True)))].append(form)
    return [group[number % len(group)] for number, group in enumerate(groups.values())]


def test_the_forms_that_may_be_built_are_proven_equal(root, tmp_path, pytestconfig):
    """One order of operands each; with ``--hypothesis-profile nightly`` every one."""
    every = [entry for entry in carry_forms(4, WIDTHS_OF_4) if entry[2]]
    right = every if pytestconfig.getoption("--hypothesis-profile") == "nightly" else one_of_each(every)
    assert (len(every), len(right) >= 145) == (278, True)
    assert_equal(compare(root, tmp_path, MODULE, right), right)


def test_signed_operands_grow_in_every_usual_way(root, tmp_path):
    right = []
    for width, sizes in (
        (10, (8, 8, 8)),
        (11, (10, 8, 8)),
        (11, (9, 9, 9)),
        (17, (16, 15, 9)),
        (3, (1, 1, 1)),
        (3, (2, 1, 1)),
    ):
        for negative in [n for n in product((False, True), repeat=3) if sum(n) < 3]:
            fields = [Field(size, True, minus) for size, minus in zip(sizes, negative, strict=True)]
            assert top_is_carry(fields, width, signed=True)
            right.append(carry_form(width, fields))
    assert_equal(compare(root, tmp_path, MODULE, right), right)


@pytest.mark.parametrize(("sizes", "sign"), [((3, 3, 3), True), ((3, 3, 2), True), ((3, 3, 3), False)])
def test_two_operands_of_one_bit_less_may_not_be_built_so(root, tmp_path, sizes, sign):
    wrong = [carry_form(4, [Field(size, sign, False) for size in sizes])]
    assert not wrong[0][2]
    assert_equal(compare(root, tmp_path, MODULE, wrong), wrong)


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    fields = [Field(8, True, False)] * 3
    assert_refuted(root, tmp_path, MODULE, carry_form(10, fields), ("total == 2;", "total == 0;"))


def test_it_takes_no_lut_for_the_top_bit(root, tmp_path):
    cells = {"LUT6_2": 12, "CARRY8": 2, "LUT?": 0, "INV": 0}
    assert_takes(root, tmp_path, MODULE, {"WIDTH": 13, "A": 11, "B": 11, "C": 11}, cells)
