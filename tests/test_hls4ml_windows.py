"""Convolutions, poolings and layers that only move codes: bit-exact against Keras, and refused by name where it rounds."""

from __future__ import annotations

import numpy as np
import pytest
from designs import build_of, disagreements
from keras_models import QActivation, QDense, assert_exact, layers, lowered, randomize, tf
from qkeras import QConv1D, QConv2D, QDepthwiseConv2D
from test_prove import failures

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_layers.windows import Window, window_positions
from bittrigger.ir.graph import Linear
from bittrigger.ir.nodes.wire import Wire
from bittrigger.layers.bit_linear import BitConv1D, BitConv2D
from bittrigger.passes.simplify import simplify
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes

pytestmark = pytest.mark.filterwarnings("ignore")

BIAS = "quantized_bits(6,1,alpha=1)"
RELU = "quantized_relu(5,2)"


def image_model(*body, shape=(5, 4, 2)):
    port = tensor = tf.keras.Input(shape, name="image")
    for layer in (QActivation("quantized_bits(6,2,alpha=1)", name="q"), *body):
        tensor = layer(tensor)
    return randomize(tf.keras.Model(port, tensor, name="net"))


def conv2d(filters=3, size=3, name="conv", **settings):
    return QConv2D(filters, size, kernel_quantizer="ternary()", bias_quantizer=BIAS, name=name, **settings)


def conv1d(filters=3, size=3, name="conv", **settings):
    return QConv1D(filters, size, kernel_quantizer="ternary()", bias_quantizer=BIAS, name=name, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding": "same"},
        {"size": (2, 3), "strides": (2, 1)},
        {"size": 2, "strides": 2, "padding": "same"},
        {"dilation_rate": 2, "size": 2},
        {"size": 1, "strides": 2},
        {"filters": 4, "groups": 2, "padding": "same"},
        {"size": (5, 4)},
    ],
)
def test_convolutions_of_images(settings):
    graph = assert_exact(image_model(conv2d(**settings), QActivation(RELU, name="a")))
    node = graph["conv"]
    assert isinstance(node, Linear)
    assert node.copies * node.weights.shape[1] == graph["a"].size
    assert sum(isinstance(made, Linear) for made in graph.nodes) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding": "same", "strides": 2},
        {"padding": "causal", "dilation_rate": 2},
        {"size": 4, "padding": "same", "dilation_rate": 2},
        {"size": 5},
    ],
)
def test_convolutions_along_one_axis(settings):
    assert_exact(image_model(conv1d(**settings), QActivation(RELU, name="a"), shape=(9, 2)))


def test_a_depthwise_convolution():
    layer = QDepthwiseConv2D(
        (3, 2), depth_multiplier=2, depthwise_quantizer="ternary()", bias_quantizer=BIAS, padding="same", name="depth"
    )
    assert_exact(image_model(layer, QActivation(RELU, name="a")))


def test_a_small_image_network():
    body = (
        conv2d(4, 3, "conv_1", padding="same"),
        layers.BatchNormalization(name="norm"),
        QActivation(RELU, name="a1"),
        layers.AveragePooling2D((2, 2), name="pool"),
        QActivation(RELU, name="a2"),
        conv2d(3, 2, "conv_2"),
        QActivation(RELU, name="a3"),
        layers.Flatten(name="flat"),
        QDense(2, kernel_quantizer="ternary()", bias_quantizer=BIAS, name="out"),
    )
    graph = assert_exact(image_model(*body, shape=(6, 4, 2)))
    assert graph["conv_1"].copies == 24


@pytest.mark.parametrize("kind", [1, 2])
def test_our_convolutions(kind):
    if kind == 1:
        model = image_model(BitConv1D(4, 3, input_quantizer=6, padding="same", strides=2, name="conv"), shape=(7, 3))
    else:
        model = image_model(BitConv2D(4, (2, 3), input_quantizer=6, padding="same", name="conv"))
    assert_exact(model)


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (lambda: (layers.AveragePooling2D((2, 2), strides=1, name="mean"),), (4, 4, 3)),
        (
            lambda: (layers.AveragePooling1D(3, name="mean"), QActivation("quantized_bits(8,3,alpha=1)", name="a")),
            (9, 2),
        ),
        (lambda: (layers.GlobalAveragePooling2D(name="mean"),), (2, 4, 3)),
        (lambda: (layers.GlobalAveragePooling2D(name="mean"), QActivation(RELU, name="a")), (3, 4, 3)),
        (lambda: (layers.GlobalAveragePooling1D(name="mean"), QActivation(RELU, name="a")), (10, 3)),
    ],
)
def test_averages(body, shape):
    assert_exact(image_model(*body(), shape=shape))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: layers.ZeroPadding2D(((1, 2), (0, 1))), (3, 2, 2)),
        (lambda: layers.ZeroPadding1D((2, 1)), (4, 3)),
        (lambda: layers.Cropping2D(((1, 0), (0, 1))), (3, 4, 2)),
        (lambda: layers.Cropping1D((1, 2)), (6, 2)),
        (lambda: layers.UpSampling2D((2, 3)), (2, 2, 2)),
        (lambda: layers.UpSampling1D(2), (3, 2)),
        (lambda: layers.Permute((2, 1)), (4, 3)),
        (lambda: layers.RepeatVector(3), (4,)),
        (lambda: layers.Permute((3, 1, 2)), (2, 3, 4)),
    ],
)
def test_layers_that_compute_nothing(layer, shape):
    graph = assert_exact(
        image_model(
            layer(), layers.Flatten(), QDense(3, kernel_quantizer="ternary()", name="out", use_bias=False), shape=shape
        )
    )
    assert sum(isinstance(node, Wire) for node in graph.nodes) == 1


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: layers.MaxPooling2D((2, 2)), (4, 5, 2)),
        (lambda: layers.MaxPooling2D((3, 2), strides=(1, 2), padding="same"), (4, 5, 2)),
        (lambda: layers.MaxPooling1D(3, strides=2, padding="same"), (6, 3)),
        (layers.GlobalMaxPooling2D, (3, 3, 2)),
        (layers.GlobalMaxPooling1D, (5, 2)),
        (lambda: layers.MaxPooling1D(1), (4, 2)),
    ],
)
def test_max_poolings(layer, shape):
    assert_exact(image_model(layer(), shape=shape))


@pytest.mark.parametrize("kind", ["Maximum", "Minimum"])
def test_the_larger_and_the_smaller_of_two(kind):
    port = tf.keras.Input((3, 2), name="x")
    q = QActivation("quantized_bits(6,2,alpha=1)", name="q")(port)
    a = QActivation(RELU, name="a")(conv1d(2, 1, "one")(q))
    model = tf.keras.Model(port, getattr(layers, kind)(name="best")([a, q]), name="net")
    assert_exact(randomize(model))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_concatenation_along_every_axis(axis):
    port = tf.keras.Input((4, 3), name="x")
    q = QActivation("quantized_bits(6,2,alpha=1)", name="q")(port)
    a = QActivation(RELU, name="a")(conv1d(3, 3, "one", padding="same")(q))
    b = QActivation("quantized_relu(4,2)", name="b")(conv1d(3, 1, "two")(q))
    joined = layers.Concatenate(axis=axis, name="both")([a, b])
    model = tf.keras.Model(port, conv1d(2, 2, "last")(joined), name="net")
    assert_exact(randomize(model))


def test_sums_of_images():
    port = tf.keras.Input((3, 3, 2), name="x")
    q = QActivation("quantized_bits(6,2,alpha=1)", name="q")(port)
    a = QActivation(RELU, name="a")(conv2d(2, 3, "one", padding="same")(q))
    model = tf.keras.Model(port, layers.Add(name="sum")([a, layers.Subtract(name="less")([q, a])]), name="net")
    assert_exact(randomize(model))


def test_windows_by_hand():
    same = window_positions((4,), Window((3,), (2,), (1,), "same"))
    assert same.tolist() == [[0, 1, 2], [2, 3, -1]]
    causal = window_positions((3,), Window((2,), (1,), (2,), "causal"))
    assert causal.tolist() == [[-1, 0], [-1, 1], [0, 2]]
    assert window_positions((2, 3), Window((2, 2), (1, 1), (1, 1), "valid")).tolist() == [[[0, 1, 3, 4], [1, 2, 4, 5]]]
    assert window_positions((2,), Window((3,), (1,), (1,), "valid")).shape == (0, 3)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            lambda: (layers.UpSampling2D(2, interpolation="bicubic", name="up"),),
            "layer 'up': interpolation 'bicubic' with data_format 'channels_last'; allowed are 'nearest' and 'bilinear'",
        ),
        (
            lambda: (layers.GlobalAveragePooling2D(name="mean"),),
            "layer 'mean': .* lie on no integer grid",
        ),
    ],
)
def test_what_is_not_exact_is_refused(body, text):
    with pytest.raises(UnsupportedModelError, match=text):
        lowered(image_model(*body(), shape=(3, 5, 2)))


def test_events_of_images_take_the_order_of_keras():
    graph = lowered(image_model(conv2d(padding="same"), shape=(2, 3, 2)))
    node = next(made for made in graph.nodes if isinstance(made, Wire))
    centre = node.indices.reshape(6, 9, 2)[:, 4]
    assert np.array_equal(centre, np.arange(12).reshape(6, 2))


def small_network():
    body = (
        conv2d(3, (3, 2), "conv", padding="same", strides=(1, 2)),
        QActivation(RELU, name="a"),
        layers.AveragePooling2D((2, 1), name="pool"),
        layers.MaxPooling2D((2, 2), strides=1, padding="same", name="top"),
        layers.Permute((2, 1, 3), name="turn"),
        layers.Flatten(name="flat"),
        QDense(2, kernel_quantizer="ternary()", bias_quantizer=BIAS, name="out"),
    )
    return image_model(*body, shape=(4, 4, 2))


def test_a_small_network_agrees_in_every_executor_and_is_proven(tmp_path):
    graph = simplify(lowered(small_network()))
    pipeline = create_pipeline(graph, Settings(effort="fast"))
    build = build_of(pipeline, tmp_path, synth=True)
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 100, 2)])
    assert disagreements(build, ["csim", "emulator", "rtl", "rtl-fast", "gates"], codes) == []
    proof = prove(build)
    assert failures(proof) == []
    assert proof.proven


def test_the_backend_predicts_what_keras_predicts(tmp_path):
    import hls4ml

    model = small_network()
    converted = hls4ml.converters.convert_from_keras_model(
        model, backend="BitTrigger", output_dir=str(tmp_path / "project")
    )
    converted.compile()
    x = np.random.default_rng(3).normal(0, 2, size=(50, 4, 4, 2)).astype(np.float32)
    assert np.array_equal(converted.predict(x), model.predict(x, verbose=0))
