"""Tables of functions of codes: their entries, Keras on every code, gradients, files, firmware."""

import json

import numpy as np
import pytest
from keras_models import tf

from bittrigger.compile.read import read_model
from bittrigger.errors import ConfigError
from bittrigger.ir.basis import Grade
from bittrigger.layers import BitActivation, BitLinear, BitTable, StaticQuantizer, stock_layers
from bittrigger.layers.tables import table_codes
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

SEED = 20761130
BELOW_ONE = StaticQuantizer(bits=6, signed=False, integer=0)
CODES = StaticQuantizer(bits=5, signed=False, integer=2)


@pytest.mark.parametrize("function", ["decay", "reciprocal"])
def test_entries_are_the_function_rounded(function):
    """NumPy's double precision tells every entry, as none of these lies within 1e-12 of a tie that is not exact."""
    for factor, bits, integer, places in [(1.0, 5, 2, 6), (0.5, 8, 4, 7), (0.375, 6, 0, 5), (3.0, 10, 7, 9)]:
        x = np.arange(1, 1 << bits) * 2.0 ** (integer - bits)
        true = np.exp(-factor * x) if function == "decay" else factor / x
        wanted = np.clip(np.rint(true * 2.0**places), 0, 2**places - 1)
        found = table_codes(function, factor, bits, integer, StaticQuantizer(places, signed=False, integer=0))
        assert found[0] == 2**places - 1
        assert list(found[1:]) == wanted.tolist()


def test_keras_reads_the_table_at_every_code_and_at_the_limits_beyond():
    layer = BitTable("decay", CODES, BELOW_ONE, factor=0.75)
    x = np.array([*np.arange(32) / 8, -5.0, 100.0, 1 / 16, 3 / 16], np.float32)  # ties go to even codes
    found = layer(x[None]).numpy()[0]
    values = layer.values_now()
    assert np.array_equal(found, values[[*range(32), 0, 31, 0, 2]])
    assert values[8] == np.rint(64 * np.exp(-0.75)) / 64
    layer.range_log2.assign(4.0)
    assert np.array_equal(layer(x[None] * 4).numpy()[0], layer.values_now()[[*range(32), 0, 31, 0, 2]])


def test_gradients_are_those_of_the_function_within_the_codes():
    x = tf.constant([[0.5, 2.0, -1.0, 9.0]])
    for layer, wanted in (
        (BitTable("decay", CODES, BELOW_ONE, factor=0.5), [-0.5 * np.exp(-0.25), -0.5 * np.exp(-1), 0, 0]),
        (BitTable("reciprocal", CODES, BELOW_ONE), [-4, -0.25, 0, 0]),
    ):
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = layer(x)
        assert np.allclose(tape.gradient(result, x).numpy()[0], wanted)


def test_a_learned_range_has_a_gradient():
    layer = BitTable("decay", StaticQuantizer(5, signed=False, learned=True), BELOW_ONE)
    with tf.GradientTape() as tape:
        result = tf.reduce_sum(layer(tf.constant([[0.3, 7.0]])))
    assert tape.gradient(result, layer.range_log2).numpy() != 0


def test_it_is_saved_and_stays_among_stock_layers(tmp_path):
    tokens = tf.keras.Input((4,))
    model = tf.keras.Model(tokens, BitTable("reciprocal", CODES, BELOW_ONE, factor=0.5, name="t")(tokens))
    model.get_layer("t").range_log2.assign(3.0)
    x = np.random.default_rng(0).uniform(-1, 9, (100, 4)).astype(np.float32)
    for suffix in ("h5", "keras"):
        model.save(tmp_path / f"m.{suffix}")
        again = tf.keras.models.load_model(tmp_path / f"m.{suffix}", compile=False)
        assert np.array_equal(again(x), model(x))
        assert json.dumps(again.get_layer("t").get_config()) == json.dumps(model.get_layer("t").get_config())
    assert type(stock_layers(model).get_layer("t")) is BitTable
    assert np.array_equal(stock_layers(model)(x), model(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"function": "sine"}, "BitTable 't': function 'sine'; allowed are 'decay', 'reciprocal'"),
        ({"factor": 0}, "BitTable 't': factor 0; allowed are numbers above 0, at most 1024"),
        ({"factor": float("nan")}, "factor nan; allowed are numbers above 0"),
        ({"quantizer": StaticQuantizer(5)}, "allowed are unsigned ones of 2 to 10 bits"),
        ({"quantizer": 11}, "allowed are unsigned ones of 2 to 10 bits"),
        ({"quantizer": StaticQuantizer(5, learned_bits=True)}, "allowed is a StaticQuantizer without learned_bits"),
        ({"result": StaticQuantizer(5, learned=True)}, "allowed is learned=False"),
        ({"result": {"dynamic": True}}, "allowed is a StaticQuantizer without learned_bits"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError) as caught:
        BitTable(**{"function": "decay", "quantizer": 5, "result": BELOW_ONE, "name": "t", **options})
    assert message in str(caught.value)


def test_random_tables_convert_to_the_bit():
    """Behind sums of any grid; the conversion compares every bit of Keras on corners and random events."""
    random = np.random.default_rng(SEED)
    for number in range(3):
        tf.keras.backend.clear_session()
        tf.keras.utils.set_random_seed(int(random.integers(1 << 30)))
        port = tf.keras.Input((3,), name="x")
        tensor = BitLinear(4, input_quantizer=StaticQuantizer(int(random.integers(2, 7)), integer=1), name="d")(port)
        quantizer = StaticQuantizer(int(random.integers(2, 8)), signed=False, integer=int(random.integers(0, 4)))
        result = StaticQuantizer(int(random.integers(2, 8)), signed=bool(number % 2), integer=0)
        factor = float(random.uniform(0.1, 2))
        tensor = BitTable(("decay", "reciprocal")[number % 2], quantizer, result, factor, name="t")(tensor)
        model = tf.keras.Model(port, BitActivation(StaticQuantizer(6, integer=1), name="out")(tensor))
        model.get_layer("t").range_log2.assign(float(random.integers(0, 4)))
        assert read_model(model, Settings(), name="net").graph.basis.grade is Grade.EXACT
