"""Adder graphs: evaluation, linear form, intervals, text."""

import dataclasses
import itertools

import numpy as np
import pytest
import strategies as own
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.errors import InternalError
from bittrigger.ir import adders
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.digits import signed_digits
from bittrigger.ir.fixed import Interval
from bittrigger.passes.lower_trees import lower_trees

EXAMPLE = AdderGraph(
    (Interval(-128, 127), Interval(0, 15)),
    (
        Adder((Term(0), Term(1, 2, negative=True))),
        Adder((Term(2), Term(0), Term(1))),
        Adder((Term(3, 0, negative=True),), 5),
    ),
    (Output(3, 1), Output(4), Output(None, 0, -7)),
)


@given(st.integers(-(2**40), 2**40))
def test_signed_digits_add_up_and_are_never_adjacent(constant):
    digits = signed_digits(constant)
    assert sum(-(1 << shift) if negative else 1 << shift for shift, negative in digits) == constant
    shifts = [shift for shift, _ in digits]
    assert all(b - a > 1 for a, b in itertools.pairwise(shifts))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_trees_compute_their_matrix_within_their_intervals(data):
    weights = data.draw(own.matrices(max_abs=data.draw(st.sampled_from([1, 9]))))
    source = data.draw(own.input_ranges(weights.shape[0]))
    bias = np.array([data.draw(st.integers(-100, 100)) for _ in range(weights.shape[1])])
    graph = lower_trees(weights, bias, source)
    adders.verify(graph, weights, bias)
    lows, highs = np.array([r.lo for r in source]), np.array([r.hi for r in source])
    codes = np.vstack([lows, highs, np.random.default_rng(0).integers(lows, highs + 1, size=(8, len(source)))])
    assert np.array_equal(adders.evaluate(graph, codes), codes @ weights + bias)
    ranges = adders.value_intervals(graph)
    for out, column in zip(graph.outputs, (codes @ weights + bias).T, strict=True):
        if out.value is not None:
            interval = ranges[out.value] << out.shift
            assert interval.lo <= column.min()
            assert column.max() <= interval.hi


@given(own.adder_graphs())
@settings(max_examples=100, deadline=None)
def test_intervals_are_exact_even_where_operands_cancel(graph):
    corners = np.array(list(itertools.product(*((span.lo, span.hi) for span in graph.inputs))))
    values = adders._all_values(graph, corners)
    assert adders.value_intervals(graph) == [Interval(int(v.min()), int(v.max())) for v in values]


def test_what_cancels_widens_nothing():
    total = Adder((Term(0), Term(1)))
    graph = AdderGraph((Interval(-128, 127),) * 2, (total, Adder((Term(2), Term(1, 0, negative=True)))), (Output(3),))
    assert adders.value_intervals(graph)[2:] == [Interval(-256, 254), Interval(-128, 127)]


def test_linear_form_depth_and_text():
    matrix, bias = adders.linear_form(EXAMPLE)
    assert matrix.tolist() == [[4, -2, 0], [-6, 3, 0]]
    assert bias.tolist() == [0, 5, -7]
    assert adders.depths(EXAMPLE) == [0, 0, 1, 2, 3]
    assert adders.depth(EXAMPLE) == 3
    assert adders.text(EXAMPLE) == (
        "x0[-128..127]\nx1[0..15]\n"
        "s0[-188..127] = x0 - (x1 << 2)\ns1[-301..254] = s0 + x0 + x1\ns2[-249..306] = -s1 + 5\n"
        "y0 = s1 << 1\ny1 = s2\ny2 = -7\n"
    )


def test_verify_accepts_the_matrix_and_refuses_one_flipped_sign():
    matrix, bias = adders.linear_form(EXAMPLE)
    adders.verify(EXAMPLE, matrix, bias)
    wrong = matrix.copy()
    wrong[1, 1] = -wrong[1, 1]
    with pytest.raises(InternalError, match=r"column 1 \(1 in all\)"):
        adders.verify(EXAMPLE, wrong, bias)
    with pytest.raises(InternalError, match="column 2"):
        adders.verify(EXAMPLE, matrix, bias + np.array([0, 0, 1]))


def test_verify_refuses_malformed_adders():
    matrix, bias = adders.linear_form(EXAMPLE)
    four = dataclasses.replace(EXAMPLE, adders=(Adder((Term(0), Term(1), Term(1)), 3), *EXAMPLE.adders[1:]))
    with pytest.raises(InternalError, match="adder 0 has 3 terms and constant 3"):
        adders.verify(four, matrix, bias)
    later = dataclasses.replace(EXAMPLE, adders=(Adder((Term(0), Term(4))), *EXAMPLE.adders[1:]))
    with pytest.raises(InternalError, match="reads a value that does not come before"):
        adders.verify(later, matrix, bias)
