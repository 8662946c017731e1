"""Networks on sets of constituents: bit-exact, permutation-invariant, and refused where Keras itself rounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from keras_models import QActivation, QBatchNormalization, QDense, assert_exact, layers, lowered, randomize, tf
from qkeras import QConv1D

from bittrigger.compile import agreement
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.hls.vectors import reference_codes
from bittrigger.errors import MismatchError, UnsupportedModelError
from bittrigger.frontend.elementwise.chains import StridedInterval, distinct_channels
from bittrigger.ir.graph import Input, Linear, evaluate, input_intervals
from bittrigger.ir.nodes.wire import Wire
from bittrigger.layers import export_stock
from bittrigger.layers.bit_linear import BitConv1D, BitLinear
from bittrigger.settings import Settings
from bittrigger.solver import solve_blocks

pytestmark = pytest.mark.filterwarnings("ignore")

BIAS = "quantized_bits(6,1,alpha=1)"
RELU = "quantized_relu(5,2)"


def dense(units, name, kernel="ternary()", **settings):
    return QDense(units, kernel_quantizer=kernel, name=name, **{"bias_quantizer": BIAS, **settings})


def set_model(*body, constituents=4, features=3):
    """A network whose layers before the mean see each constituent alone."""
    port = tensor = tf.keras.Input((constituents, features), name="jet")
    for layer in (QActivation("quantized_bits(6,2,alpha=1)", name="q"), *body):
        tensor = layer(tensor)
    return randomize(tf.keras.Model(port, tensor, name="set_net"))


def deep_sets(constituents=4):
    return set_model(
        dense(6, "phi_1"),
        QActivation(RELU, name="phi_relu_1"),
        dense(5, "phi_2"),
        QActivation(RELU, name="phi_relu_2"),
        layers.GlobalAveragePooling1D(name="mean"),
        QActivation(RELU, name="mean_q"),
        dense(4, "rho"),
        QActivation(RELU, name="rho_relu"),
        dense(2, "logits"),
        constituents=constituents,
    )


def test_a_set_network_is_exact_and_repeats_one_kernel():
    graph = assert_exact(deep_sets())
    for name, shape in (("phi_1", (3, 6)), ("phi_2", (6, 5))):
        node = graph[name]
        assert isinstance(node, Linear)
        assert (node.copies, node.weights.shape) == (4, shape)
    mean = graph["mean"]
    assert isinstance(mean, Linear)
    assert mean.frac == graph["phi_relu_2"].frac + 2
    matrix = np.tile(np.eye(5, dtype=np.int64), (4, 1))  # unless all channels have the same range
    assert np.array_equal(mean.weights, np.ones((4, 1)) if mean.copies == 5 else matrix)


def test_the_firmware_is_permutation_invariant_in_constituents():
    graph = lowered(deep_sets())
    spans = input_intervals(graph)
    codes = np.random.default_rng(1).integers([s.lo for s in spans], [s.hi + 1 for s in spans], size=(50, 12))
    constituent_major = codes.reshape(50, 4, 3)
    swapped = constituent_major[:, [2, 0, 3, 1]].reshape(50, 12)
    assert np.array_equal(evaluate(graph, codes), evaluate(graph, swapped))
    features_swapped = constituent_major[:, :, [1, 0, 2]].reshape(50, 12)
    assert not np.array_equal(evaluate(graph, codes), evaluate(graph, features_swapped))


@pytest.mark.parametrize("normalisation", [layers.BatchNormalization, QBatchNormalization])
def test_normalisation_of_each_constituent(normalisation):
    graph = assert_exact(set_model(dense(6, "phi"), normalisation(name="norm"), QActivation(RELU, name="a")))
    assert graph["a"].size == 24


def test_activation_between_layers_and_lookup_tables():
    body = (dense(4, "phi", bias_quantizer=None), layers.Activation("tanh"), QActivation("quantized_tanh(5)", name="a"))
    assert_exact(set_model(*body, layers.Flatten(name="flat"), dense(3, "out")))


def test_mean_right_behind_the_layer_and_normalised():
    body = (dense(5, "phi"), layers.GlobalAveragePooling1D(name="mean"), layers.BatchNormalization(name="norm"))
    assert_exact(set_model(*body, QActivation("quantized_bits(8,3,alpha=1)", name="a"), constituents=8))


def test_pointwise_convolutions_are_the_same_as_dense_layers():
    convolution = QConv1D(5, 1, kernel_quantizer="ternary()", bias_quantizer=BIAS, name="phi")
    model = set_model(convolution, QActivation(RELU, name="a"))
    graph = assert_exact(model)
    twin = set_model(dense(5, "phi"), QActivation(RELU, name="a"))
    kernel, bias = model.get_layer("phi").get_weights()
    twin.get_layer("phi").set_weights([kernel[0], bias])
    assert np.array_equal(graph["phi"].weights, lowered(twin)["phi"].weights)


def test_bit_layers_on_sets():
    port = tf.keras.Input((4, 3), name="jet")
    hidden = BitConv1D(6, 1, input_quantizer=6, name="phi_1")(port)
    hidden = BitLinear(5, input_quantizer={"bits": 5, "signed": False}, name="phi_2")(hidden)
    pooled = layers.GlobalAveragePooling1D(name="mean")(hidden)
    model = randomize(tf.keras.Model(port, BitLinear(2, input_quantizer=8, name="logits")(pooled), name="set_net"))
    assert_exact(model)
    x = np.random.default_rng(2).normal(size=(64, 4, 3)).astype(np.float32)
    assert np.array_equal(export_stock(model).predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_set_beside_a_vector():
    """Three axes, and a context that is joined behind the mean."""
    port, context = tf.keras.Input((2, 4, 3), name="jets"), tf.keras.Input((3,), name="context")
    hidden = QActivation(RELU, name="a")(dense(5, "phi")(QActivation("quantized_bits(6,2,alpha=1)", name="q")(port)))
    pooled = layers.GlobalAveragePooling1D(name="mean")(layers.Reshape((8, 5), name="all")(hidden))
    joined = layers.Concatenate(name="both")([pooled, QActivation("quantized_bits(5,2,alpha=1)", name="c")(context)])
    assert_exact(randomize(tf.keras.Model([port, context], dense(2, "logits")(joined), name="set_net")))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            lambda: (layers.GlobalAveragePooling1D(name="mean"),),
            "layer 'mean': the float32 results of 'mean' lie on no integer grid; .* put a QActivation behind this layer",
        ),
        (
            lambda: (layers.LayerNormalization(name="top"),),
            "layer 'top': LayerNormalization divides by a root of sums, each of which float32 rounds",
        ),
    ],
)
def test_what_keras_rounds_or_joins_is_refused(body, text):
    with pytest.raises(UnsupportedModelError, match=text):
        lowered(set_model(*body(), constituents=6))


def test_a_large_set_is_one_kernel():
    graph = lowered(set_model(dense(4, "phi"), constituents=2048))
    assert graph["phi"].size == 2048 * 4
    assert graph["phi"].weights.shape == (3, 4)


def test_what_follows_a_flatten_is_folded_into_the_layer_before():
    body = (dense(4, "phi"), layers.Flatten(name="flat"), layers.BatchNormalization(name="norm"))
    graph = assert_exact(set_model(*body, QActivation("quantized_bits(8,3,alpha=1)", name="a")))
    assert graph["phi"].copies == 1
    assert graph["phi"].size == 16


def test_a_matrix_of_all_positions_that_is_too_large_is_refused():
    body = (dense(40, "phi"), layers.Flatten(name="flat"), layers.BatchNormalization(name="norm"))
    with pytest.raises(UnsupportedModelError, match="layer 'phi': what follows it differs between its positions"):
        lowered(set_model(*body, QActivation(RELU, name="a"), constituents=1024))


def test_each_distinct_layer_is_solved_once():
    graph = lowered(deep_sets())
    pipeline = create_pipeline(graph, Settings(effort="fast"))
    (module,) = (module for module in pipeline.modules if module.node.name == "phi_2")
    assert module.copies == 4
    node = graph["phi_2"]
    whole = solve_blocks(np.kron(np.eye(4, dtype=np.int64), node.weights), np.tile(node.bias, 4), module.source * 4)
    assert len(whole.adders) == 4 * len(module.adders.adders)
    assert len(pipeline.modules) == sum(not isinstance(made, Input | Wire) for made in graph.nodes)


def test_channels_that_are_alike_are_tabulated_once():
    spans = [StridedInterval(0, 7, 1), StridedInterval(0, 7, 1), StridedInterval(0, 3, 1), StridedInterval(0, 7, 1)]
    first, inverse = distinct_channels([], spans)
    assert first.tolist() == [0, 2]
    assert inverse.tolist() == [0, 0, 1, 0]


def test_events_are_compared_some_at_a_time(monkeypatch):
    model = set_model(dense(4, "phi"), QActivation(RELU, name="a"))
    graph = lowered(model)
    whole = agreement.check_agreement(model, graph)
    monkeypatch.setattr(agreement, "MAX_CODES", 1)
    assert agreement.check_agreement(model, graph) == whole
    rounded = replace(graph["a"], hi=graph["a"].hi - 1)
    wrong = replace(graph, nodes=tuple(rounded if node.name == "a" else node for node in graph.nodes))
    with pytest.raises(MismatchError, match=r"event \d+, output \d+: Keras gives .* of \d+ events differ"):
        agreement.check_agreement(model, wrong)


def test_the_test_bench_of_a_large_set_takes_some_inputs_alone():
    graph = lowered(set_model(dense(4, "phi"), constituents=256))
    codes = reference_codes(graph, random_events=5)
    assert codes.shape == (3 + 2 * 256 + 5, 256 * 3)
    alone = np.count_nonzero(codes[3:-5], axis=1)
    assert set(alone.tolist()) == {1}
    assert (codes[3:-5] != 0).any(axis=0)[[0, -1]].all()
