"""Rounding half to even behind a division: two floors of one product, and a mean over ten."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_models import QActivation, QDense, layers, lowered, randomize, tf

from bittrigger.frontend.elementwise.chains import StridedInterval
from bittrigger.frontend.elementwise.exact import Line, quantised_runs
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.pair_fit import Pair, fit_pair
from bittrigger.frontend.elementwise.requantizer_fit import Segments, fit_channel
from bittrigger.frontend.nodes import plans
from bittrigger.ir.fixed import Rounding
from bittrigger.ir.graph import Lookup, evaluate

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def values_of(pair: Pair, codes, grid: Grid):
    floors = [(codes * pair.multiplier + offset) >> pair.shift for offset in (pair.upper, pair.lower)]
    return np.clip(sum(floors), grid.lo, grid.hi)


@given(
    st.builds(Line, st.integers(-40, 40).filter(bool), st.integers(-300, 300), st.integers(1, 1000)),
    st.integers(-3000, 3000),
    st.integers(1, 7),
    st.integers(1, 800),
    st.tuples(st.integers(-130, 0), st.integers(0, 130)),
)
@settings(max_examples=300, deadline=None)
def test_every_line_that_is_rounded_half_to_even_is_two_floors(line, lo, stride, count, clip):
    """Whatever it divides by."""
    reach, grid = StridedInterval(lo, lo + stride * count, stride), Grid(0, *clip)
    pair = fit_pair(quantised_runs(line, reach, grid), grid.lo, grid.hi)
    assert pair is not None
    codes = reach.codes(0, reach.points)
    wanted = [min(max(line.rounded(int(code)), grid.lo), grid.hi) for code in codes]
    assert values_of(pair, codes, grid).tolist() == wanted
    assert values_of(pair.at_shift(pair.shift + 3), codes, grid).tolist() == wanted


def test_no_straight_line_rounds_a_division_by_ten():
    runs = quantised_runs(Line(1, 0, 10), StridedInterval(0, 5000, 1), Grid(0, 0, 511))
    assert fit_channel(runs, Rounding.TRN, 0, 511) is None
    assert fit_channel(runs, Rounding.RND_CONV, 0, 511) is None
    assert fit_pair(runs, 0, 511) is not None


def test_a_function_that_no_two_floors_give_has_no_pair():
    codes = np.arange(5, dtype=np.int64)
    assert fit_pair(Segments(codes, codes, np.array([0, 1, 1, 0, 3])), 0, 3) is None
    squares = np.arange(60, dtype=np.int64)
    assert fit_pair(Segments(squares, squares, squares**2), 0, 59**2) is None


@pytest.mark.parametrize("quantizer", ["quantized_relu(7,2)", "quantized_bits(9,1,alpha=1)"])
def test_a_mean_over_ten_is_no_table_and_equals_one(quantizer, monkeypatch):
    """Keras in float64 rounds the mean before the dense layer, so that ties hang on its last bits; a table does not."""
    port = tf.keras.Input((10, 3), name="x")
    mean = layers.GlobalAveragePooling1D(name="g")(QActivation("quantized_bits(8,2,alpha=1)", name="q")(port))
    dense = QDense(4, kernel_quantizer="quantized_bits(5,1,alpha=1)", bias_quantizer="quantized_bits(6,2,alpha=1)")
    model = randomize(tf.keras.Model(port, QActivation(quantizer, name="a")(dense(mean))), seed=3)
    graph = lowered(model, require="ideal")
    assert not any(isinstance(node, Lookup) for node in graph.nodes)
    monkeypatch.setattr(plans, "MIN_PAIRED", 1 << 20)
    tables = lowered(model, require="ideal")
    assert any(isinstance(node, Lookup) for node in tables.nodes)
    codes = np.random.default_rng(1).integers(-128, 128, (20000, 30)) // np.repeat([1, 8], 10000)[:, None]
    np.testing.assert_array_equal(evaluate(graph, codes), evaluate(tables, codes))
