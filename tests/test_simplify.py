"""The passes on the integer graph: every output code stays what it was, and less is built."""

from dataclasses import replace

import numpy as np
import pytest
import strategies as own
from designs import rounding_forms
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, evaluate, frozen_array, intervals
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.passes.drop_unread import DropUnread
from bittrigger.passes.fold_rounding import FoldRounding
from bittrigger.passes.join_layers import JoinLayers
from bittrigger.passes.move_biases import MoveBiases
from bittrigger.passes.simplify import PASSES, simplify
from bittrigger.solver import SolverOptions, graph_luts, solve

BYTE = FixedPoint(True, 8, 0)


def layer(name, inputs, weights, bias):
    return Linear(name, inputs, frozen_array(weights), frozen_array(bias), 0)


def rounded(rounding, offset=0, shift=2, *, lo=0, hi=15, outputs=("act",)):
    """A sum, rounded."""
    port = Input("x", 1, BYTE, BYTE.interval)
    node = Requantize("act", ("dense",), 1, shift, rounding, lo, hi, 0, offset)
    return Graph("net", (port, layer("dense", ("x",), [[1]], [3]), node), outputs)


@pytest.mark.parametrize("step", [*PASSES, None], ids=["DropUnread", "MoveBiases", "FoldRounding", "OneQueue", "all"])
@given(graph=own.graphs(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_outputs_stay_what_they_were(step, graph, data):
    made = simplify(graph) if step is None else step.apply(graph)
    codes = data.draw(own.codes_of(graph))
    np.testing.assert_array_equal(evaluate(made, codes), evaluate(graph, codes))
    sizes = {node.name: node.size for node in made.nodes}
    assert sizes == {node.name: node.size for node in graph.nodes if node.name in sizes}
    assert set(graph.outputs) <= set(sizes)


def test_nothing_is_built_that_no_output_depends_on():
    """The middle layer goes and what it alone reads; a wire that carried nothing but zeros is a layer without weights."""
    port = Input("x", 2, BYTE, BYTE.interval)
    first, middle = layer("first", ("x",), [[1], [1]], [0]), layer("middle", ("first",), [[2]], [1])
    other = layer("other", ("x",), [[1], [0]], [0])
    zeros = Wire("zeros", ("middle",), frozen_array([ZERO, ZERO]), 0)
    joined = Wire("joined", ("middle", "other"), frozen_array([ZERO, 1]), 0)
    graph = Graph("net", (port, first, middle, other, zeros, joined), ("zeros", "joined"))
    made = DropUnread().apply(graph)
    verify(made)
    assert [node.name for node in made.nodes] == ["x", "other", "zeros", "joined"]
    assert made["joined"].inputs == ("other",)
    codes = np.array([[3, -4], [-128, 127]])
    np.testing.assert_array_equal(evaluate(made, codes), evaluate(graph, codes))


@pytest.mark.parametrize("low", [-128, 5])
def test_nothing_is_built_for_what_a_wire_carries_and_is_cropped_behind_it(low):
    ports = [Input(name, 1, BYTE, Interval(low if name == "y" else -128, 127)) for name in "xy"]
    kept = Requantize("kept", ("x",), 1, 0, Rounding.TRN, -128, 127, 0)
    cropped = replace(kept, name="cropped", inputs=("y",))
    sums = [layer(f"{name}_sum", (name,), [[1]], [0]) for name in ("kept", "cropped")]
    joined = Wire("joined", ("kept_sum", "cropped_sum"), frozen_array([0, 1]), 0)
    crop = Wire("crop", ("joined",), frozen_array([0]), 0)
    graph = Graph("net", (*ports, kept, cropped, *sums, joined, crop), ("crop",))
    made = DropUnread().apply(graph)
    verify(made)
    there = ["x", "y", "kept", "kept_sum", "joined", "crop"]
    if low > 0:  # the constant in its place is not 0
        there[3:3] = ["cropped"]
        there[5:5] = ["cropped_sum"]
    assert [node.name for node in made.nodes] == there
    codes = np.array([[3, 7], [-128, 127]])
    np.testing.assert_array_equal(evaluate(made, codes), evaluate(graph, codes))


@pytest.mark.parametrize("lo", [0, -5])
@pytest.mark.parametrize("shift", [1, 2, 5])
def test_every_code_of_every_rounding_stays_what_it_was(shift, lo):
    codes = np.arange(-128, 128)[:, None]
    for rounding, offset in rounding_forms(shift):
        graph = rounded(rounding, offset, shift, lo=lo, hi=9)
        made = FoldRounding().apply(graph)
        np.testing.assert_array_equal(evaluate(made, codes), evaluate(graph, codes), err_msg=f"{rounding} {offset}")
        again = FoldRounding().apply(made)
        assert np.array_equal(again["dense"].bias, made["dense"].bias)
        assert (again["act"].rounding, again["act"].offset) == (made["act"].rounding, made["act"].offset)


def test_rounding_to_nearest_leaves_no_adder_in_the_requantiser():
    for rounding in (Rounding.TRN, Rounding.RND, Rounding.RND_MIN_INF, Rounding.RND_INF, Rounding.RND_ZERO):
        assert FoldRounding().apply(rounded(rounding))["act"].rounding is Rounding.TRN
    even = FoldRounding().apply(rounded(Rounding.RND_CONV))
    assert even["act"].clears_ties
    assert even["dense"].bias.tolist() == [3 + 2]


def test_a_sum_that_something_else_reads_keeps_its_bias():
    shared = rounded(Rounding.RND, outputs=("act", "dense"))
    assert FoldRounding().apply(shared) is shared


def test_constants_go_into_the_bias_and_unread_columns_go():
    nodes = (
        Input("x", 2, BYTE, BYTE.interval),
        layer("first", ("x",), [[1, 1, 1], [1, -1, 0]], [0, 0, -2000]),
        Requantize("act", ("first",), 3, 0, Rounding.TRN, 0, 7, 0),  # the third code is always 0
        layer("second", ("act",), [[1], [0], [5]], [4]),  # and nothing reads the second
    )
    made = DropUnread().apply(Graph("net", nodes, ("second",)))
    assert made["second"].weights.tolist() == [[1], [0], [0]]
    assert made["first"].weights.tolist() == [[1, 0, 0], [1, 0, 0]]
    assert made["first"].bias.tolist() == [0, 0, -2128]  # as low as the third code was before
    high = (nodes[0], layer("first", ("x",), [[0], [0]], [9]), layer("second", ("first",), [[3]], [1]))
    made = DropUnread().apply(Graph("net", high, ("second",)))
    assert (made["second"].weights.tolist(), made["second"].bias.tolist()) == ([[0]], [28])
    assert intervals(made)["second"] == (Interval(28, 28),)


def test_a_half_that_is_wider_than_any_bias_stays_where_it_is():
    port = Input("x", 2, FixedPoint(True, 8, 4), Interval(-127, 127))
    layer = Linear("dense", ("x",), frozen_array([[1], [1]]), frozen_array([3]), 140)
    graph = Graph("far", (port, layer, Requantize("relu", ("dense",), 1, 140, Rounding.RND_CONV, 0, 63, 0)), ("relu",))
    assert FoldRounding().apply(graph) == graph


def scaled_twice(second, outputs=("dense",)):
    """Two layers of copies, one behind the other, and perhaps another reader of the first."""
    port = Input("x", 4, BYTE, BYTE.interval)
    scale = Linear("scale", ("x",), frozen_array([[3, 0], [0, 5]]), frozen_array([7, -2]), 0, 2)
    return Graph("net", (port, scale, second), outputs)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_bias_moves_behind_the_matrix_that_alone_reads_it(copies):
    weights = np.arange(12).reshape(4, 3)[: 4 // copies] - 5
    graph = scaled_twice(Linear("dense", ("scale",), frozen_array(weights), frozen_array([1, 2, 3]), 0, copies))
    made = MoveBiases().apply(graph)
    assert not made["scale"].bias.any()
    assert (made["dense"].bias == [1, 2, 3] + np.tile([7, -2], 2 // copies) @ weights).all()
    codes = np.random.default_rng(1).integers(-128, 128, (50, 4))
    np.testing.assert_array_equal(evaluate(made, codes), evaluate(graph, codes))


def test_a_bias_stays_where_it_is_delivered_or_not_the_same_for_all_copies():
    dense = Linear("dense", ("scale",), frozen_array([[1]]), frozen_array([0]), 0, 4)
    for graph in (scaled_twice(dense), scaled_twice(dense, outputs=("dense", "scale"))):
        assert MoveBiases().apply(graph)["scale"].bias.any()
    wide = Linear("dense", ("scale",), frozen_array([[1 << 61], [0]]), frozen_array([0]), 0, 2)
    assert MoveBiases().apply(scaled_twice(wide))["scale"].bias.any()


def joined(user, *, layer_copies=1, inputs=("dense",), weights=((1, -3), (2, 0))):
    """Two codes through a layer, and what reads it."""
    first = Linear("dense", ("x",), frozen_array(weights), frozen_array([5, -7]), 0, layer_copies)
    port = Input("x", 2 * layer_copies, BYTE, BYTE.interval)
    other = Input("z", 2, BYTE, BYTE.interval)
    last = Linear("last", inputs, frozen_array(user), frozen_array(np.arange(len(user[0]))), 0, layer_copies)
    nodes = (port, other, first, last) if "z" in inputs else (port, first, last)
    return Graph("net", nodes, ("last",))


@pytest.mark.parametrize("inputs", [("z", "dense"), ("dense", "z"), ("x", "dense"), ("dense", "x")])
def test_a_sum_or_difference_is_multiplied_into_the_layer_before(inputs):
    graph = joined([[1, 0], [0, 1], [-1, 0], [0, -1]], inputs=inputs)
    made = JoinLayers().apply(graph)
    assert [node.name for node in made.nodes if isinstance(node, Linear)] == ["last"]
    codes = np.random.default_rng(3).integers(-128, 128, (200, graph.n_inputs))
    np.testing.assert_array_equal(evaluate(made, codes), evaluate(graph, codes))
    assert len(set(made["last"].inputs)) == len(made["last"].inputs)


def test_a_layer_whose_reader_reads_something_twice_is_not_joined():
    """Its matrix has rows for each time."""
    graph = joined([[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [2, 0]], inputs=("dense", "z", "z"))
    codes = np.random.default_rng(3).integers(-128, 128, (50, graph.n_inputs))
    np.testing.assert_array_equal(evaluate(JoinLayers().apply(graph), codes), evaluate(graph, codes))


def test_layers_that_take_more_adders_as_one_stay_two():
    narrow = joined(np.resize([3, -5, 7], (2, 40)), weights=[[11, 13], [21, -19]])
    assert JoinLayers().apply(narrow) is narrow
    several = joined([[1, 0], [0, 1]], layer_copies=3)
    made = JoinLayers().apply(several)
    assert [node.copies for node in made.nodes if isinstance(node, Linear)] == [3]
    codes = np.random.default_rng(4).integers(-128, 128, (200, 6))
    np.testing.assert_array_equal(evaluate(made, codes), evaluate(several, codes))


def luts(graph):
    """LUTs of the adders of all layers that read the port or one another."""
    ranges = intervals(graph)
    layers = [node for node in graph.nodes if isinstance(node, Linear)]
    spans = [tuple(span for name in node.inputs for span in ranges[name]) for node in layers]
    fast = SolverOptions(effort="fast")
    return sum(graph_luts(solve(node.weights, node.bias, span, fast)) for node, span in zip(layers, spans, strict=True))


@pytest.mark.parametrize("seed", range(40))
def test_layers_that_are_joined_take_no_more_luts_as_one(seed):
    rng = np.random.default_rng(seed)
    between, columns, most = rng.integers(2, 16, 3)
    weights = rng.integers(-most, most + 1, (6, between)) * (rng.random((6, between)) < 0.7)
    user = rng.integers(-1, 2, (between, columns)) * (rng.random((between, 1)) < 0.4)
    first = layer("dense", ("x",), weights, rng.integers(-9, 10, between))
    last = layer("last", ("dense",), user, rng.integers(-9, 10, columns))
    graph = Graph("net", (Input("x", 6, BYTE, BYTE.interval), first, last), ("last",))
    assert luts(JoinLayers().apply(graph)) <= luts(graph)


def test_a_layer_that_two_read_or_that_leaves_is_not_joined():
    nodes = (*joined([[1, 0], [0, 1]]).nodes, layer("again", ("dense",), [[1], [1]], [0]))
    twice = Graph("net", nodes, ("last", "again"))
    assert JoinLayers().apply(twice) is twice
    leaves = Graph("net", nodes[:-1], ("last", "dense"))
    assert JoinLayers().apply(leaves) is leaves


@given(graph=own.graphs(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_outputs_stay_what_they_were_at_once(graph, data):
    made = simplify(graph, at_once=True)
    codes = data.draw(own.codes_of(graph))
    np.testing.assert_array_equal(evaluate(made, codes), evaluate(graph, codes))
