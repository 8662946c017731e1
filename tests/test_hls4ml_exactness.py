"""The integer graph equals Keras on every bit: kernel x bias x normalisation x activation x input."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import QActivation, QBatchNormalization, QDense, assert_exact, layers, model_of, randomize, tf

from bittrigger.compile.convert import convert
from bittrigger.ir.graph import Linear, Lookup, Requantize, evaluate
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes, random_codes

pytestmark = pytest.mark.filterwarnings("ignore")

KERNELS = (
    "ternary()",
    "ternary(alpha=1)",
    "ternary(alpha=0.5,threshold=0.25)",
    "binary()",
    "binary(alpha=1)",
    "binary(alpha=1,use_01=True)",
    "quantized_bits(4,0,alpha=1)",
    "quantized_bits(3,1)",
    "quantized_bits(2,1,alpha=1)",
    "quantized_bits(1,0,alpha=1)",
    "quantized_po2(4)",
    "quantized_relu_po2(4)",
    "quantized_relu(3,1)",
    "stochastic_ternary()",
    "stochastic_binary()",
)

ACTIVATIONS = (
    "quantized_relu(1)",
    "quantized_relu(4,1)",
    "quantized_relu(8,0)",
    "quantized_relu(3,3)",
    "quantized_relu(4,1,0,0.25)",
    "quantized_relu(5,2,1)",
    "quantized_bits(6,2,alpha=1)",
    "quantized_bits(4,1,1,alpha=1)",
    "quantized_bits(5,2,keep_negative=False)",
    "quantized_bits(8,7,alpha=1)",
    "quantized_bits(1,0)",
    "quantized_bits(4,1,alpha=2.0)",
    "ternary()",
    "ternary(alpha=1)",
    "ternary(alpha=2,threshold=0.7)",
    "binary()",
    "binary(alpha=1)",
    "binary(alpha=1,use_01=True)",
    "quantized_tanh(4)",
    "quantized_tanh(6,symmetric=True)",
    "quantized_tanh(5,use_real_tanh=True)",
    "quantized_sigmoid(4)",
)

INPUTS = (
    "quantized_bits(8,3,alpha=1)",
    "quantized_bits(4,0,1,alpha=1)",
    "quantized_bits(8,0,keep_negative=False)",
    "quantized_bits(4,6)",
    "quantized_bits(2,0)",
    "quantized_relu(6,3)",
    "quantized_relu(1)",
)

BIASES = ("quantized_bits(6,1,alpha=1)", "quantized_bits(12,0)", "quantized_po2(4)")


def plain(units, name, kernel="ternary()", **settings):
    settings.setdefault("bias_quantizer", "quantized_bits(6,1,alpha=1)")
    return QDense(units, kernel_quantizer=kernel, name=name, **settings)


def test_every_kernel():
    branches = [lambda x, k=k, i=i: plain(4, f"d{i}", k)(x) for i, k in enumerate(KERNELS)]
    graph = assert_exact(randomize(model_of(*branches)))
    kinds = {node.name: node.is_ternary for node in graph.nodes if isinstance(node, Linear)}
    assert kinds["d0"]
    assert kinds["d3"]
    assert not kinds["d6"]


@pytest.mark.parametrize("normalisation", [None, layers.BatchNormalization, QBatchNormalization])
def test_every_activation(normalisation):
    def branch(x, activation, i):
        x = plain(3, f"d{i}", "ternary(alpha=1)")(x)
        x = x if normalisation is None else normalisation(name=f"n{i}")(x)
        return QActivation(activation, name=f"a{i}")(x)

    chosen = ACTIVATIONS[::5] if normalisation is QBatchNormalization else ACTIVATIONS  # Keras traces it for seconds
    branches = [lambda x, a=a, i=i: branch(x, a, i) for i, a in enumerate(chosen)]
    assert_exact(randomize(model_of(*branches, inputs=5)))


@pytest.mark.parametrize("quantizer", INPUTS)
def test_every_input(quantizer):
    def branch(x):
        x = QActivation("quantized_relu(4,2)", name="a")(plain(5, "d")(x))
        return plain(3, "o", "binary()")(x)

    assert_exact(randomize(model_of(branch, quantizer=quantizer, inputs=6)))


def test_every_bias():
    """On the grid, finer than it, a power of two, arbitrary; behind it nothing, a quantiser or a normalisation."""

    def branch(x, bias, tail, name):
        x = plain(4, f"d_{name}", "binary()", bias_quantizer=bias)(x)
        if tail == "n":
            x = layers.BatchNormalization(name=f"n_{name}")(x)
        return QActivation("quantized_relu(5,2)", name=f"a_{name}")(x)

    branches = [
        lambda x, b=b, t=t, i=i: branch(x, b, t, f"{i}{t}") for i, b in enumerate((*BIASES, None)) for t in ("q", "n")
    ]
    branches.append(plain(4, "open", use_bias=False))
    assert_exact(randomize(model_of(*branches)))


def test_normalisation_without_gamma_or_beta():
    def branch(x, name, **settings):
        x = layers.BatchNormalization(name=f"n_{name}", **settings)(plain(4, f"d_{name}")(x))
        return QActivation("quantized_bits(5,2,alpha=1)", name=f"a_{name}")(x)

    assert_exact(
        randomize(
            model_of(
                lambda x: branch(x, "g", scale=False),
                lambda x: branch(x, "b", center=False),
                lambda x: branch(x, "gb", scale=False, center=False),
            )
        )
    )


def test_chains_of_activations():
    def chain(x, name, *steps):
        x = plain(4, f"d_{name}", bias_quantizer=None)(x)
        for step in steps:
            x = step(x)
        return plain(2, f"o_{name}", "binary(alpha=1)")(QActivation("quantized_bits(5,2,alpha=1)", name=f"q_{name}")(x))

    assert_exact(
        randomize(
            model_of(
                lambda x: chain(x, "relu", layers.ReLU()),
                lambda x: chain(x, "relu6", layers.ReLU(1.5, 0.125, 0.25)),
                lambda x: chain(x, "leaky", layers.LeakyReLU(0.3)),
                lambda x: chain(x, "tanh", layers.Activation("tanh")),
                lambda x: chain(x, "hard", layers.Activation("hard_sigmoid")),
                lambda x: chain(x, "two", layers.BatchNormalization(), layers.ReLU(), layers.BatchNormalization()),
            )
        )
    )


@pytest.mark.parametrize("name", ["elu", "selu", "softsign", "softplus", "swish", "gelu"])
def test_any_function_in_front_of_a_quantiser_is_a_table(name):
    def branch(x):
        x = layers.Activation(name, name="f")(plain(4, "d", bias_quantizer=None)(x))
        return QActivation("quantized_bits(6,2,alpha=1)", name="after")(x)

    assert_exact(randomize(model_of(branch)))


@pytest.mark.parametrize("layer", [layers.ELU(0.5), layers.ThresholdedReLU(0.75)], ids=["elu", "thresholded"])
def test_layers_of_functions_are_tables(layer):
    body = lambda x: QActivation("quantized_bits(6,2,alpha=1)", name="after")(layer(plain(4, "d")(x)))  # noqa: E731
    assert_exact(randomize(model_of(body)))


def test_relu_without_quantiser_keeps_every_bit():
    graph = assert_exact(
        randomize(model_of(lambda x: plain(3, "o")(layers.ReLU(3.5)(plain(4, "d", activation="relu")(x)))))
    )
    assert all(not isinstance(node, Lookup) for node in graph.nodes)


def test_activation_argument_of_a_layer():
    def branch(x):
        x = plain(5, "d", activation="quantized_relu(4,2)")(x)
        return layers.Dense(3, name="plain", activation="linear", kernel_initializer="ones")(x)

    model = randomize(model_of(branch))
    model.get_layer("plain").set_weights([np.full((5, 3), -0.5), np.array([0.25, 0.0, 1.0])])
    assert_exact(model)


def test_structure():
    """Several inputs in another order than the layers, reshapes, dropout, concatenation, sums, several outputs."""
    late = tf.keras.Input((2, 3), name="late")
    early = tf.keras.Input((6,), name="early")
    a = QActivation("quantized_bits(6,2,alpha=1)", name="qa")(early)
    b = layers.Flatten(name="flat")(QActivation("quantized_relu(5,1)", name="qb")(late))
    c = layers.Dropout(0.5, name="drop")(layers.Concatenate(name="cat")([a, b]))
    d = QActivation("quantized_relu(4,1)", name="ad")(plain(6, "d")(c))
    e = QActivation("quantized_bits(7,3,alpha=1)", name="ae")(plain(6, "e", "binary()")(c))
    f = layers.Add(name="plus")([d, e])
    g = layers.Subtract(name="minus")([f, e])
    h = layers.Concatenate(name="wide")([layers.Concatenate(name="twice")([g, g]), a])
    out = plain(3, "out", "quantized_bits(4,0,alpha=1)")(h)
    shaped = layers.Reshape((3, 2), name="shaped")(f)
    model = tf.keras.Model([late, early], [shaped, out, a])
    graph = assert_exact(randomize(model))
    assert [port.name for port in graph.inputs] == ["late", "early"]
    assert "early" not in graph.outputs


def test_one_normalisation_read_by_two_quantisers():
    port = tf.keras.Input((5,), name="x")
    n = layers.BatchNormalization(name="n")(plain(4, "d")(QActivation("quantized_bits(6,2,alpha=1)", name="q")(port)))
    outputs = [QActivation("quantized_relu(4,1)", name="a")(n), QActivation("binary(alpha=1)", name="b")(n)]
    assert_exact(randomize(tf.keras.Model(port, outputs)))


def test_sequential_without_input_layer():
    model = tf.keras.Sequential(
        [QActivation("quantized_bits(6,2,alpha=1)", input_shape=(4,), name="q"), plain(3, "d", use_bias=False)],
        name="seq",
    )
    assert_exact(randomize(model))


def test_one_input_and_one_output():
    assert_exact(randomize(model_of(plain(1, "d", "ternary(alpha=1)"), inputs=1), seed=3))


def test_plain_quantiser_rounds_half_to_even_after_the_layer():
    graph = assert_exact(
        randomize(
            model_of(lambda x: QActivation("quantized_relu(4,2)", name="a")(plain(4, "d", "ternary(alpha=1)")(x)))
        )
    )
    node = graph["a"]
    assert isinstance(node, Requantize)
    assert (node.rounding.name, node.lo, node.hi) == ("RND_CONV", 0, 15)


def test_normalisation_becomes_one_multiplier_for_each_channel():
    def branch(x):
        return QActivation("quantized_relu(4,1)", name="a")(layers.BatchNormalization(name="n")(plain(8, "d")(x)))

    graph = assert_exact(randomize(model_of(branch)))
    scale = graph["n"]
    assert isinstance(scale, Linear)
    assert np.array_equal(scale.weights, np.diag(np.diag(scale.weights)))
    assert isinstance(graph["a"], Requantize)


def test_wanted_input_precision():
    """The port has the type that was asked for, and the first quantiser is firmware."""
    model = randomize(model_of(plain(3, "d"), quantizer="quantized_bits(4,1,alpha=1)"))
    graph = lowered_on_port(model, "fixed<10,4>")
    assert isinstance(graph["q"], Requantize)
    model = randomize(model_of(plain(3, "d"), quantizer=None))
    lowered_on_port(model, "ufixed<8,0>")


def lowered_on_port(model, precision):
    from keras_models import lowered

    from bittrigger.compile.agreement import check_agreement

    graph = lowered(model, input_precision=precision)
    assert str(graph.inputs[0].type) == f"ap_{precision}"
    assert check_agreement(model, graph).events > 1000
    return graph


def squared(x):
    """A score as that of an encoder: the sum of the squares of what a layer delivers."""
    code = QActivation("quantized_bits(6,2,alpha=1)", name="code")(plain(3, "d")(x))
    return plain(1, "score", "quantized_bits(2,1,alpha=1)", use_bias=False)(
        layers.Multiply(name="square")([code, code])
    )


def test_a_square_is_a_table():
    model = randomize(model_of(squared))
    model.get_layer("score").set_weights([np.ones((3, 1))])
    graph = assert_exact(model)
    node = graph["square"]
    assert isinstance(node, Lookup)
    assert node.values[2][0] == 32**2
    codes = np.full((1, 7), -32)
    assert evaluate(graph, codes)[0, 0] >= 0


@pytest.mark.parametrize("between", [lambda x: x, layers.BatchNormalization(name="n")], ids=["sums", "normalised"])
def test_a_square_of_more_than_codes(between):
    """The square stands in a chain of float operations, and its operand is read elsewhere too."""

    def branch(x):
        tensor = between(plain(3, "d", bias_quantizer=None)(x))
        product = QActivation("quantized_relu(7,3)", name="a")(layers.Multiply(name="square")([tensor, tensor]))
        return layers.Add(name="sum")([product, QActivation("quantized_bits(5,2,alpha=1)", name="b")(tensor)])

    assert_exact(randomize(model_of(branch)))


def test_a_square_in_every_executor(tmp_path):
    model = randomize(model_of(squared))
    model.save(tmp_path / "model.h5")
    build, _ = convert(tmp_path / "model.h5", tmp_path / "build", Settings())
    codes = np.concatenate([corner_codes(build.graph), random_codes(build.graph, 200, seed=1)])
    executors = ("csim", "emulator", "rtl-fast", "rtl", "gates")
    outcomes = run_executors(build, executors, codes)
    assert [outcome.error for outcome in outcomes] == [None] * (1 + len(executors))


FAR = (
    "quantized_bits(10,3,0,alpha=1)",
    "quantized_bits(2,4,0,keep_negative=False)",
    "quantized_bits(4,4,1,alpha=1)",
    "quantized_bits(3,1,alpha=0.5)",
    "ternary(alpha=1,threshold=0.5)",
    "ternary(alpha=2.0,threshold=0.5)",
    "ternary()",
    "binary(alpha=0.5)",
    "quantized_relu(4,1,0,0.25)",
    "quantized_relu(4,2)",
    "quantized_tanh(4)",
)
"""At 2^24 steps beyond their range and more, some of them leave their grids in float32."""


def test_values_far_beyond_a_quantiser():
    """Through integer bits above the width, and through a normalisation of a tiny variance."""

    def wide(x, activation, i):
        x = plain(2, f"w{i}", "quantized_po2(3,1)", use_bias=False)(
            QActivation("quantized_relu(6,28)", name=f"q{i}")(x)
        )
        return QActivation(activation, name=f"a{i}")(x)

    def normal(x, activation, i):
        x = layers.BatchNormalization(name=f"n{i}", epsilon=1e-12)(plain(2, f"d{i}")(x))
        return QActivation(activation, name=f"b{i}")(x)

    branches = [lambda x, a=a, i=i, f=f: f(x, a, i) for i, a in enumerate(FAR) for f in (wide, normal)]
    model = randomize(model_of(*branches, inputs=3, quantizer="quantized_bits(6,12,alpha=1)"), scale=1e4)
    for layer in model.layers:
        if layer.name.startswith("n"):
            gamma, *others, _ = layer.get_weights()
            layer.set_weights([gamma * 1e3, *others, np.full(2, 1e-9)])
    assert_exact(model)


def test_our_own_quantisers_keep_to_their_grids_at_any_distance():
    from bittrigger.layers import BitActivation, BitLinear, StaticQuantizer

    def branch(x):
        x = BitLinear(3, input_quantizer=StaticQuantizer(6, integer=15), use_bias=False, name="first")(x)
        x = layers.BatchNormalization(name="n", epsilon=1e-12)(x)
        return BitActivation(StaticQuantizer(8, integer=0), name="a")(x)

    model = randomize(model_of(branch, inputs=3, quantizer=None), scale=1e4)
    model.get_layer("first").range_log2.assign(15.0)
    model.get_layer("a").range_log2.assign(0.0)
    gamma, *others, _ = model.get_layer("n").get_weights()
    model.get_layer("n").set_weights([gamma, *others, np.full(3, 1e-9)])
    graph = assert_exact(model)
    assert {code for values in graph["a"].values for code in values} <= set(range(-128, 128))
