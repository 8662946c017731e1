"""Models within models, wrappers, shared layers and layers that do nothing: bit-exact against Keras, whatever they look like."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import QActivation, QDense, assert_exact, layers, lowered, randomize, tf
from qkeras import QConv1D
from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude

from bittrigger.compile.agreement import check_agreement
from bittrigger.compile.read import read_file
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.flat.walk import flatten
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

RELU = "quantized_relu(5,2)"


def dense(units=3, name=None):
    return QDense(units, kernel_quantizer="ternary()", bias_quantizer="quantized_bits(6,1,alpha=1)", name=name)


def port(*shape, name="x"):
    tensor = tf.keras.Input(shape, name=name)
    return tensor, QActivation("quantized_bits(6,2,alpha=1)", name=f"{name}_q")(tensor)


def inner(shape=(4,), name="inner"):
    source = tf.keras.Input(shape)
    return tf.keras.Model(source, QActivation(RELU)(dense(3, "d")(source)), name=name)


def test_a_model_within_a_model():
    x, q = port(4)
    graph = assert_exact(randomize(tf.keras.Model(x, dense(2, "last")(inner()(q)))))
    assert {"d", "last"} <= {node.name for node in graph.nodes}


def test_a_sequential_model_within_a_sequential_model():
    body = tf.keras.Sequential([tf.keras.Input((4,)), dense(3), QActivation(RELU)])
    quantise = QActivation("quantized_bits(6,2,alpha=1)", input_shape=(4,))
    assert_exact(randomize(tf.keras.Sequential([quantise, body, dense(2)])))


def test_a_model_that_is_used_twice_has_its_weights_twice():
    (x, p), (y, q) = port(4), port(4, name="y")
    body = inner()
    graph = assert_exact(randomize(tf.keras.Model([x, y], layers.Add()([body(p), body(q)]))))
    assert np.array_equal(graph["d"].weights, graph["inner_d"].weights)


def test_a_layer_that_is_used_three_times():
    x, q = port(3)
    shared = dense(3, "common")
    model = tf.keras.Model(x, shared(QActivation(RELU)(shared(QActivation(RELU)(shared(q))))))
    graph = assert_exact(randomize(model))
    assert {"common", "common_2", "common_3"} <= {node.name for node in graph.nodes}


@pytest.mark.parametrize(
    "body",
    [
        lambda: dense(3),
        lambda: inner((4,)),
        layers.BatchNormalization,
        lambda: QActivation("quantized_relu(4,1)"),
    ],
)
def test_time_distributed(body):
    x, q = port(5, 4)
    tensor = layers.TimeDistributed(body(), name="each")(q)
    graph = assert_exact(randomize(tf.keras.Model(x, QActivation("quantized_bits(7,3,alpha=1)", name="a")(tensor))))
    assert graph[graph.outputs[0]].copies == 5


def test_a_convolution_at_each_step():
    x, q = port(3, 6, 2)
    conv = QConv1D(2, 3, kernel_quantizer="ternary()", bias_quantizer="quantized_bits(6,1,alpha=1)", name="conv")
    tensor = layers.TimeDistributed(layers.MaxPooling1D(2))(layers.TimeDistributed(conv)(q))
    assert_exact(randomize(tf.keras.Model(x, tensor)))


def test_layers_that_do_nothing_at_inference():
    x, q = port(4, 3)
    tensor = q
    for layer in (
        *(layers.Dropout(0.5), layers.SpatialDropout1D(0.5), layers.GaussianNoise(0.5), layers.GaussianDropout(0.5)),
        *(layers.AlphaDropout(0.5), layers.ActivityRegularization(0.5), layers.Masking()),
    ):
        tensor = layer(tensor)
    graph = assert_exact(randomize(tf.keras.Model(x, layers.Dropout(0.5)(dense(2, "d")(tensor)))))
    assert [node.name for node in graph.nodes] == ["x", "d"]


def test_a_mask_that_a_layer_looks_at():
    x, q = port(4, 3)
    model = tf.keras.Model(x, layers.GlobalAveragePooling1D(name="mean")(layers.Masking()(q)))
    with pytest.raises(UnsupportedModelError, match="layer 'mean': GlobalAveragePooling1D leaves out the steps"):
        lowered(model)


def test_a_pruned_model_from_its_file(tmp_path):
    body = tf.keras.Sequential(
        [QActivation("quantized_bits(6,2,alpha=1)", input_shape=(4,)), layers.Dense(3, name="d")]
    )
    model = tf.keras.models.clone_model(
        body, clone_function=lambda layer: prune_low_magnitude(layer) if isinstance(layer, layers.Dense) else layer
    )
    for variable in model.get_layer("prune_low_magnitude_d").trainable_weights:
        variable.assign(np.random.default_rng(1).integers(-2, 3, variable.shape))
    model.save(tmp_path / "pruned.h5")
    graph = read_file(tmp_path / "pruned.h5", Settings()).graph
    assert graph.n_outputs == 3


def test_models_within_models_from_their_file(tmp_path):
    x, q = port(5, 4)
    body = layers.TimeDistributed(inner(), name="each")(q)
    model = randomize(tf.keras.Model(x, dense(2, "last")(inner((5, 3), "second")(body))))
    model.save(tmp_path / "nested.h5")
    assert read_file(tmp_path / "nested.h5", Settings()).graph.n_outputs == 10


def test_calls_are_in_the_order_of_the_layers():
    (x, p), (y, q) = port(4), port(4, name="y")
    model = tf.keras.Model([x, y], layers.Concatenate(name="c")([dense(2, "a")(p), dense(2, "b")(q)]))
    assert [call.name for call in flatten(model).calls] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("how", ["QActivation", "within", "dropout", "each"])
def test_a_softmax_at_the_end_is_left_out_wherever_it_stands(how):
    x, q = port(4) if how != "each" else port(2, 4)
    ending = QDense(3, kernel_quantizer="ternary()", use_bias=False, activation="softmax", name="end")
    if how == "QActivation":
        tensor = QActivation("softmax")(dense(3)(q))
    elif how == "dropout":
        tensor = layers.Dropout(0.5)(ending(q))
    elif how == "each":
        tensor = layers.TimeDistributed(ending)(q)
    else:
        source = tf.keras.Input((4,))
        tensor = tf.keras.Model(source, ending(source), name="inner")(q)
    model = randomize(tf.keras.Model(x, tensor))
    assert check_agreement(model, lowered(model)).events > 1000
