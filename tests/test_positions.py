"""Layers that repeat: one module in as many copies, wired by codes; in every executor, proven, and no larger than written out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, disagreements, places
from test_prove import failures, replace_once

from bittrigger.build.folder import load_build
from bittrigger.build.store import load_design, save_design
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.errors import ConfigError, InternalError
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
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.routes import read_by, route
from bittrigger.prove import Verdict, prove
from bittrigger.report import make_report
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.yosys import synthesize


def written_out(graph):
    """The same network with every copy on its own and wires as matrices; other codes inside are the same."""
    nodes = []
    for node in graph.nodes:
        match node:
            case Linear():
                eye = np.eye(node.copies, dtype=np.int64)
                weights, bias = np.kron(eye, node.weights), np.tile(node.bias, node.copies)
                nodes.append(replace(node, weights=frozen_array(weights), bias=frozen_array(bias), copies=1))
            case Lookup():
                nodes.append(
                    replace(node, starts=node.starts * node.copies, values=node.values * node.copies, copies=1)
                )
            case Requantize():
                nodes.append(replace(node, copies=1))
            case _:
                nodes.append(node)
    made = Graph(graph.name, tuple(nodes), graph.outputs)
    verify(made)
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    pipeline = create_pipeline(places(), Settings(effort="fast", clock_mhz=300.0))
    return build_of(pipeline, folder, synth=True)


def test_copies_are_what_is_written_out():
    graph = places()
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 200, 3)])
    assert np.array_equal(evaluate(graph, codes), evaluate(written_out(graph), codes))
    x = codes[:, :12].reshape(-1, 4, 3)
    found = evaluate_nodes(graph, codes)
    window = np.concatenate([np.zeros_like(x[:, 0]), x[:, 0]], axis=1)
    assert np.array_equal(found["windows"][:, :6], window)
    assert np.array_equal(found["sums"], found["relu"].reshape(-1, 4, 4).sum(axis=1) + 3)
    assert np.array_equal(found["most"], found["relu"].reshape(-1, 4, 4).max(axis=1))
    assert np.array_equal(found["least"], found["ranks"].reshape(-1, 2, 3).min(axis=2))


def test_ranges_hold_for_every_copy():
    graph = places()
    ranges, wide = intervals(graph), intervals(written_out(graph))
    for node in graph.nodes:
        for span, exact in zip(ranges[node.name], wide[node.name], strict=True):
            assert span.union(exact) == span
    assert ranges["left"][1] == Interval(0, 0)


def test_a_module_is_made_once_and_counted_as_often_as_it_is_there(built):
    pipeline = built.pipeline
    assert [module.node.name for module in pipeline.modules] == [
        *("conv", "relu", "steps", "sums", "inner", "last", "most", "least")
    ]
    (conv,) = (module for module in pipeline.modules if module.node.name == "conv")
    assert (conv.copies, len(conv.source), len(conv.result)) == (4, 6, 4)
    report = make_report(pipeline, built.settings, synthesize(pipeline, built.folder / "rtl", built.folder / "synth"))
    layer = report.layers[0]
    assert (layer.copies, layer.n_in, layer.n_out) == (4, 6, 4)
    assert layer.zeros + layer.non_zeros == layer.multiplications_avoided == 4 * 24
    assert layer.synth.lut.value % 4 == layer.estimate.lut.value % 4 == 0
    assert sum(item.synth.lut.value for item in report.layers) <= report.totals.synth.lut.value


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    graph = built.graph
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 200, 4)])
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven
    (wiring,) = (c for c in proof.claims if c.subject == "places" and c.kind == "verilog")
    assert "26 instances of 8 modules" in wiring.detail


@pytest.mark.parametrize(
    ("pattern", "replacement", "text"),
    [
        (r"\.x\(conv_operand\[36\*p \+: 36\]\)", ".x(conv_operand[36*(3 - p) +: 36])", "reads another net"),
        (r"18'd0\n    \};", "in_data[17:0]\n    };", "reads another net"),
        (r"\.x\(x_codes\[18\*p \+ 18 \+: 18\]\)", ".x(x_codes[18*p +: 18])", "reads another net"),
        (
            r"p < 2; p = p \+ 1\) begin : each_last",
            "p < 1; p = p + 1) begin : each_last",
            "a bit of last_codes has no driver",
        ),
        (r"5\*p \+ 20\*k \+: 5\];", "5*k + 20*p +: 5];", "reads another net"),
    ],
)
def test_a_wrong_wire_is_refuted(built, tmp_path, pattern, replacement, text):
    build_of(built.pipeline, tmp_path)
    replace_once(tmp_path / "rtl" / "places.sv", pattern, replacement)
    proof = prove(load_build(tmp_path, sealed=False), netlist=False)
    broken = [claim for claim in proof.claims if claim.verdict is not Verdict.PROVEN and claim.kind != "files"]
    assert {claim.subject for claim in broken if claim.verdict is Verdict.REFUTED} == {"places"}
    assert text in broken[0].detail


def test_a_design_is_kept_and_proven_again_when_it_is_read(built, tmp_path):
    adders = {module.node.name: module.adders for module in built.pipeline.modules if module.adders is not None}
    path = tmp_path / "design.json"
    save_design(path, built.graph, adders)
    graph, found, _ = load_design(path)
    codes = random_codes(graph, 50, 1)
    assert np.array_equal(evaluate(graph, codes), evaluate(built.graph, codes))
    assert found == adders
    data = json.loads(path.read_text())
    for name, change in (("windows", {"indices": [12]}), ("conv", {"copies": 3}), ("left", {"inputs": ["y", "y"]})):
        broken = json.loads(json.dumps(data))
        next(node for node in broken["nodes"] if node["name"] == name).update(change)
        path.write_text(json.dumps(broken))
        with pytest.raises(ConfigError, match="not a design of bittrigger"):
            load_design(path)


def test_a_set_costs_what_it_costs_written_out():
    """Same LUTs, registers and cycles, by the estimate, as sixteen copies in one matrix."""
    rng = np.random.default_rng(2)
    kind = FixedPoint(True, 6, 0)
    nodes = (
        Input("x", 16 * 5, kind, kind.interval),
        Linear("one", ("x",), frozen_array(rng.integers(-1, 2, (5, 8))), frozen_array(np.arange(8)), 0, copies=16),
        Requantize("relu", ("one",), 16 * 8, 1, Rounding.RND_CONV, 0, 15, -1, copies=16),
        Linear("two", ("relu",), frozen_array(rng.integers(-1, 2, (8, 3))), frozen_array(np.arange(3)), 0, copies=16),
    )
    graph = Graph("net", nodes, ("two",))
    verify(graph)
    pipelines = [create_pipeline(made, Settings()) for made in (graph, written_out(graph))]
    assert pipelines[0].latency_cycles == pipelines[1].latency_cycles
    assert estimate(pipelines[0])[1] == estimate(pipelines[1])[1]


def test_routes_follow_wires():
    graph = places()
    found = route(graph, ("left",))
    assert found.nodes == ("y", "relu")
    assert found.sources.tolist() == [0, ZERO, 1, 1, 1, 1]
    assert found.elements.tolist() == [2, 0, 2, 1, 0, 15]
    nested = Graph("net", (*graph.nodes, Wire("again", ("left",), frozen_array([3, 2]), 1)), ("again",))
    assert route(nested, ("again",)).nodes == read_by(nested, ("again",)) == ("relu",)
    assert route(nested, ("again",)).elements.tolist() == [1, 2]


@pytest.mark.parametrize(
    "node",
    [
        Wire("w", ("x", "x"), frozen_array([0]), 2),
        Wire("w", ("x",), frozen_array([12]), 2),
        Wire("w", ("x",), frozen_array([-2]), 2),
        Wire("w", ("x",), frozen_array([0]), 1),
        Requantize("w", ("x",), 12, 0, Rounding.TRN, 0, 1, 2, copies=5),
        Requantize("w", ("x", "y"), 15, 0, Rounding.TRN, 0, 1, 2, copies=5),
    ],
)
def test_what_is_not_well_formed_is_refused(node):
    graph = places()
    with pytest.raises(InternalError, match="node 'w'"):
        verify(Graph("net", (*graph.nodes[:2], node), ("w",)))
