"""The kinds of layer of ``test_layer_kinds`` as firmware: many in one network, in C++, emulator and Verilog, and proven."""

from __future__ import annotations

import numpy as np
import pytest
from designs import build_of, disagreements
from keras_models import QActivation, QDense, assert_exact, layers, randomize, tf
from qkeras import QConv2DBatchnorm, QSeparableConv1D
from test_prove import failures

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.ir.nodes.product import Product
from bittrigger.passes.simplify import simplify
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes

pytestmark = pytest.mark.filterwarnings("ignore")

BITS = "quantized_bits(6,2,alpha=1)"
TERNARY = "ternary(alpha=1)"
BIAS = "quantized_bits(6,1,alpha=1)"


def network():
    """Images, sequences and vectors, joined by merges of three, operators, products and a distance."""
    image, line, vector = (
        tf.keras.Input(shape, name=name) for shape, name in (((3, 3, 2), "i"), ((4, 3), "l"), ((4,), "v"))
    )
    a, b, c = (QActivation(BITS, name=f"q{port.name}")(port) for port in (image, line, vector))
    a = QConv2DBatchnorm(2, 2, kernel_quantizer=TERNARY, bias_quantizer=BIAS, name="conv")(a)
    a = QActivation("quantized_relu(5,2)")(layers.UpSampling2D(2, interpolation="bilinear")(QActivation(BITS)(a)))
    a = layers.GlobalMaxPooling2D()(a)
    separable = QSeparableConv1D(3, 2, depthwise_quantizer=TERNARY, pointwise_quantizer=TERNARY, bias_quantizer=BIAS)
    b = QActivation(BITS)(layers.PReLU()(separable(b)))
    gram = QActivation("quantized_bits(6,3,alpha=1)")(tf.matmul(b, b, transpose_b=True))
    b = layers.GlobalAveragePooling1D(keepdims=True)(gram)
    b = QActivation(BITS)(layers.Flatten()(b))
    shared = QDense(3, kernel_quantizer=TERNARY, use_bias=False, name="shared")
    body = tf.keras.Sequential([tf.keras.Input((3,)), QActivation("quantized_tanh(5)")])
    first, second = body(shared(layers.Concatenate()([a, c[:, :2]]))), body(shared(c))
    joined = layers.Average()([first, second, b * 0.5])
    joined = QActivation("quantized_bits(9,3,alpha=1)")(layers.Rescaling(0.3, 0.1)(joined))
    difference = layers.Subtract()([joined, second])
    ports = [image, line, vector]
    return randomize(
        tf.keras.Model(
            ports, [layers.Multiply()([first, b]), layers.Dot(axes=1)([difference, difference])], name="many"
        )
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    graph = simplify(assert_exact(network()))
    assert sum(isinstance(node, Product) for node in graph.nodes) >= 2
    pipeline = create_pipeline(graph, Settings(effort="fast", clock_mhz=300.0))
    return build_of(pipeline, tmp_path_factory.mktemp("many"))


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl"])
def test_every_executor_agrees(built, executor):
    codes = np.concatenate([corner_codes(built.graph), random_codes(built.graph, 300, 4)])
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    assert failures(prove(built, netlist=False)) == []
