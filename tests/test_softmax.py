"""Softmax and its logarithm, exactly rounded: tables against 70 decimal digits, models against Keras in double precision."""

import itertools
from decimal import ROUND_HALF_EVEN, Decimal, getcontext

import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, lowered, model_of, randomize, tf

from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend.elementwise.chains import StridedInterval
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.lower import softmax_tables as tables
from bittrigger.ir.basis import Grade
from bittrigger.ir.graph import Linear, evaluate
from bittrigger.ir.ports import decode_inputs, encode_events

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def definition(logits, own, frac, grid, *, log=False):
    """The code of class ``own``, by 70 digits."""
    getcontext().prec = 70
    total = sum((Decimal(int(z - logits[own])) / Decimal(2) ** frac).exp() for z in logits)
    value = (-total.ln() if log else 1 / total) * Decimal(2) ** grid.frac
    return min(max(int(value.to_integral_value(ROUND_HALF_EVEN)), grid.lo), grid.hi)


def from_tables(found, logits, own):
    differences = [z - logits[own] for k, z in enumerate(logits) if k != own]
    powers = [found.powers[np.searchsorted(found.starts, d, side="right") - 1] for d in differences]
    if not found.sum_starts:
        return powers[0]
    return found.codes[np.searchsorted(found.sum_starts, sum(powers), side="right") - 1]


CASES = [
    (2, 8, 4, Grid(8, 0, 255), False),
    (2, 5, 0, Grid(6, -32, 31), False),
    (3, 4, 1, Grid(4, 0, 15), False),
    (3, 8, 4, Grid(8, 0, 255), False),
    (4, 6, 3, Grid(8, 0, 255), False),
    (5, 6, 3, Grid(8, -128, 127), False),
    (5, 6, 3, Grid(4, -128, 0), True),
    (3, 5, -1, Grid(5, 0, 40), False),
    (8, 3, 0, Grid(2, 0, 4), False),
    (10, 4, 1, Grid(6, 0, 63), False),
    (2, 6, 2, Grid(3, -40, 7), True),
    (2, 30, 26, Grid(8, 0, 255), False),
    (3, 1, 2, Grid(8, -128, 127), True),
]


@pytest.mark.parametrize(("classes", "bits", "frac", "grid", "log"), CASES)
def test_tables_give_the_definition(classes, bits, frac, grid, log):
    top = (1 << bits) - 1
    found = tables.softmax_tables("s", classes, StridedInterval(-top, top, 1), frac, grid, log=log)
    draw = np.random.default_rng(classes)
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    for number in range(400):
        logits = draw.integers(least, most + 1, classes).tolist()
        if number % 3 == 0:  # near each other, where codes lie densely
            logits = np.clip(logits[0] + draw.choice((0, 0, 1, -1), classes), least, most).tolist()
        for own in range(classes):
            assert from_tables(found, logits, own) == definition(logits, own, frac, grid, log=log), logits


def test_every_event_of_three_classes():
    grid = Grid(6, 0, 63)
    found = tables.softmax_tables("s", 3, StridedInterval(-15, 15, 1), 2, grid, log=False)
    for a, b in itertools.product(range(-15, 16), repeat=2):
        if abs(a - b) <= 15:
            assert from_tables(found, (0, a, b), 0) == definition((0, a, b), 0, 2, grid)


def test_ties_go_to_the_even_code():
    """Of eight equal logits each has 1/8, which lies between 0 and 1/4."""
    found = tables.softmax_tables("s", 8, StridedInterval(-3, 3, 1), 1, Grid(2, 0, 4), log=False)
    assert from_tables(found, (0,) * 8, 0) == 0
    halves = tables.softmax_tables("s", 2, StridedInterval(-3, 3, 1), 1, Grid(0, 0, 1), log=False)
    assert from_tables(halves, (0, 0), 0) == 0
    assert from_tables(halves, (1, 0), 0) == 1


def test_too_few_places_are_noticed():
    """Of powers with two bits behind the point no integer divides the sums."""
    exponentials = tables._exponentials(StridedInterval(-31, 31, 1), 2, 1 << 209)
    bounds = list(tables._bounds(Grid(8, 0, 255), range(1, 256), log=False))
    assert tables._cuts("s", tables._powers(exponentials, 2, bounds[0]), 2, bounds, 2) is None


def test_what_is_too_large_is_refused(monkeypatch):
    with pytest.raises(UnsupportedModelError, match=r"its type has 65535 codes, of which up to 4096 .* leave it out"):
        tables.softmax_tables("s", 3, StridedInterval(-31, 31, 1), 2, Grid(16, 0, 65535), log=False)
    monkeypatch.setattr(tables, "MAX_SORTED", 100)
    with pytest.raises(
        UnsupportedModelError, match="layer 's': softmax is to be rounded exactly, and the sums of 4 of"
    ):
        tables.softmax_tables("s", 5, StridedInterval(-31, 31, 1), 2, Grid(8, 0, 255), log=False)


@pytest.mark.parametrize(
    ("classes", "top", "grid", "fact"),
    [
        (2, 10, Grid(16, -(1 << 31), (1 << 31) - 1), "its type has 2147483648 codes"),
        (3, 10, Grid(-26, -8, 7), "the logarithms of its type reach beyond -4096"),
        (3, 1 << 40, Grid(8, -128, 127), "its logits differ by 2199023255553 values"),
    ],
)
def test_what_would_take_for_ever_is_refused_at_once(classes, top, grid, fact):
    with pytest.raises(UnsupportedModelError, match=fact):
        tables.softmax_tables("s", classes, StridedInterval(-top, top, 1), 2, grid, log=True)


def test_steps_of_millions():
    """Exponentials beyond every code are not written out: they have millions of digits."""
    found = tables.softmax_tables("s", 3, StridedInterval(-10, 10, 1), -26, Grid(4, -128, 127), log=True)
    assert [from_tables(found, (0, -1, 3), own) for own in range(3)] == [-128, -128, 0]
    assert from_tables(found, (2, 2, 1), 0) == round(-16 * np.log(2))


def logits(x, units=4, quantizer="quantized_bits(6,3,alpha=1)"):
    x = QDense(units, kernel_quantizer="ternary(alpha=1)", bias_quantizer="quantized_bits(4,1,alpha=1)", name="d")(x)
    return QActivation(quantizer, name="l")(x)


def ideal(model, **options):
    return lowered(model, require="ideal", **options)


@pytest.mark.parametrize("units", [1, 2, 3, 5])
def test_a_softmax_that_is_kept(units):
    model = randomize(model_of(lambda x: layers.Softmax(name="s")(logits(x, units))), seed=3)
    with pytest.raises(Float32RoundsError, match="layer 's': softmax divides by a sum of exponentials"):
        lowered(model, keep_activation=True)
    graph = ideal(model, keep_activation=True, output_precision="ufixed<10,0>")
    assert graph.basis.grade is Grade.IDEAL
    measured = check_agreement(model, graph, keep_activation=True)
    assert measured.float64.events == 0
    default = ideal(model, keep_activation=True)
    assert str(default.basis.rounded[0]) == "ap_ufixed<8,0>"
    assert "softmax is rounded to ap_ufixed<8,0>" in default.basis.chosen[-1]
    check_agreement(model, default, keep_activation=True)


def test_a_softmax_at_each_position_within_a_network():
    port = tf.keras.Input((3, 4), name="x")
    x = QActivation("quantized_bits(5,2,alpha=1)", name="q")(port)
    x = layers.Activation("softmax", name="s")(x)
    x = layers.Flatten()(QActivation("quantized_relu(6,0)", name="a")(x))
    x = QDense(3, kernel_quantizer="ternary(alpha=1)", use_bias=False, name="o")(x)
    model = randomize(tf.keras.Model(port, x), seed=5)
    graph = ideal(model)
    assert check_agreement(model, graph).float64.events == 0
    sums = next(node for node in graph.nodes if node.name == "s_sums")
    assert isinstance(sums, Linear)
    assert sums.copies == 3


def test_operators_of_tensorflow():
    model = randomize(model_of(lambda x: tf.nn.log_softmax(logits(x))))
    graph = ideal(model)
    assert str(graph.basis.rounded[0]) == "ap_fixed<8,5>"
    assert check_agreement(model, graph).float64.events == 0
    wrong = model_of(lambda x: tf.nn.softmax(layers.Reshape((2, 2))(logits(x)), axis=1))
    with pytest.raises(UnsupportedModelError, match=r"operator tf.nn.softmax along axis 1; allowed are the last axis"):
        ideal(randomize(wrong))


def test_without_a_quantiser_behind_it_is_refused():
    inside = model_of(
        lambda x: QDense(2, kernel_quantizer="ternary(alpha=1)", name="o")(layers.Softmax(name="s")(logits(x)))
    )
    with pytest.raises(UnsupportedModelError, match="layer 's': softmax within the model, .* put a QActivation behind"):
        ideal(randomize(inside))


def test_the_design_gives_the_definition():
    """Not Keras in double precision, but 70 digits."""
    model = randomize(model_of(lambda x: layers.Softmax(name="s")(logits(x))), seed=8)
    graph = ideal(model, keep_activation=True)
    rng = np.random.default_rng(2)
    codes = encode_events(graph, rng.normal(0, 2, (60, 7)))
    bare = ideal(model)
    arguments, found = evaluate(bare, codes), evaluate(graph, codes)
    assert decode_inputs(graph, codes).shape == (60, 7)
    for row, out in zip(arguments, found, strict=True):
        for own in range(4):
            assert out[own] == definition(row.tolist(), own, bare[bare.outputs[0]].frac, Grid(8, 0, 255))
