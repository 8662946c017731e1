"""Float weights rounded to declared types: the design equals the model of the rounded weights, in every executor."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, model_of, randomize, tf

from bittrigger.cli.shared.options import chosen_settings
from bittrigger.compile.read import read_model
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.hls4ml_project.hls_types import code_of
from bittrigger.frontend.keras_model.typed import as_declared
from bittrigger.ir.basis import Grade, Reference
from bittrigger.ir.casts import Cast, cast_codes, parse_cast
from bittrigger.ir.fixed import FixedPoint, Overflow, Rounding, decode
from bittrigger.settings import Declared, Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def network(last="softmax"):
    port = tf.keras.Input((6,), name="x")
    x = layers.Dense(5, activation="relu", name="a")(port)
    x = layers.Dense(4, activation="relu", name="b")(x)
    return randomize(tf.keras.Model(port, layers.Dense(3, activation=last, name="c")(x)), seed=3, scale=0.4)


def events(count=300):
    return np.random.default_rng(5).integers(-64, 64, (count, 6)) / 16


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("limit", [Overflow.WRAP, Overflow.SAT, Overflow.SAT_SYM])
@pytest.mark.parametrize("signed", [True, False])
def test_an_array_is_assigned_as_by_cpp(rounding, limit, signed):
    kind = Cast(FixedPoint(signed, 5, 2), rounding, limit)
    random = np.random.default_rng(1).normal(0, 4, 60).astype(np.float32)
    values = np.concatenate([np.arange(-40, 41) / np.float32(8), random, np.float32([1e30, -1e30, 1e-30, -1e-30])])
    assert cast_codes(values, kind).tolist() == [code_of(float(value), kind) for value in values]
    assert Fraction(int(cast_codes(values[:1], kind)[0])) in {Fraction(code) for code in range(-16, 32)}


def test_modes_of_a_type():
    assert parse_cast("fixed<8,2>") == Cast(FixedPoint(True, 8, 6), Rounding.RND_CONV, Overflow.SAT)
    assert parse_cast("ap_ufixed<24, 12, AP_RND, AP_SAT_SYM>") == Cast(
        FixedPoint(False, 24, 12), Rounding.RND, Overflow.SAT_SYM
    )
    assert str(parse_cast("fixed<8,2,TRN>", limit=Overflow.WRAP)) == "ap_fixed<8,2,TRN,WRAP>"
    assert parse_cast("ap_fixed<8,2,AP_TRN,AP_WRAP,0>") == parse_cast("fixed<8,2,TRN,WRAP>")
    with pytest.raises(ConfigError, match=r"'fixed<8,2,TRN,AP_WRAP, 3>' wraps and saturates; allowed is WRAP without"):
        parse_cast("fixed<8,2,TRN,AP_WRAP, 3>")


@pytest.mark.parametrize("text", ["fixed<8,2>", "fixed<6,1,TRN,WRAP>", "ufixed<4,2,RND,SAT>"])
def test_every_bit_is_that_of_the_model_with_rounded_weights(text):
    """The reference is written down here: numpy, in double precision, on weights that are rounded here."""
    kind = parse_cast(text)
    settings = Settings(
        weight_precision={"*": text, "c.bias": "fixed<12,3>"},
        input_precision="fixed<7,3>",
        output_precision="fixed<24,8>",
    )
    model = network()
    reading = read_model(model, settings, name="net", inputs=events())
    basis = reading.graph.basis
    assert basis.reference is Reference.TYPED
    assert basis.grade is Grade.EXACT or basis.measured.float64.events == 0
    kinds = {"c.bias": parse_cast("fixed<12,3>")}
    values = events()
    for name in "abc":
        kernel, bias = model.get_layer(name).get_weights()
        kernel = decode(cast_codes(kernel, kind), kind.frac)
        own = kinds.get(f"{name}.bias", kind)
        values = values @ kernel + decode(cast_codes(bias, own), own.frac)
        values = np.maximum(values, 0) if name != "c" else values
    from bittrigger.simulate.executors.oracle import Oracle
    from bittrigger.simulate.predict import outputs_of

    found = outputs_of(reading.graph, Oracle(reading.graph), events().astype(np.float32))
    assert np.array_equal(found, np.rint(values * 2**16) / 2**16)
    assert basis.chosen[0].startswith(
        f"weights are rounded to ap_fixed<12,3,RND_CONV,SAT> in 'c.bias', {kind} in all others "
    )
    assert "(--weight-precision); the argmax changes on " in basis.chosen[0]


def test_weights_of_many_bits():
    """More than the 22 of quantisers, as hls4ml's own tests have them: exact arithmetic takes them as they are."""
    types = {"weight_precision": {"*": "fixed<32,16,TRN,WRAP>"}, "layer_precision": {"*": "fixed<16,12>"}}
    settings = Settings(**types, input_precision="fixed<7,3>")
    model = network()
    model.get_layer("b").set_weights([model.get_layer("b").get_weights()[0] * 700, np.full(4, 1000.123)])
    basis = read_model(model, settings, name="net").graph.basis
    assert basis.grade is Grade.IDEAL
    assert basis.measured.float64.events == 0


def test_a_model_of_a_user_is_not_changed():
    model = network()
    before = [array.copy() for array in model.get_weights()]
    as_declared(model, Declared(weight_precision={"*": "fixed<4,1>"}, layer_precision={"*": "fixed<6,2>"}))
    assert all(map(np.array_equal, before, model.get_weights()))


def test_types_of_results_round_and_wrap_as_they_say():
    """Before and behind an activation of a layer, with the modes of ap_fixed, at the steps of the layers' own sums."""
    types = {"a.sums": "fixed<8,4,TRN,WRAP>", "a": "ufixed<6,3,RND,SAT>", "b": "fixed<7,4,TRN_ZERO,SAT_SYM>"}
    settings = Settings(
        weight_precision={"*": "fixed<8,2>"}, layer_precision=types | {"c": "fixed<9,5>"}, input_precision="fixed<7,3>"
    )
    reading = read_model(network("linear"), settings, name="net", inputs=events())
    basis = reading.graph.basis
    assert basis.grade is Grade.EXACT
    assert basis.measured.float32.events == 0
    assert [reading.graph[name].frac for name in reading.graph.outputs] == [4]


def test_a_type_for_every_layer_leaves_a_softmax_at_the_end_out():
    types = {"weight_precision": {"*": "fixed<8,2>"}, "layer_precision": {"*": "fixed<10,5>"}}
    graph = read_model(network(), Settings(**types, input_precision="fixed<7,3>"), name="net").graph
    assert any("softmax is left out" in sentence for sentence in graph.basis.chosen)
    assert all(graph[name].frac == 5 for name in graph.outputs)
    assert graph.basis.grade is Grade.EXACT


def test_a_normalisation_that_is_named_multiplies_with_a_rounded_factor():
    port = tf.keras.Input((6,), name="x")
    x = layers.BatchNormalization(name="n", scale=False)(layers.Dense(4, name="a", use_bias=False)(port))
    model = randomize(tf.keras.Model(port, x), seed=3)
    settings = Settings(
        weight_precision={"*": "fixed<6,2>", "n": "fixed<10,6>", "n.bias": "fixed<8,4>"}, input_precision="fixed<7,3>"
    )
    graph = read_model(model, settings, name="net").graph
    assert graph.basis.grade is Grade.EXACT or graph.basis.measured.float64.events == 0
    whole = read_model(model, Settings(weight_precision={"*": "fixed<6,2>"}, input_precision="fixed<7,3>"), name="net")
    assert whole.graph.basis.ideal


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.Conv1D(3, 3, name="a"), (8, 2)),
        (lambda: layers.Conv2D(3, 2, strides=2, padding="same", name="a"), (5, 5, 2)),
        (lambda: layers.DepthwiseConv2D(2, name="a"), (4, 4, 3)),
        (lambda: layers.SeparableConv1D(3, 2, name="a"), (6, 2)),
        (lambda: layers.Conv1DTranspose(2, 3, name="a"), (5, 2)),
        (lambda: layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d", name="a"), (4, 2)),
        (lambda: layers.TimeDistributed(layers.Dense(3), name="a"), (4, 2)),
        (lambda: layers.SimpleRNN(3, activation="relu", name="a"), (3, 2)),
        (lambda: tf.keras.Sequential([layers.Dense(3, activation="relu"), layers.Dense(2)], name="a"), (4,)),
    ],
)
def test_layers_with_a_float_kernel(make, shape):
    port = tf.keras.Input(shape, name="x")
    model = tf.keras.Model(port, make()(port))
    model.set_weights([np.random.default_rng(1).normal(0, 0.5, w.shape) for w in model.get_weights()])
    settings = Settings(weight_precision={"*": "fixed<6,2>"}, input_precision="fixed<6,3>")
    basis = read_model(model, settings, name="net").graph.basis
    assert basis.grade is Grade.EXACT or basis.measured.float64.events == 0


def test_weights_that_have_a_quantiser_keep_it():
    def branch(x):
        x = QDense(4, kernel_quantizer="ternary(alpha=1)", use_bias=True, name="d")(x)
        return layers.Dense(2, name="o")(QActivation("quantized_relu(4,1)", name="r")(x))

    model = randomize(model_of(branch))
    made, _ = as_declared(model, Declared(weight_precision={"*": "fixed<4,1>"}))
    for mine, given in zip(made.get_layer("d").get_weights(), model.get_layer("d").get_weights(), strict=True):
        assert np.array_equal(mine, given)
    assert not np.array_equal(made.get_layer("o").get_weights()[0], model.get_layer("o").get_weights()[0])
    made, _ = as_declared(model, Declared(weight_precision={"d.bias": "fixed<4,1>"}))
    assert np.array_equal(made.get_layer("d").get_weights()[1] * 8, np.rint(made.get_layer("d").get_weights()[1] * 8))


@pytest.mark.parametrize(
    ("types", "error", "message"),
    [
        ({"d": "fixed<4,1>"}, ConfigError, r"names 'd'; allowed are arrays of model 'net' that no quantiser types: "),
        ({"*": "fixed<4,1>"}, UnsupportedModelError, "--weight-precision, and every kernel has a quantiser"),
    ],
)
def test_names_that_are_none(types, error, message):
    model = randomize(model_of(QDense(4, kernel_quantizer="ternary(alpha=1)", use_bias=False, name="d")))
    with pytest.raises(error, match=message):
        read_model(model, Settings(weight_precision=types), name="net")


def test_a_type_that_float32_does_not_hold():
    model = network()
    model.get_layer("a").set_weights([np.full((6, 5), -0.0001, np.float32), np.zeros(5)])
    with pytest.raises(
        UnsupportedModelError, match=r"weights 'a.kernel' in .* takes more bits than the 24 of a float32"
    ):
        read_model(model, Settings(weight_precision={"*": "ufixed<32,8,TRN,WRAP>"}), name="net")


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"*": "fixed<40,8>"}, "setting 'weight_precision' gives '\\*' the type fixed<40,8>; allowed are 1 to 32 bits"),
        ({"*": "fixed<8,8,RND,SAT_ZERO>"}, "values beyond it become 0; allowed are WRAP, SAT and SAT_SYM"),
        (
            {"a.sums": "fixed<8,4>", "c.sums": "fixed<8,4>"},
            "names 'c.sums', and layer 'c' has no activation of its own",
        ),
        (
            {"a.depthwise": "fixed<8,4>"},
            "names 'a.depthwise', and layer 'a' is a Dense; allowed are SeparableConv1D and",
        ),
    ],
)
def test_types_that_are_none(types, message):
    name = "weight_precision" if "*" in types else "layer_precision"
    with pytest.raises(ConfigError, match=message):
        read_model(network("linear"), Settings(**{name: types}), name="net")


def test_options_name_layers_or_all():
    from click.testing import CliRunner

    from bittrigger.cli.convert import command

    assert chosen_settings({"weight_precision": {"*": "fixed<8,2>"}}).declared.is_any
    given = ["none.h5", "-o", "none", "--weight-precision", "fixed<8,2>", "--weight-precision", "fixed<7,2>"]
    done = CliRunner().invoke(command, given)
    assert "--weight-precision is given twice for '*'" in f"{done.output} {done.exception}"


def test_modes_of_an_input_are_said_and_not_dropped():
    quiet = read_model(
        network(), Settings(input_precision="fixed<7,3,RND_CONV,SAT>", weight_precision={"*": "fixed<6,2>"}), name="net"
    )
    assert not any("of its type say" in line for line in quiet.graph.basis.chosen)
    given = Settings(input_precision="ap_fixed<7,3,AP_RND,AP_WRAP>", weight_precision={"*": "fixed<6,2>"})
    graph = read_model(network(), given, name="net").graph
    assert any(
        "RND and WRAP of its type say what becomes of values that are no codes" in line for line in graph.basis.chosen
    )


@pytest.mark.parametrize("text", ["fixed<8,4,TRN>", "fixed<8,4,RND_CONV,WRAP>", "ap_fixed<8,4,AP_RND,AP_SAT>"])
def test_modes_that_outputs_do_not_have_are_refused(text):
    with pytest.raises(ConfigError, match="outputs are rounded half to even and limited; allowed are no modes"):
        Settings(output_precision=text)
    assert Settings(output_precision="fixed<8,4,RND_CONV,SAT>").output_precision
