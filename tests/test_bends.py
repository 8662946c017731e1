"""LeakyReLU and PReLU of many codes: two lines, no table, and every bit of their definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from keras_models import QActivation, layers, tf

from bittrigger.compile.read import read_model
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import Lookup, evaluate, output_fracs
from bittrigger.ir.ports import encode_events
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

SLOPES = np.float32([0.25, 1.5, -0.3])
CASES = {
    "LeakyReLU": (lambda: layers.LeakyReLU(1.5, name="a"), np.full(3, np.float32(1.5))),
    "leaky_relu": (lambda: layers.Activation("leaky_relu", name="a"), np.full(3, np.float32(0.2))),
    "ReLU": (lambda: layers.ReLU(negative_slope=0.3, name="a"), np.full(3, np.float32(0.3))),
    "PReLU": (lambda: layers.PReLU(name="a", alpha_initializer=tf.constant_initializer(SLOPES)), SLOPES),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("text", ["fixed<16,6,TRN,WRAP>", "fixed<18,7>"])
def test_every_bit_in_a_type_that_cuts_off_or_rounds(name, text):
    make, slopes = CASES[name]
    port = tf.keras.Input((3,), name="x")
    settings = Settings(input_precision="fixed<16,6>", layer_precision={"a": text})
    graph = read_model(tf.keras.Model(port, make()(port)), settings, name="net").graph
    assert not any(isinstance(node, Lookup) for node in graph.nodes)
    codes = np.random.default_rng(1).integers(-(2**15), 2**15, (300, 3))
    found = decode(evaluate(graph, encode_events(graph, codes / 2.0**10)), output_fracs(graph))
    width, whole = (16, 6) if "WRAP" in text else (18, 7)
    for row, values in zip(codes.tolist(), found.tolist(), strict=True):
        for code, slope, value in zip(row, slopes.tolist(), values, strict=True):
            exact = Fraction(code, 2**10) * (Fraction(slope) if code < 0 else 1) * 2 ** (width - whole)
            if "WRAP" in text:
                wanted = (exact.numerator // exact.denominator + 2 ** (width - 1)) % 2**width - 2 ** (width - 1)
            else:
                wanted = min(max(round(exact), -(2 ** (width - 1))), 2 ** (width - 1) - 1)
            assert value == wanted / 2 ** (width - whole)


@pytest.mark.parametrize("slope", [2.0**-6, 0.5])
def test_every_bit_of_a_quantised_relu_with_a_slope_behind_wide_sums(slope):
    """A table would have too many steps; what the normalisation delivers takes some 40 bits."""
    port = tf.keras.Input((3,), name="x")
    normalised = layers.BatchNormalization(name="n")(QActivation("quantized_bits(20,5,alpha=1)", name="q")(port))
    model = tf.keras.Model(port, QActivation(f"quantized_relu(15,1,negative_slope={slope})", name="a")(normalised))
    generator = np.random.default_rng(2)
    gamma, variance = generator.uniform(0.4, 1.6, 3), np.full(3, 1 - model.get_layer("n").epsilon)
    model.get_layer("n").set_weights([gamma, generator.normal(0, 1, 3), np.zeros(3), variance])
    graph = read_model(model, Settings(), name="net").graph
    assert not any(isinstance(node, Lookup) for node in graph.nodes)
    scale, bias = (np.float32(values) for values in model.get_layer("n").get_weights()[:2])
    codes = np.concatenate([generator.integers(-(2**top), 2**top, (300, 3)) for top in (19, 15)])
    found = decode(evaluate(graph, encode_events(graph, codes / 2.0**14)), output_fracs(graph))
    for row, values in zip(codes.tolist(), found.tolist(), strict=True):
        for code, factor, offset, value in zip(row, scale.tolist(), bias.tolist(), values, strict=True):
            exact = Fraction(code, 2**14) * Fraction(factor) + Fraction(offset)
            exact *= Fraction(slope) if exact < 0 else 1
            assert value == min(max(round(exact * 2**13), -int(slope * 2**14)), 2**14 - 1) / 2**13


def test_a_softmax_alone_is_left_out():
    """It was taken for a function of one code where the type of the input was looked for."""
    model = tf.keras.Sequential([layers.Activation("softmax", input_shape=(4,), name="s")])
    basis = read_model(model, Settings(), name="net").graph.basis
    assert any("softmax is left out" in sentence for sentence in basis.chosen)
