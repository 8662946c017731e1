"""Copies of a layer whose operands have types of their own: every code stays what it was, and less is built."""

from dataclasses import replace

import numpy as np
import pytest
import strategies as own
from designs import around, build_of, disagreements, rounding_forms, scaled
from hypothesis import given, settings
from hypothesis import strategies as st
from test_prove import failures
from test_rtl import pipeline_of
from typed_sets import typed_set

from bittrigger.build.store import graph_from_json, graph_to_json
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.read import simplified
from bittrigger.device.cost_model import estimate
from bittrigger.errors import InternalError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Overflow, Rounding
from bittrigger.ir.graph import (
    Graph,
    Input,
    Linear,
    Lookup,
    Requantize,
    evaluate,
    frozen_array,
    intervals,
    requantize_codes,
)
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
    assert any(isinstance(node, Requantize) and node.rectified for node in graph.nodes)
    return build_of(create_pipeline(graph, FAST), tmp_path_factory.mktemp("typed"), synth=True)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_executor_agrees(built, executor):
    codes = np.concatenate([corner_codes(built.graph), random_codes(built.graph, 300, 4)])
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven


def rectified_forms():
    """Codes that wrap around once they are not negative: every rounding and shift, on operands of every kind; and all codes."""
    spans = (Interval(-128, 127), Interval(0, 255), Interval(-90, -7), Interval(-3, 200))
    ports = tuple(Input(f"x{k}", 1, FixedPoint.holding(span, 0), span) for k, span in enumerate(spans))
    names = tuple(port.name for port in ports)
    nodes = tuple(
        replace(around(f"q{shift + 9}_{top}_{n}", names, len(names), shift, (0, top), form), rectified=True)
        for shift in (-2, 0, 1, 3)
        for top in (1, 7, 63)
        for n, form in enumerate(rounding_forms(shift))
        if shift > 0 or form[1] or form[0] is Rounding.TRN
    )
    graph = Graph("forms", (*ports, *nodes), tuple(node.name for node in nodes))
    steps = np.arange(256)[:, None]
    return graph, np.concatenate([span.lo + steps % (span.hi - span.lo + 1) for span in spans], axis=1)


def test_rectified_codes_are_those_of_a_limit_and_a_wrap():
    graph, codes = rectified_forms()
    found = evaluate(graph, codes)
    for number, node in enumerate(graph.nodes[4:]):
        one = replace(node, rectified=False, overflow=Overflow.SAT, hi=1 << 40)
        wanted = requantize_codes(one, codes) % (node.hi + 1)
        assert np.array_equal(found[:, 4 * number : 4 * number + 4], wanted)
    for name, spans in intervals(graph).items():
        for k, span in enumerate(spans):
            if name.startswith("q"):
                column = found[:, 4 * [node.name for node in graph.nodes[4:]].index(name) + k]
                assert span.lo <= column.min() <= column.max() <= span.hi
    assert str(graph_from_json(graph_to_json(graph))) == str(graph)
    assert "rectify 0..7" in str(graph)


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl-fast"])
def test_rectified_codes_of_every_form(executor, tmp_path):
    graph, codes = rectified_forms()
    assert disagreements(build_of(pipeline_of(graph), tmp_path), [executor], codes) == []


@pytest.mark.parametrize("most_codes", [1 << 20, 0])
def test_rectified_codes_are_proven_by_exhaustion_and_by_sat(tmp_path, monkeypatch, most_codes):
    monkeypatch.setattr("bittrigger.prove.tasks.modules.MAX_CODES", most_codes)
    graph, _ = rectified_forms()
    nodes = graph.nodes[4 :: 1 if most_codes else 5]
    alone = replace(graph, nodes=(*graph.inputs, *nodes), outputs=tuple(node.name for node in nodes))
    assert failures(prove(build_of(pipeline_of(alone), tmp_path), netlist=False)) == []


@pytest.mark.parametrize("change", [{"lo": -8}, {"overflow": Overflow.SAT}])
def test_what_is_rectified_wraps_at_a_type_without_sign(change):
    port = Input("x", 1, FixedPoint(True, 8, 0), Interval(-128, 127))
    node = replace(around("q", ("x",), 1, 0, (0, 7)), rectified=True)
    verify(Graph("one", (port, node), ("q",)))
    with pytest.raises(InternalError, match="'q'"):
        verify(Graph("one", (port, replace(node, **change)), ("q",)))


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


@pytest.mark.parametrize("copies", [1, 2])
def test_a_scale_of_several_grids_becomes_sums_of_tables(copies):
    ports = (
        Input("fine", 3, FixedPoint(True, 10, 2), Interval(-512, 511)),
        Input("coarse", 3, FixedPoint(True, 8, 0), Interval(-128, 127)),
    )
    align = Linear("align", ("coarse",), frozen_array(np.diag([4] * 3)), frozen_array([0] * 3), 2)
    both = Wire("x", ("fine", "align"), frozen_array(range(6)), 2)
    each = 2 // copies
    scale = scaled((2811, -1777, 6131) * each, (71111, -5000, 123) * each, 16, (-128, 127), copies=copies)
    graph = Graph("norm", (*ports, align, both, *scale), ("x_codes",))
    made = simplified(graph, FAST)
    assert [type(node) for node in made.nodes[2:]] == [Wire, Lookup]
    assert made["x_scale_codes"].inputs == ("fine", "coarse")
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 400, 1)])
    assert np.array_equal(evaluate(made, codes), evaluate(graph, codes))


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
