"""Types that a user declares for values of a float model: the design equals the model that is rounded there, and says so."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, lowered, model_of, randomize, tf
from qkeras.quantizers import get_quantizer

from bittrigger.compile.agreement import check_agreement
from bittrigger.compile.read import read_model
from bittrigger.errors import ConfigError
from bittrigger.frontend.elementwise.functions import function_from_spec
from bittrigger.frontend.keras_model.copies import copy_of
from bittrigger.frontend.keras_model.double import in_double
from bittrigger.frontend.keras_model.typed import with_types
from bittrigger.frontend.nodes.elementwise import HUGE_TABLE
from bittrigger.ir.basis import Grade, Reference
from bittrigger.ir.casts import parse_cast
from bittrigger.ir.graph import Lookup
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras

KERNEL = "quantized_bits(4,1,alpha=1)"


def normalised(x):
    x = QDense(4, kernel_quantizer=KERNEL, name="d", use_bias=False)(layers.BatchNormalization(name="n")(x))
    return QActivation("quantized_relu(6,1)", name="a")(x)


def float_input():
    port = tf.keras.Input((5,), name="x")
    return randomize(tf.keras.Model(port, normalised(port)), seed=2)


def rounded(values, kind):
    codes = np.rint(np.ldexp(values.astype(np.float64), kind.frac))
    return np.ldexp(np.clip(codes, kind.limits.lo, kind.limits.hi), -kind.frac)


@pytest.mark.parametrize("text", ["fixed<10,4>", "ufixed<7,3>", "fixed<4,4>"])
def test_what_a_layer_delivers_is_rounded_half_to_even_and_saturates(text):
    kind, model = parse_cast(text), float_input()
    typed = with_types(model, {"n": kind})
    events = np.random.default_rng(5).normal(0, 8, (400, 5)).astype(np.float32)
    norm = tf.keras.Model(model.inputs, model.get_layer("n").output)
    behind = tf.keras.Model(typed.inputs, typed.get_layer("n_typed").output)
    np.testing.assert_array_equal(behind.predict(events, verbose=0), rounded(norm.predict(events, verbose=0), kind))
    assert [layer.name for layer in model.layers] == ["x", "n", "d", "a"]


def test_a_design_equals_the_model_with_the_declared_type_and_tells_the_distance():
    events = np.random.default_rng(5).integers(-4096, 4096, (400, 5)) / 1024
    settings = Settings(layer_precision={"n": "fixed<10,4>"}, input_precision="fixed<13,3>")
    reading = read_model(float_input(), settings, name="net", inputs=events)
    basis = reading.graph.basis
    assert basis.reference is Reference.TYPED
    assert "with the types declared for it" in basis.promise
    assert basis.grade is Grade.EXACT or basis.measured.float64.events == 0
    assert basis.chosen[0].startswith(
        "what layers deliver is rounded to ap_fixed<10,4,RND_CONV,SAT> in 'n' (--layer-precision); "
    )
    assert "of 400 events, an output by at most" in basis.chosen[0]
    whole = read_model(float_input(), Settings(input_precision="fixed<13,3>"), name="net").graph
    assert whole.basis.reference is Reference.KERAS
    assert "with the types declared for it" not in whole.basis.promise


def test_sequential_models_and_models_of_several_readers():
    chain = tf.keras.Sequential([tf.keras.Input((3,)), layers.BatchNormalization(name="n"), layers.ReLU(name="r")])
    assert [layer.name for layer in with_types(chain, {"n": parse_cast("fixed<8,4>")}).layers] == ["n", "n_typed", "r"]
    port = tf.keras.Input((3,), name="x")
    norm = layers.BatchNormalization(name="n")(port)
    both = tf.keras.Model(port, [norm, layers.Add(name="s")([norm, port])])
    typed = with_types(both, {"n": parse_cast("fixed<8,4>")})
    outputs = typed.predict(np.full((1, 3), 0.77, np.float32), verbose=0)
    np.testing.assert_array_equal(outputs[0] * 16, np.rint(outputs[0] * 16))
    np.testing.assert_array_equal(outputs[1], outputs[0] + np.float32(0.77))


def test_a_quantiser_object_survives_the_copy_of_its_model():
    """QKeras' own QActivation does not, so that such models had no distance to float64 and took no --head-bits."""
    from qkeras import quantized_relu

    port = tf.keras.Input((3,), name="x")
    model = tf.keras.Model(port, QActivation(quantized_relu(5, 2), name="a")(port))
    events = np.random.default_rng(5).normal(0, 8, (40, 3)).astype(np.float32)
    np.testing.assert_array_equal(copy_of(model).predict(events, verbose=0), model.predict(events, verbose=0))
    with in_double(model) as double:
        np.testing.assert_array_equal(double.predict(events, verbose=0), model.predict(events, verbose=0))


@pytest.mark.parametrize("place", ["QActivation", "QDense"])
@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_a_quantised_relu_reads_every_bit_of_a_double(slope, place):
    """QKeras itself casts what it reads to float32, where each of these values is a tie."""
    text = f"quantized_relu(5,2,negative_slope={slope})"
    dense = QDense(3, kernel_quantizer="quantized_bits(3,2,alpha=1)", use_bias=False, name="d")
    dense.activation = get_quantizer(text) if place == "QDense" else None
    parts = [dense] if place == "QDense" else [QActivation(text, name="a")]
    model = tf.keras.Sequential([tf.keras.Input((3,), name="x"), *parts])
    if place == "QDense":
        dense.set_weights([np.eye(3)])
    step = 2.0 ** (2 - 5 + (slope > 0))
    values = np.array([[0.5, 1.5, -0.5 / (slope or 1)]]) * step
    for change in (-(2.0**-40), 0.0, 2.0**-40):
        with in_double(model) as double:
            found = double.predict(values * (1 + change), verbose=0)[0] / step
        up = change > 0
        assert found.tolist() == [float(up), 1.0 if change < 0 else 2.0, -float(up and slope > 0)]


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_the_double_of_a_quantised_relu_reads_every_bit(slope):
    config = get_quantizer(f"quantized_relu(5,2,negative_slope={slope})").get_config()
    function = function_from_spec("a", {"module": "qkeras", "class_name": "quantized_relu", "config": config})
    step = 2.0 ** (2 - 5 + (slope > 0))
    values = np.array([0.5, 1.5, 1.5, -0.5 / (slope or 1)]) * step * (1 + np.array([1, -1, 1, 1]) * 2.0**-40)
    assert (function.in_double(values) / step).tolist() == [1.0, 1.0, 2.0, -float(slope > 0)]


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"n": 8}, "holds 'n': 8; allowed are layer names with types"),
        ({"n": "fixed<40,8>"}, "gives 'n' the type fixed<40,8>; allowed are 2 to 32 bits"),
        ({"n": "float"}, "is not a fixed-point type"),
    ],
)
def test_settings_of_types(types, message):
    with pytest.raises(ConfigError, match=message):
        Settings(layer_precision=types)


def test_a_layer_that_is_none_is_named():
    model = randomize(model_of(QActivation("quantized_relu(4,1)", name="a")))
    with pytest.raises(ConfigError, match="names 'norm', which is no layer of model .* allowed are "):
        read_model(model, Settings(layer_precision={"norm": "fixed<8,4>"}), name="net")


def test_exact_arithmetic_takes_the_place_of_a_table_that_only_roundings_of_float32_need():
    """3,000 steps a channel, where a line does in exact arithmetic; only who asks for the bits of float32 gets the table."""
    model = with_types(float_input(), {"n": parse_cast("fixed<12,6>")})
    graph = lowered(model, require="ideal", input_precision="fixed<16,6>")
    assert not any(isinstance(node, Lookup) for node in graph.nodes)
    assert "only a table of " in graph.basis.ideal[0]
    assert check_agreement(model, graph).float64.events == 0
    exact = lowered(model, require="exact", input_precision="fixed<16,6>")
    assert max(len(starts) for node in exact.nodes if isinstance(node, Lookup) for starts in node.starts) > HUGE_TABLE
