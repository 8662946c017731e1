"""Names that every language accepts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrigger.ir.naming import KEYWORDS, MAX_LENGTH, identifier, unique_identifiers

SAFE = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dense_1", "dense_1"),
        ("dense 1/relu", "dense_1_relu"),
        ("_x__y_", "x_y"),
        ("3d", "layer_3d"),
        ("", "layer"),
        ("../../etc; rm -rf $HOME", "etc_rm_rf_HOME"),
        ("signal", "layer_signal"),
        ("Begin", "layer_Begin"),
        ("clk", "layer_clk"),
        ("précision", "precision"),
        ("μ", "layer"),
        ("a" * 200, "a" * MAX_LENGTH),
    ],
)
def test_identifier(name, wanted):
    assert identifier(name) == wanted


@given(st.text())
def test_every_identifier_is_safe(name):
    found = identifier(name)
    assert SAFE.fullmatch(found)
    assert len(found) <= MAX_LENGTH
    assert found.lower() not in KEYWORDS
    assert identifier(found) == found


@given(st.lists(st.text(alphabet="aA_ 2", max_size=6), max_size=20))
def test_identifiers_differ_even_without_case(names):
    found = unique_identifiers(names)
    assert len({name.lower() for name in found}) == len(names)
    assert all(SAFE.fullmatch(name) for name in found)
    assert found == unique_identifiers(names)


def test_clashes_are_numbered():
    assert unique_identifiers(["a b", "a_b", "a_b_2", "A-B"]) == ("a_b", "a_b_2", "a_b_2_2", "A_B_3")
    assert unique_identifiers(["a" * 90, "a" * 80]) == ("a" * 64, "a" * 62 + "_2")


@pytest.mark.parametrize(
    "word", ["int", "module", "architecture", "proc", "logic", "template", "signal", "set", "word16", "nan"]
)
def test_reserved_words_of_every_language_are_known(word):
    assert word in KEYWORDS
