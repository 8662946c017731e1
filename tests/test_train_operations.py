"""Operations of attention, dot products and the like, counted by hand, and those of BitHEP's quark-gluon tagger."""

from __future__ import annotations

from typing import Any

import pytest
from keras_models import layers, tf
from model_recipes import load_recipe

from bittrigger.layers import BitActivation, BitHepLinear, BitLinear
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


def test_the_quark_gluon_tagger_of_bithep_adds_up() -> None:
    """P-DAT-Bit: 45,760 of 214,728 parameters are quantised, of 143.3 million MACs 9.0 million.

    Ours is called with 21 neighbours twice, and passes each constituent through the second EdgeConv once instead of 20
    times; the mean over neighbours is a product of its own instead.
    """
    load_recipe("quark_gluon", "pdat_recipe")
    import pdat

    costs = model_costs(pdat.build_pdat(TOKENS, 21, ternary=True, seed=1))
    moving = 2 * (3 * 128 + 3 * 64 + 32 + 16 + 8 + 128)
    assert costs.quantized_parameters == 45_760
    assert costs.parameters - moving == 214_728
    assert sum(layer.macs or 0 for layer in costs.layers if layer.kind == "BitHepLinear") == 4_915_200 + 4_096_000
    products = 2 * (2 * 8 * 100 * 100 * 8 + 2 * 64 * 64 * 100) + 100 * 100 * 128
    mean_over_neighbours = 100 * 100 * 64
    multiplied = sum(layer.macs or 0 for layer in costs.layers if layer.kind == "TFOpLambda")
    assert multiplied - mean_over_neighbours == products == 5_478_400
    second_edges = 100 * 64 * (128 + 64 + 64)
    known = sum(layer.macs or 0 for layer in costs.layers)
    assert known - mean_over_neighbours + 19 * second_edges == 143_307_008
    assert {layer.name for layer in costs.layers if layer.macs is None} == {"pairs", "jet", "neighbours"}
    assert costs.macs is None


class Block(layers.Layer):  # type: ignore[misc]
    """A layer that is made of others, one of them twice, with a weight of its own if `scaled`."""

    def __init__(self, *, scaled: bool = False) -> None:
        super().__init__(name="block")
        self.first, self.norm = BitLinear(6, input_quantizer=8), layers.LayerNormalization()
        self.parts = [BitHepLinear(6), layers.Dense(6), self.first]
        self.scale = self.add_weight("scale", (6,)) if scaled else 1.0

    def call(self, x: Any) -> Any:
        for part in (self.first, self.norm, *self.parts):
            x = part(x)
        return self.scale * x


def test_a_layer_made_of_others_is_looked_into() -> None:
    x = tf.keras.Input((7, 6))
    found = costs_of(layers.TimeDistributed(layers.Dense(2), name="each")(Block()(x)), inputs=x)
    assert (found["block"].parameters, found["block"].quantized_parameters) == (3 * 42 + 12, 2 * 42)
    assert (found["each"].parameters, found["each"].quantized_parameters) == (14, 0)
    assert found["block"].macs is None
    costs = model_costs(tf.keras.Model(x, Block(scaled=True)(x)))
    assert (costs.parameters, costs.quantized_parameters, costs.quantized_share) == (3 * 42 + 18, None, None)
