"""Operations of attention, dot products and the like, counted by hand, and those of BitHEP's quark-gluon tagger."""

from __future__ import annotations

from typing import Any

import pytest
from keras_models import layers, tf

from bittrigger.layers import BitActivation, BitLinear
from bittrigger.train import model_costs
from bittrigger.train.costs import LayerCost

pytestmark = pytest.mark.filterwarnings("ignore")

TOKENS = 100


def costs_of(*outputs: Any, inputs: Any) -> dict[str, LayerCost]:
    return {layer.name: layer for layer in model_costs(tf.keras.Model(inputs, list(outputs))).layers}


def test_attention_is_its_projections_and_its_products() -> None:
    x, y = tf.keras.Input((7, 6)), tf.keras.Input((5, 4))
    outputs = [
        layers.MultiHeadAttention(2, 3, value_dim=8, name="many")(x, y),
        layers.MultiHeadAttention(2, 3, use_bias=False, output_shape=9, name="plain")(x, x),
        layers.Attention(name="single")([x, layers.Dense(6, name="values")(y)]),
    ]
    found = costs_of(*outputs, inputs=[x, y])
    many = 2 * 3 * (7 * 6 + 5 * 4) + 2 * 8 * 5 * 4 + 2 * 7 * 5 * (3 + 8) + 7 * 2 * 8 * 6
    biases = 7 * (2 * 3 + 6) + 5 * 2 * (3 + 8)
    assert (found["many"].macs, found["many"].flops, found["many"].int_ops) == (many, 2 * many + biases, 0)
    plain = 2 * 3 * (7 * 6) * 3 + 2 * 7 * 7 * 6 + 7 * 2 * 3 * 9
    assert (found["plain"].macs, found["plain"].flops) == (plain, 2 * plain)
    assert found["single"].macs == 7 * 5 * (6 + 6)


def test_products_of_tensors_are_counted_and_what_moves_values_is_not() -> None:
    x, y = tf.keras.Input((7, 6)), tf.keras.Input((5, 6))
    outputs = [
        layers.Dot((2, 2), name="dot")([x, y]),
        tf.matmul(x, y, transpose_b=True, name="product"),
        tf.matmul(x, x, transpose_a=True, name="gram"),
        tf.einsum("bij,bkj->bik", x, y),
        layers.EinsumDense("abc,cd->abd", (7, 9), bias_axes="d", name="dense")(x),
        layers.LayerNormalization(name="norm")(x),
        layers.GlobalAveragePooling1D()(layers.Add()([tf.nn.gelu(x), layers.Softmax()(x)])),
        BitActivation(8)(tf.transpose(x, (0, 2, 1)) * 2.0),
    ]
    found = costs_of(*outputs, inputs=[x, y])
    einsum = next(name for name in found if "einsum" in name and name != "dense")
    product, gram = (name for name in found if "matmul" in name)  # Keras numbers them
    macs = {name: cost.macs for name, cost in found.items()}
    assert macs == {
        "dot": 7 * 5 * 6,
        product: 7 * 5 * 6,
        gram: 6 * 6 * 7,
        einsum: 7 * 5 * 6,
        "dense": 7 * 6 * 9,
        "norm": 0,
    }
    assert (found["dense"].flops, found["norm"].flops) == (2 * 7 * 6 * 9 + 7 * 9, 7 * 7 * 6)


def test_what_is_not_known_is_not_free() -> None:
    x = tf.keras.Input((7, 6))
    outputs = [
        layers.Lambda(lambda t: t @ t, name="code", output_shape=(7, 6))(layers.Dense(7)(x)),
        tf.linalg.inv(layers.Dense(7)(x)),
        layers.SeparableConv1D(4, 3, name="separable")(x),
        layers.GRU(3, name="recurrent")(x),
    ]
    model = tf.keras.Model(x, outputs)
    costs = model_costs(model)
    unknown = [layer for layer in costs.layers if layer.kind != "Dense"]
    assert len(unknown) == 4
    assert all((layer.macs, layer.flops, layer.int_ops) == (None, None, None) for layer in unknown)
    assert (costs.macs, costs.flops, costs.int_ops) == (None, None, None)
    assert costs.parameters == model.count_params()


def edge_convolution(tensor: Any, channels: int) -> Any:
    for _ in range(3):
        tensor = layers.Conv2D(channels, 1, use_bias=False)(tensor)
        tensor = tf.nn.gelu(layers.BatchNormalization()(tensor))
    return tf.reduce_mean(tensor, axis=2)


class Attention:
    """Particle attention (eight heads over 100 particles) or channel attention (one head over 64 channels)."""

    def __init__(self, name: str, *, particles: bool) -> None:
        self.particles = particles
        self.dense = [BitLinear(64, input_quantizer=8, name=f"{name}_{i}") for i in range(6 if particles else 5)]
        self.norms = [layers.LayerNormalization() for _ in range(4)]
        sizes = ((32, 1), (16, 1), (8, 1)) if particles else ((1, 3),) * 3
        self.maps = [
            layers.Conv2D(n, size, padding="same", name=f"{name}_map_{i}") for i, (n, size) in enumerate(sizes)
        ]
        self.map_norms = [layers.BatchNormalization() for _ in self.maps if particles]

    def __call__(self, x: Any, bias: Any) -> Any:
        h = self.norms[0](x)
        shape = (TOKENS, 8, 8) if self.particles else (64, TOKENS)
        q, k, v = (layers.Reshape(shape)(dense(h)) for dense in self.dense[:3])
        for i, convolution in enumerate(self.maps):
            bias = convolution(bias)
            bias = tf.nn.gelu(self.map_norms[i](bias) if self.particles else bias)
        if self.particles:
            q, k, v = (tf.transpose(t, (0, 2, 1, 3)) for t in (q, k, v))
            bias = tf.transpose(bias, (0, 3, 1, 2))
        else:
            bias = tf.squeeze(bias, axis=-1)
        a = tf.matmul(tf.nn.softmax(tf.matmul(q, k, transpose_b=True) + bias), v)
        a = layers.Reshape((TOKENS, 64))(tf.transpose(a, (0, 2, 1, 3) if self.particles else (0, 2, 1))) - h
        if self.particles:
            a = tf.nn.gelu(self.dense[5](a))
        r = self.norms[1](a) + x
        f = self.norms[3](tf.nn.gelu(self.dense[3](self.norms[2](r))))
        return self.dense[4](f) + r


def test_the_quark_gluon_tagger_of_bithep_adds_up() -> None:
    """P-DAT as the authors' code has it: 45,760 of 214,728 parameters are quantised, of 143.3 million MACs 9.0 million."""
    near = tf.keras.Input((TOKENS, 21, 8))
    pairs = tf.keras.Input((TOKENS, TOKENS, 6))
    jet = tf.keras.Input((64, 64, 1))
    first = edge_convolution(near, 128)
    _, neighbours = tf.math.top_k(tf.matmul(first, first, transpose_b=True), 20)
    x = edge_convolution(tf.gather(first, neighbours, batch_dims=1), 64)
    particle, channel = Attention("particle", particles=True), Attention("channel", particles=False)
    found = [x]
    for block, bias in ((particle, pairs), (channel, jet)) * 2:
        found.append(block(found[-1], bias))
    pooled = tf.reduce_mean(layers.Conv1D(256, 1)(layers.Concatenate()(found)), axis=1)
    hidden = tf.nn.gelu(layers.BatchNormalization()(layers.Dense(128)(pooled)))
    model = tf.keras.Model([near, pairs, jet], layers.Dense(2)(hidden))
    costs = model_costs(model)
    moving = 2 * (3 * 128 + 3 * 64 + 32 + 16 + 8 + 128)
    assert costs.quantized_parameters == 45_760
    assert costs.parameters - moving == 214_728
    assert sum(layer.macs or 0 for layer in costs.layers if layer.kind == "BitLinear") == 4_915_200 + 4_096_000
    products = 2 * (2 * 8 * 100 * 100 * 8 + 2 * 64 * 64 * 100) + 100 * 100 * 128
    assert sum(layer.macs or 0 for layer in costs.layers if layer.kind == "TFOpLambda") == products == 5_478_400
    assert costs.macs == 143_307_008
    assert costs.int_ops is not None
    assert costs.int_ops == 9_011_200 + 2 * 11 * 100 * 64
