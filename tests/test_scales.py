"""Scales in front of requantisers: other multipliers of fewer LUTs, equal on every code."""

from __future__ import annotations

import numpy as np
import pytest

from bittrigger.compile.scales import with_cheap_scales
from bittrigger.ir.adders import depth
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, evaluate, frozen_array
from bittrigger.solver import graph_luts, solve_blocks

PORT = Interval(-2048, 2047)


def scaled(multipliers, offsets, shift=16, limits=(-128, 127), *, span=PORT, matrix=None):
    """Codes times a factor each, rounded down and limited."""
    size, (lo, hi) = len(multipliers), limits
    weights = np.diag(multipliers) if matrix is None else np.array(matrix)
    nodes = (
        Input("x", size, FixedPoint(True, 12, 0), span),
        Linear("scale", ("x",), frozen_array(weights), frozen_array(np.array(offsets)), shift),
        Requantize("codes", ("scale",), size, shift, Rounding.TRN, lo, hi, 0),
    )
    return Graph("scales", nodes, ("codes",))


def adders(graph):
    layer, port = graph["scale"], graph.nodes[0]
    return solve_blocks(layer.weights, layer.bias, (port.interval,) * port.size, apart=True)


def every_code(graph):
    size = graph.nodes[0].size
    return np.repeat(np.arange(PORT.lo, PORT.hi + 1)[:, None], size, axis=1)


@pytest.mark.parametrize(
    ("shift", "lo", "hi"), [(16, -128, 127), (14, -128, 127), (16, 0, 63), (18, -20, 3), (12, -9, 2047)]
)
def test_equal_on_every_code_and_cheaper(shift, lo, hi):
    generator = np.random.default_rng(shift + hi)
    multipliers = generator.integers(1 << 10, 1 << 14, 12) * generator.choice([-1, 1], 12)
    graph = scaled(multipliers, generator.integers(-(1 << 18), 1 << 18, 12), shift, (lo, hi))
    cheap = with_cheap_scales(graph)
    codes = every_code(graph)
    assert np.array_equal(evaluate(cheap, codes), evaluate(graph, codes))
    before, after = adders(graph), adders(cheap)
    assert graph_luts(after) < 0.95 * graph_luts(before) or shift < 13  # steep lines have one multiplier
    assert depth(after) <= depth(before)


def test_what_has_no_other_multiplier_stays():
    exact = scaled([1, 4, -8, 0], [0, 5, -3, 7], shift=0)
    assert with_cheap_scales(exact) is exact
    sums = scaled([1, 1], [0, 0], matrix=[[3001, 0], [77, 4099]])
    assert with_cheap_scales(sums) is sums
    shared = scaled([1, 1], [3, 9], matrix=[[3001, 3001], [0, 0]])
    assert with_cheap_scales(shared) is shared


def test_a_scale_whose_codes_leave_is_not_touched():
    graph = scaled([3001, 4099], [0, 0])
    leaving = Graph("leaving", graph.nodes, ("codes", "scale"))
    assert with_cheap_scales(leaving) is leaving


@pytest.mark.parametrize("span", [Interval(5, 5), Interval(0, 1), Interval(-3, 2000)])
def test_narrow_operands(span):
    graph = scaled([3001, -4099, 65535], [17, -40000, 1], span=span)
    codes = every_code(graph)
    codes = codes[(codes[:, 0] >= span.lo) & (codes[:, 0] <= span.hi)]
    assert np.array_equal(evaluate(with_cheap_scales(graph), codes), evaluate(graph, codes))


def test_a_wide_product_beside_leaves_no_room_for_finer_ones():
    alone = scaled([11213, 5851, 14549], [17, -40000, 91])
    beside = scaled([11213, 5851, 14549, 1 << 50], [17, -40000, 91, 0])
    assert with_cheap_scales(alone) is not alone
    assert with_cheap_scales(beside) is beside


def test_the_widest_products_are_left_alone():
    graph = scaled([(1 << 46) - 12345], [0], shift=50)
    assert with_cheap_scales(graph) is graph
