"""Copies of a layer whose operands have types of their own: every code stays what it was, and less is built."""

import numpy as np
import pytest
import strategies as own
from designs import build_of, disagreements
from hypothesis import given, settings
from hypothesis import strategies as st
from test_prove import failures
from typed_sets import typed_set

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.errors import InternalError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, evaluate, frozen_array
from bittrigger.ir.nodes.wire import Wire
from bittrigger.passes.fold_rounding import FoldRounding
from bittrigger.passes.own_types import OwnTypes
from bittrigger.passes.round_first import RoundFirst
from bittrigger.passes.simplify import simplify
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes

EXECUTORS = ["csim", "emulator", "rtl", "rtl-fast", "gates"]
FAST = Settings(clock_mhz=360.0, effort="fast")


@pytest.mark.parametrize("step", [OwnTypes(), RoundFirst(), FoldRounding(), None], ids=["own", "round", "fold", "all"])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_outputs_stay_what_they_were(step, seed):
    graph = typed_set(seed)
    made = simplify(graph, at_once=True) if step is None else step.apply(graph)
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 60, 1)])
    assert np.array_equal(evaluate(made, codes), evaluate(graph, codes))
    again = simplify(made, at_once=True) if step is None else step.apply(made)
    assert np.array_equal(evaluate(again, codes), evaluate(graph, codes))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Many random sets side by side, as they are built."""
    graph = simplify(own.merged([typed_set(seed) for seed in range(2100, 2107)]), at_once=True)
    assert sum("_of" in node.name for node in graph.nodes) > 10
    assert any(node.name.endswith("_limit") for node in graph.nodes)
    return build_of(create_pipeline(graph, FAST), tmp_path_factory.mktemp("typed"), synth=True)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_executor_agrees(built, executor):
    codes = np.concatenate([corner_codes(built.graph), random_codes(built.graph, 300, 4)])
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven


def two_types(factor=4, *, outputs=("dense",)):
    """Two constituents through one matrix, the second of two bits on a grid of ``factor``."""
    ports = (
        Input("x", 2, FixedPoint(True, 8, 2), Interval(-128, 127)),
        Input("y", 2, FixedPoint(True, 2, 0), Interval(-2, 1)),
    )
    align = Linear("align", ("y",), frozen_array(np.diag([factor] * 2)), frozen_array([0, 0]), 2)
    both = Wire("both", ("x", "align"), frozen_array(range(4)), 2)
    dense = Linear("dense", ("both",), frozen_array([[5, 7], [3, -9]]), frozen_array([1, 2]), 2, 2)
    return Graph("two", (*ports, align, both, dense), outputs)


def luts(graph):
    return estimate(create_pipeline(graph, FAST))[1].lut


def test_each_type_gets_adders_of_its_own():
    graph = two_types(outputs=("kept",))
    kept = Wire("kept", ("dense",), frozen_array(range(4)), 2)
    graph = Graph("two", (*graph.nodes, kept), ("kept",))
    made = OwnTypes().apply(graph)
    layers = {node.name: node for node in made.nodes if isinstance(node, Linear) and node.name != "align"}
    assert list(layers) == ["dense_of0", "dense_of1"]
    assert layers["dense_of1"].weights.tolist() == [[20, 28], [12, -36]]
    assert made["dense_of1_codes"].inputs == ("y",)  # the factor is in the matrix
    assert made["dense"].inputs == ("dense_of0", "dense_of1")
    assert luts(made) < 0.75 * luts(graph)


def test_names_that_are_taken_are_left_alone():
    graph = two_types(outputs=("dense_of0",))
    names = [Wire(name, ("dense",), frozen_array(range(4)), 2) for name in ("dense_of1_codes", "dense_of0")]
    made = OwnTypes().apply(Graph("two", (*graph.nodes, *names), ("dense_of0", "dense_of1_codes")))
    assert {"dense_of0_2", "dense_of1_codes_2"} <= {node.name for node in made.nodes}
    relu = rectified(Rounding.RND)
    taken = Wire("type0_limit", ("x",), frozen_array(range(2)), 0)
    made = RoundFirst().apply(Graph("net", (*relu.nodes, taken), (*relu.outputs, "type0_limit")))
    assert made["type0"].inputs == ("type0_limit_2",)


def test_equal_types_stay_one_layer():
    port = Input("x", 4, FixedPoint(True, 8, 2), Interval(-128, 127))
    dense = Linear("dense", ("x",), frozen_array([[5, 7], [3, -9]]), frozen_array([1, 2]), 2, 2)
    graph = Graph("one", (port, dense, Wire("kept", ("dense",), frozen_array(range(4)), 2)), ("kept",))
    assert OwnTypes().apply(graph) is graph


def test_what_leaves_the_design_stays_one_layer():
    graph = two_types()
    assert OwnTypes().apply(graph) is graph


def test_a_wire_of_several_grids_is_read_by_matrices_alone():
    graph = two_types()
    mixed = Wire("mixed", ("x", "y"), frozen_array(range(4)), 2)
    dense = Linear("sum", ("mixed",), frozen_array([[1], [1], [4], [4]]), frozen_array([0]), 2)
    verify(Graph("mixed", (*graph.inputs, mixed, dense), ("sum",)))
    relu = Requantize("relu", ("mixed",), 4, 0, Rounding.TRN, 0, 3, 2)
    for nodes, output in (((mixed, relu), "relu"), ((mixed,), "mixed"), ((mixed, dense, relu), "sum")):
        with pytest.raises(InternalError, match="'mixed' joins codes of different fractional bits"):
            verify(Graph("mixed", (*graph.inputs, *nodes), (output,)))


def rectified(mode, *, shift=0, dense_copies=1):
    """A sum behind a limit at zero, in front of two types that round ``mode``."""
    port = Input("x", 2, FixedPoint(True, 8, 0), Interval(-128, 127))
    weights = [[3, 1], [1, -2]] if dense_copies == 1 else [[3]]
    bias = [1] * (3 - dense_copies)
    dense = Linear("dense", ("x",), frozen_array(weights), frozen_array(bias), 0, dense_copies)
    relu = Requantize("relu", ("dense",), 2, shift, Rounding.TRN, 0, 300, 0)
    parts = [Wire(f"part{k}", ("relu",), frozen_array([k]), 0) for k in range(2)]
    types = [Requantize(f"type{k}", (f"part{k}",), 1, 2 + k, mode, 0, 15, 0) for k in range(2)]
    return Graph("net", (port, dense, relu, *parts, *types), ("type0", "type1"))


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("mode", list(Rounding))
def test_rounding_comes_first_where_that_is_the_same(mode, shift):
    graph = rectified(mode, shift=shift)
    made = RoundFirst().apply(graph)
    moved = mode in (Rounding.TRN, Rounding.RND) or not shift
    assert ("type0_limit" in [node.name for node in made.nodes]) == moved
    ends = np.arange(-128, 128)
    codes = np.stack(np.meshgrid(ends, ends), axis=-1).reshape(-1, 2)
    assert np.array_equal(evaluate(made, codes), evaluate(graph, codes))
    folded = FoldRounding().apply(made)
    assert np.array_equal(evaluate(folded, codes), evaluate(graph, codes))
    if moved and mode is Rounding.RND:
        assert folded["dense"].bias.tolist() == [1 + (2 << shift), 1 + (4 << shift)]
        assert folded["type0_limit"].rounding is Rounding.TRN


def test_a_layer_with_copies_takes_no_bias_that_differs_among_them():
    graph = RoundFirst().apply(rectified(Rounding.RND, dense_copies=2))
    assert FoldRounding().apply(graph) is graph


def test_what_is_limited_for_something_else_too_is_limited_before_it_is_rounded():
    graph = rectified(Rounding.RND)
    for more in (
        Graph("net", graph.nodes, (*graph.outputs, "relu")),
        Graph(
            "net",
            (*graph.nodes, Linear("sum", ("relu",), frozen_array([[1], [1]]), frozen_array([0]), 0)),
            (*graph.outputs, "sum"),
        ),
    ):
        assert RoundFirst().apply(more) is more
