"""The grades: the ideal one equals the model's definition, computed here in fractions; what is chosen and stated, and where."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_models import QActivation, QBatchNormalization, QDense, events_for, layers, lowered, model_of, randomize, tf

from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import ConfigError, Float32RoundsError, UnsupportedModelError
from bittrigger.frontend.elementwise.chains import StridedInterval
from bittrigger.frontend.elementwise.exact import Line, quantised_runs
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.flat.walk import flatten
from bittrigger.frontend.keras_layers.meaning import call_facts
from bittrigger.frontend.kernels import factor_kernel
from bittrigger.ir.basis import Grade
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.ir.ports import decode_inputs, encode_events
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def qdense(units=3, name="d", kernel="ternary(alpha='auto')", bias="quantized_bits(6,1,alpha=1)", **settings):
    return QDense(units, kernel_quantizer=kernel, bias_quantizer=bias, name=name, **settings)


def quantised(x, quantizer="quantized_relu(6,2)", name="a"):
    return QActivation(quantizer, name=name)(x)


def ideal(model, **options):
    return lowered(model, require="ideal", **options)


def outputs_of(graph, events):
    codes = evaluate(graph, encode_events(graph, events))
    return [
        [Fraction(int(code)) / 2 ** int(f) for code, f in zip(row, output_fracs(graph), strict=True)] for row in codes
    ]


def rounded(value, grid):
    return min(max(round(value * 2**grid.frac), grid.lo), grid.hi) * Fraction(1, 2**grid.frac)


# Wide offsets and slopes, so that products pass 64 bits.
@given(
    st.builds(Line, st.integers(-(2**40), 2**40), st.integers(-(2**60), 2**60), st.integers(1, 2**50)),
    st.integers(-60, 60),
    st.integers(0, 5),
    st.integers(0, 40),
    st.integers(0, 6),
)
def test_runs_of_a_line_are_its_rounding_at_every_code(line, lo, stride, count, frac):
    reach = StridedInterval(lo, lo + stride * count, stride if count else 0)
    grid = Grid(frac, -20, 15)
    runs = quantised_runs(line, reach, grid)
    codes = reach.codes(0, reach.points)
    wanted = [min(max(round(Fraction(int(a) * line.slope + line.offset, line.unit) * 2**frac), -20), 15) for a in codes]
    places = np.searchsorted(runs.first, codes, side="right") - 1
    assert (runs.value[places] == wanted).all()
    assert (codes <= runs.last[places]).all()
    assert (np.diff(runs.value) != 0).all()


@pytest.mark.parametrize("kernel", ["ternary(alpha='auto')", "quantized_bits(4,0,alpha='auto')", "ternary(alpha=0.3)"])
def test_scales_that_are_no_powers_of_two_give_the_definition(kernel):
    model = randomize(
        model_of(lambda x: quantised(layers.BatchNormalization(name="n")(qdense(kernel=kernel)(x)))), seed=4
    )
    with pytest.raises(Float32RoundsError, match="which is no power of two"):
        lowered(model)
    graph = ideal(model)
    assert graph.basis.grade is Grade.IDEAL
    dense, norm = (call_facts(call) for call in flatten(model).calls if call.name in ("d", "n"))
    found = factor_kernel("d", dense["bittrigger_kernel"], "", dense["bittrigger_kernel_scale"])
    scale = [Fraction(float(s)) for s in (found.scale if found.scale is not None else [2.0**-found.frac] * 3)]
    events = events_for(graph, count=40)
    values = decode_inputs(graph, encode_events(graph, events))
    grid = Grid(4, 0, 63)
    for row, out in zip(values, outputs_of(graph, events), strict=True):
        for j in range(3):
            total = sum(Fraction(float(x)) * int(w) for x, w in zip(row, found.values[:, j], strict=True)) * scale[j]
            total += Fraction(float(dense["bittrigger_bias"][j]))
            total = total * Fraction(float(norm["bittrigger_multiplier"][j])) + Fraction(
                float(norm["bittrigger_offset"][j])
            )
            assert out[j] == rounded(total, grid)


def test_integers_of_a_scaled_kernel_give_every_weight_of_keras():
    generator = np.random.default_rng(3)
    integers = generator.integers(-127, 128, (20, 6))
    scale = generator.uniform(0.001, 2, 6).astype(np.float32)
    kernel = integers.astype(np.float32) * scale
    found = factor_kernel("d", kernel, "quantized_bits")
    assert (found.values.astype(np.float32) * found.scale == kernel).all()
    with pytest.raises(UnsupportedModelError, match="--weight-precision 'fixed<8,2>' .* `bittrigger quantize`"):
        factor_kernel("d", generator.normal(size=(20, 6)).astype(np.float32), "no quantizer")


def test_sums_beyond_float32_are_whole():
    make = qdense(kernel="quantized_bits(12,0,alpha=1)")
    model = randomize(model_of(make, quantizer="quantized_bits(14,0,alpha=1)"))
    graph = ideal(model)
    assert "which holds 24" in graph.basis.ideal[0]
    measured = check_agreement(model, graph)
    assert measured.float64.events == 0
    assert measured.float32.largest < 1e-4


def test_a_mean_over_six_that_two_layers_read_without_a_quantiser():
    """The sums of a layer lie on no grid before its quantiser rounds them, ties among them to even."""
    port = tf.keras.Input((6, 4), name="x")
    mean = layers.GlobalAveragePooling1D(name="g")(QActivation("quantized_bits(5,2,alpha=1)", name="q")(port))
    heads = [
        quantised(qdense(5, "d", "quantized_bits(3,1,alpha=1)")(mean), name="a"),
        quantised(qdense(2, "e", "ternary(alpha='auto')")(mean), "quantized_bits(7,3,alpha=1)", name="b"),
    ]
    model = randomize(tf.keras.Model(port, heads), seed=6)
    with pytest.raises(Float32RoundsError, match="layer 'g': a mean over 6 rounds in float32"):
        lowered(model)
    graph = ideal(model)
    assert graph.basis.grade is Grade.IDEAL
    events = events_for(graph, count=60)
    values = decode_inputs(graph, encode_events(graph, events)).reshape(-1, 6, 4)
    facts = {call.name: call_facts(call) for call in flatten(model).calls if call.name in ("d", "e")}
    found = {
        name: factor_kernel(name, fact["bittrigger_kernel"], "", fact["bittrigger_kernel_scale"])
        for name, fact in facts.items()
    }
    ties = 0
    for event, out in zip(values, outputs_of(graph, events), strict=True):
        means = [sum(Fraction(float(x)) for x in column) / 6 for column in event.T]
        wanted = []
        for name, grid in (("d", Grid(4, 0, 63)), ("e", Grid(3, -64, 63))):
            kernel = found[name]
            for j in range(kernel.values.shape[1]):
                scale = Fraction(1, 2**kernel.frac) if kernel.scale is None else Fraction(float(kernel.scale[j]))
                total = sum(x * int(w) for x, w in zip(means, kernel.values[:, j], strict=True)) * scale
                total += Fraction(float(facts[name]["bittrigger_bias"][j]))
                ties += (total * 2**grid.frac * 2).denominator == 1 and (total * 2**grid.frac).denominator == 2
                wanted.append(rounded(total, grid))
        assert out == wanted
    assert ties
    assert check_agreement(model, graph).float64.events == 0


def test_a_normalisation_between_layers_keeps_every_bit():
    model = randomize(model_of(lambda x: qdense(2, "o", "ternary(alpha=1)")(layers.BatchNormalization(name="n")(x))))
    graph = ideal(model)
    assert graph.basis.ideal[0].startswith("layer 'n'")
    assert check_agreement(model, graph).float64.events == 0


def test_a_relu_behind_sums_beyond_float32():
    make = qdense(kernel="quantized_bits(12,0,alpha=1)", activation="relu")
    model = randomize(model_of(make, quantizer="quantized_bits(14,0,alpha=1)"))
    assert check_agreement(model, ideal(model)).float64.events == 0


@pytest.mark.parametrize(
    "quantizer", ["quantized_tanh(6)", "ternary(alpha=1)", "quantized_relu(6,2,negative_slope=0.25)"]
)
def test_other_quantisers_behind_a_scale(quantizer):
    model = randomize(model_of(lambda x: quantised(qdense()(x), quantizer)))
    assert check_agreement(model, ideal(model)).float64.events == 0


def test_qkeras_normalisation_behind_a_scale():
    model = randomize(model_of(lambda x: quantised(QBatchNormalization(name="n")(qdense()(x)))))
    assert check_agreement(model, ideal(model)).float64.events == 0


def test_a_sigmoid_that_is_kept():
    model = randomize(model_of(qdense(1, kernel="ternary(alpha=1)", activation="sigmoid")))
    graph = ideal(model, keep_activation=True, output_precision="ufixed<10,0>")
    measured = check_agreement(model, graph, keep_activation=True)
    assert measured.float32.events == 0
    assert check_agreement(model, ideal(model)).float32.events == 0


def test_a_quantiser_behind_another_that_changes_nothing_is_no_logic():
    def branch(x):
        x = quantised(
            qdense(kernel="quantized_bits(9,2,alpha=1)", bias="quantized_bits(9,2,alpha=1)")(x), "quantized_relu(9,0)"
        )
        return quantised(x, "quantized_bits(18,8,alpha=1)", "b")

    model = randomize(model_of(branch))
    kinds = [type(node).__name__ for node in lowered(model).nodes]
    assert kinds == ["Input", "Linear", "Requantize"]


def test_limits_of_an_earlier_quantiser_are_limits_of_the_requantiser():
    """The second quantiser has a finer step and wider limits: the values end where the first one saturates."""

    def branch(x):
        x = layers.BatchNormalization(name="n")(qdense(kernel="ternary(alpha=1)")(x))
        return quantised(quantised(x, "quantized_bits(6,0,alpha=1)"), "quantized_bits(18,8,alpha=1)", "b")

    model = randomize(model_of(branch), seed=2)
    assert "Lookup" not in [type(node).__name__ for node in lowered(model).nodes]
    check_agreement(model, lowered(model))


def test_settings_of_grades():
    with pytest.raises(ConfigError, match="setting 'require' is 'best'; allowed are exact and ideal"):
        Settings(require="best")
    with pytest.raises(ConfigError, match="exclude each other"):
        Settings(logits=True, keep_activation=True)
    with pytest.raises(ConfigError):
        Settings(output_precision="float")


def test_the_grade_stands_in_report_firmware_design_and_proof(tmp_path):
    from bittrigger.build.folder import load_build
    from bittrigger.compile.convert import convert
    from bittrigger.report import load_report
    from bittrigger.report.grade import grade_lines
    from bittrigger.simulate.compare import create_executor, left_out

    model = randomize(model_of(lambda x: quantised(qdense()(x))))
    model.save(tmp_path / "model.h5")
    convert(tmp_path / "model.h5", tmp_path / "build", Settings(effort="fast", name="net"), synthesize=False)
    lines = grade_lines(load_report(tmp_path / "build/report.json").grade)
    assert lines[0].startswith("grade ideal: every bit of the model's definition in exact arithmetic")
    assert lines[1].startswith("float32 rounds: layer 'd': kernel quantizer ternary(alpha='auto') has the scale")
    assert lines[2].startswith("float32 differs from the firmware on ")
    assert lines[3].startswith("float64 differs from the firmware on 0 of ")
    for name in ("rtl/net.sv", "hls/firmware/net.h", "emulator/net_v1.h"):
        assert "Grade ideal: every bit of the model's definition" in (tmp_path / "build" / name).read_text()
    assert json.loads((tmp_path / "build/design.json").read_text())["basis"]["measured"]["events"] > 1000
    build = load_build(tmp_path / "build")
    assert build.graph.basis.grade is Grade.IDEAL
    assert "ideal grade" in left_out("keras", build, tmp_path / "model.h5")
    with pytest.raises(ConfigError, match="executor 'keras': the design is of the ideal grade"):
        create_executor("keras", build, model=tmp_path / "model.h5")


def test_gradual_quantisation_that_has_not_ended_is_named():
    from qkeras import quantized_bits

    model = randomize(model_of(qdense(kernel=quantized_bits(4, 0, alpha=1, qnoise_factor=0.5))))
    with pytest.raises(UnsupportedModelError, match=r"layer 'd': kernel quantizer .* has qnoise_factor=0.5"):
        ideal(model)


def test_a_switch_of_the_process_is_said():
    from qkeras.quantizers import set_internal_sigmoid

    model = randomize(model_of(lambda x: quantised(qdense(kernel="ternary(alpha=1)")(x), "quantized_tanh(6)")))
    assert lowered(model).basis.chosen == ()
    try:
        set_internal_sigmoid("smooth")
        assert "follows qkeras.set_internal_sigmoid" in lowered(model).basis.chosen[0]
    finally:
        set_internal_sigmoid("hard")
