"""Types and precisions that are given to the backend of hls4ml, and models that it does not take."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, model_of, randomize, tf
from test_hls4ml_backend import converted

from bittrigger.errors import UnsupportedModelError

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_quantiser_far_beyond_its_range_is_followed(hls4ml, tmp_path):
    """Keras itself leaves the grid of the quantiser there; 8,549 of 20,001 events differed."""

    def branch(x):
        x = QDense(1, kernel_quantizer="quantized_bits(4,10,alpha=1)", use_bias=False, name="d")(x)
        return QActivation("quantized_bits(12,0,alpha=1)", name="a")(x)

    far = model_of(branch, inputs=1, quantizer="quantized_bits(16,6,alpha=1)")
    far.get_layer("d").set_weights([np.array([[896.0]])])
    graph = converted(hls4ml, far, tmp_path)
    graph.compile()
    x = np.linspace(-64, 64, 20001).reshape(-1, 1)
    wanted = far.predict(x, verbose=0)
    assert wanted.max() > 2047 / 2048
    assert np.array_equal(graph.predict(x), wanted)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (layers.GroupNormalization(1, name="norm"), "layer 'norm': class 'GroupNormalization' is not allowed"),
        (lambda x: tf.cumsum(x, axis=1), "operator 'math.cumsum' of TensorFlow is not allowed; allowed are"),
    ],
)
def test_what_hls4ml_does_not_parse_is_refused_as_on_the_command_line(hls4ml, make, match, tmp_path):
    def branch(x):
        return QDense(2, kernel_quantizer="ternary(alpha=1)", use_bias=False, name="d")(make(x))

    with pytest.raises(UnsupportedModelError, match=match):
        converted(hls4ml, randomize(model_of(branch)), tmp_path)


def test_an_input_of_open_length(hls4ml, tmp_path):
    port = tf.keras.Input((None, 8), name="x")
    quantised = QActivation("quantized_bits(6,2,alpha=1)", name="q")(port)
    model = tf.keras.Model(port, layers.GlobalAveragePooling1D()(quantised))
    with pytest.raises(UnsupportedModelError, match=r"input 'x': its shape \(None, 8\) has an open length"):
        converted(hls4ml, model, tmp_path)


def test_input_precision_and_logits(hls4ml, tmp_path):
    def branch(x):
        return QDense(3, kernel_quantizer="ternary(alpha=1)", use_bias=False, activation="softmax", name="d")(x)

    soft = randomize(model_of(branch, inputs=4))
    kept = converted(hls4ml, soft, tmp_path / "kept", keep_activation=True, output_precision="ufixed<6,0>")
    assert str(kept.get_output_variables()[0].type.precision).startswith("ufixed<6,0")
    graph = converted(hls4ml, soft, tmp_path, output_logits=True, input_precision="fixed<9,4>")
    assert [node.name for node in graph.get_layers()] == ["x", "q", "d", "d_linear"][:3]
    assert str(graph.get_input_variables()[0].type.precision).startswith("fixed<9,4")
    graph.compile()
    values = np.arange(-8, 8, 2**-5).reshape(-1, 4)
    logits = soft.get_layer("q")(tf.constant(values, tf.float32)).numpy() @ np.asarray(
        soft.get_layer("d").kernel_quantizer_internal(soft.get_layer("d").kernel)
    )
    assert np.array_equal(graph.predict(values), logits)


def test_several_inputs_and_outputs(hls4ml, tmp_path):
    first, second = tf.keras.Input((2, 2), name="first"), tf.keras.Input((3,), name="second")
    a = layers.Flatten()(QActivation("quantized_bits(4,1,alpha=1)", name="qa")(first))
    b = QActivation("quantized_relu(4,1)", name="qb")(second)
    out = QDense(2, kernel_quantizer="binary(alpha=1)", use_bias=False, name="d")(layers.Concatenate()([a, b]))
    model = randomize(tf.keras.Model([second, first], [out, layers.Reshape((2, 2))(a)]))
    graph = converted(hls4ml, model, tmp_path)
    graph.compile()
    generator = np.random.default_rng(0)
    inputs = [generator.normal(size=(50, 3)), generator.normal(size=(50, 2, 2))]
    for found, wanted in zip(graph.predict(inputs), model.predict(inputs, verbose=0), strict=True):
        assert found.shape == wanted.shape
        assert np.array_equal(found, wanted)


def config_of(hls4ml, model, **layers_types):
    config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="BitTrigger")
    for name, kind in layers_types.items():
        config["LayerName"][name]["Precision"]["result"] = kind
    return config


def open_model():
    return randomize(model_of(QDense(3, kernel_quantizer="ternary(alpha=1)", use_bias=False, name="d"), quantizer=None))


def test_precisions_of_the_configuration_type_an_input(hls4ml, tmp_path):
    model = open_model()

    def type_of(config):
        graph = converted(hls4ml, model, tmp_path, hls_config=config)
        return str(graph.get_input_variables()[0].type.precision).split(",TRN")[0]

    assert type_of(config_of(hls4ml, model)) == "fixed<16,6"
    assert type_of(config_of(hls4ml, model, x="ap_fixed<24,12,AP_RND,AP_SAT>")) == "fixed<24,12"
    assert type_of(config_of(hls4ml, model) | {"Model": {"Precision": "ufixed<9,3>", "ReuseFactor": 1}}) == "ufixed<9,3"


def test_what_is_ignored_is_said_in_one_warning(hls4ml, tmp_path, caplog):
    model = open_model()
    config = config_of(hls4ml, model)
    config["LayerName"]["d"]["Precision"]["weight"] = "fixed<18,8>"
    config["Model"]["Strategy"] = "Resource"
    converted(hls4ml, model, tmp_path, hls_config=config, namespace="mine", input_data_tb="x.npy")
    said = [record.getMessage() for record in caplog.records if "ignores" in record.getMessage()]
    assert len(said) == 1
    for word in ("Strategy Resource", "the Precision of d (weight)", "namespace", "input_data_tb='x.npy'"):
        assert word in said[0]


def test_types_of_inner_layers_that_are_not_those_of_the_model_are_named(hls4ml, tmp_path, caplog):
    given = tf.keras.Input((4,), name="x")
    hidden = QDense(
        3, kernel_quantizer="quantized_bits(4,0,alpha=1)", bias_quantizer="quantized_bits(6,2,alpha=1)", name="d"
    )
    tensor = QActivation("quantized_relu(5,2)", name="a")(
        hidden(QActivation("quantized_bits(6,2,alpha=1)", name="q")(given))
    )
    model = randomize(
        tf.keras.Model(given, QActivation("ternary(alpha=1)", name="t")(tf.keras.layers.ReLU(name="r")(tensor)))
    )
    config = hls4ml.utils.config_from_keras_model(model, granularity="name")
    converted(hls4ml, model, tmp_path, hls_config=config)
    assert not [record for record in caplog.records if "ignores" in record.getMessage()]
    config["LayerName"]["d"]["Precision"]["weight"] = "fixed<3,1>"
    config["LayerName"]["a"]["Precision"]["result"] = "ufixed<8,3>"
    config["LayerName"]["r"]["Precision"]["accum"] = "fixed<8,3>"
    converted(hls4ml, model, tmp_path / "other", hls_config=config)
    (said,) = (record.getMessage() for record in caplog.records if "ignores" in record.getMessage())
    assert "the Precision of d (weight), a (result), r (accum);" in said
