"""The digit of a sum of the firmware library: LUT6_2 equals the behavioural form, for every input."""

from itertools import product

import pytest
from library import assert_equal, assert_refuted, assert_takes, compare

MODULE = "bittrigger_digit"


@pytest.mark.parametrize("result", ["sum", "above"])
def test_the_primitive_form_is_proven_equal(root, tmp_path, result):
    forms = []
    for width, invert in product((1, 2, 3, 4), range(4)):
        ports = {"a": width, "b": width, "carry": 1, result: width if result == "sum" else 1}
        forms.append(({"WIDTH": width, "INVERT": invert}, ports, True))
    assert_equal(compare(root, tmp_path, MODULE, forms), forms)


def test_the_proof_finds_a_wrong_table(root, tmp_path):
    ports = {"a": 2, "b": 2, "carry": 1, "sum": 2}
    wrong = ("UPPER_A ^ UPPER_B ^ KEPT", "UPPER_A ^ UPPER_B ^ CARRY")
    assert_refuted(root, tmp_path, MODULE, ({"WIDTH": 2, "INVERT": 1}, ports, True), wrong)


@pytest.mark.parametrize(("width", "cells"), [(1, {"LUT6_2": 1}), (2, {"LUT6_2": 1, "LUT3": 1}), (4, {"LUT6_2": 2})])
def test_it_takes_a_lut_for_each_bit(root, tmp_path, width, cells):
    assert_takes(root, tmp_path, MODULE, {"WIDTH": width, "INVERT": 1}, {**cells, "LUT?": width // 2})
