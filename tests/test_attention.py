"""Attention between tokens: in Keras exact, in integers the same, folded in time and proven."""

from dataclasses import replace

import numpy as np
import pytest
from keras_models import tf

from bittrigger.cli import main
from bittrigger.compile.read import read_file
from bittrigger.ir.basis import Grade
from bittrigger.ir.nodes.product import Product
from bittrigger.layers import (
    AttentionSettings,
    BitActivation,
    BitLinear,
    SoftmaxSettings,
    StaticQuantizer,
    bit_attention,
    bit_softmax,
)
from bittrigger.settings import Settings
from bittrigger.train import calibrate
from bittrigger.train.recipes import predict

pytestmark = pytest.mark.filterwarnings("ignore")

TOKENS, FEATURES = 3, 4


def network(settings=None, pairs=False):
    """Attention on three tokens of four features, and one output of their mean."""
    tf.keras.utils.set_random_seed(3)
    tokens = tf.keras.Input((TOKENS, FEATURES), name="tokens")
    codes = BitActivation(StaticQuantizer(bits=5, signed=True, integer=2), name="codes")(tokens)
    tensor = BitLinear(4, name="each")(codes)
    tensor = BitActivation(StaticQuantizer(bits=4, signed=False, integer=2), name="each_relu")(tensor)
    tensor = bit_attention(tensor, 4, settings, pairs=codes if pairs else None)
    tensor = BitActivation(StaticQuantizer(bits=4, signed=False, integer=1), name="out_relu")(tensor)
    model = tf.keras.Model(tokens, tf.keras.layers.GlobalAveragePooling1D(name="mean")(tensor), name="small")
    calibrate(model, events())
    return model


def events(count=300):
    return np.random.default_rng(1).normal(0, 1.5, (count, TOKENS, FEATURES)).astype(np.float32)


def test_a_permutation_of_the_tokens_changes_nothing_and_none_is_without_effect():
    model, x = network(), events()
    outputs = predict(model, x)
    assert np.array_equal(predict(model, x[:, [2, 0, 1]]), outputs)
    for token in range(TOKENS):
        changed = x.copy()
        changed[:, token] = 0
        assert not np.array_equal(predict(model, changed), outputs)


@pytest.mark.parametrize("settings", [None, AttentionSettings(heads=2, key_units=2, value_units=3, code_bits=3)])
def test_it_is_read_to_the_bit(tmp_path, settings):
    network(settings).save(tmp_path / "model.h5")
    graph = read_file(tmp_path / "model.h5", Settings(), inputs=events().reshape(300, -1)).graph
    assert graph.basis.grade is Grade.EXACT
    products = sum(node.copies for node in graph.nodes if isinstance(node, Product))
    chosen = settings or AttentionSettings()
    assert products == chosen.heads * TOKENS**2 * (chosen.key_units + chosen.value_units)


SMALL = AttentionSettings(key_units=2, value_units=2, code_bits=3, weight_bits=2)
SMALL_SOFTMAX = replace(SMALL, weight_bits=3, softmax=SoftmaxSettings(4, 4, 6, 5))


def test_a_softmax_is_read_to_the_bit(tmp_path):
    network(replace(SMALL_SOFTMAX, heads=2)).save(tmp_path / "model.h5")
    graph = read_file(tmp_path / "model.h5", Settings(), inputs=events().reshape(300, -1)).graph
    assert graph.basis.grade is Grade.EXACT
    products = sum(node.copies for node in graph.nodes if isinstance(node, Product))
    assert products == 2 * TOKENS**2 * (2 + 1 + 2)


@pytest.mark.parametrize(
    "settings", [replace(SMALL, heads=2), replace(SMALL, weight_bits=6, softmax=SoftmaxSettings())]
)
def test_a_bias_of_pairs_is_read_to_the_bit_and_counts(tmp_path, settings):
    model = network(settings, pairs=True)
    model.save(tmp_path / "model.h5")
    graph = read_file(tmp_path / "model.h5", Settings(), inputs=events().reshape(300, -1)).graph
    assert graph.basis.grade is Grade.EXACT
    weights = tf.keras.Model(model.input, model.get_layer("attention_weights0").output)
    before = predict(weights, events())
    for layer in model.layers:
        if layer.name.startswith("attention_pair") and layer.weights and isinstance(layer, BitLinear):
            layer.set_weights([0 * weight for weight in layer.get_weights()])
    assert not np.array_equal(predict(weights, events()), before)


def test_the_bias_of_a_pair_is_that_of_its_differences():
    model = network(replace(SMALL, heads=2), pairs=True)
    names = ["attention_pairs_codes", "attention_differences_relu", "attention_bias1", "attention_pair1"]
    tensors = tf.keras.Model(model.input, [model.get_layer(name).output for name in names])
    codes, relu, bias, mapped = tensors.predict(events(), verbose=0)
    layer = model.get_layer("attention_differences_relu")
    assert np.array_equal(relu, layer(codes[:, :, None] - codes[:, None]).numpy())
    assert np.array_equal(bias, mapped[..., 0])
    assert len(np.unique(bias)) > 2


def test_weights_are_those_of_a_softmax_but_for_roundings():
    """Scores on a grid that is kept: each of the three roundings behind is off by half a step at the most."""
    scores = tf.keras.Input((1, 8))
    products = bit_softmax(scores, SoftmaxSettings(7, 8, 10, 9), factor=0.5)
    net = tf.keras.Model(scores, products)
    net.get_layer("softmax_scores").range_log2.assign(2)
    x = np.random.default_rng(20761131).integers(-63, 64, (500, 1, 8)).astype(np.float32) / 16
    found, true = predict(net, x), tf.nn.softmax(x / 2).numpy()
    assert 0 < np.abs(found - true).max() < 0.006
    with tf.GradientTape() as tape:
        tape.watch(tensor := tf.constant(x))
        weighed = tf.reduce_sum(net(tensor)[:, 0, 0])
    weights = true[:, 0]
    wanted = 0.5 * weights[:, :1] * (np.eye(8)[0] - weights)
    assert np.abs(tape.gradient(weighed, tensor).numpy()[:, 0] - wanted).max() < 0.1


@pytest.mark.parametrize(
    ("interval", "settings", "pairs"),
    [
        ("1", SMALL, False),
        ("3", SMALL, False),
        ("1", SMALL_SOFTMAX, False),
        ("9", SMALL_SOFTMAX, False),
        ("1", SMALL_SOFTMAX, True),
        ("9", SMALL_SOFTMAX, True),
    ],
)
def test_its_firmware_is_proven(tmp_path, interval, settings, pairs):
    network(settings, pairs=pairs).save(tmp_path / "model.h5")
    np.save(tmp_path / "x.npy", events().reshape(300, -1))
    words = ["convert", str(tmp_path / "model.h5"), "-o", str(tmp_path / "build"), "--inputs", str(tmp_path / "x.npy")]
    main([*words, "--ii", interval, "--effort", "fast", "--no-synth", "--prove"])
    main(["simulate", str(tmp_path / "build"), "--executor", "oracle", "emulator", "rtl-fast", "--events", "200"])
