"""Buses and units: what is packed comes back, and a float never loses a bit."""

import numpy as np
import pytest
import strategies as own
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, evaluate
from bittrigger.ir.ports import (
    bus_width,
    decode_inputs,
    decode_outputs,
    encode_events,
    input_fields,
    output_fields,
    pack,
    unpack,
)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_packed_words_come_back(data):
    graph = data.draw(own.graphs())
    codes = data.draw(own.codes_of(graph))
    for fields, values in ((input_fields(graph), codes), (output_fields(graph), evaluate(graph, codes))):
        words = pack(values, fields)
        assert words.shape == (len(values), -(-bus_width(fields) // 8))
        assert np.array_equal(unpack(words, fields), values)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_codes_survive_their_real_values(data):
    graph = data.draw(own.graphs())
    codes = data.draw(own.codes_of(graph))
    assert np.array_equal(encode_events(graph, decode_inputs(graph, codes)), codes)


def port(interval=None):
    kind = FixedPoint(True, 8, 4)
    return Graph("net", (Input("x", 2, kind, interval or kind.interval),), ("x",))


def test_elements_lie_in_ascending_bits():
    fields = input_fields(port())
    assert [(f.port, f.index, f.offset, f.width) for f in fields] == [("x", 0, 0, 8), ("x", 1, 8, 8)]
    assert pack(np.array([[1, -1]]), fields).tolist() == [[1, 255]]


def test_a_symmetric_quantiser_never_gives_its_lowest_code():
    assert encode_events(port(Interval(-127, 127)), np.array([[-100.0, 100.0]])).tolist() == [[-127, 127]]


def test_outputs_come_in_units_of_the_model():
    assert decode_outputs(port(), np.array([[16, -8]])).tolist() == [[1.0, -0.5]]


def test_encode_events_refuses_what_is_no_event():
    with pytest.raises(ConfigError, match=r"inputs of shape \(3, 5\); expected \(events, 2\) for 'net'"):
        encode_events(port(), np.zeros((3, 5)))
    with pytest.raises(ConfigError, match="inputs hold nan at event 1, column 0; all must be finite"):
        encode_events(port(), np.array([[0.0, 1.0], [np.nan, 0.0]]))
