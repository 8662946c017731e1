"""Networks that hold weights or biases: of what shapes, with which ranges, what they are in files, and what cannot be."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, places
from designs import graph as ternary_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs
from test_reload import FAST, HOLDINGS, events, held_graph, open_claims

from bittrigger.build.weights import read_weights, write_weights
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import ConfigError, UnsupportedModelError
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
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.held.weight_file import network_hash, parse_weights, weights_text, with_numbers
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftUp
from bittrigger.ir.nodes.digit_sum import DigitSum
from bittrigger.ir.nodes.held import register_interval
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.compare import raise_first, run_executors
from bittrigger.simulate.vectors import corner_codes, other_numbers, random_codes, turned_numbers


def test_a_weight_that_is_not_taken_is_refuted(tmp_path):
    pipeline = create_pipeline(held_graph("weights"), FAST)
    build = build_of(pipeline, tmp_path / "build")
    path = tmp_path / "build" / "rtl" / "example_weigh_dense_0_terms.sv"
    text = path.read_text()
    for wanted, instead in (
        ("weights[3:0]", "{weights[1:0], weights[3:2]}"),
        ("b0 = bias", "b0 = {bias[7:1], bias[1]}"),
    ):
        changed = text.replace(wanted, instead, 1) if wanted in text else text
        assert changed != text
        path.write_text(changed)
        assert ("weigh_dense_0_terms", "verilog") in open_claims(prove(build, jobs=1, netlist=False))


def test_a_weight_file_comes_back(tmp_path):
    for what in HOLDINGS:
        graph = held_graph(what)
        other = other_numbers(graph, 1)
        path = tmp_path / f"{what}.txt"
        write_weights(path, other)
        assert weights_text(read_weights(path, graph)) == path.read_text()
        codes = events(graph)
        assert np.array_equal(evaluate(read_weights(path, graph), codes), evaluate(other, codes))


def test_the_network_is_all_but_the_numbers():
    graph = held_graph("weights")
    assert network_hash(graph) == network_hash(other_numbers(graph, 1)) != network_hash(held_graph("bias"))
    assert network_hash(graph) != network_hash(held_graph("weights", (7, 5, 4)))


def test_weight_files_of_networks_with_tables_are_those_of_every_version():
    """Each hash was printed by the last version before tables could be sums, or sums could have a tail."""
    kind, span = FixedPoint(signed=True, width=4, frac=0), Interval(-16, 15)
    layer = Linear("d", ("x",), frozen_array(np.array([[1, -1], [1, 0]])), frozen_array(np.array([0, 1])), 0)
    table = Lookup("t", ("d",), ((-999, 0, 3), (-999, 1, 2)), ((0, 1, 2), (1, 2, 3)), 0)
    behind = Requantize("q", ("t",), 2, 0, Rounding.TRN, 0, 1, 0)

    def hash_of(*sums):
        nodes = (Input("x", 2, kind, Interval(-8, 7)), layer, replace(table, sums=sums), behind)
        return network_hash(Graph("g", nodes, ("q",)))

    digits = DigitSum(span, 3, (tuple(range(32)),))
    assert hash_of() == "a76fd38dd8909e3e6779976ab2b411a14f6e8ff82c29acbc43b11525907cd0a5"
    assert hash_of(digits, None) == "5293c0f2bf414b5baeb45558a82ffeed74e20877ccdc0584f6d0e9c03fbf41a6"
    assert hash_of(replace(digits, tail=1), None) != hash_of(digits, None) != hash_of(replace(digits, shift=2), None)


def test_weight_files_of_networks_with_one_exponent_are_those_of_every_version():
    """The hash was printed by the last version before there could be several exponents."""
    layer = Linear("d", ("x",), frozen_array(np.array([[1, -1], [1, 0]])), frozen_array(np.array([0, 1])), 0)
    port = Input("x", 2, FixedPoint(signed=True, width=4, frac=0), Interval(-8, 7))
    bits, scaled = MagnitudeOr("m", ("d",), 0, signed=True), ShiftUp("u", ("d", "m"), 2, 0)

    def hash_of(bits):
        return network_hash(Graph("g", (port, layer, bits, scaled), ("u",)))

    assert hash_of(bits) == "6dac68daa95365171d333bf72702ffd0ea126f1efb8a62ef0582cd558fcf1e0b"
    assert hash_of(replace(bits, copies=2)) != hash_of(bits)


@pytest.mark.parametrize("ii", [1, 2])
def test_codes_of_narrow_ranges_are_weighed(ii, tmp_path):
    """A sum of two codes that are narrower than their bus, which others need."""
    port, first, relu, last = ternary_graph((3, 4, 2)).nodes
    weights = np.zeros((3, 4), dtype=np.int64)
    weights[0, 2], weights[1, 3] = 3, 2  # no ternary layer, and two constants
    first = replace(first, weights=frozen_array(weights), bias=frozen_array(np.array([0, -1, -9, 5])))
    graph = simplify(Graph("example", (port, first, relu, last), ("dense_1",)), held=HOLDINGS["weights"])
    build = build_of(create_pipeline(graph, Settings(effort="fast", ii=ii)), tmp_path / "build", synth=True)
    raise_first(run_executors(build, ("oracle", "rtl-fast", "gates"), events(graph), look_into=False))
    assert prove(build, jobs=1).proven


def test_layers_that_repeat_hold_biases(tmp_path):
    plain = places()
    graph = simplify(plain, held=Holding(weights=True, bias=True))
    codes = events(graph)
    assert np.array_equal(evaluate(graph, codes), evaluate(plain, codes))
    build = build_of(create_pipeline(graph, FAST), tmp_path / "build", synth=True)
    names = ("oracle", "csim", "emulator", "rtl", "rtl-fast", "gates")
    raise_first(run_executors(build, names, codes, look_into=False))
    other = replace(build, pipeline=with_numbers(build.pipeline, other_numbers(graph, 3)))
    raise_first(run_executors(other, names, codes, entries=False, look_into=False))
    assert prove(build, jobs=1).proven


def test_vhdl_is_the_same(tmp_path):
    for what in HOLDINGS:
        build = build_of(create_pipeline(held_graph(what), FAST), tmp_path / what, hdl="vhdl")
        raise_first(run_executors(build, ("oracle", "vhdl"), corner_codes(build.graph), look_into=False))
        proof = prove(build, jobs=1, netlist=False)
        assert proof.proven
        assert {claim.subject for claim in proof.claims if claim.kind == "vhdl"} >= {"example_settings", "example"}


def test_no_weights_at_all(tmp_path):
    plain = build_of(create_pipeline(simplify(ternary_graph((7, 5, 3))), FAST), tmp_path / "plain")
    assert not (plain.folder / "weights.txt").exists()
    with pytest.raises(ConfigError, match="holds nothing in registers"):
        weights_text(plain.graph)


REFUSED = {
    "of unknown kind": ({"tunable": "weights"}, "setting 'tunable' is 'weights'; allowed is bias, or none"),
    "of unknown name": ({"reloadable": "biases"}, "setting 'reloadable' is 'biases'; allowed is weights, or none"),
    "bits of nothing": ({"bias_bits": 12}, "with --tunable or --reloadable"),
    "too many bits": ({"bias_bits": 40, "tunable": "bias"}, "allowed are 2 to 32"),
    "reused": ({"reuse_factor": {"dense": 4}, "reloadable": "weights"}, "allowed is one of the two"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name):
    chosen, said = REFUSED[name]
    with pytest.raises(ConfigError, match=re.escape(said)):
        Settings(**chosen)


def test_biases_that_do_not_fit_are_refused():
    for holding in (Holding(weights=True, bias=False, bits=3), Holding(weights=False, bias=True, bits=3)):
        with pytest.raises(UnsupportedModelError, match=r"its biases need registers of \d bits; 3 are given"):
            simplify(ternary_graph((7, 5, 3)), held=holding)


def test_a_network_without_ternary_layers_cannot_be_reloaded():
    graph = ternary_graph((4, 2))
    (port, layer) = graph.nodes
    weights = layer.weights.copy()
    weights[0, 0] = 3
    with pytest.raises(UnsupportedModelError, match="no layer can be reloaded"):
        simplify(replace(graph, nodes=(port, replace(layer, weights=weights))), held=HOLDINGS["weights"])


@pytest.mark.parametrize("what", HOLDINGS)
def test_numbers_that_are_turned_take_every_value_of_a_weight(what):
    graph = held_graph(what)
    for nodes in zip(*(held_nodes(made) for made in (graph, *turned_numbers(graph))), strict=True):
        for node in nodes:
            assert all(code in register_interval(node.bits) for code in node.held)
        assert len({tuple(node.held) for node in nodes}) == 3
        if what == "weights":
            assert (np.sort([node.weights for node in nodes], axis=0) == np.array([-1, 0, 1])[:, None, None]).all()


@given(graph=graphs(), weights=st.booleans(), bias=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_network_keeps_its_bits_and_its_ranges_whatever_is_held(graph, weights, bias, seed):
    try:
        made = simplify(graph, held=Holding(weights, bias))
    except UnsupportedModelError:  # nothing to reload, or codes of more than 62 bits
        return
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 20, seed)])
    assert np.array_equal(evaluate(made, codes), evaluate(graph, codes))
    if not held_nodes(made):
        return
    other, ranges = other_numbers(made, seed), intervals(made)
    assert weights_text(parse_weights(weights_text(other), made, "other")) == weights_text(other)
    for name, found in evaluate_nodes(other, codes).items():
        for column, span in zip(found.T, ranges[name], strict=True):
            assert column.min() in span
            assert column.max() in span


def test_a_table_knows_what_other_biases_bring():
    port, layer = ternary_graph((4, 2)).nodes
    table = Lookup("steps", ("dense_0",), ((-20, 3), (-5, 0)), ((1, 2), (0, 3)), 0)
    plain = Graph("tables", (port, layer, table), ("steps",))
    made = simplify(plain, held=HOLDINGS["bias"])
    lowest = intervals(made)["dense_0"][0].lo
    assert lowest < -20
    assert made["steps"].starts[0][0] <= lowest
    assert evaluate(other_numbers(made, 1), corner_codes(made)).min() >= 0
