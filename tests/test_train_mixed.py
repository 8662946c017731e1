"""Networks with chosen kernels: made from float and quantised ones, they compute the same but for the quantizers, and convert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_models import QActivation, QDense, assert_exact, layers, tf

from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.explore.mixed import TERNARY, dense_layers, make_mixed, output_function
from bittrigger.explore.objectives import logits_of
from bittrigger.layers import BitActivation, BitLinear, StaticQuantizer

pytestmark = pytest.mark.filterwarnings("ignore")

X = np.random.default_rng(0).normal(0, 1, (500, 6)).astype(np.float32)


def sequential() -> Any:
    tf.keras.utils.set_random_seed(1)
    model = tf.keras.Sequential(
        [
            tf.keras.Input(6),
            layers.Dense(12, "relu", name="a"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(10, name="b"),
            layers.BatchNormalization(name="norm_b"),
            layers.Activation("relu", name="relu_b"),
            layers.Dropout(0.1, name="drop"),
            layers.Dense(3, "softmax", name="c"),
        ],
        name="net",
    )
    model.compile("adam", "mse")
    model.fit(X, X[:, :3] > 0, verbose=0)
    return model


def branches() -> Any:
    """A sum and a concatenation of branches, a normalisation at the output, QKeras layers among those of Keras."""
    tf.keras.utils.set_random_seed(2)
    inputs = tf.keras.Input(6, name="x")
    first = layers.Dense(8, "relu", name="a")(inputs)
    tensor = QActivation("quantized_relu(6,2)", name="q")(first)
    tensor = QDense(8, kernel_quantizer="quantized_bits(4,0,alpha=1)", name="b")(tensor)
    tensor = layers.Add(name="sum")([first, layers.BatchNormalization(name="norm")(tensor)])
    other = layers.Dense(4, name="c")(inputs)
    tensor = layers.Concatenate(name="joined")([layers.ReLU(name="relu")(tensor), other])
    tensor = BitLinear(5, input_quantizer=StaticQuantizer(7), name="d")(tensor)
    return tf.keras.Model(inputs, layers.BatchNormalization(name="last")(tensor), name="net")


def a_set() -> Any:
    """A DeepSets: the same layers for each of four constituents, their mean, and layers behind it."""
    tf.keras.utils.set_random_seed(3)
    inputs = tf.keras.Input((4, 3), name="x")
    tensor = layers.Dense(5, name="a")(inputs)
    tensor = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(tensor))
    tensor = layers.GlobalAveragePooling1D(name="mean")(layers.Dense(6, "relu", name="b")(tensor))
    return tf.keras.Model(inputs, layers.Dense(2, name="c")(tensor), name="net")


def attention() -> Any:
    """Attention among four constituents, with ReLU in the place of a softmax: products of signals."""
    tf.keras.utils.set_random_seed(4)
    inputs = tf.keras.Input((4, 3), name="x")
    query, key, value = (layers.Dense(3, name=name)(inputs) for name in ("q", "k", "v"))
    weights = layers.ReLU(name="relu")(layers.Dot((2, 2), name="scores")([query, key]))
    taken = layers.Dot((2, 1), name="taken")([layers.Rescaling(0.25, name="share")(weights), value])
    tensor = layers.GlobalAveragePooling1D(name="mean")(layers.Dense(4, name="out")(taken))
    return tf.keras.Model(inputs, layers.Dense(1, name="c")(tensor), name="net")


def kinds(model: Any) -> dict[str, str]:
    return {layer.name: type(layer).__name__ for layer in model.layers}


def test_ternary_and_kept_layers_stand_where_the_dense_ones_stood() -> None:
    model = sequential()
    assert dense_layers(model) == ("a", "b", "c")
    mixed = make_mixed(model, {"a": 6, "b": TERNARY, "c": TERNARY}, X, activation_bits=7)
    found = kinds(mixed)
    code = f"{model.input_names[0]}_code"
    assert list(found)[1:] == [code, "a", "a_relu", "norm", "b", "norm_b", "relu_b", "drop", "c"]
    assert (found["a"], found[code], found["b"], found["c"]) == (
        "QDense",
        "BitActivation",
        "BitLinear",
        "BitLinear",
    )
    assert str(mixed.get_layer("a").kernel_quantizer_internal) == "quantized_bits(6,0,0,alpha=1)"
    widths = {name: mixed.get_layer(name).quantizer_now() for name in (code, "b", "c")}
    assert [(q.bits, q.signed) for q in widths.values()] == [(7, True), (7, True), (7, False)]
    assert output_function(model) == "softmax"
    assert output_function(mixed) is None


def test_with_many_bits_it_is_the_original() -> None:
    for model in (sequential(), branches()):
        mixed = make_mixed(model, dict.fromkeys(dense_layers(model), 8), X, activation_bits=12)
        before, after = logits_of(model, X), logits_of(mixed, X)
        if output_function(model) == "softmax":
            before, after = (z - z.mean(axis=1, keepdims=True) for z in (before, after))
        assert np.sqrt(np.mean((after - before) ** 2)) < 0.1 * before.std()


@pytest.mark.parametrize("bits", [TERNARY, 4, 8])
@pytest.mark.parametrize("make", [sequential, branches])
def test_it_converts_with_every_bit_equal(make: Any, bits: int) -> None:
    model = make()
    assert_exact(make_mixed(model, dict.fromkeys(dense_layers(model), bits), X, activation_bits=6))


def test_a_layer_that_is_ternary_already_stays_as_it_is() -> None:
    """Its codes made ternary anew would get another scale: that of the mean magnitude, zeros included."""
    tf.keras.utils.set_random_seed(4)
    inputs = tf.keras.Input(6, name="x")
    tensor = QActivation("quantized_bits(8,2,alpha=1)", name="q")(inputs)
    tensor = QDense(
        8, kernel_quantizer="ternary(alpha=0.5,threshold=0.25)", bias_quantizer="quantized_bits(12,3,alpha=1)", name="a"
    )(tensor)
    quantizer = StaticQuantizer(7, signed=False, integer=1, learned=True, learned_bits=True)
    model = tf.keras.Model(inputs, BitLinear(4, input_quantizer=quantizer, name="b")(tensor), name="net")
    for bits in (TERNARY, 8):
        mixed = make_mixed(model, {"a": bits, "b": bits}, X)
        assert np.array_equal(mixed(X), model(X))
        assert_exact(mixed)
    assert kinds(make_mixed(model, {"a": TERNARY, "b": TERNARY}, X))["b"] == "BitLinear"


@pytest.mark.parametrize("bits", [TERNARY, 6])
def test_a_network_on_sets_converts_with_every_bit_equal(bits: int) -> None:
    x = np.random.default_rng(1).normal(0, 1, (300, 4, 3)).astype(np.float32)
    mixed = make_mixed(a_set(), dict.fromkeys("abc", bits), x, activation_bits=6)
    assert kinds(mixed)["b_code"] == "BitActivation"
    assert_exact(mixed)


def test_a_quantizer_that_stands_before_a_layer_is_kept() -> None:
    mixed = make_mixed(branches(), dict.fromkeys("abcd", TERNARY), X)
    assert mixed.get_layer("b").input_quantizer is None
    assert mixed.get_layer("d").input_quantizer.bits == 7
    assert kinds(mixed)["q"] == "QActivation"


def test_what_cannot_be_chosen_is_refused() -> None:
    model = sequential()
    good = {"a": TERNARY, "b": TERNARY, "c": TERNARY}
    for wrong, message in (
        (good | {"e": 4}, "layer 'e': model 'net' has no such dense layer; allowed are a, b, c"),
        (good | {"a": 3}, "layer 'a': a kernel of 3 bits; allowed are ternary, and 4 to 8 bits"),
        ({"a": 4, "b": 4}, "layer 'c': no kernel is chosen for it"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_mixed(model, wrong, X)
    nothing = tf.keras.Sequential([tf.keras.Input(6), BitActivation(8)], name="net")
    with pytest.raises(
        UnsupportedModelError, match="it has nothing to quantise, its layers are BitActivation; expected"
    ):
        make_mixed(nothing, {}, X)
    small = tf.keras.Sequential([tf.keras.Input(6), layers.Dense(2, name="a")])
    small.set_weights([value * 0.01 for value in small.get_weights()])
    with pytest.raises(UnsupportedModelError, match="makes all of its weights zero, the largest is 0.0"):
        make_mixed(small, {"a": 4}, X)
    shared = layers.Dense(6, name="s")
    inputs = tf.keras.Input(6)
    with pytest.raises(UnsupportedModelError, match="layer 's': it is used 2 times; allowed is one use"):
        make_mixed(tf.keras.Model(inputs, shared(shared(inputs))), {"s": 4}, X)


def test_attention_gets_codes_before_its_products_and_converts() -> None:
    model, x = attention(), np.random.default_rng(1).normal(0, 1, (400, 4, 3)).astype(np.float32)
    mixed = make_mixed(model, dict.fromkeys(dense_layers(model), 6) | {"q": TERNARY}, x)
    found = kinds(mixed)
    assert {name for name in found if name.endswith("_code")} >= {"q_code", "k_code", "v_code", "share_code"}
    assert_exact(mixed)
    expected, near = (np.asarray(net(x)) for net in (model, mixed))
    assert np.corrcoef(expected.ravel(), near.ravel())[0, 1] > 0.9
