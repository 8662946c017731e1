"""The integer graph: its intervals, its oracle, its checks."""

from dataclasses import replace

import numpy as np
import pytest
import strategies as own
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.errors import InternalError, UnsupportedModelError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import (
    Graph,
    Input,
    Linear,
    Lookup,
    Requantize,
    evaluate,
    evaluate_nodes,
    frozen_array,
    intervals,
)
from bittrigger.ir.nodes.wire import Wire

BYTE = FixedPoint(True, 8, 4)


def one_layer(weights, bias=None, frac=4):
    weights = np.asarray(weights)
    bias = np.zeros(weights.shape[1], dtype=np.int64) if bias is None else np.asarray(bias)
    port = Input("x", weights.shape[0], BYTE, BYTE.interval)
    layer = Linear("dense", ("x",), frozen_array(weights), frozen_array(bias), frac)
    return Graph("net", (port, layer), ("dense",))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_code_lies_in_its_interval(data):
    graph = data.draw(own.graphs())
    codes = data.draw(own.codes_of(graph, events=20))
    ranges = intervals(graph)
    for name, values in evaluate_nodes(graph, codes).items():
        lows = np.array([r.lo for r in ranges[name]])
        highs = np.array([r.hi for r in ranges[name]])
        assert (lows <= values).all()
        assert (values <= highs).all()


@given(own.matrices(max_in=6, max_abs=3))
def test_the_hull_of_a_linear_layer_is_reached(weights):
    graph = one_layer(weights)
    lo = np.where(weights > 0, -128, 127).T
    hi = np.where(weights > 0, 127, -128).T
    for j, interval in enumerate(intervals(graph)["dense"]):
        assert evaluate(graph, lo)[j, j] == interval.lo
        assert evaluate(graph, hi)[j, j] == interval.hi


def test_requantize_rounds_then_clips():
    graph = Graph(
        "net",
        (Input("x", 1, BYTE, BYTE.interval), Requantize("r", ("x",), 1, 2, Rounding.RND_CONV, 0, 15, 2)),
        ("r",),
    )
    assert evaluate(graph, np.array([[-9], [2], [6], [7], [127]])).ravel().tolist() == [0, 0, 2, 2, 15]


def test_lookup_takes_the_last_start_not_above():
    graph = Graph(
        "net",
        (Input("x", 2, BYTE, BYTE.interval), Lookup("t", ("x",), ((-128, 0, 5), (-128,)), ((-1, 0, 1), (7,)), 0)),
        ("t",),
    )
    assert evaluate(graph, np.array([[-1, 3], [0, 3], [4, 3], [5, -128]])).tolist() == [[-1, 7], [0, 7], [0, 7], [1, 7]]


def test_ternary_columns_may_carry_a_power_of_two():
    assert one_layer([[1, 4], [-1, 0], [0, -4]])["dense"].is_ternary
    assert one_layer([[0], [0]])["dense"].is_ternary
    assert not one_layer([[1], [2]])["dense"].is_ternary
    assert not one_layer([[3], [3]])["dense"].is_ternary


def test_evaluate_refuses_codes_outside_the_port():
    graph = one_layer([[1]])
    with pytest.raises(InternalError, match="outside"):
        evaluate(graph, np.array([[128]]))
    with pytest.raises(InternalError, match="shape"):
        evaluate(graph, np.zeros((3, 2), dtype=np.int64))


def test_verify_finds_what_is_malformed():
    port = Input("x", 2, BYTE, BYTE.interval)
    layer = Linear("d", ("x",), frozen_array(np.ones((3, 1))), frozen_array(np.zeros(1)), 4)
    with pytest.raises(InternalError, match="does not fit 2"):
        verify(Graph("net", (port, layer), ("d",)))
    with pytest.raises(InternalError, match="does not come before"):
        verify(Graph("net", (layer, port), ("d",)))
    with pytest.raises(InternalError, match="twice"):
        verify(Graph("net", (port, port), ("x",)))
    with pytest.raises(InternalError, match="outputs"):
        verify(Graph("net", (port,), ("y",)))


def test_verify_refuses_codes_too_wide_for_the_oracle():
    wide = Interval(-(2**60), 2**60)
    port = Input("x", 4, FixedPoint(True, 62, 0), wide)
    layer = Linear("d", ("x",), frozen_array(np.ones((4, 1))), frozen_array(np.zeros(1)), 0)
    with pytest.raises(
        UnsupportedModelError, match="layer 'd': its codes need 64 bits; .*--input-precision 'fixed<16,6>'"
    ):
        verify(Graph("net", (port, layer), ("d",)))
    copy = Linear("n", ("x",), frozen_array(np.eye(4)), frozen_array(np.zeros(4)), 0)
    turned = Wire("turned", ("n",), np.arange(4, dtype=np.int64)[::-1], 0)
    with pytest.raises(UnsupportedModelError, match=r"round what it reads \(--layer-precision 'n=fixed<16,6>'\)"):
        verify(Graph("net", (port, copy, turned, replace(layer, inputs=("turned",))), ("d",)))


@pytest.mark.parametrize("shift", [-1, -8, -200])
def test_verify_refuses_a_shift_that_would_wrap(shift):
    kind = FixedPoint(True, 62, 0)
    nodes = (Input("x", 1, kind, kind.interval), Requantize("r", ("x",), 1, shift, Rounding.TRN, 0, 15, 2))
    with pytest.raises(UnsupportedModelError, match=f"layer 'r': its codes need {62 - shift} bits"):
        verify(Graph("net", nodes, ("r",)))


def test_segments_that_are_out_of_reach_are_left_out():
    steps = Lookup("steps", ("x",), ((-10, 0, 3, 5, 9),), ((1, 2, 2, 7, 8),), 0)
    assert steps.segments(0, Interval(1, 8)) == ((0, 2), (5, 7))
    assert steps.segments(0, Interval(-10, 100)) == ((-10, 1), (0, 2), (5, 7), (9, 8))
    assert steps.segments(0, Interval(0, 4)) == ((0, 2),)
