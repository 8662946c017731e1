"""Recurrent layers, unrolled: every bit of Keras where its float32 is exact, else of double precision."""

import numpy as np
import pytest
from keras_models import QActivation, layers, lowered, model_of, randomize, tf

from bittrigger.compile.agreement import check_agreement
from bittrigger.compile.read import read_model
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.quiet import mend_qkeras
from bittrigger.frontend.keras_model.typed_weights import with_weights
from bittrigger.hls4ml.declared import declared_of
from bittrigger.ir.basis import Grade
from bittrigger.ir.casts import cast_codes, parse_cast
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import Lookup, evaluate, output_fracs
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import random_codes

mend_qkeras()
from qkeras import QGRU, QLSTM, QBidirectional, QSimpleRNN  # noqa: E402 - they are built as they are once TensorFlow has its names back

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras

KERNELS = {"kernel_quantizer": "ternary(alpha=1)", "recurrent_quantizer": "ternary(alpha=1)"}
WIDER = {"kernel_quantizer": "quantized_bits(4,0,alpha=1)", "recurrent_quantizer": "quantized_bits(3,2,alpha=1)"}
PLAIN = {**KERNELS, "bias_quantizer": "quantized_bits(4,1,alpha=1)", "activation": "quantized_tanh(6)"}
STATE = {"state_quantizer": "quantized_bits(6,1,alpha=1)"}
GATES = {"recurrent_activation": "quantized_sigmoid(6)"}


def sequence(layer, shape=(4, 3), seed=7):
    port = tf.keras.Input(shape, name="x")
    return randomize(
        tf.keras.Model(port, layer(QActivation("quantized_bits(5,1,alpha=1)", name="q")(port))), seed, scale=0.7
    )


EXACT = {
    "simple": lambda: QSimpleRNN(4, **PLAIN),
    "simple with a state quantiser, all steps, from the end": lambda: QSimpleRNN(
        4, return_sequences=True, go_backwards=True, **{**PLAIN, **WIDER}, **STATE
    ),
    "LSTM": lambda: QLSTM(4, **PLAIN, **GATES, **STATE),
    "LSTM, kernels at once, all steps": lambda: QLSTM(
        3, implementation=2, return_sequences=True, **{**PLAIN, **WIDER}, **GATES, **STATE
    ),
    "LSTM without bias, hard sigmoid": lambda: QLSTM(
        3, **{**PLAIN, "activation": "quantized_bits(4,1,alpha=1)"}, **STATE, use_bias=False
    ),
    "GRU": lambda: QGRU(4, **PLAIN, **GATES, **STATE),
    "GRU, reset after": lambda: QGRU(4, reset_after=True, **PLAIN, **GATES, **STATE),
    "GRU, reset after, all at once": lambda: QGRU(
        3, reset_after=True, implementation=2, return_sequences=True, **{**PLAIN, **WIDER}, **GATES, **STATE
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_every_bit_of_keras(name):
    model = sequence(EXACT[name]())
    graph = lowered(model)
    assert graph.basis.grade is Grade.EXACT
    check_agreement(model, graph)


BOTH = {
    "concat": lambda: layers.Bidirectional(QSimpleRNN(3, **PLAIN)),
    "sum, sequences": lambda: layers.Bidirectional(QSimpleRNN(3, return_sequences=True, **PLAIN), merge_mode="sum"),
    "mul, sequences": lambda: layers.Bidirectional(QSimpleRNN(2, return_sequences=True, **PLAIN), merge_mode="mul"),
    "ave, a twin of its own": lambda: layers.Bidirectional(
        QLSTM(3, **PLAIN, **GATES, **STATE),
        backward_layer=QLSTM(3, go_backwards=True, **PLAIN, **GATES, **STATE),
        merge_mode="ave",
    ),
    "concat, sequences, from the end": lambda: layers.Bidirectional(
        QSimpleRNN(3, return_sequences=True, go_backwards=True, **PLAIN)
    ),
    "QKeras": lambda: QBidirectional(QLSTM(3, return_sequences=True, **PLAIN, **GATES, **STATE)),
}


@pytest.mark.parametrize("name", BOTH)
def test_both_directions(name, tmp_path):
    model = sequence(BOTH[name]())
    graph = lowered(model)
    assert graph.basis.grade is Grade.EXACT
    check_agreement(model, graph)
    if "twin" not in name:  # Keras itself does not load what it saves of one
        for suffix in ("h5", "keras"):
            model.save(tmp_path / f"m.{suffix}")
            assert evaluate_alike(graph, lowered(load_model(tmp_path / f"m.{suffix}")))


def evaluate_alike(first, second):
    codes = random_codes(first, 100, 3)
    return np.array_equal(evaluate(first, codes), evaluate(second, codes))


def test_two_directions_apart_are_refused():
    port = tf.keras.Input((4, 3), name="x")
    ends = layers.Bidirectional(QSimpleRNN(3, **PLAIN), merge_mode=None, name="both")(port)
    with pytest.raises(UnsupportedModelError, match="merge_mode None gives two tensors; allowed are concat, sum, mul"):
        lowered(tf.keras.Model(port, ends))


def test_two_directions_with_states_from_or_for_outside_are_refused():
    port = tf.keras.Input((4, 3), name="x")
    begun = layers.Bidirectional(QSimpleRNN(3, **PLAIN), name="both")(port, initial_state=[port[:, 0], port[:, 1]])
    with pytest.raises(UnsupportedModelError, match="'both_forward': it is called with initial states"):
        lowered(tf.keras.Model(port, begun))
    last = layers.Bidirectional(QSimpleRNN(3, return_state=True, **PLAIN), name="both")(port)
    with pytest.raises(UnsupportedModelError, match="'both': it gives 3 tensors; allowed is one"):
        lowered(tf.keras.Model(port, last[0]))


@pytest.mark.parametrize("layer", [QLSTM, QGRU])
def test_without_a_state_quantiser_the_state_grows_beyond_float32(layer):
    model = sequence(layer(4, **PLAIN, **GATES))
    with pytest.raises(UnsupportedModelError, match="Keras adds up in float32, which holds 24"):
        lowered(model)
    graph = lowered(model, require="ideal")
    measured = check_agreement(model, graph)
    assert measured.float64.events == 0
    assert measured.float32.largest < 1e-6


def test_one_step_has_no_state_before_it():
    model = sequence(QLSTM(3, **PLAIN, **GATES, **STATE), shape=(1, 3))
    check_agreement(model, lowered(model))


def test_layers_of_keras_with_weights_on_a_grid():
    model = sequence(layers.SimpleRNN(4, activation="relu", name="r"))
    layer = model.get_layer("r")
    layer.set_weights([np.round(4 * values) / 4 for values in layer.get_weights()])
    check_agreement(model, lowered(model))


def test_another_layer_behind_the_sequence():
    port = tf.keras.Input((3, 2), name="x")
    x = QActivation("quantized_bits(4,1,alpha=1)", name="q")(port)
    x = QSimpleRNN(3, return_sequences=True, **PLAIN)(x)
    x = layers.Flatten()(QGRU(2, return_sequences=True, **PLAIN, **GATES, **STATE)(x))
    model = randomize(tf.keras.Model(port, QActivation("quantized_relu(4,1)", name="a")(x)), seed=3)
    check_agreement(model, lowered(model))


REFUSED = {
    "float kernels": (lambda: layers.LSTM(4), "needs 3. bits, .* use the layer of QKeras with kernel_quantizer"),
    "states": (lambda: QLSTM(4, stateful=False, **PLAIN, **GATES, return_state=True), "it gives 3 tensors"),
    "scales": (
        lambda: QSimpleRNN(4, **{**PLAIN, "kernel_quantizer": "ternary(alpha=0.3)"}),
        "within a recurrent layer",
    ),
    "float functions": (
        lambda: QSimpleRNN(4, **{**PLAIN, "activation": "tanh"}),
        "its tanh gives values on no grid, with which it goes on; .* use quantized_tanh",
    ),
    "no code for 0": (
        lambda: QSimpleRNN(4, **PLAIN, state_quantizer="binary(alpha=1)"),
        "makes something else of 0, with which the states begin",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    make, message = REFUSED[name]
    port = tf.keras.Input((4, 3), name="x")
    made = make()(QActivation("quantized_bits(5,1,alpha=1)", name="q")(port))
    model = randomize(tf.keras.Model(port, made), 3, scale=0.7)
    with pytest.raises(UnsupportedModelError, match=message):
        lowered(model, require="ideal")


def test_too_many_steps_are_refused(monkeypatch):
    from bittrigger.frontend.keras_layers import recurrent as facts

    monkeypatch.setattr(facts, "MAX_STEPS", 3)
    with pytest.raises(UnsupportedModelError, match="its sequences have 4 steps, each of which becomes hardware"):
        lowered(sequence(QSimpleRNN(4, **PLAIN)))


def test_a_mask_is_not_followed():
    port = tf.keras.Input((4, 3), name="x")
    x = layers.Masking()(QActivation("quantized_bits(5,1,alpha=1)", name="q")(port))
    with pytest.raises(UnsupportedModelError, match="leaves out the steps that a Masking before it marks"):
        lowered(randomize(tf.keras.Model(port, QSimpleRNN(4, **PLAIN)(x))))


def test_files(tmp_path):
    """QKeras' own SimpleRNN and GRU call functions that later versions of TensorFlow lack."""
    from bittrigger.frontend.keras_file.read import load_model

    gated = QGRU(3, reset_after=True, **PLAIN, **GATES, **STATE)
    for layer, ending in (
        (QSimpleRNN(3, **PLAIN), "h5"),
        (gated, "h5"),
        (QLSTM(2, **PLAIN, **GATES, **STATE), "keras"),
    ):
        model = sequence(layer)
        model.save(tmp_path / f"model.{ending}")
        loaded = load_model(tmp_path / f"model.{ending}")
        check_agreement(loaded, lowered(loaded))


def test_the_units_of_a_line_are_those_of_its_function():
    """In exact arithmetic quantized_sigmoid is a line that is rounded, so that no table is needed at any width."""

    def branch(x):
        wide = layers.Multiply()([x, x])
        return QActivation("quantized_sigmoid(5)", name="s")(layers.Multiply()([wide, wide]))

    model = model_of(branch, inputs=2, quantizer="quantized_bits(12,2,alpha=1)")
    graph = lowered(model, require="ideal")
    assert "Lookup" not in [type(node).__name__ for node in graph.nodes]
    assert check_agreement(model, graph).float64.events == 0


def assigned(x, kind):
    kind = parse_cast(kind)
    return decode(cast_codes(x, kind), kind.frac)


def half_even(bits, whole):
    """What ``fixed<whole + bits, whole>`` without modes makes of gates, of what tanh gives and of states."""
    types = f"ufixed<{bits},0>", f"fixed<{bits + 1},1>", f"fixed<{bits + whole},{whole}>"
    return [lambda x, kind=kind: assigned(x, kind) for kind in types]


def typed_steps(layer, events, types, operand=lambda x: x):
    """What a layer of Keras gives with types for all that is within it, in double precision, step by step.

    ``types`` assign gates, results of tanh and states, ``operand`` what goes into these functions.
    """
    kernel, again, bias = [array.astype(np.float64) for array in layer.get_weights()]
    into_gate, into_tanh, state = types

    def gate(x):
        return into_gate(1 / (1 + np.exp(-operand(x))))

    def tanh(x):
        return into_tanh(np.tanh(operand(x)))

    h = c = np.zeros((len(events), again.shape[0]))
    for x in np.moveaxis(events, 1, 0):
        h, c = state(h), state(c)
        match type(layer).__name__:
            case "SimpleRNN":
                h = tanh(x @ kernel + bias + h @ again)
            case "LSTM":
                i, f, g, o = np.split(x @ kernel + bias + h @ again, 4, axis=1)
                c = gate(f) * c + gate(i) * tanh(g)
                h = gate(o) * tanh(c)
            case "GRU":
                (xz, xr, xh), (hz, hr, hh) = (
                    np.split(part, 3, axis=1) for part in (x @ kernel + bias[0], h @ again + bias[1])
                )
                z = gate(xz + hz)
                h = z * h + (1 - z) * tanh(xh + gate(xr + hr) * hh)
    return h


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_a_float_layer_with_one_type_for_all_that_is_within_it(kind):
    model = sequence(kind(3, name="r"), shape=(3, 2))
    settings = Settings(weight_precision={"r": "fixed<6,2>"}, layer_precision={"r.cell": "fixed<8,3>"})
    reading = read_model(model, settings, name="net")
    basis = reading.graph.basis
    assert basis.grade is Grade.EXACT or basis.measured.float64.events == 0
    rounded, _ = with_weights(model, {"r": parse_cast("fixed<6,2>")})
    codes = random_codes(reading.graph, 200, 3)
    found = decode(evaluate(reading.graph, codes), output_fracs(reading.graph))
    assert (found == typed_steps(rounded.get_layer("r"), codes.reshape(200, 3, 2) / 8, half_even(5, 3))).all()


MODES = {
    "cut": ("fixed<9,3,TRN,WRAP>", None),
    "cut, and the sums": ("fixed<9,3,TRN,WRAP>", "fixed<10,4,TRN,WRAP>"),
    "sums of another type": ("fixed<8,2,RND,SAT>", "fixed<9,4,TRN_ZERO,SAT_SYM>"),
    "gates that round to 1, which wraps": ("fixed<4,1,RND,WRAP>", None),
    "half to even, and the sums": ("fixed<8,3>", "fixed<8,3,TRN,WRAP>"),
}


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
@pytest.mark.parametrize("name", MODES)
def test_types_with_modes_within_a_layer(kind, name):
    cell, sums = MODES[name]
    model = sequence(kind(3, name="r"), shape=(3, 2))
    types = {"r.cell": cell} | ({} if sums is None else {"r.sums": sums})
    reading = read_model(model, Settings(weight_precision={"r": "fixed<6,2>"}, layer_precision=types), name="net")
    basis = reading.graph.basis
    assert basis.grade is Grade.EXACT or basis.measured.float64.events == 0
    rounded, _ = with_weights(model, {"r": parse_cast("fixed<6,2>")})
    codes = random_codes(reading.graph, 200, 3)
    found = decode(evaluate(reading.graph, codes), output_fracs(reading.graph))
    into = half_even(5, 3) if "even" in name else [lambda x: assigned(x, cell)] * 3
    operand = (lambda x: x) if sums is None else (lambda x: assigned(x, sums))
    assert (found == typed_steps(rounded.get_layer("r"), codes.reshape(200, 3, 2) / 8, into, operand)).all()


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_types_of_hls4ml_within_both_directions(layer):
    """Sums of 16 bits times 16 bits have too many codes for a table; those of their type have not. No double is 1."""
    kind = "fixed<16,6,TRN,WRAP>"
    both = layers.Bidirectional(layer(3), name="both")
    model = randomize(tf.keras.Sequential([tf.keras.Input((2, 4)), both]), 5, scale=0.7)
    settings = Settings(
        weight_precision={"*": kind}, layer_precision={"both.cell": kind, "both.sums": kind, "both": kind}
    )
    graph = read_model(model, settings, name="net").graph
    assert graph.basis.grade is Grade.IDEAL
    assert graph.basis.measured.float64.events == 0
    assert max(len(starts) for node in graph.nodes if isinstance(node, Lookup) for starts in node.starts) <= 2048


@pytest.mark.parametrize(
    ("layer", "types", "message"),
    [
        (lambda: layers.LSTM(2, name="r"), {"r.cell": "ufixed<8,3,TRN,WRAP>"}, "are signed types of up to 24 bits, some on"),
        (lambda: layers.LSTM(2, name="r"), {"r.cell": "fixed<32,16,TRN,WRAP>"}, "are signed types of up to 24 bits, some on"),
        (lambda: layers.LSTM(2, name="r"), {"r.sums": "fixed<8,3>"}, "gates and states a type; .* add 'r.cell'"),
        (lambda: layers.LSTM(2, name="r"), {"r.cell": "fixed<8,3>"}, "layer 'r' has weights of no type; .* --weight-precision"),
        (lambda: layers.GRU(2, activation="relu", name="r"), {"r.cell": "fixed<8,3>"}, "layer 'r' is a GRU; allowed are"),
        (lambda: layers.SimpleRNN(2, "relu", name="r"), {"r.sums": "fixed<8,3>"}, "layer 'r' has no activation of its own"),
    ],
)  # fmt: skip
def test_types_within_a_layer_that_are_none(layer, types, message):
    with pytest.raises(ConfigError, match=message):
        read_model(sequence(layer(), shape=(2, 2)), Settings(layer_precision=types), name="net")


def test_a_type_of_hls4ml_is_that_of_what_a_layer_delivers():
    """It stood before the activation, which went outside of the layer."""
    model = sequence(layers.SimpleRNN(2, activation="relu", name="r"))
    plain = tf.keras.Sequential([tf.keras.Input((4, 3)), layers.SimpleRNN(2, activation="relu", name="r")])
    types = declared_of({"Model": {"Precision": "ap_fixed<16,6>"}}, plain).layer_precision
    assert types == {"r": "ap_fixed<16,6,TRN,WRAP>"}
    assert "r" in declared_of({"LayerName": {"r": {"Precision": "ap_fixed<9,3>"}}}, model).layer_precision


@pytest.mark.parametrize("layer", [layers.LSTM(2, name="r"), layers.Bidirectional(layers.GRU(2), name="r")])
def test_types_of_hls4ml_are_those_within_a_layer(layer):
    """Gates and states are of the type of the results, sums of that of ``accum``; what is open is that of the model."""
    plain = tf.keras.Sequential([tf.keras.Input((4, 3)), layer])
    cut = "ap_fixed<16,6,TRN,WRAP>"
    open_ones = {"LayerName": {"r": {"Precision": {"result": "auto", "accum": "auto"}}}}
    for config in ({"Model": {"Precision": "ap_fixed<16,6>"}}, open_ones):
        within = declared_of(config, plain).layer_precision
        assert {key: within[key] for key in ("r.cell", "r.sums")} == {"r.cell": cut, "r.sums": cut}
    named = {"LayerName": {"r": {"Precision": {"result": "ap_fixed<9,3>", "accum": "ap_fixed<12,6>"}}}}
    within = declared_of(named, plain).layer_precision
    assert within == {
        "r.cell": "ap_fixed<9,3,TRN,WRAP>",
        "r.sums": "ap_fixed<12,6,TRN,WRAP>",
        "r": "ap_fixed<9,3,TRN,WRAP>",
    }
