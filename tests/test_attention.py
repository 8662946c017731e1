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


def network(settings=None, pairs=False, masked=False):
    """Attention on three tokens of four features, and one output of their mean, masked by the first feature."""
    tf.keras.utils.set_random_seed(3)
    tokens = tf.keras.Input((TOKENS, FEATURES), name="tokens")
    codes = BitActivation(StaticQuantizer(bits=5, signed=True, integer=2), name="codes")(tokens)
    tensor = BitLinear(4, name="each")(codes)
    tensor = BitActivation(StaticQuantizer(bits=4, signed=False, integer=2), name="each_relu")(tensor)
    present = BitActivation(StaticQuantizer(bits=1, signed=False), name="present")(tokens[:, :, :1]) if masked else None
    tensor = bit_attention(tensor, 4, settings, pairs=codes if pairs else None, present=present)
    tensor = BitActivation(StaticQuantizer(bits=4, signed=False, integer=1), name="out_relu")(tensor)
    model = tf.keras.Model(tokens, tf.keras.layers.GlobalAveragePooling1D(name="mean")(tensor), name="small")
    calibrate(model, events(masked=masked))
    return model


def events(count=300, masked=False):
    random = np.random.default_rng(1)
    found = random.normal(0, 1.5, (count, TOKENS, FEATURES)).astype(np.float32)
    if masked:
        found[..., 0] = random.integers(0, 2, (count, TOKENS))
    return found


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


@pytest.mark.parametrize("settings", [SMALL, SMALL_SOFTMAX])
def test_what_is_missing_is_taken_by_none(settings):
    model = network(settings, masked=True)
    taken = tf.keras.Model(model.input, model.get_layer("attention_taken0").output)
    x = events(masked=True)
    x[:, 0, 0], x[:, 1:, 0] = 1, [1, 0]
    other = x.copy()
    other[:, 2, 1:] = np.random.default_rng(20761201).normal(0, 1.5, other[:, 2, 1:].shape)
    assert np.array_equal(predict(taken, x)[:, :2], predict(taken, other)[:, :2])
    there = x.copy()
    there[:, 2, 0] = 1
    assert not np.array_equal(predict(taken, x)[:, :2], predict(taken, there)[:, :2])


def test_a_softmax_is_one_over_what_is_there():
    scores, present = tf.keras.Input((1, 8)), tf.keras.Input((8, 1))
    codes = BitActivation(StaticQuantizer(bits=1, signed=False, integer=1), name="there")(present)
    net = tf.keras.Model((scores, present), bit_softmax(scores, SoftmaxSettings(7, 8, 10, 9), present=codes))
    net.get_layer("softmax_scores").range_log2.assign(2)
    random = np.random.default_rng(20761202)
    x = random.integers(-31, 32, (500, 1, 8)).astype(np.float32) / 16
    there = (random.uniform(size=(500, 8, 1)) < 0.6).astype(np.float32)
    there[:, 0], there[0] = 1, 0
    found = predict(net, (x, there))[:, 0]
    kept = np.where(there[..., 0] > 0, np.exp(x[:, 0]), 0)
    assert np.array_equal(found[0], np.zeros(8))
    assert np.abs(found[1:] - kept[1:] / kept[1:].sum(1, keepdims=True)).max() < 0.02
    assert not found[there[..., 0] == 0].any()


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
    ("interval", "settings", "also"),
    [
        ("1", SMALL, {"masked": True}),
        ("3", SMALL, {}),
        ("1", SMALL_SOFTMAX, {"pairs": True}),
        ("9", SMALL_SOFTMAX, {"pairs": True, "masked": True}),
    ],
)
def test_its_firmware_is_proven(tmp_path, interval, settings, also):
    network(settings, **also).save(tmp_path / "model.h5")
    np.save(tmp_path / "x.npy", events(masked="masked" in also).reshape(300, -1))
    words = ["convert", str(tmp_path / "model.h5"), "-o", str(tmp_path / "build"), "--inputs", str(tmp_path / "x.npy")]
    main([*words, "--ii", interval, "--effort", "fast", "--no-synth", "--prove"])
    main(["simulate", str(tmp_path / "build"), "--executor", "oracle", "emulator", "rtl-fast", "--events", "200"])
