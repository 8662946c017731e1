"""Heads and outputs of the ideal grade: what is rounded on request, typed by events or precisions, and what is refused."""

import logging

import numpy as np
import pytest
from keras_models import QActivation, layers, lowered, model_of, randomize, tf
from test_grades import ideal, qdense, quantised

from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.ir.basis import Grade
from bittrigger.ir.graph import output_fracs
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def test_a_mean_over_six_at_the_output_takes_a_declared_type(caplog):
    port = tf.keras.Input((6, 4), name="x")
    model = tf.keras.Model(
        port, layers.GlobalAveragePooling1D(name="g")(QActivation("quantized_bits(8,3,alpha=1)")(port))
    )
    with caplog.at_level(logging.WARNING):
        graph = ideal(model)
    assert [str(kind) for kind in graph.basis.rounded] == ["ap_fixed<16,5>"]
    assert "layer 'g': its values lie on no grid" in caplog.text
    assert check_agreement(model, graph).float32.events == 0


def test_an_output_type_is_no_other_grade():
    """What float32 predicts is rounded: that is a function of its bits."""
    model = randomize(model_of(qdense(kernel="ternary(alpha=1)")))
    graph = lowered(model, output_precision="fixed<5,3>")
    assert (graph.basis.grade, [str(kind) for kind in graph.basis.rounded]) == (Grade.EXACT, ["ap_fixed<5,3>"])
    assert check_agreement(model, graph).events > 1000
    assert set(output_fracs(graph)) == {2}


def test_a_float_bias_at_the_output():
    model = randomize(model_of(qdense(kernel="ternary(alpha=1)", bias=None)))
    with pytest.raises(Float32RoundsError, match="set bias_quantizer"):
        lowered(model)
    graph = ideal(model)
    measured = check_agreement(model, graph)
    assert graph.basis.rounded[0].width == 16
    assert measured.float64 is None or measured.float64.events == 0


def float_head(x):
    x = quantised(qdense(kernel="ternary(alpha=1)")(x))
    return layers.Activation("softmax", name="s")(layers.Dense(4, name="head")(x))


def test_a_float_head_is_rounded_on_request_and_the_loss_told(tmp_path):
    from bittrigger.compile.read import read_file

    model = randomize(model_of(float_head))
    model.save(tmp_path / "model.h5")
    events = np.random.default_rng(1).normal(0, 2, (300, 7))
    reading = read_file(tmp_path / "model.h5", Settings(head_bits=8), inputs=events)
    assert reading.graph.basis.grade is Grade.EXACT
    said = reading.graph.basis.chosen[0]
    assert said.startswith(
        "layers 'head': their float kernels are rounded to 8 bits (--head-bits); the argmax changes on "
    )
    assert "of 300 events, an output by at most 0." in said
    assert "told with --inputs" in read_file(tmp_path / "model.h5", Settings(head_bits=3)).graph.basis.chosen[0]


def test_a_float_head_is_taken_with_every_bit_of_its_weights():
    model = randomize(model_of(float_head))
    with pytest.raises(Float32RoundsError, match="layer 'head': its kernel .*--weight-precision"):
        lowered(model)
    graph = ideal(model)
    measured = check_agreement(model, graph)
    assert graph.basis.ideal[0].startswith("layer 'head': its kernel (no quantizer) needs ")
    assert measured.float64.events == 0
    assert measured.float32.events > 0
    weights = next(node.weights for node in graph.nodes if node.name == "head")
    assert (weights == np.ldexp(np.float64(model.get_layer("head").kernel.numpy()), weights_frac(graph))).all()


def weights_frac(graph):
    """Fractional bits of the weights of the head: those of its sums less those of its operand."""
    head = next(node for node in graph.nodes if node.name == "head")
    return head.frac - graph[head.inputs[0]].frac


def test_floats_behind_floats_are_refused_for_their_width():
    model = randomize(model_of(lambda x: layers.Dense(4, name="second")(layers.Dense(4, name="first")(x))))
    with pytest.raises(
        Float32RoundsError, match=r"'second': .* and its exact sums take \d+ bits, and 60 are allowed; allowed"
    ):
        ideal(model)


def test_quantisers_wider_than_float32():
    """Their codes are whole in the design; Keras in float32 rounds those that it cannot hold."""

    def wide(x):
        x = quantised(qdense(kernel="quantized_bits(16,0,alpha=1)")(x), "quantized_bits(31,15,alpha=1)", "wide")
        return quantised(
            qdense(kernel="quantized_bits(16,0,alpha=1)", name="e")(x), "quantized_bits(16,15,alpha=1)", "last"
        )

    model = randomize(model_of(wide, quantizer="quantized_bits(20,4,alpha=1)"))
    graph = ideal(model)
    assert check_agreement(model, graph).float64.events == 0
    assert graph.basis.grade is Grade.IDEAL


def test_a_wide_quantiser_of_few_codes_is_exact():
    model = randomize(
        model_of(lambda x: quantised(qdense(kernel="ternary(alpha=1)")(x), "quantized_bits(32,15,alpha=1)"))
    )
    assert check_agreement(model, lowered(model)) is not None


def test_head_bits_of_a_model_without_a_float_head():
    from bittrigger.frontend.keras_model.heads import with_heads

    with pytest.raises(UnsupportedModelError, match="no layer at an output has a float kernel; allowed are Dense"):
        with_heads(randomize(model_of(qdense())), 8)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[0.5, -3.25]], "ap_fixed<5,3>"),
        ([[0.0, 255.0]], "ap_ufixed<8,8>"),
        ([[0.1, -100.0]], "ap_fixed<16,8>"),
        ([[0.0, 0.0]], "ap_ufixed<1,1>"),
        ([[-4.0]], "ap_fixed<1,3>"),
        ([[4.0]], "ap_ufixed<1,3>"),
    ],
)
def test_events_type_a_port_that_nothing_else_does(values, kind):
    from bittrigger.frontend.lower.input_ports import covering

    assert str(covering(np.array(values))) == kind


@pytest.mark.parametrize("name", ["softmax", "quantized_ulaw(6,1)"])
def test_qactivations_at_the_output(name):
    """QKeras wraps a softmax of Keras too, and some of its functions know single precision alone."""
    model = randomize(model_of(lambda x: quantised(qdense(kernel="ternary(alpha=1)")(x), name)))
    assert check_agreement(model, ideal(model)).float32.events == 0


def test_a_softmax_at_the_end_of_a_model_within_is_left_out():
    port = tf.keras.Input((7,))
    inner = tf.keras.Model(
        port, layers.Activation("softmax", name="s")(qdense(kernel="ternary(alpha=1)")(port)), name="inner"
    )
    model = randomize(model_of(inner))
    assert check_agreement(model, lowered(model)).events > 1000


WIDE = {
    "a quantiser behind it": quantised,
    "a function behind it": lambda x: quantised(x, "quantized_tanh(5)"),
    "a sum": lambda x: quantised(qdense(kernel="quantized_bits(4,0,alpha=1)")(x)),
    "a square, and a function behind it": lambda x: quantised(layers.Multiply()([x, x]), "quantized_sigmoid(5)"),
    "nothing but moves": lambda x: layers.Maximum(name="m")([x, layers.Permute((1,))(x)]),
}


@pytest.mark.parametrize("name", WIDE)
def test_a_port_wider_than_float32_is_ideal(name):
    model = randomize(model_of(WIDE[name], inputs=3, quantizer=None))
    with pytest.raises(Float32RoundsError, match=r"input 'x': ap_fixed<30,3> has 30 bits, .* choose a narrower one"):
        lowered(model, input_precision="fixed<30,3>")
    graph = ideal(model, input_precision="fixed<30,3>")
    assert "which holds 24" in graph.basis.ideal[0]
    assert check_agreement(model, graph).float64.events == 0


def test_what_becomes_too_wide_is_named():
    model = model_of(lambda x: quantised(layers.Multiply(name="m")([x, x])), inputs=3, quantizer=None)
    with pytest.raises(UnsupportedModelError, match="layer 'm.*': its codes need 6[34] bits; allowed are 62"):
        ideal(model, input_precision="fixed<32,3>")


@pytest.mark.parametrize("precision", ["fixed<6,4>", "auto"])
def test_an_output_that_is_rounded_is_read_inside_as_it_is(precision):
    """Two outputs, one behind the other: what leaves is rounded, what the next layer reads is not."""
    x = inputs = layers.Input((4,), name="x")
    x = quantised(x, "quantized_bits(6,2,alpha=1)", "q")
    inner = qdense(3, "inner", "quantized_bits(5,1,alpha=1)", bias=None)(x)
    if precision == "auto":
        inner = layers.BatchNormalization(name="norm")(inner)
    last = qdense(2, "last", "ternary(alpha=1)", use_bias=False)(inner)
    model = randomize(tf.keras.Model(inputs, [inner, last]), 3)
    if precision != "auto":
        model.get_layer("inner").bias.assign([0.25, -1.5, 0.125])
    graph = lowered(model, output_precision=precision, require="ideal")
    measured = check_agreement(model, graph)
    assert any(graph.basis.rounded)
    distance = measured.float32 if graph.basis.grade is Grade.EXACT else measured.float64
    assert distance is not None
    assert distance.events == 0


def test_a_softmax_that_leaves_and_is_read_too_is_refused():
    x = inputs = layers.Input((4,), name="x")
    x = quantised(qdense()(quantised(x, "quantized_bits(6,2,alpha=1)", "q")), "quantized_bits(4,2,alpha=1)")
    soft = layers.Softmax(name="soft")(x)
    model = randomize(tf.keras.Model(inputs, [soft, quantised(soft, "quantized_bits(4,0,alpha=1)", "b")]), 3)
    with pytest.raises(UnsupportedModelError, match="another layer reads it as it is; allowed is one of the two"):
        ideal(model, keep_activation=True)
