"""Each kind of layer that people's models have: bit-exact against Keras on every event that is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import QActivation, QDense, assert_exact, layers, lowered, randomize, tf
from qkeras import (
    QAveragePooling2D,
    QConv2DBatchnorm,
    QDepthwiseConv2DBatchnorm,
    QGlobalAveragePooling2D,
    QSeparableConv1D,
    QSeparableConv2D,
)

from bittrigger.errors import UnsupportedModelError
from bittrigger.ir.graph import Lookup
from bittrigger.ir.nodes.product import Product

pytestmark = pytest.mark.filterwarnings("ignore")

BITS = "quantized_bits(6,2,alpha=1)"
WIDE = "quantized_bits(8,4,alpha=1)"
TERNARY = "ternary(alpha=1)"


def model_of(function, *shapes, seed=0, quantizers=None, dtype="float32"):
    """A model of ``function`` of one quantised port for each of ``shapes``."""
    ports = [tf.keras.Input(shape, name=f"x{k}", dtype=dtype) for k, shape in enumerate(shapes)]
    kinds = quantizers or [BITS] * len(shapes)
    inputs = [QActivation(kind, name=f"q{k}")(port) for k, (port, kind) in enumerate(zip(ports, kinds, strict=True))]
    return randomize(tf.keras.Model(ports, function(*inputs)), seed)


def quantised(tensor, quantizer=WIDE):
    return QActivation(quantizer, name="end")(tensor)


MERGES = {
    "add": layers.Add,
    "average": layers.Average,
    "maximum": layers.Maximum,
    "minimum": layers.Minimum,
    "concatenate": layers.Concatenate,
}


@pytest.mark.parametrize("kind", MERGES)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_merges_of_any_number(kind, count):
    shapes = [(3,), (2, 3)][count % 2 : count % 2 + 1] * count
    assert_exact(model_of(lambda *x: quantised(MERGES[kind]()(list(x))), *shapes))


@pytest.mark.parametrize("kind", ["add", "average", "maximum", "minimum"])
def test_axes_of_one_are_repeated(kind):
    assert_exact(model_of(lambda *x: quantised(MERGES[kind]()(list(x))), (4, 3), (1, 3), (4, 1)))


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_concatenate_on_any_axis(axis):
    shapes = [(2, 2), (2, 2), (2, 2)]
    kinds = [BITS, "quantized_bits(5,3,alpha=1)", "quantized_relu(4,2)"]
    assert_exact(model_of(lambda *x: layers.Concatenate(axis=axis)(list(x)), *shapes, quantizers=kinds))


def test_subtract_with_a_repeated_axis():
    assert_exact(model_of(lambda a, b: layers.Subtract()([a, b]), (4, 3), (1, 3)))


OPERATORS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "twice": lambda x: x * 2.0,
    "from one": lambda x: 1.0 - x,
    "array": lambda x: x * np.array([1.0, -2.0, 0.5], dtype=np.float32) + np.array([1.0, 0.0, 2.0], dtype=np.float32),
    "slice": lambda x: x[:, 1:, ::2],
    "one": lambda x: x[:, 1],
    "sum": lambda x: tf.reduce_sum(x, axis=1),
    "sum of all": lambda x: tf.reduce_sum(x, axis=[1, 2], keepdims=True),
    "mean": lambda x: quantised(tf.reduce_mean(x, axis=2)),
    "largest": lambda x: tf.reduce_max(x, axis=-1),
    "least": lambda x: tf.reduce_min(x, axis=1),
    "maximum": tf.maximum,
    "concat": lambda x, y: tf.concat([x, y, x], axis=1),
    "stack": lambda x, y: tf.stack([x, y], axis=1),
    "transpose": lambda x: tf.transpose(x, (0, 2, 1)),
    "reshape": lambda x: tf.reshape(x, (-1, 6)),
    "expand": lambda x: tf.expand_dims(x, 1),
    "tile": lambda x: tf.tile(x, (1, 2, 1)),
    "relu": tf.nn.relu,
    "clip": lambda x: tf.clip_by_value(x, -1.0, 0.75),
    "tanh": lambda x: quantised(tf.math.tanh(x)),
    "square": tf.square,
    "absolute": tf.abs,
    "minus": lambda x: -x,
    "half": lambda x: x / 2.0,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_of_tensorflow(name):
    function = OPERATORS[name]
    operands = 2 if name in ("add", "subtract", "maximum", "concat", "stack") else 1
    assert_exact(model_of(function, *[(2, 3)] * operands))


def test_an_operator_over_the_batch():
    with pytest.raises(
        UnsupportedModelError, match=r"operator tf.math.reduce_sum over the events of a batch; allowed are axes"
    ):
        lowered(model_of(lambda x: tf.reduce_sum(x, axis=0, keepdims=True) + x, (3,)))


def test_an_operator_that_is_not_known():
    with pytest.raises(
        UnsupportedModelError,
        match=r"operator 'math.cumsum' of TensorFlow is not allowed; allowed are __operators__.add",
    ):
        lowered(model_of(lambda x: tf.cumsum(x, axis=1), (3,)))


FUNCTIONS = {
    **{
        name: f"{name}"
        for name in ("hard_tanh", "hard_sigmoid", "smooth_sigmoid", "smooth_tanh", "binary_sigmoid", "relu", "linear")
    },
    "stochastic": "stochastic_ternary(alpha=1)",
    "stochastic binary": "stochastic_binary(alpha=1)",
    "power of two": "quantized_po2(4)",
    "power of two of a relu": "quantized_relu_po2(4)",
    "hswish": "quantized_hswish(8,3,alpha=1)",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_quantisers_and_functions_of_qkeras(name):
    assert_exact(model_of(QActivation(FUNCTIONS[name]), (5,)))


@pytest.mark.parametrize(
    "name", ["relu6", "leaky_relu", "softplus", "swish", "gelu", "elu", "selu", "softsign", "tanh", "mish"]
)
def test_functions_in_front_of_a_quantiser(name):
    function = tf.nn.relu6 if name == "relu6" else name
    assert_exact(model_of(lambda x: quantised(layers.Activation(function)(x), "quantized_bits(6,2,alpha=1)"), (5,)))


def test_an_activation_argument_that_hls4ml_does_not_know():
    def body(x):
        return QDense(3, kernel_quantizer=TERNARY, use_bias=False, activation="quantized_relu_po2(4)")(x)

    assert_exact(model_of(body, (5,)))


LAYERS = {
    "PReLU": (layers.PReLU, (4,)),
    "PReLU of channels": (lambda: layers.PReLU(shared_axes=[1]), (3, 2)),
    "LeakyReLU": (lambda: layers.LeakyReLU(0.3), (4,)),
    "normalisation over an axis": (lambda: layers.BatchNormalization(axis=1), (3, 4)),
    "normalisation over the middle": (lambda: layers.BatchNormalization(axis=2), (2, 3, 2)),
    "Rescaling": (lambda: layers.Rescaling(0.3, 0.1), (4,)),
    "Rescaling of features": (lambda: layers.Rescaling([0.5, 0.3, 1.0], [1.0, 0.0, -0.1]), (2, 3)),
    "Normalization": (lambda: layers.Normalization(mean=0.3, variance=2.0), (4,)),
    "Normalization of features": (lambda: layers.Normalization(mean=[0.3, 1.0], variance=[2.0, 0.1]), (3, 2)),
    "UpSampling, bilinear": (lambda: layers.UpSampling2D(2, interpolation="bilinear"), (2, 3, 2)),
    "pooling, axes kept": (lambda: layers.GlobalAveragePooling1D(keepdims=True), (4, 3)),
    "mean of ten": (layers.GlobalAveragePooling1D, (10, 2)),
    "mean of six": (lambda: layers.AveragePooling2D((2, 3)), (4, 3, 2)),
    "maximum, axes kept": (lambda: layers.GlobalMaxPooling2D(keepdims=True), (2, 3, 2)),
    "pooling in space": (lambda: layers.MaxPooling3D(2), (2, 4, 2, 1)),
    "mean over the border": (lambda: layers.AveragePooling2D(2, padding="same"), (3, 3, 2)),
    "mean of three over the border": (lambda: layers.AveragePooling1D(3, strides=2, padding="same"), (6, 2)),
    "quantised mean": (lambda: QAveragePooling2D(2, average_quantizer=BITS, activation=BITS), (4, 4, 2)),
    "quantised mean of six": (
        lambda: QAveragePooling2D((2, 3), average_quantizer=BITS, activation=BITS),
        (4, 3, 2),
    ),
    "quantised mean of all": (
        lambda: QGlobalAveragePooling2D(average_quantizer=BITS, activation=BITS),
        (4, 4, 2),
    ),
    "flat, channels first": (lambda: layers.Flatten(data_format="channels_first"), (3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_front_of_a_quantiser(name):
    layer, shape = LAYERS[name]
    assert_exact(model_of(lambda x: quantised(layer()(x)), shape))


def q(**more):
    return {"bias_quantizer": "quantized_bits(6,1,alpha=1)", "name": "conv", **more}


CONVOLUTIONS = {
    "normalised": (lambda: QConv2DBatchnorm(3, 2, kernel_quantizer=TERNARY, **q()), (4, 4, 2)),
    "normalised, of one tap": (lambda: QConv2DBatchnorm(3, 1, kernel_quantizer=TERNARY, **q()), (2, 3, 2)),
    "normalised, depthwise": (
        lambda: QDepthwiseConv2DBatchnorm(2, depthwise_quantizer=TERNARY, **q()),
        (4, 4, 2),
    ),
    "separable": (
        lambda: QSeparableConv1D(4, 3, depthwise_quantizer=TERNARY, pointwise_quantizer=TERNARY, **q()),
        (6, 2),
    ),
    "separable, wider": (
        lambda: QSeparableConv2D(
            4, 2, depth_multiplier=2, strides=2, depthwise_quantizer=TERNARY, pointwise_quantizer=TERNARY, **q()
        ),
        (4, 4, 2),
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name):
    layer, shape = CONVOLUTIONS[name]
    assert_exact(model_of(layer(), shape))


def with_integers(model, name="layer", least=-2, most=2):
    """Whole numbers as the weights of a layer that has no quantiser for them."""
    layer = model.get_layer(name)
    generator = np.random.default_rng(3)
    layer.set_weights([generator.integers(least, most + 1, weight.shape) for weight in layer.get_weights()])
    return model


WHOLE = {
    "depthwise": (lambda: layers.DepthwiseConv1D(3, name="layer", depth_multiplier=2), (6, 2)),
    "transposed": (lambda: layers.Conv1DTranspose(3, 3, name="layer"), (5, 2)),
    "transposed, strides": (lambda: layers.Conv1DTranspose(2, 3, strides=2, padding="same", name="layer"), (5, 2)),
    "transposed, wide strides": (lambda: layers.Conv1DTranspose(2, 2, strides=3, name="layer"), (4, 2)),
    "transposed image": (
        lambda: layers.Conv2DTranspose(2, (3, 2), strides=(2, 1), padding="same", name="layer"),
        (3, 3, 2),
    ),
    "in space": (lambda: layers.Conv3D(2, 2, name="layer"), (3, 3, 2, 1)),
    "einsum": (lambda: layers.EinsumDense("abc,cd->abd", output_shape=(4, 6), bias_axes="d", name="layer"), (4, 5)),
    "einsum on an axis": (lambda: layers.EinsumDense("abc,bd->adc", output_shape=(6, 5), name="layer"), (4, 5)),
    "einsum of two": (lambda: layers.EinsumDense("abc,bcde->aed", output_shape=(2, 3), name="layer"), (2, 3)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_layers_of_keras_with_whole_numbers(name):
    layer, shape = WHOLE[name]
    assert_exact(with_integers(model_of(layer(), shape)))


def test_an_embedding_is_a_table():
    port = tf.keras.Input((3,), name="x")
    model = randomize(tf.keras.Model(port, quantised(layers.Embedding(11, 4, name="table")(port))))
    graph = lowered(model)
    assert str(graph.inputs[0].type) == "ap_ufixed<4,4>"
    assert graph.inputs[0].interval.hi == 10
    events = np.random.default_rng(1).integers(0, 11, (300, 3)).astype(np.float32)
    from bittrigger.compile.agreement import check_agreement

    assert check_agreement(model, graph, events).events > 1000


def test_a_port_of_whole_numbers():
    def body(x):
        return QDense(2, kernel_quantizer=TERNARY, use_bias=False)(QActivation(BITS)(tf.cast(x, tf.float32)))

    port = tf.keras.Input((3,), name="x", dtype="int32")
    graph = lowered(randomize(tf.keras.Model(port, body(port))))
    assert (graph.inputs[0].type.frac, graph.inputs[0].interval.lo, graph.inputs[0].interval.hi) == (0, -4, 3)


PRODUCTS = {
    "Multiply": lambda x, y: layers.Multiply()([x, y]),
    "Multiply of three": lambda x, y: layers.Multiply()([x, y, x]),
    "Multiply by itself": lambda x, y: layers.Multiply()([layers.Add()([x, y])] * 2),
    "operator": lambda x, y: x * y,
    "repeated": lambda x, y: layers.Multiply()([x, layers.GlobalMaxPooling1D(keepdims=True)(y)]),
    "Dot": lambda x, y: layers.Dot(axes=1)([layers.Flatten()(x), layers.Flatten()(y)]),
    "Dot with itself": lambda x, y: layers.Dot(axes=1)([layers.Flatten()(layers.Subtract()([x, y]))] * 2),
    "Dot of matrices": lambda x, y: layers.Dot(axes=2)([x, y]),
    "Dot of other axes": lambda x, y: layers.Dot(axes=(1, 2))([layers.Permute((2, 1))(x), y]),
    "Gram matrix": lambda x, y: layers.Dot(axes=2)([layers.Maximum()([x, y])] * 2),
    "matrix product": lambda x, y: tf.matmul(x, y, transpose_b=True),
    "attention": lambda x, y: tf.matmul(tf.matmul(x, y, transpose_b=True), y),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("second", ["quantized_bits(4,1,alpha=1)", "quantized_relu(5,0)"])
def test_products_of_two_signals(name, second):
    graph = assert_exact(model_of(PRODUCTS[name], (2, 3), (2, 3), quantizers=["quantized_bits(5,2,alpha=1)", second]))
    assert name == "Multiply by itself" or any(isinstance(node, Product | Lookup) for node in graph.nodes)


def test_a_wide_square_is_a_multiplier_and_a_narrow_one_a_table():
    for bits, kind in ((7, Lookup), (10, Product)):
        port = f"quantized_bits({bits},2,alpha=1)"
        graph = assert_exact(model_of(lambda x: layers.Multiply()([x, x]), (3,), quantizers=[port]))
        assert isinstance(graph.nodes[-1], kind)


def test_a_distance_of_two_vectors():
    """What anomaly triggers cut on: the sum of the squares of differences."""

    def body(x, y):
        difference = layers.Subtract()([QDense(4, kernel_quantizer=TERNARY, use_bias=False)(x), y])
        return layers.Dot(axes=1)([difference, difference])

    graph = assert_exact(model_of(body, (6,), (4,)))
    (squares,) = (node for node in graph.nodes if isinstance(node, Product))
    assert squares.copies == 4


def test_products_that_float32_rounds():
    kinds = ["quantized_bits(16,2,alpha=1)"] * 2
    with pytest.raises(
        UnsupportedModelError, match=r"layer 'product': output 0 can need 3\d bits, and Keras adds up in float32"
    ):
        lowered(model_of(lambda x, y: layers.Multiply(name="product")([x, y]), (2,), (2,), quantizers=kinds))


@pytest.mark.parametrize("kind", ["int32", "float64", "float16"])
def test_a_cast_to_another_type(kind):
    with pytest.raises(UnsupportedModelError, match=f"layer 'tf.cast.*': it gives {kind}; allowed is float32"):
        lowered(model_of(lambda x: tf.cast(tf.cast(x, kind), tf.float32), (3,)))


def test_a_port_of_double_precision():
    port = tf.keras.Input((3,), name="x", dtype="float64")
    with pytest.raises(UnsupportedModelError, match="layer 'x': it computes in float64; allowed is float32"):
        lowered(tf.keras.Model(port, QActivation(BITS)(port)))


def test_a_layer_that_is_called_with_a_mask():
    port = tf.keras.Input((3, 2), name="x")
    mask = tf.keras.Input((3,), name="m", dtype="bool")
    tensor = layers.GlobalAveragePooling1D(name="mean")(QActivation(BITS)(port), mask=mask)
    with pytest.raises(UnsupportedModelError, match="layer 'mean': it is called with mask, which no design can follow"):
        lowered(tf.keras.Model([port, mask], tensor))
