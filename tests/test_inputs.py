"""Events that do not fit their port, and outputs that do not tell events apart, are said."""

from __future__ import annotations

import numpy as np

from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, Linear, frozen_array
from bittrigger.simulate.inputs import fit_lines, output_lines, port_fits
from bittrigger.simulate.vectors import corner_codes

KIND = FixedPoint(True, 8, 4)
GRAPH = Graph(
    "two",
    (
        Input("x", 2, KIND, Interval(-128, 127)),
        Input("y", 1, FixedPoint(False, 4, 0), Interval(0, 15)),
        Linear("d", ("x", "y"), frozen_array(np.array([[1, 0], [0, 1], [1, 0]])), frozen_array(np.zeros(2, int)), 4),
    ),
    ("d",),
)


def test_values_beyond_the_range_and_between_the_steps_are_counted():
    values = np.array([[7.9375, -8.0, 15], [8.0, 0.03, 16], [-1e9, 0.5, -1]])
    x, y = port_fits(GRAPH, values, own=False)
    assert (x.values, x.off_range, x.off_grid, x.events) == (6, 2, 1, 2)
    assert (y.values, y.off_range, y.off_grid, y.events) == (3, 2, 0, 2)
    assert x.harmful
    lines = fit_lines([x, y])
    assert "2 of 6 values (2 events), from -1e+09 to 8, lie outside the port's range -8..7.9375" in lines[0]
    assert "saturate" in lines[0]
    assert "no multiples of the port's step 0.0625" in lines[1]


def test_a_value_that_rounds_into_the_range_is_inside():
    (x, _) = port_fits(GRAPH, np.array([[7.95, 0, 0]]), own=False)
    assert (x.off_range, x.off_grid) == (0, 1)


def test_what_the_model_itself_does_is_no_harm():
    fits = port_fits(GRAPH, np.array([[100.0, 0.01, 3]]), own=True)
    assert not any(fit.harmful for fit in fits)
    (line,) = fit_lines(fits)
    assert "as the model's own input quantiser makes them" in line


def test_events_that_fit_say_nothing():
    fits = port_fits(GRAPH, np.zeros((4, 3)), own=False)
    assert fit_lines(fits) == []
    assert not any(fit.harmful for fit in fits)


def test_outputs_that_never_change_or_are_nearly_always_zero_are_said():
    rng = np.random.default_rng(0)
    varied = rng.integers(-5, 6, (100, 2))
    assert output_lines(GRAPH, varied) == []
    assert "1 of 2 outputs never change over 100 events: d[1]" in output_lines(GRAPH, varied * [1, 0])
    sparse = np.zeros((100, 2), dtype=np.int64)
    sparse[:4] = 3, 4
    assert output_lines(GRAPH, sparse) == [
        "96.0 % of the events give 0 in every output; they cannot be told apart there",
    ]
    assert output_lines(GRAPH, varied[:1]) == []


def test_corners_of_very_many_inputs_fit_the_memory():
    size = 60_000
    codes = corner_codes(Graph("wide", (Input("x", size, FixedPoint(True, 4, 0), Interval(-8, 7)),), ("x",)))
    alone = codes[7:]
    assert len(alone) == 2 * ((1 << 24) // size)
    assert ((alone != 0).sum(axis=1) == 1).all()
    assert (alone[0][0], alone[-1][-1]) == (-8, 7)
