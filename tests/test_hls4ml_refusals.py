"""What cannot be exact is refused, with the layer, the value, what is allowed and the way out."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import QActivation, QDense, assert_exact, layers, lowered, model_of, randomize, tf

from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import ConfigError, MismatchError, UnsupportedModelError
from bittrigger.frontend.kernels import aligned

pytestmark = pytest.mark.filterwarnings("ignore")


def dense(units=3, name="d", kernel="ternary(alpha=1)", **settings):
    settings.setdefault("bias_quantizer", "quantized_bits(6,1,alpha=1)")
    return QDense(units, kernel_quantizer=kernel, name=name, **settings)


def refused(model, match, error=UnsupportedModelError, **options):
    with pytest.raises(error, match=match):
        lowered(model, **options)


def test_a_scale_that_is_no_power_of_two():
    model = randomize(model_of(dense(kernel="ternary(alpha='auto')")))
    refused(model, r"layer 'd': kernel quantizer ternary\(alpha='auto'\) has the scale .*alpha='auto_po2' or alpha=1")


def test_a_kernel_without_quantiser():
    model = randomize(model_of(layers.Dense(3, name="d")))
    refused(model, r"layer 'd': its kernel \(no quantizer\) needs \d+ bits")


def test_sums_beyond_float32():
    model = randomize(model_of(dense(kernel="quantized_bits(12,0,alpha=1)"), quantizer="quantized_bits(14,0)"))
    refused(model, r"layer 'd': output \d can need 2\d bits, and Keras adds up in float32, which holds 24")


def test_a_float_bias_at_the_output():
    model = randomize(model_of(dense(bias_quantizer=None)))
    refused(model, r"layer 'd': Keras rounds the sums with its bias.*set bias_quantizer")


def test_a_normalisation_without_quantiser_behind_it():
    model = randomize(model_of(lambda x: dense(2, "o")(layers.BatchNormalization(name="n")(dense()(x)))))
    refused(model, r"layer 'n': .* put a QActivation behind this layer")


@pytest.mark.parametrize("ending", ["softmax", "sigmoid"])
def test_probabilities_at_the_output(ending):
    model = randomize(model_of(dense(activation=ending)))
    graph = lowered(model)
    assert check_agreement(model, graph).events > 1000
    assert graph.basis.chosen[0].startswith(f"layer 'd_{ending}': {ending} is left out")
    assert lowered(model, logits=True).basis.chosen == ()
    assert model.get_layer("d").activation.__name__ == ending


def test_scale_that_only_a_huge_table_could_hold():
    def branch(x):
        x = layers.BatchNormalization(name="n")(dense(2)(x))
        return QActivation("quantized_bits(14,9,alpha=1)", name="a")(x)

    model = randomize(model_of(branch, quantizer="quantized_bits(14,7,alpha=1)", inputs=40))
    refused(
        model,
        "layer 'a': no integer multiplier gives the float32 results of .* in up to \\d+ steps; allowed are tables",
    )


def test_a_quantiser_so_far_beyond_its_range_that_no_table_follows_keras():
    """QKeras returns x + (q(x) - x): for a huge x float32 rounds it off the quantiser's own grid."""

    def branch(x):
        x = layers.BatchNormalization(name="n", epsilon=1e-12)(dense(1, use_bias=False)(x))
        return QActivation("quantized_bits(12,0,alpha=1)", name="a")(x)

    model = model_of(branch, inputs=1, quantizer="quantized_bits(16,6,alpha=1)")
    model.get_layer("d").set_weights([np.ones((1, 1))])
    model.get_layer("n").set_weights([np.full(1, value) for value in (512.7, 0.6789, 0.1, 1.0)])
    refused(
        model,
        r"layer 'a': values beyond 8192 reach quantized_bits\(12,0,0,alpha=1\), where Keras' float32 rounds x \+ \(q\(x\) - x\) "
        r"off its grid, in \d+ steps; .* use a quantiser of a coarser step",
    )


def test_softmax_layer_at_the_output_and_inside():
    model = randomize(model_of(lambda x: layers.Softmax(name="s")(dense()(x))))
    assert check_agreement(model, lowered(model)).events > 1000
    refused(model, "layer 's': softmax divides by a sum of exponentials", keep_activation=True)
    inside = model_of(lambda x: dense(2, "o")(layers.Softmax(name="s")(dense()(x))))
    refused(randomize(inside), "layer 's': softmax within the model")


def test_no_input_quantiser():
    model = randomize(model_of(dense(), quantizer=None))
    graph = lowered(model)
    assert str(graph.inputs[0].type) == "ap_fixed<16,6>"
    assert graph.basis.chosen == (
        "input 'x': its bits are not known (no quantiser reads it directly); it takes ap_fixed<16,6>, as in hls4ml; choose "
        "another type with --input-precision",
    )


def test_an_input_quantiser_that_is_no_rounding():
    graph = lowered(randomize(model_of(dense(), quantizer="ternary(alpha=1)")))
    assert graph.basis.chosen[0].startswith("input 'x': its bits are not known")
    assert lowered(randomize(model_of(dense(), quantizer="ternary(alpha=1)")), input_precision="fixed<8,3>")


def test_two_different_input_quantisers():
    port = tf.keras.Input((4,), name="x")
    outputs = [dense(2, f"d{i}")(QActivation(f"quantized_bits({i},1)", name=f"q{i}")(port)) for i in (4, 5)]
    graph = lowered(randomize(tf.keras.Model(port, outputs)))
    assert "different quantisers read it" in graph.basis.chosen[0]


@pytest.mark.parametrize("precision", ["float", "fixed<70,3>"])
def test_input_precision_out_of_range(precision):
    refused(randomize(model_of(dense())), "precision|width", ConfigError, input_precision=precision)


def test_weights_that_are_not_finite():
    model = randomize(model_of(dense()))
    kernel, bias = model.get_layer("d").get_weights()
    kernel[2, 1] = np.nan
    model.get_layer("d").set_weights([kernel, bias])
    refused(model, r"layer 'd': kernel\[2, 1\] is nan, and 1 of 21 values are not finite")


def test_a_layer_whose_weights_are_all_zero():
    model = randomize(model_of(dense(kernel="ternary(alpha=1,threshold=9)")))
    refused(model, r"layer 'd': all 21 weights of its kernel .* are zero, .*threshold")


def test_activation_scaled_by_its_batch():
    model = randomize(model_of(lambda x: QActivation("quantized_bits(4,1,alpha='auto_po2')", name="a")(dense()(x))))
    refused(model, "layer 'a': activation .* takes its scale from the batch")


def test_random_weights():
    refused(randomize(model_of(dense(kernel="bernoulli(alpha=1)"))), "draws random numbers at inference")


def test_negative_integer_bits():
    refused(
        randomize(model_of(dense(), quantizer="quantized_bits(8,-2)")),
        "layer 'q': activation quantized_bits has integer -2; allowed are whole numbers from 0 to 30, what QKeras itself",
    )


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"integer": 31}, "integer 31; allowed are whole numbers from 0 to 30"),
        ({"integer": 1.5}, "integer 1.5; allowed are whole"),
        ({"symmetric": 2}, "symmetric 2; allowed are whole numbers from 0 to 1"),
        ({"alpha": [1.0, 2.0]}, r"alpha \[1.0, 2.0\]; allowed are None and finite numbers"),
        ({"alpha": float("nan")}, "alpha nan; allowed are None and finite numbers"),
        ({"bits": 0}, "bits 0; allowed are whole numbers from 1 to 53, what a float64 holds"),
        ({"bits": 54}, "bits 54; allowed are whole numbers from 1 to 53"),
    ],
)
def test_settings_of_a_quantiser_that_mean_nothing(settings, match):
    from bittrigger.frontend.elementwise.functions import function_from_spec

    config = {"bits": 8, "integer": 2, "symmetric": 0, "keep_negative": True, "alpha": 1.0} | settings
    with pytest.raises(UnsupportedModelError, match=match):
        function_from_spec("a", {"module": "qkeras", "class_name": "quantized_bits", "config": config})


def test_a_setting_that_keras_does_not_save():
    from qkeras import quantized_relu

    quantizer = quantized_relu(6, 2, relu_upper_bound=1.5, is_quantized_clip=False)
    model = randomize(model_of(lambda x: QActivation(quantizer, name="a")(dense()(x))))
    refused(model, "layer 'a': .* has is_quantized_clip=False, which QKeras does not save")


def test_an_unknown_layer():
    model = model_of(lambda x: layers.GroupNormalization(1, name="norm")(dense()(x)))
    refused(
        model,
        "layer 'norm': class 'GroupNormalization' is not allowed; allowed are Activation, ActivityRegularization, Add, ",
    )


def test_an_activation_that_is_random():
    model = randomize(model_of(lambda x: QActivation("bernoulli(alpha=1)", name="a")(dense()(x))))
    refused(
        model,
        "layer 'a': activation 'bernoulli' is not supported; allowed are .* it draws random numbers at inference too",
    )


def test_an_activation_layer_with_a_quantiser():
    from qkeras import quantized_relu

    model = randomize(model_of(lambda x: layers.Activation(quantized_relu(4), name="a")(dense()(x))))
    refused(model, "layer 'a': an Activation with the quantiser quantized_relu; .* use QActivation")


def test_a_subclassed_model():
    class Mine(tf.keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.inner = dense()

        def call(self, x):
            return self.inner(x)

    model = Mine()
    model(np.zeros((1, 3), dtype=np.float32))
    refused(model, "model 'mine': class Mine is not supported; allowed are Sequential and Functional")
    refused("model.h5", "model of type str: it is no built Keras model")


def test_a_call_in_training_mode():
    port = tf.keras.Input((3,), name="x")
    q = QActivation("quantized_bits(4,1)", name="q")(port)
    refused(
        tf.keras.Model(port, layers.Dropout(0.5, name="mc")(q, training=True)),
        "layer 'mc': it is called with training, which no design",
    )


def test_an_activation_layer_with_a_layer():
    model = model_of(lambda x: layers.Activation(layers.ReLU(), name="a")(dense()(x)))
    refused(
        model, "layer 'a': an Activation with the layer ReLU; allowed are names of functions; use the layer ReLU itself"
    )


@pytest.mark.parametrize("name", ["bias_net", "kernel", "gamma_beta", "moving_mean"])
def test_names_that_mislead_the_parser_of_hls4ml(name):
    """hls4ml picks weights by looking for a word in their names; ours do not come from there."""

    def branch(x):
        x = layers.BatchNormalization(name=f"n_{name}")(dense(4, name)(x))
        return QActivation("quantized_relu(4,1)", name="a")(x)

    assert_exact(randomize(model_of(branch)))


def test_odd_layer_names_become_identifiers():
    def branch(x):
        x = QActivation("quantized_relu(4,1)", name="a.b-c")(dense(4, "signal")(x))
        return dense(2, "a_b_c")(x)

    graph = assert_exact(randomize(model_of(branch)))
    assert [node.name for node in graph.nodes] == ["x", "layer_signal", "a_b_c", "a_b_c_2"]


def test_a_wrong_graph_is_noticed():
    model = randomize(model_of(dense()))
    graph = lowered(model)
    model.get_layer("d").set_weights([-w for w in model.get_layer("d").get_weights()])
    with pytest.raises(MismatchError, match=r"event \d+, output \d: Keras gives .* the oracle gives .* events differ"):
        check_agreement(model, graph)


def test_points_that_lie_too_far_apart_for_one_sum():
    """An int64 that is shifted by more than its width is 0, and says nothing."""
    weights = np.array([[1, -3], [0, 0], [2, 1]])
    assert (aligned("d", weights, np.array([4, 0, 2])) == [[1, -3], [0, 0], [8, 4]]).all()
    assert (aligned("d", weights, np.array([149, 0, 149])) == weights).all()
    assert (aligned("d", weights, np.array([-3, -3, -3])) == weights).all()
    with pytest.raises(UnsupportedModelError, match="'d': its operands have 0 to 149 fractional bits"):
        aligned("d", weights, np.array([149, 0, 0]))
