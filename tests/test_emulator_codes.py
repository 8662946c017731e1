"""The emulator's nodes and ports: every rounding, lookup, lane, sum and literal, for all codes that can occur."""

from functools import partial

import numpy as np
import pytest
import strategies as own
from designs import rounding_forms
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_emulator import SIGNED8, build_together, call, check_codes, corners, pipeline_of

from bittrigger.emit import emulator as module
from bittrigger.emit.emulator import emit_emulator
from bittrigger.emit.emulator.lanes import graph_lanes, signed_literal, unsigned_literal
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.adders import verify as verify_adders
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, evaluate, frozen_array
from bittrigger.ir.ports import decode_outputs, encode_events
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.schedule.schedule import Schedule
from bittrigger.simulate.executors.emulator import Emulator


@given(st.data())
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # every example is compiled; shrinking would take minutes
    suppress_health_check=list(HealthCheck),
)
def test_random_networks_equal_the_oracle(tmp_path_factory, data):
    graphs = data.draw(st.lists(own.graphs(), min_size=6, max_size=6))
    library = build_together([pipeline_of(graph) for graph in graphs], tmp_path_factory.mktemp("random"))
    for version, graph in enumerate(graphs):
        check_codes(library, graph, version, np.vstack([corners(graph, 200), data.draw(own.codes_of(graph))]))


@pytest.mark.parametrize("kind", [FixedPoint(True, 10, 3), FixedPoint(False, 9, 0)], ids=str)
def test_every_rounding_mode_and_shift_for_every_code(kind, tmp_path):
    port = Input("x", 1, kind, kind.interval)
    nodes = [
        Requantize(f"form{number}_{k}", ("x",), 1, shift, mode, lo, hi, 0, offset)
        for k, (shift, lo, hi) in enumerate(
            [
                *[(-40, -(2**45), 2**45), (-7, -9000, 40000), (0, -100, 100), (1, -512, 511), (2, 0, 63), (3, -1, 1)],
                *[(9, -3, 3), (10, -3, 3), (12, -1, 1), (20, -1, 1), (61, -1, 1), (2, 40, 50), (2, 9000, 9000)],
            ]
        )
        for number, (mode, offset) in enumerate(rounding_forms(shift))
    ]
    graph = Graph("rounding", (port, *nodes), tuple(node.name for node in nodes))
    codes = np.arange(kind.interval.lo, kind.interval.hi + 1)[:, None]
    check_codes(build_together([pipeline_of(graph)], tmp_path), graph, 0, codes)


def test_every_form_of_lookup(tmp_path):
    port = Input("x", 4, FixedPoint(True, 24, 0), Interval(-40000, 40000))
    narrow = Requantize("narrow", ("x",), 4, 8, Rounding.TRN, -100, 100, 0)
    rng = np.random.default_rng(1)
    many = tuple(sorted({-(2**23), *rng.integers(-40000, 40000, size=100).tolist()}))
    values = tuple(rng.integers(-(2**40), 2**40, size=len(many)).tolist())
    few = ((-200, -5, 6), (-1, 0, 1))
    table = (tuple(range(-100, 101)), tuple(rng.integers(-9, 9, size=201).tolist()))
    search = Lookup("search", ("x",), (many, many, (-50000, 7), (-40000,)), (values, values[::-1], (3, -3), (9,)), 2)
    mixed = Lookup("mixed", ("narrow",), (few[0], table[0], few[0], (-101,)), (few[1], table[1], few[1], (5,)), 0)
    graph = Graph("lookups", (port, narrow, search, mixed), ("search", "mixed", "x", "mixed"))
    check_codes(build_together([pipeline_of(graph)], tmp_path), graph, 0, corners(graph, 5000))


def test_lanes_of_every_width_meet(tmp_path):
    ports = (
        Input("a", 3, FixedPoint(True, 40, 20), Interval(-(2**39), 2**39 - 1)),
        Input("b", 2, FixedPoint(False, 20, 3), Interval(0, 2**20 - 1)),
        Input("c", 1, FixedPoint(True, 5, 0), Interval(-15, 15)),
    )
    rng = np.random.default_rng(2)
    wide = Linear(
        "wide",
        ("a", "b", "c"),
        frozen_array(rng.integers(-(2**18), 2**18, size=(6, 3))),
        frozen_array([0, 2**50, -1]),
        8,
    )
    narrow = Requantize("narrow", ("wide",), 3, 45, Rounding.RND, -128, 127, 0)
    mixed = Linear(
        "mixed", ("narrow", "c", "b", "c"), frozen_array(rng.integers(-3, 4, (7, 4))), frozen_array([7] * 4), 0
    )
    graph = Graph("lanes", (*ports, wide, narrow, mixed), ("mixed", "wide", "c"))
    lanes = graph_lanes(graph)
    assert [lanes[name] for name in ("a", "b", "c", "wide", "mixed")] == [64, 32, 16, 64, 32]
    check_codes(build_together([pipeline_of(graph)], tmp_path), graph, 0, corners(graph, 1000))


def test_partial_sums_may_leave_the_lane(tmp_path):
    port = Input("x", 2, FixedPoint(False, 15, 0), Interval(0, 20000))
    node = Linear("sum", ("x",), frozen_array([[1, -1], [1, -1]]), frozen_array([-20000, 20000]), 0)
    graph = Graph("wraps", (port, node), ("sum",))
    assert graph_lanes(graph)["sum"] == 16
    check_codes(build_together([pipeline_of(graph)], tmp_path), graph, 0, corners(graph, 1000))


def test_sums_that_cross_functions(tmp_path, monkeypatch):
    size = 20
    port = Input("x", size, SIGNED8, SIGNED8.interval)
    node = Linear(
        "prefix", ("x",), frozen_array(np.triu(np.ones((size, size), dtype=int))), frozen_array([0] * size), 4
    )
    graph = Graph("prefix_sums", (port, node), ("prefix",))
    chain = [Adder((Term(0), Term(1)))] + [Adder((Term(size + k - 2), Term(k))) for k in range(2, size)]
    outputs = [Output(0)] + [Output(size + k) for k in range(size - 1)]
    shared = AdderGraph((SIGNED8.interval,) * size, tuple(chain), tuple(outputs))
    verify_adders(shared, node.weights, node.bias)
    monkeypatch.setattr(module, "straight_line_sums", partial(module.straight_line_sums, adders_per_function=3))
    library = build_together([pipeline_of(graph, {"prefix": shared})], tmp_path)
    assert "shared[0][g]" in (tmp_path / "v0" / "prefix_sums_bitlinear_prefix.cpp").read_text()
    check_codes(library, graph, 0, corners(graph, 300))


def test_real_values_of_every_port_type(tmp_path):
    kinds = [FixedPoint(True, 51, 30), FixedPoint(True, 52, 2), FixedPoint(False, 62, -3), FixedPoint(True, 62, 61)]
    kinds += [FixedPoint(False, 1, 0), FixedPoint(True, 7, 900)]
    narrower = [Interval(max(k.interval.lo, -(2**40) + 1), k.interval.hi - 1) for k in kinds[:4]] + [Interval(0, 1)]
    ports = [
        Input(f"x{k}", 3, kind, span)
        for k, (kind, span) in enumerate(zip(kinds, [*narrower, Interval(-3, 3)], strict=True))
    ]
    graph = Graph("ports", tuple(ports), tuple(port.name for port in ports))
    library = build_together([pipeline_of(graph)], tmp_path)
    rng = np.random.default_rng(4)
    values = np.repeat([port.type.step for port in ports], 3) * rng.choice(
        [
            0.5,
            1.5,
            -0.5,
            -1.5,
            2.5,
            0.49999999999999994,
            2.0**39,
            2.0**50 + 0.5,
            -(2.0**50) - 1.5,
            2.0**61,
            2.0**62,
            -(2.0**63),
        ],
        size=(4000, graph.n_inputs),
    )
    wanted = encode_events(graph, values)
    done, codes = call(library, "ports_v0_encode", values, graph.n_inputs)
    assert done == 4000
    np.testing.assert_array_equal(codes, wanted)
    done, found = call(library, "ports_v0_run_values", values, graph.n_outputs, np.float64)
    assert done == 4000
    np.testing.assert_array_equal(found, decode_outputs(graph, evaluate(graph, wanted)))


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from([16, 32, 64]))
def test_literals_mean_their_value(value, bits):
    text = unsigned_literal(value, bits).replace("ULL", "").replace("U", "")
    assert eval(f"0{text}") % 2**bits == value % 2**bits  # noqa: S307
    assert eval(signed_literal(value).replace("LL", "")) == value  # noqa: S307


def test_entries_of_ports_that_are_wider_than_a_double_are_checked(tmp_path):
    """No code that a port of 54 bits holds is taken for one that has to be refused."""
    kind = FixedPoint(True, 54, 35)
    port = Input("x", 2, kind, kind.interval)
    dense = Linear("dense", ("x",), frozen_array(np.array([[1], [-1]])), frozen_array(np.array([5])), 19)
    graph = Graph("wide", (port, dense, Requantize("clip", ("dense",), 1, 3, Rounding.RND, -99, 4000, 16)), ("clip",))
    emit_emulator(Schedule(240.0).apply(graph, lower_graph_to_trees(graph)), tmp_path / "emulator")
    Emulator(graph, tmp_path / "emulator", tmp_path / "cache").check_entries()
