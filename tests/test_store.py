"""Designs survive their file; files that are not designs are refused."""

import json

import numpy as np
import pytest
import strategies as own
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.errors import ConfigError
from bittrigger.graph import evaluate
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.store import load_design, save_design


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_design_comes_back_as_it_was(tmp_path_factory, data):
    graph = data.draw(own.graphs())
    codes = data.draw(own.codes_of(graph))
    path = tmp_path_factory.mktemp("store") / "design.json"
    save_design(path, graph, lower_graph_to_trees(graph))
    again, adders = load_design(path)
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
    with pytest.raises(ConfigError, match="schema 999; this version reads 1; convert the model again"):
        load_design(path)
