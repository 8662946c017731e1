"""Codes that wrap around: the low bits of a rounded code, in every executor, and proven."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from operator import itemgetter

import numpy as np
import pytest
from designs import TYPES, around, build_of, disagreements, modulo, rounding_forms
from hypothesis import given, settings
from hypothesis import strategies as st
from tamper.of_kinds import modulo_rtl_kinds
from test_prove import failures
from test_requantizer_delay import LEVEL, levels
from test_rtl import pipeline_of

from bittrigger.build.folder import load_build
from bittrigger.build.store import graph_from_json, graph_to_json
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.scales import with_cheap_scales
from bittrigger.device.cost_model import estimate
from bittrigger.device.requantizer_delay import requantizer_delay_ns
from bittrigger.errors import ConfigError, InternalError
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.casts import assigned
from bittrigger.ir.casts import Cast
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Overflow, Rounding, overflow, shift_round
from bittrigger.ir.graph import Graph, Input, Linear, evaluate, frozen_array, intervals, requantize_codes, requantized
from bittrigger.ir.register_bits import kept_bits
from bittrigger.passes.fold_rounding import FoldRounding
from bittrigger.prove import Verdict, prove
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.netlist import read_netlist

EXECUTORS = ["csim", "emulator", "rtl", "rtl-fast", "gates"]
SPANS = (Interval(-128, 127), Interval(0, 255), Interval(-3, 200), Interval(40, 55), Interval(-90, -7))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_of(create_pipeline(modulo(), Settings(clock_mhz=360.0)), tmp_path_factory.mktemp("modulo"), synth=True)


def every_form():
    """Every rounding and shift, on operands of every kind, and on some of 40 bits; and codes: all of the narrow ones."""
    ports = [Input(f"x{k}", 1, FixedPoint.holding(span, 0), span) for k, span in enumerate(SPANS)]
    names = tuple(port.name for port in ports)
    nodes = [
        around(f"q{shift + 9}_{k}_{n}", names, len(names), shift, TYPES[k], form)
        for shift, k in product((-5, 0, 2, 10), range(len(TYPES)))
        for n, form in enumerate(rounding_forms(shift))
        if (k + n) % 2 and (shift > 0 or form[1] or form[0] is Rounding.TRN)
    ]
    kind = FixedPoint(True, 40, 0)
    ports.append(Input("wide", 1, kind, kind.interval))
    nodes += [around(f"wide{n}", ("wide",), 1, 7, (-512, 511), form) for n, form in enumerate(rounding_forms(7))]
    graph = Graph("forms", (*ports, *nodes), tuple(node.name for node in nodes))
    steps = np.arange(256)[:, None]
    codes = [span.lo + steps % (span.hi - span.lo + 1) for span in SPANS]
    wide = np.random.default_rng(1).integers(kind.interval.lo, kind.interval.hi + 1, (256, 1))
    return graph, np.concatenate([*codes, wide], axis=1)


@given(
    st.builds(FixedPoint, st.booleans(), st.integers(1, 20), st.just(0)),
    st.integers(-4, 12),
    st.sampled_from(Rounding),
    st.integers(-40, 40),
    st.tuples(*[st.integers(-(1 << 30), 1 << 30)] * 2).map(sorted),
)
@settings(max_examples=200, deadline=None)
def test_the_definition_is_that_of_ap_fixed(kind, shift, mode, offset, ends):
    node = around("q", ("x",), 1, shift, (kind.interval.lo, kind.interval.hi), (mode, offset))
    lo, hi = ends[0], min(ends[1], ends[0] + 3000)
    codes = np.arange(lo, hi + 1)
    found = requantize_codes(node, codes)
    assert np.array_equal(found, overflow(shift_round(codes + offset, shift, mode), kind, Overflow.WRAP))
    span = requantized(node, Interval(lo, hi))
    assert span.lo <= found.min() <= found.max() <= span.hi
    if shift >= 0:  # the rounded codes leave out none
        assert (span.lo, span.hi) == (found.min(), found.max())


def test_the_range_is_that_of_the_type_or_less():
    node = around("q", ("x",), 1, 0, (-8, 7))
    assert requantized(node, Interval(-3, 5)) == Interval(-3, 5)
    assert requantized(node, Interval(-3, 8)) == Interval(-8, 7)
    assert requantized(node, Interval(25, 30)) == Interval(-7, -2)  # two turns off, all of it
    assert requantized(node, Interval(40, 40)) == Interval(-8, -8)


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl-fast"])
def test_every_form_on_every_code(executor, tmp_path):
    graph, codes = every_form()
    assert disagreements(build_of(pipeline_of(graph), tmp_path), [executor], codes) == []


@pytest.mark.parametrize("most_codes", [1 << 20, 0])
def test_every_form_is_proven_by_exhaustion_and_by_sat(tmp_path, monkeypatch, most_codes):
    monkeypatch.setattr("bittrigger.prove.tasks.modules.MAX_CODES", most_codes)
    graph, _ = every_form()
    nodes = [node for node in graph.nodes if not isinstance(node, Input)][:: 1 if most_codes else 5]
    alone = replace(graph, nodes=(*graph.inputs, *nodes), outputs=tuple(node.name for node in nodes))
    assert failures(prove(build_of(pipeline_of(alone), tmp_path), netlist=False)) == []


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_executor_agrees(built, executor):
    codes = np.concatenate([corner_codes(built.graph), random_codes(built.graph, 500, 4)])
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven


@pytest.mark.parametrize("change", modulo_rtl_kinds()["rtl: wrapping around"], ids=itemgetter(0))
def test_what_is_broken_is_refuted_and_simulates_otherwise(built, tmp_path, change):
    build_of(built.pipeline, tmp_path)
    change[1](tmp_path)
    broken = load_build(tmp_path, sealed=False)
    found = prove(broken, netlist=False).claims
    refuted = {claim.subject for claim in found if claim.verdict is Verdict.REFUTED and claim.kind != "files"}
    assert refuted in ({"modulo_requantize_q6"}, {"modulo_requantize_q13"})
    assert disagreements(broken, ["rtl-fast"], random_codes(built.graph, 500, 4)) != []


@pytest.mark.parametrize("limits", [(0, 0), (0, 6), (-8, 15), (-7, 8), (8, 15), (-4, 2)])
def test_what_is_no_type_is_not_well_formed(limits):
    port = Input("x", 1, FixedPoint(True, 8, 0), Interval(-128, 127))
    with pytest.raises(InternalError, match="'q'"):
        verify(Graph("one", (port, around("q", ("x",), 1, 0, limits)), ("q",)))


@pytest.mark.parametrize("mode", [Overflow.SAT_ZERO, Overflow.SAT_SYM])
def test_another_overflow_is_not_well_formed(mode):
    port = Input("x", 1, FixedPoint(True, 8, 0), Interval(-128, 127))
    node = replace(around("q", ("x",), 1, 0, (-8, 7)), overflow=mode)
    with pytest.raises(InternalError, match="'q'"):
        verify(Graph("one", (port, node), ("q",)))


def test_it_is_kept_and_what_is_wrong_in_a_file_is_refused():
    graph = modulo()
    data = graph_to_json(graph)
    assert str(graph_from_json(data)) == str(graph)
    assert "wrap -8..7" in str(graph)
    place = next(k for k, node in enumerate(data["nodes"]) if node["kind"] == "Requantize")
    node = data["nodes"][place]
    assert "range" not in node  # a reader that knows no modulo refuses it
    for wrong in (
        node | {"range": [0, 7]},
        node | {"modulo": [0, 6]},
        node | {"modulo": [0, 1.5]},
        node | {"modulo": 8},
    ):
        data["nodes"][place] = wrong
        with pytest.raises(ConfigError, match="not a graph"):
            graph_from_json(data)
    data["nodes"][place] = {key: value for key, value in node.items() if key != "modulo"}
    with pytest.raises(ConfigError, match="not a graph"):
        graph_from_json(data)


def test_no_netlist_has_more_levels_than_are_charged(built):
    for module in built.pipeline.modules:
        if module.kind == "requantize":
            found = levels(read_netlist(module.name, [built.folder / "synth" / f"{module.name}.json"]))
            assert found <= requantizer_delay_ns(module.node, module.source, LEVEL), module.node


def test_upper_bits_are_neither_registered_nor_paid_for():
    wide = Interval(-(1 << 19), (1 << 19) - 1)
    node = around("q", ("x",), 1, 3, (-64, 63))
    result = requantized(node, wide)
    assert kept_bits(node, wide, result) == 7
    assert kept_bits(replace(node, rounding=Rounding.RND_CONV), wide, result) == 10
    assert kept_bits(replace(node, rounding=Rounding.RND_INF), wide, result) == 11
    assert kept_bits(replace(node, shift=-2), wide, result) == 5
    assert kept_bits(replace(node, shift=-9), wide, result) == 1
    assert kept_bits(replace(node, overflow=Overflow.SAT), wide, result) == 17
    port = Input("x", 1, FixedPoint(True, 20, 0), wide)
    assert estimate(create_pipeline(Graph("one", (port, node), ("q",)), Settings()))[1].lut == 0


@pytest.mark.parametrize("limits", TYPES)
def test_rounding_goes_into_the_layer_before(limits):
    codes = np.arange(-128, 128)[:, None]
    port = Input("x", 1, FixedPoint(True, 8, 0), Interval(-128, 127))
    for shift in (1, 2, 5):
        for form in rounding_forms(shift):
            layer = Linear("dense", ("x",), frozen_array([[3]]), frozen_array([1]), 0)
            graph = Graph("net", (port, layer, around("q", ("dense",), 1, shift, limits, form)), ("q",))
            made = FoldRounding().apply(graph)
            assert np.array_equal(evaluate(made, codes), evaluate(graph, codes)), form


def test_cheaper_multipliers_give_the_same_codes():
    port = Input("x", 1, FixedPoint(True, 9, 0), Interval(-256, 255))
    layer = Linear("scale", ("x",), frozen_array([[11213]]), frozen_array([777]), 12)
    graph = Graph("net", (port, layer, around("q", ("scale",), 1, 12, (-16, 15))), ("q",))
    made = with_cheap_scales(graph)
    assert made is not graph
    codes = np.arange(-256, 256)[:, None]
    assert np.array_equal(evaluate(made, codes), evaluate(graph, codes))
    assert intervals(made)["q"] == (Interval(-16, 15),)


@pytest.mark.parametrize("kind", [FixedPoint(False, 61, 0), FixedPoint(True, 62, 0)], ids=str)
@pytest.mark.parametrize("mode", [Overflow.WRAP, Overflow.SAT])
def test_the_widest_codes_are_told_from_those_that_fit(kind, mode):
    builder = Builder("net")
    port = FixedPoint(False, 62, 0)
    name = assigned(builder, "cast", builder.add_input("x", 1, port, port.interval), Cast(kind, Rounding.TRN, mode))
    graph = Graph("net", builder.nodes, (name,))
    verify(graph)
    codes = np.array([[0], [(1 << 61) - 1], [1 << 61], [(1 << 61) + 5], [(1 << 62) - 1]])
    assert np.array_equal(evaluate(graph, codes), overflow(codes, kind, mode))


def test_spaced_codes_that_come_around_to_the_same_ends_are_not_spaced_alike():
    builder = Builder("net")
    port = FixedPoint(False, 3, 0)
    layer = Linear(
        "spaced", (builder.add_input("x", 1, port, Interval(0, 5)),), frozen_array([[3]]), frozen_array([-8]), 0
    )
    name = builder.add(around("q", (builder.add(layer),), 1, 0, (-8, 7), (Rounding.TRN, 1)))
    found = evaluate(Graph("net", builder.nodes, (name,)), np.arange(6)[:, None])
    (reach,) = builder.reach(name)
    assert set(found.flat) <= set(range(reach.lo, reach.hi + 1, reach.stride))


@given(
    st.builds(FixedPoint, st.booleans(), st.integers(2, 9), st.integers(-2, 6)),
    st.builds(FixedPoint, st.booleans(), st.integers(1, 8), st.integers(-2, 6)),
    st.sampled_from(Rounding),
    st.sampled_from([None, 0, -5]),
)
@settings(max_examples=150, deadline=None)
def test_an_assignment_is_one_node_and_two_behind_a_limit(port, kind, mode, floor):
    builder = Builder("net")
    given_codes = builder.add_input("x", 1, port, port.interval)
    name = assigned(builder, "cast", given_codes, Cast(kind, mode, Overflow.WRAP), floor)
    graph = Graph("net", builder.nodes, (name,))
    verify(graph)
    assert len(graph.nodes) <= 2 + (floor is not None)
    codes = np.arange(port.interval.lo, port.interval.hi + 1)[:, None]
    rounded = shift_round(codes, port.frac - kind.frac, mode)
    wanted = overflow(rounded if floor is None else np.maximum(rounded, floor), kind, Overflow.WRAP)
    assert np.array_equal(evaluate(graph, codes), wanted)
