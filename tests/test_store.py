"""Designs survive their file; files that are not designs are refused."""

import json

import numpy as np
import pytest
import strategies as own
from designs import solved
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.build.store import load_design, save_design
from bittrigger.errors import ConfigError
from bittrigger.ir.graph import evaluate
from bittrigger.passes.lower_trees import lower_graph_to_trees


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_design_comes_back_as_it_was(tmp_path_factory, data):
    graph = data.draw(own.graphs())
    codes = data.draw(own.codes_of(graph))
    path = tmp_path_factory.mktemp("store") / "design.json"
    save_design(path, graph, lower_graph_to_trees(graph))
    again, adders, _ = load_design(path)
    assert np.array_equal(evaluate(again, codes), evaluate(graph, codes))
    assert adders == lower_graph_to_trees(graph)
    first = path.read_text()
    save_design(path, again, adders)
    assert path.read_text() == first


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": 1, "nodes": [{"name": "x", "kind": "Lambda"}]}']
)
def test_what_is_no_design_is_refused(tmp_path, content):
    path = tmp_path / "design.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="design.json|unknown kind"):
        load_design(path)


def test_another_schema_is_refused(tmp_path):
    path = tmp_path / "design.json"
    path.write_text(json.dumps({"schema": 999}))
    with pytest.raises(ConfigError, match="schema 999; this version reads 3; convert the model again"):
        load_design(path)


@pytest.fixture
def design(tmp_path):
    """The JSON of a small good design, as text."""
    graph = solved((3, 2)).graph
    save_design(tmp_path / "good.json", graph, lower_graph_to_trees(graph))
    return (tmp_path / "good.json").read_text()


def first(nodes, kind):
    return next(node for node in nodes if node["kind"] == kind)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(name="../../tmp/x"), "'../../tmp/x' is no identifier"),
        (lambda d: d.update(outputs=["nowhere"]), "no or unknown outputs"),
        (lambda d: d.update(adders={}), "adder graphs of the shapes {}; expected"),
        (lambda d: first(d["nodes"], "Input").update(size=1 << 40), "is no integer from 1 to"),
        (lambda d: first(d["nodes"], "Input").update(size=2.0), "'2.0' is no integer"),
        (lambda d: first(d["nodes"], "Input").update(type=[True, 99, 0]), "'99' is no integer from 1 to 62"),
        (lambda d: first(d["nodes"], "Input").update(interval=[3, 1]), "empty interval"),
        (lambda d: first(d["nodes"], "Linear").update(weights=[[0.5]]), "weights of type float64"),
        (lambda d: first(d["nodes"], "Linear").update(weights=[[1 << 70]]), "weights of type object"),
        (
            lambda d: first(d["nodes"], "Linear").update(inputs=["later"]),
            "reads 'later', which does not come before it",
        ),
        (lambda d: next(iter(d["adders"].values()))["adders"].append([0]), "has 0 terms"),
        (
            lambda d: next(iter(d["adders"].values()))["adders"].append([0, [999, 0, 0]]),
            "'999' is no integer from 0 to",
        ),
        (lambda d: next(iter(d["adders"].values())).update(outputs=[[-1, 0, 0]]), "'-1' is no integer"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(tmp_path, design, change, message):
    data = json.loads(design)
    change(data)
    path = tmp_path / "design.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="not a design of bittrigger") as caught:
        load_design(path)
    assert message in str(caught.value)


def test_json_that_is_nested_too_deep_is_refused(tmp_path):
    path = tmp_path / "design.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ConfigError, match="maximum recursion depth"):
        load_design(path)
