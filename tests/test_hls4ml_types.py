"""Types in a configuration of hls4ml: what of them a design takes, compared with hls4ml's own C++, and what it says of others."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, model_of, randomize, tf

from bittrigger.errors import ConfigError
from bittrigger.hls4ml import register
from bittrigger.hls4ml.declared import as_hls4ml, declared_of
from bittrigger.hls4ml.design import design_of
from bittrigger.ir.basis import Grade, Reference
from bittrigger.settings import Declared

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def hls4ml():
    import hls4ml

    register()
    return hls4ml


@pytest.fixture(scope="module")
def network():
    port = tf.keras.Input((8,), name="x")
    x = layers.Dense(6, activation="relu", name="fc1")(port)
    x = layers.Dense(5, activation="relu", name="fc2")(x)
    return randomize(tf.keras.Model(port, layers.Dense(4, name="fc3")(x)), scale=0.4)


def configuration(hls4ml, model, backend, granularity="name", **types):
    config = hls4ml.utils.config_from_keras_model(model, granularity=granularity, backend=backend)
    for name, kinds in types.items():
        config["LayerName"][name]["Precision"] |= kinds
    return config


def converted(hls4ml, model, folder, config, backend="BitTrigger", **options):
    return hls4ml.converters.convert_from_keras_model(
        model, hls_config=config, backend=backend, output_dir=str(folder), **options
    )


TYPES = {
    "x": {"result": "ap_fixed<12,4>"},
    "fc1": {"weight": "ap_fixed<8,2>", "bias": "ap_fixed<10,2,AP_RND,AP_SAT>", "result": "ap_fixed<14,4>"},
    "fc1_relu": {"result": "ap_ufixed<8,3,AP_RND,AP_SAT>"},
    "fc2": {"weight": "ap_fixed<6,2,AP_RND_CONV,AP_SAT_SYM>", "result": "ap_fixed<9,3>"},
    "fc3": {"result": "ap_fixed<12,3,AP_TRN_ZERO,AP_WRAP>"},
}


def test_every_bit_is_that_of_the_cpp_of_hls4ml(hls4ml, network, tmp_path):
    """The same configuration given to hls4ml's own backend, whose sums are exact too where accum is left open."""
    events = np.random.default_rng(1).integers(-(2**11), 2**11, (1000, 8)).astype(np.float32) / 2**8
    found = []
    for backend in ("BitTrigger", "Vitis"):
        graph = converted(
            hls4ml, network, tmp_path / backend, configuration(hls4ml, network, backend, **TYPES), backend
        )
        graph.compile()
        found.append(graph.predict(events))
    assert np.array_equal(*found)
    assert len(np.unique(found[0])) > 500


def test_the_type_of_the_model_is_for_weights_that_nothing_types(hls4ml, network, tmp_path):
    """Results that are left open keep every bit; without names they take it too, as in hls4ml."""
    graph = converted(hls4ml, network, tmp_path / "name", configuration(hls4ml, network, "BitTrigger"))
    basis = design_of(graph).reading.graph.basis
    assert basis.reference is Reference.TYPED
    assert basis.chosen[0].startswith("weights are rounded to ap_fixed<16,6,TRN,WRAP> in 'fc1.kernel', 'fc1.bias', ")
    assert basis.chosen[0].endswith("(--weight-precision); what that costs is told with input_data_tb")
    design = design_of(converted(hls4ml, network, tmp_path / "model", {"Model": {"Precision": "fixed<12,5>"}}))
    graph = design.reading.graph
    assert [graph[name].frac for name in graph.outputs] == [7]
    assert set(design.settings.weight_precision.values()) == {"ap_fixed<12,5,TRN,WRAP>"}
    assert design.settings.layer_precision == dict.fromkeys(("fc1.sums", "fc2.sums", "fc3"), "ap_fixed<12,5,TRN,WRAP>")


def test_the_distance_from_the_float_model_is_told_on_the_events_of_the_test_bench(hls4ml, network, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(0, 1, (50, 8)))
    config = configuration(hls4ml, network, "BitTrigger")
    graph = converted(hls4ml, network, tmp_path / "prj", config, input_data_tb=str(tmp_path / "x.npy"))
    assert "of 50 events, an output by at most" in design_of(graph).reading.graph.basis.chosen[0]


def test_a_graph_that_is_converted_anew(hls4ml, network, tmp_path):
    """As hls4ml's profiling does, which then draws each array in its type."""
    graph = converted(hls4ml, network, tmp_path, configuration(hls4ml, network, "BitTrigger", **TYPES))
    again = hls4ml.converters.convert_from_config({**graph.config.config, "OutputDir": str(tmp_path / "again")})
    assert [node.name for node in again.get_layers()] == [node.name for node in graph.get_layers()]
    assert str(design_of(again).reading.graph) == str(design_of(graph).reading.graph)
    for node in again.get_layers():
        assert all(weights.type.precision.width > 0 for weights in node.weights.values())


def test_what_has_a_quantiser_keeps_it():
    """Types with which hls4ml fills the configuration of a quantised model change nothing."""

    def branch(x):
        x = QDense(
            4, kernel_quantizer="ternary(alpha=1)", bias_quantizer=None, activation="quantized_relu(4,1)", name="d"
        )(x)
        return layers.BatchNormalization(name="n")(QActivation("quantized_relu(5,2)", name="a")(x))

    model = randomize(model_of(branch))
    kinds = {name: {"Precision": "fixed<9,3>"} for name in ("a", "n")}
    assert not declared_of({"Model": {"Precision": "fixed<16,6>"}}, model).is_any
    assert declared_of({"Model": {"Precision": "fixed<16,6>"}, "LayerName": kinds}, model) == Declared(
        None,
        {"n.scale": "ap_fixed<9,3,TRN,WRAP>", "n.bias": "ap_fixed<9,3,TRN,WRAP>"},
        {"n": "ap_fixed<9,3,TRN,WRAP>"},
    )
    by_kind = {"Model": {"Precision": "fixed<16,6>"}, "LayerType": {"QDense": {"Precision": {"bias": "fixed<6,1>"}}}}
    assert not declared_of(by_kind, model).is_any
    named = {"LayerName": {"D": {"Precision": {"bias": "fixed<6,1>"}}}}
    assert declared_of(named, model).weight_precision == {"d.bias": "ap_fixed<6,1,TRN,WRAP>"}


def test_everything_that_is_not_taken_is_in_the_warning(hls4ml, network, tmp_path, caplog):
    config = configuration(hls4ml, network, "BitTrigger", fc1={"accum": "fixed<20,8>", "weight": "fixed<8,2>"})
    config["LayerName"]["fc9"] = {"Precision": "fixed<8,2>"}
    converted(hls4ml, network, tmp_path, config)
    (said,) = (record.getMessage() for record in caplog.records if "ignores" in record.getMessage())
    assert "the Precision of fc1 (accum), fc9, of which the model has no layer; " in said


def test_layers_of_a_float_model(hls4ml, tmp_path):
    port = tf.keras.Input((6, 2), name="x")
    x = layers.Conv1D(3, 2, activation="relu", name="c")(layers.BatchNormalization(name="n")(port))
    x = layers.GlobalAveragePooling1D(name="g")(layers.SeparableConv1D(4, 2, name="s")(x))
    model = randomize(tf.keras.Model(port, layers.Dense(3, activation="softmax", name="o")(x)), scale=0.4)
    graph = converted(
        hls4ml, model, tmp_path, {"Model": {"Precision": "ap_fixed<12,5,AP_RND,AP_SAT>", "ReuseFactor": 1}}
    )
    basis = design_of(graph).reading.graph.basis
    assert basis.grade is Grade.EXACT or basis.measured.float64.events == 0


SEPARABLE = {
    "x": {"result": "ap_fixed<12,4>"},
    "s": {"depthwise": "ap_fixed<8,2>", "pointwise": "ap_fixed<9,2>", "depthwise_result": "ap_fixed<14,6>"},
    "s_relu": {"result": "ap_ufixed<10,4,AP_RND,AP_SAT>"},
}


@pytest.mark.parametrize("case", [(1, (7, 3), {"pointwise_result": "ap_fixed<12,5>"}), (2, (4, 5, 2), {})])
def test_separable_layers_have_a_type_between_their_kernels(hls4ml, tmp_path, caplog, case):
    size, shape, own = case
    port = tf.keras.Input(shape, name="x")
    kernel = getattr(layers, f"SeparableConv{size}D")(3, 2, padding="same", activation="relu", name="s")
    model = randomize(tf.keras.Model(port, kernel(port)), scale=0.3)
    events = np.random.default_rng(1).integers(-(2**11), 2**11, (500, *shape)).astype(np.float32) / 2**8
    types, found = SEPARABLE | {"s": SEPARABLE["s"] | own}, []
    for backend in ("BitTrigger", "Vitis"):
        graph = converted(hls4ml, model, tmp_path / backend, configuration(hls4ml, model, backend, **types), backend)
        graph.compile()
        found.append(graph.predict(events).ravel())
    assert np.array_equal(*found)
    assert len(np.unique(found[0])) > 50
    assert "ignores" not in caplog.text


def test_between_kernels_of_many_bits_the_type_of_the_model_is_taken(hls4ml):
    port = tf.keras.Input((5, 5, 2), name="x")
    model = randomize(tf.keras.Model(port, layers.SeparableConv2D(3, 2, name="s")(port)), scale=0.3)
    open_types = configuration(hls4ml, model, "BitTrigger")
    assert not declared_of(open_types, model).layer_precision
    open_types["Model"]["Precision"]["default"] = "ap_fixed<32,8>"
    assert declared_of(open_types, model).layer_precision == {"s.depthwise": "ap_fixed<32,8,TRN,WRAP>"}
    none = {"Model": {"Precision": "fixed<12,5>"}}
    assert declared_of(none, model).layer_precision == dict.fromkeys(("s.depthwise", "s"), "ap_fixed<12,5,TRN,WRAP>")


@pytest.mark.parametrize(("count", "taken"), [(6, {"g": "ap_fixed<32,9,TRN,WRAP>"}), (8, {})])
def test_a_mean_on_no_grid_that_is_left_open_has_the_type_of_the_model(hls4ml, count, taken):
    port = tf.keras.Input((count, 2), name="x")
    model = tf.keras.Model(port, layers.GlobalAveragePooling1D(name="g")(port))
    config = hls4ml.utils.config_from_keras_model(
        model, granularity="name", backend="BitTrigger", default_precision="ap_fixed<32,9>"
    )
    assert declared_of(config, model).layer_precision == taken


def test_a_type_that_is_none(hls4ml, network, tmp_path):
    with pytest.raises(ConfigError, match="precision 'float' is not a fixed-point type"):
        converted(hls4ml, network, tmp_path, configuration(hls4ml, network, "BitTrigger", fc1={"weight": "float"}))
    assert as_hls4ml("ap_fixed<24,12,AP_RND,AP_SAT>") == "ap_fixed<24,12,RND,SAT>"
    assert as_hls4ml("uint<4>") == "ap_ufixed<4,4,TRN,WRAP>"
    assert as_hls4ml("ac_fixed<16,3,true,AP_RND_CONV,AC_SAT>") == "ap_fixed<16,3,RND_CONV,SAT>"
    assert as_hls4ml("ac_fixed<8, 2, false>") == "ap_ufixed<8,2,TRN,WRAP>"
    assert as_hls4ml("ac_int<5,true>") == "ap_fixed<5,5,TRN,WRAP>"


@pytest.mark.parametrize("part", ["LayerName", "LayerType"])
def test_entries_that_differ_in_case_alone_are_refused(network, part):
    entries = {"fc1": {"Precision": {"weight": "ap_fixed<8,2>"}}, "FC1": {"Precision": {"weight": "ap_fixed<4,2>"}}}
    with pytest.raises(ConfigError, match="entries 'fc1' and 'FC1', which are one layer's to hls4ml"):
        declared_of({part: entries}, network)
