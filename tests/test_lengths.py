"""LayerNormalization and UnitNormalization, exactly rounded: against fractions and 60 digits, and against Keras."""

from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_models import QActivation, layers, lowered, tf

from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import Float32RoundsError, MismatchError, UnsupportedModelError
from bittrigger.frontend.lower.boundaries import Comparison, Ratio, Reached, comparison
from bittrigger.ir.basis import Grade
from bittrigger.ir.graph import evaluate
from bittrigger.ir.ports import decode_inputs, encode_events

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


@given(
    st.builds(Fraction, st.integers(-(10**6), 10**6), st.integers(1, 10**6)),
    st.builds(Fraction, st.integers(0, 10**5), st.integers(1, 10**4)),
    st.booleans(),
    st.integers(1, 12),
    st.integers(0, 200),
)
def test_comparisons_are_right_for_every_vector(ratio, extra, even, peak, more):
    most = peak**2 + more
    found = comparison(Ratio(ratio, extra, even), Reached(peak, most, lambda code: code**2))
    assert found is not None
    for code in range(-peak, peak + 1):
        for total in range(code**2, most + 1) if code or ratio > 0 else range(1, most + 1):
            square, limit = (1 if code > 0 else -1) * code**2, ratio * (total + extra)
            wanted = square >= limit if even else square > limit
            if ratio > 0 and code == 0:
                wanted = False  # a vector without length has no direction
            if isinstance(found, Comparison):
                assert ((square << found.places) - found.factor * total - found.offset >= 0) == wanted
            else:
                assert found == wanted or (code == 0 and found is False)


def test_ties_go_to_the_even_code():
    for even in (True, False):
        found = comparison(Ratio(Fraction(1, 4), Fraction(0), even), Reached(3, 40, lambda code: code**2))
        assert ((4 << found.places) - 16 * found.factor - found.offset >= 0) == even  # 2² = (16 + 0) / 4


def normalised(layer, quantizer="quantized_bits(4,1,alpha=1)", *, shape=(4,), inputs="quantized_bits(5,1,alpha=1)"):
    port = tf.keras.Input(shape, name="x")
    x = layer(QActivation(inputs, name="q")(port))
    model = tf.keras.Model(port, QActivation(quantizer, name="a")(x) if quantizer else x)
    generator = np.random.default_rng(3)
    layer.set_weights([generator.normal(0.3, 1, weight.shape) for weight in layer.get_weights()])
    return model


CASES = {
    "plain": lambda: normalised(layers.LayerNormalization(center=False, scale=False)),
    "factors of both signs and offsets": lambda: normalised(layers.LayerNormalization()),
    "a quantiser without a sign": lambda: normalised(layers.LayerNormalization(), "quantized_relu(6,3)", shape=(8,)),
    "each position": lambda: normalised(layers.LayerNormalization(), "quantized_relu(4,2)", shape=(3, 4)),
    "two axes": lambda: normalised(layers.LayerNormalization(axis=[1, 2]), "quantized_relu(4,2)", shape=(3, 4)),
    "a large epsilon": lambda: normalised(
        layers.LayerNormalization(epsilon=0.25), inputs="quantized_bits(3,0,alpha=1)"
    ),
    "length": lambda: normalised(layers.UnitNormalization(), "quantized_bits(5,0,alpha=1)", shape=(5,)),
    "length of each position": lambda: normalised(layers.UnitNormalization(), shape=(2, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_models(name):
    model = CASES[name]()
    with pytest.raises(Float32RoundsError, match="divides by a root of sums"):
        lowered(model)
    graph = lowered(model, require="ideal")
    assert graph.basis.grade is Grade.IDEAL
    assert check_agreement(model, graph).float64.events == 0


def test_at_an_output():
    model = normalised(layers.LayerNormalization(name="n"), None)
    graph = lowered(model, require="ideal")
    assert "layer 'n': LayerNormalization is rounded to ap_fixed<6,3>" in graph.basis.chosen[-1]
    check_agreement(model, graph)
    wanted = lowered(model, require="ideal", output_precision="fixed<8,4>")
    assert str(wanted.basis.rounded[0]) == "ap_fixed<8,4>"


def test_what_is_no_number_does_not_agree():
    model = normalised(layers.LayerNormalization(name="n"))
    graph = lowered(model, require="ideal")
    model.get_layer("n").epsilon = 0.0
    with pytest.raises(MismatchError, match=r"output 0: Keras gives nan for the inputs \[.*; allowed are numbers"):
        check_agreement(model, graph)


def test_the_definition_with_sixty_digits():
    getcontext().prec = 60
    layer = layers.LayerNormalization(name="n")
    model = normalised(layer, "quantized_bits(5,1,alpha=1)")
    graph = lowered(model, require="ideal")
    codes = encode_events(graph, np.random.default_rng(5).normal(0, 1, (200, 4)))
    gamma, beta = (values.numpy() for values in (layer.gamma, layer.beta))
    for row, out in zip(decode_inputs(graph, codes), evaluate(graph, codes), strict=True):
        values = [Decimal(float(value)) for value in row]
        mean = sum(values) / 4
        root = (sum((v - mean) ** 2 for v in values) / 4 + Decimal(float(np.float32(layer.epsilon)))).sqrt()
        for own in range(4):
            result = Decimal(float(gamma[own])) * (values[own] - mean) / root + Decimal(float(beta[own]))
            code = int((result * 8).to_integral_value(ROUND_HALF_EVEN))
            assert out[own] == min(max(code, -16), 15)


REFUSED = {
    "the first axis": (
        lambda: normalised(layers.LayerNormalization(axis=1), shape=(3, 4)),
        "normalises along axes .1. of 3; allowed are the last ones; put a Permute",
    ),
    "no epsilon": (lambda: normalised(layers.LayerNormalization(epsilon=0.0)), "it divides 0 by 0 where all codes"),
    "one code": (lambda: normalised(layers.LayerNormalization(), shape=(3, 1)), "normalises one code"),
    "many steps": (
        lambda: normalised(layers.LayerNormalization(), "quantized_bits(12,2,alpha=1)"),
        "its 4 codes take 16380 comparisons a vector; allowed are 2048",
    ),
    "no quantiser": (
        lambda: normalised(layers.LayerNormalization(), "smooth_sigmoid"),
        "put a QActivation behind it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedModelError, match=message):
        lowered(make(), require="ideal")
