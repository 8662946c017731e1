"""A layer that is built in parts, for the types of its copies, is spoken of by its own name."""

import json
from dataclasses import replace

import numpy as np
from designs import around
from test_own_types import two_types

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.ir.graph import Linear, frozen_array
from bittrigger.ir.routes import split_layers
from bittrigger.passes.own_types import OwnTypes
from bittrigger.report import load_report, make_report, save_report
from bittrigger.report.difference import Side, compare
from bittrigger.report.hints import hints
from bittrigger.report.schema import report_json
from bittrigger.settings import Settings

FAST = Settings(effort="fast")
PARTS = {"dense_of0": "dense", "dense_of1": "dense"}


def network(factor=4):
    """Two copies of a layer and a quantiser, whole."""
    graph = two_types(factor)
    return replace(graph, nodes=(*graph.nodes, around("q", ("dense",), 4, 2, (-16, 15))), outputs=("q",))


def side(label, graph):
    pipeline = create_pipeline(graph, FAST)
    return Side(label, pipeline, make_report(pipeline, FAST, None), {}, {})


def with_weight(graph, value):
    """The same network with another weight in each of its matrices of that layer."""

    def turned(node):
        if not isinstance(node, Linear) or not node.name.startswith("dense"):
            return node
        weights = np.array(node.weights)
        weights[0, 0] = value * np.sign(weights[0, 0]) * (weights[0, 0] & -weights[0, 0])
        return replace(node, weights=frozen_array(weights))

    return replace(graph, nodes=tuple(map(turned, graph.nodes)))


def test_the_graph_tells_which_layers_are_parts():
    assert split_layers(network()) == {}
    assert split_layers(OwnTypes().apply(network())) == PARTS


def test_a_report_names_the_layer_and_reads_back(tmp_path):
    report = side("a", OwnTypes().apply(network())).report
    assert {layer.name: layer.part_of for layer in report.layers if layer.part_of} == PARTS
    save_report(report, tmp_path / "report.json")
    assert load_report(tmp_path / "report.json") == report
    told = [layer.get("part_of") for layer in report_json(report)["layers"]]
    assert told.count("dense") == 2
    assert json.loads((tmp_path / "report.json").read_text())["layers"][-1].keys() >= {"name", "kind"}


def test_hints_add_the_parts_up():
    report = side("a", OwnTypes().apply(network())).report
    found = [hint for hint in hints(report) if hint.startswith("dense")]
    total = sum(layer.estimate.lut.value for layer in report.layers if layer.part_of)
    (hint,) = found
    assert hint.startswith(f"dense, built as 2 layers since its copies read other types, takes {total:,.0f} of ")
    assert "dense_of" not in hint


def test_a_layer_in_parts_is_no_other_layer():
    found = compare(side("whole", network()), side("parts", OwnTypes().apply(network())), None)
    (change,) = (change for change in found.layers if change.what == "dense")
    assert change.a.startswith("linear, 2 x 2, ")
    assert change.b.startswith("1 of linear, 2 x 2, ")
    assert change.b.count("; 1 of linear, 2 x 2, ") == 1
    assert not any("dense_of" in change.what for change in found.layers)
    assert found.weights == ()
    assert not any("layers come or go" in line and "dense" in line for line in found.review)


def test_a_weight_of_a_layer_in_parts_that_changed_is_counted_once():
    whole = network()
    for one, other in ((OwnTypes().apply(whole), OwnTypes().apply(with_weight(whole, 3))), (whole, None)):
        changed = with_weight(OwnTypes().apply(whole), 3) if other is None else other
        (change,) = compare(side("a", one), side("b", changed), None).weights
        assert (change.layer, change.weights, change.changed, change.zeros) == ("dense", 4, 1, 0)
