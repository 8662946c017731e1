"""Attention between tokens: in Keras exact, in integers the same, folded in time and proven."""

import numpy as np
import pytest
from keras_models import tf

from bittrigger.cli import main
from bittrigger.compile.read import read_file
from bittrigger.ir.basis import Grade
from bittrigger.ir.nodes.product import Product
from bittrigger.layers import AttentionSettings, BitActivation, BitLinear, StaticQuantizer, bit_attention
from bittrigger.settings import Settings
from bittrigger.train import calibrate
from bittrigger.train.recipes import predict

pytestmark = pytest.mark.filterwarnings("ignore")

TOKENS, FEATURES = 3, 4


def network(settings=None):
    """Attention on three tokens of four features, and one output of their mean."""
    tf.keras.utils.set_random_seed(3)
    tokens = tf.keras.Input((TOKENS, FEATURES), name="tokens")
    tensor = BitLinear(4, input_quantizer=StaticQuantizer(bits=5, signed=True, integer=2), name="each")(tokens)
    tensor = BitActivation(StaticQuantizer(bits=4, signed=False, integer=2), name="each_relu")(tensor)
    tensor = bit_attention(tensor, 4, settings)
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


@pytest.mark.parametrize("interval", ["1", "3"])
def test_its_firmware_is_proven(tmp_path, interval):
    network(AttentionSettings(key_units=2, value_units=2, code_bits=3, weight_bits=2)).save(tmp_path / "model.h5")
    np.save(tmp_path / "x.npy", events().reshape(300, -1))
    words = ["convert", str(tmp_path / "model.h5"), "-o", str(tmp_path / "build"), "--inputs", str(tmp_path / "x.npy")]
    main([*words, "--ii", interval, "--effort", "fast", "--no-synth", "--prove"])
    main(["simulate", str(tmp_path / "build"), "--executor", "oracle", "emulator", "rtl-fast", "--events", "200"])
