"""Dynamic activation quantizers: exact in Keras, saved, trained, and converted with every bit equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from keras_models import assert_exact, layers, lowered, tf
from test_scaling import scaled_by_hand

from bittrigger.build.folder import load_build
from bittrigger.compile.convert import convert
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.hls4ml import register
from bittrigger.ir.graph import Linear, evaluate
from bittrigger.ir.nodes.block_floating_point import ShiftDown, ShiftUp
from bittrigger.layers import (
    BitActivation,
    BitConv1D,
    BitLinear,
    DynamicQuantizer,
    StaticQuantizer,
    export_stock,
    stock_layers,
)
from bittrigger.layers.dynamic import quantize_dynamic
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.train import calibrate
from bittrigger.train.recipes import predict

pytestmark = pytest.mark.filterwarnings("ignore")

SIGNED = DynamicQuantizer(6)
RELU = DynamicQuantizer(5, signed=False)
BOUNDED = DynamicQuantizer(6, signed=False, least=-1, most=2)
BIAS = "quantized_bits(6,1,alpha=1)"


def network(first: Any = SIGNED, second: Any = RELU, **options: Any) -> Any:
    """Two dynamic layers behind a static one."""
    tf.keras.utils.set_random_seed(4)
    inputs = tf.keras.Input(5, name="x")
    tensor = BitLinear(7, input_quantizer=StaticQuantizer(6, integer=1), name="a", bias_quantizer=BIAS)(inputs)
    tensor = BitLinear(6, input_quantizer=first, name="b", **options)(tensor)
    model = tf.keras.Model(inputs, BitLinear(3, input_quantizer=second, name="c", **options)(tensor), name="net")
    return randomize(model)


def randomize(model: Any, seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    model.set_weights([generator.normal(0, 1, w.shape) if w.ndim else w for w in model.get_weights()])
    return model


def events(rows: int = 200, columns: int = 5, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 1.5, (rows, columns)).astype(np.float32)


# --- the quantizer -------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bounds", [(None, None), (3, 6)])
def test_values_are_those_of_the_integers(bits: int, signed: bool, bounds: tuple[Any, Any]) -> None:
    generator = np.random.default_rng(bits)
    codes = generator.integers(-1024, 1025, (300, 4)) >> generator.integers(0, 11, (300, 1))
    codes[:4] = [[0] * 4, [-1024] * 4, [-8, 8, 0, 0], [-8, 7, 0, 0]]
    frac, magnitude = 6, bits - signed  # a grid fine enough for the least step
    base, most = (0, 20) if bounds == (None, None) else (bounds[0] - magnitude + frac, bounds[1] - magnitude + frac)
    found = quantize_dynamic(np.float32(codes), DynamicQuantizer(bits, signed, *bounds)).numpy()
    for event, values in zip(codes.tolist(), found, strict=True):
        wanted, exponent = scaled_by_hand([code << frac for code in event], bits, signed, base, most - base)
        assert values.tolist() == [float(code * 2.0 ** (base + exponent - frac)) for code in wanted]


def test_each_token_has_its_own_scale() -> None:
    x = np.float32([[[1.0, 0.3], [64.0, 0.3]], [[-2.0, 1.1], [0.0, 0.0]]])
    found = quantize_dynamic(x, DynamicQuantizer(4)).numpy()
    assert found.tolist() == [[[1.0, 0.25], [64.0, 0.0]], [[-2.0, 1.0], [0.0, 0.0]]]


def test_tiny_and_huge_values_stay_finite() -> None:
    x = np.float32([[1e-38, -1e-45], [3e38, -3e38], [2.0**-90, 2.0**-95], [-0.0, 0.0]])
    for quantizer in (SIGNED, RELU, BOUNDED):
        assert np.isfinite(quantize_dynamic(x, quantizer).numpy()).all()


def test_the_gradient_is_straight_through() -> None:
    x = tf.constant([[3.0, -0.1, 0.4], [100.0, -100.0, 1.0]])
    for quantizer, wanted in ((SIGNED, [[1, 1, 1]] * 2), (RELU, [[1, 0, 1]] * 2)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(quantize_dynamic(x, quantizer))
        assert tape.gradient(total, x).numpy().tolist() == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 1}, "1 bits; allowed are 2 to 16"),
        ({"least": 3, "most": 2}, "least 3 and most 2; allowed are -80 to 80"),
        ({"most": 81}, "least None and most 81"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DynamicQuantizer(**options)
    with pytest.raises(ConfigError, match=message):
        BitLinear(3, input_quantizer={"dynamic": True, **options})


@pytest.mark.parametrize(
    "config", [{"dynamic": True, "integer": 2}, {"dynamic": 1}, {"dynamic": False}, {"dynamic": True, "least": 0.5}]
)
def test_a_wrong_dictionary_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"allowed are StaticQuantizer\(...\), DynamicQuantizer\(...\)"):
        BitActivation(config)


# --- layers --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("call_by_call")
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_saved_loaded_and_cloned_it_is_the_same(tmp_path: Path, suffix: str) -> None:
    model = network(second=BOUNDED)
    model.save(tmp_path / f"m.{suffix}")
    loaded = load_model(tmp_path / f"m.{suffix}")
    clone = tf.keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (loaded, clone):
        assert [layer.input_quantizer for layer in other.layers[2:]] == [SIGNED, BOUNDED]
        assert np.array_equal(predict(other, events()), predict(model, events()))


def test_training_moves_the_kernels() -> None:
    model = network()
    before = [w.copy() for w in model.get_weights()]
    model.compile("sgd", "mse")
    model.fit(events(), events(columns=3, seed=1), epochs=1, verbose=0)
    assert all((old != new).any() for old, new in zip(before, model.get_weights(), strict=True) if old.ndim == 2)


def test_calibration_leaves_dynamic_quantizers_alone() -> None:
    assert list(calibrate(network(), events())) == ["a"]
    inputs = tf.keras.Input(5)
    with pytest.raises(ConfigError, match="no static activation quantizer"):
        calibrate(tf.keras.Model(inputs, BitActivation(SIGNED)(inputs)), events())


def test_convolutions_train_with_a_scale_for_each_position() -> None:
    inputs = tf.keras.Input((6, 3))
    model = tf.keras.Model(inputs, BitConv1D(2, 2, input_quantizer=SIGNED)(inputs))
    model.compile("adam", "mse")
    model.fit(np.ones((4, 6, 3), np.float32), np.ones((4, 5, 2), np.float32), verbose=0)


def test_stock_layers_keep_dynamic_ones_and_export_refuses_them() -> None:
    model = network()
    stock = stock_layers(model)
    assert [type(layer).__name__ for layer in stock.layers].count("BitActivation") == 2
    assert np.array_equal(predict(stock, events()), predict(model, events()))
    with pytest.raises(UnsupportedModelError, match="layer 'b_input': BitActivation cannot be exported"):
        export_stock(model)


# --- firmware ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [SIGNED, RELU, BOUNDED], ids=["signed", "relu", "bounded"])
@pytest.mark.parametrize("options", [{"use_bias": False}, {"bias_quantizer": BIAS}], ids=["no bias", "bias"])
def test_the_integer_graph_has_the_bits_of_keras(first: DynamicQuantizer, options: dict[str, Any]) -> None:
    assert_exact(network(first, BOUNDED, **options))


@pytest.mark.parametrize("least", [2, 3, 5, 9, 30])
def test_a_least_range_beyond_all_that_can_occur(least: int) -> None:
    """Every event then has that range, and the values are rounded to its step."""
    inputs = tf.keras.Input(4)
    x = BitActivation(StaticQuantizer(6, integer=2), name="port")(inputs)
    outputs = [BitActivation(DynamicQuantizer(3, signed, least), name=f"d{signed}")(x) for signed in (True, False)]
    assert_exact(tf.keras.Model(inputs, outputs))


def test_without_biases_only_the_outputs_are_scaled_back() -> None:
    graph = lowered(stock_layers(network(use_bias=False)))
    ups = [node for node in graph.nodes if isinstance(node, ShiftUp)]
    assert [node.name for node in ups] == ["c_scaled"] == list(graph.outputs)
    downs = [node for node in graph.nodes if isinstance(node, ShiftDown)]
    assert [(node.lo, node.hi) for node in downs] == [(-32, 31), (0, 31)]


def test_the_scale_of_a_kernel_is_carried_to_the_outputs() -> None:
    """Without biases the firmware of another kernel scale is the same, and its outputs mean as much more."""
    model, larger = network(use_bias=False), network(use_bias=False)
    larger.get_layer("b").set_weights([8 * weight for weight in larger.get_layer("b").get_weights()])
    assert np.array_equal(predict(larger, events()), 8 * predict(model, events()))
    one, other = lowered(stock_layers(model)), lowered(stock_layers(larger))
    assert [node.name for node in one.nodes] == [node.name for node in other.nodes]
    assert one["c_scaled"].frac - other["c_scaled"].frac == 3
    codes = random_codes(one, 50, 2)
    assert np.array_equal(evaluate(one, codes), evaluate(other, codes))


def test_zero_biases_cost_nothing() -> None:
    model = network()
    for name in ("b", "c"):
        kernel, _ = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel, np.zeros(kernel.shape[1])])
    names = [node.name for node in lowered(stock_layers(model)).nodes if isinstance(node, Linear)]
    assert names == ["a", "b", "c_input_total", "c"]


@pytest.mark.parametrize("seed", range(6))
def test_random_chains_have_the_bits_of_keras(seed: int) -> None:
    """Dynamic and static quantizers, ReLUs, sums of branches and normalisations, in any order."""
    generator = np.random.default_rng(seed)
    inputs = tf.keras.Input(4)
    tensor = BitActivation(StaticQuantizer(5, integer=2), name="front")(inputs)
    for k in range(3):
        least, most = sorted(generator.integers(-2, 5, 2).tolist())
        bounds = [(None, None), (least, most), (None, most)][int(generator.integers(3))]
        dynamic = DynamicQuantizer(int(generator.integers(2, 6)), bool(generator.integers(2)), *bounds)
        front = dynamic if generator.random() < 0.7 else StaticQuantizer(4, signed=False, integer=3)
        if generator.integers(2):
            tensor = layers.ReLU(name=f"relu_{k}")(tensor)
        if generator.random() < 0.3:
            tensor = layers.Concatenate(name=f"join_{k}")([tensor, layers.Reshape((-1,), name=f"flat_{k}")(tensor)])
        tensor = BitLinear(5, input_quantizer=front, use_bias=False, name=f"bit_{k}")(tensor)
    second = BitActivation(DynamicQuantizer(4), name="second")(tensor)
    tensor = layers.Add(name="sum")([tensor, second])
    assert_exact(randomize(tf.keras.Model(inputs, [tensor, second]), seed))


def test_a_network_converts_simulates_and_is_proven(tmp_path: Path) -> None:
    network(second=BOUNDED, bias_quantizer=BIAS).save(tmp_path / "net.h5")
    convert(tmp_path / "net.h5", tmp_path / "build", Settings())
    build = load_build(tmp_path / "build")
    assert {"magnitude", "shift_down", "shift_up"} <= {module.kind for module in build.pipeline.modules}
    codes = np.concatenate([corner_codes(build.graph), random_codes(build.graph, 100, 1)])
    executors = ("csim", "emulator", "rtl", "rtl-fast", "gates")
    outcomes = run_executors(build, executors, codes)
    assert [(o.executor, o.error, o.not_run) for o in outcomes] == [
        (name, None, None) for name in ("oracle", *executors)
    ]
    prove(build).raise_unless_proven()


def test_hls4ml_takes_a_model_of_stock_layers(tmp_path: Path) -> None:
    import hls4ml

    register()
    model = network(use_bias=False)
    graph = hls4ml.converters.convert_from_keras_model(
        stock_layers(model), backend="BitTrigger", output_dir=str(tmp_path), project_name="demo"
    )
    graph.compile()
    assert np.array_equal(graph.predict(events()), predict(model, events()))


def test_a_dynamic_quantizer_at_the_input_takes_the_type_of_the_port(tmp_path: Path) -> None:
    inputs = tf.keras.Input(4, name="x")
    model = randomize(tf.keras.Model(inputs, BitLinear(3, input_quantizer=SIGNED, use_bias=False, name="a")(inputs)))
    model.save(tmp_path / "net.h5")
    given = events(columns=4).astype(np.float64)
    for width, settings in ((16, Settings()), (12, Settings(input_precision="fixed<12,4>"))):
        build, _ = convert(
            tmp_path / "net.h5", tmp_path / "build", settings, inputs=given, synthesize=False, overwrite=True
        )
        assert build.graph.inputs[0].type.width == width
        assert build.graph["a_input_peak"].size == 1


def test_sums_beyond_float32_are_refused() -> None:
    relu = DynamicQuantizer(8, signed=False)
    with pytest.raises(
        UnsupportedModelError, match=r"layer 'c': output \d can need \d+ bits with its bias at the greatest"
    ):
        lowered(stock_layers(network(relu, relu, bias_quantizer="quantized_bits(20,0,alpha=1)")))
