"""BitTrigger as a backend of hls4ml: convert, compile, predict, write, build, save; through hls4ml's own functions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, lowered, model_of, randomize
from test_part_file import write as own_part

from bittrigger.build.folder import load_build
from bittrigger.errors import ConfigError, MismatchError, ToolNotFoundError, UnsupportedModelError
from bittrigger.hls4ml.settings import settings_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def model():
    def branch(x):
        x = QDense(4, kernel_quantizer="ternary()", bias_quantizer="quantized_bits(6,1,alpha=1)", name="d")(x)
        x = QActivation("quantized_relu(4,1)", name="a")(layers.BatchNormalization(name="n")(x))
        return QDense(3, kernel_quantizer="quantized_bits(4,0,alpha=1)", use_bias=False, name="o")(x)

    return randomize(model_of(branch, inputs=5))


def converted(hls4ml, model, folder, **settings):
    return hls4ml.converters.convert_from_keras_model(
        model, backend="BitTrigger", output_dir=str(folder), project_name="demo", **settings
    )


@pytest.fixture(scope="module")
def compiled(hls4ml, model, tmp_path_factory):
    graph = converted(hls4ml, model, tmp_path_factory.mktemp("prj"), part="xcvu9p-flgb2104-2-e", clock_period=4)
    graph.compile()
    return graph


def test_an_own_part_is_a_file(hls4ml, model, tmp_path):
    path = own_part(tmp_path)
    settings = settings_of(converted(hls4ml, model, tmp_path / "prj", part=str(path)))
    assert (settings.part, settings.own_part.lut) == ("xcours9p-flga2104-2-e", 1_000)


def events(count=300):
    return np.random.default_rng(5).normal(0, 3, size=(count, 5))


def test_predict_equals_keras_for_each_float_type(compiled, model):
    wanted = model.predict(events(), verbose=0)
    for dtype in (np.float32, np.float64):
        found = compiled.predict(events().astype(dtype))
        assert found.dtype == dtype
        assert found.shape == (300, 3)
        assert np.array_equal(found, wanted)
    assert np.array_equal(compiled.predict(events(1)), wanted[:1])
    assert np.array_equal(compiled.predict(events()[0]), wanted[:1])
    assert compiled.predict(np.zeros((0, 5))).shape == (0, 3)


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (np.zeros((3, 4)), r"shape \(3, 4\); expected \('events', 5\)"),
        (np.full((1, 5), np.nan), "must be finite"),
        ([np.zeros((3, 5))] * 2, "2 input arrays; the model has 1 inputs"),
        (np.array([["a"] * 5]), "expected real numbers"),
    ],
)
def test_predict_refuses_what_does_not_fit(compiled, inputs, match):
    with pytest.raises(ConfigError, match=match):
        compiled.predict(inputs)


def test_graph_shows_bit_linear_nodes_and_true_types(compiled):
    kinds = {node.name: node.class_name for node in compiled.get_layers()}
    assert kinds["d"] == "BitLinear"
    assert kinds["o"] == "Dense"
    types = {node.name: str(node.get_output_variable().type.precision) for node in compiled.get_layers()}
    assert types["x"].startswith("fixed<6,3")
    assert types["a"].startswith("ufixed<4,1")
    assert str(compiled.get_input_variables()[0].type.precision).startswith("fixed<6,3")
    (kernel,) = compiled.graph["d"].get_weights()  # for hls4ml's profiling
    assert kernel.data.shape == (5, 4)


def test_project_holds_hls_and_rtl(compiled):
    from pathlib import Path

    folder = Path(compiled.config.get_output_dir())
    assert (folder / "hls" / "firmware" / "demo.cpp").is_file()
    assert (folder / "hls" / "build_prj.tcl").is_file()
    assert list((folder / "rtl").glob("*.sv"))
    assert "xcvu9p-flgb2104-2-e" in (folder / "hls" / "build_prj.tcl").read_text()


def test_build_needs_vitis(compiled, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolNotFoundError, match="'vitis-run' not found"):
        compiled.build()
    with pytest.raises(
        ConfigError, match="build option 'vsynth' is not supported by BitTrigger; run synth/vivado_synth.tcl"
    ):
        compiled.build(vsynth=True)
    with pytest.raises(ConfigError, match="nothing is to be done"):
        compiled.build(csim=False, synth=False)


def test_build_runs_vitis(compiled, monkeypatch, tmp_path):
    fake = tmp_path / "vitis-run"
    fake.write_text('#!/bin/sh\necho "$HLS_STEPS $PWD $@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("BITTRIGGER_VITIS_RUN", str(fake))
    assert compiled.build().read_text().endswith("hls --mode hls --tcl build_prj.tcl\n")
    assert compiled.build(csim=False, reset=True, export=True).read_text().startswith("csynth export ")
    assert compiled.build(validation=True).read_text().startswith("csim csynth cosim ")


@pytest.mark.parametrize("granularity", ["model", "type", "name"])
def test_granularity_does_not_matter(hls4ml, model, granularity, tmp_path):
    from bittrigger.hls4ml.design import lowered as design
    from bittrigger.ir.graph import Linear

    config = hls4ml.utils.config_from_keras_model(model, granularity=granularity, backend="BitTrigger")
    found = design(converted(hls4ml, model, tmp_path, hls_config=config)).graph
    for node, wanted in zip(found.nodes, lowered(model).nodes, strict=True):
        assert node.name == wanted.name
        if isinstance(node, Linear):
            assert np.array_equal(node.weights, wanted.weights)


def test_a_conversion_compares_every_bit_with_keras(hls4ml, model, tmp_path, monkeypatch):
    """As on the command line: a wrong lowering does not leave the converter."""
    from dataclasses import replace

    from bittrigger.frontend import lower

    def wrong(*arguments, **options):
        result = design_lower(*arguments, **options)
        last = result.graph[result.graph.outputs[-1]]
        nodes = (*result.graph.nodes[:-1], replace(last, bias=last.bias + 1))
        return replace(result, graph=replace(result.graph, nodes=nodes))

    design_lower = lower.lower_with_map
    monkeypatch.setattr(lower, "lower_with_map", wrong)
    with pytest.raises(MismatchError, match=r"event 0, output 0: Keras gives .*, the oracle gives"):
        converted(hls4ml, model, tmp_path)


def test_predict_needs_compile(hls4ml, model, tmp_path):
    with pytest.raises(ConfigError, match=r"call compile\(\) before predict\(\)"):
        converted(hls4ml, model, tmp_path).predict(events())


def test_trace_is_refused_and_leaves_nothing_behind(hls4ml, model, tmp_path):
    graph = converted(hls4ml, model, tmp_path)
    with pytest.raises(ConfigError, match=r"trace\(\) is not supported"):
        graph.trace(events())
    graph.compile()
    assert np.array_equal(graph.predict(events()), model.predict(events(), verbose=0))


def test_a_pass_of_the_user_runs(hls4ml, model, tmp_path):
    """hls4ml's extension API: between the reading of the model and its lowering."""
    seen = []

    class Look(hls4ml.model.optimizer.OptimizerPass):
        def match(self, _node):
            return True

        def transform(self, _model, node):
            seen.append((node.name, node.class_name))
            return False

    backend = hls4ml.backends.get_backend("BitTrigger")
    backend.register_pass("look", Look, flow="bittrigger:optimize")
    try:
        converted(hls4ml, model, tmp_path)
    finally:
        hls4ml.model.flow.flow.flow_map["bittrigger:optimize"].optimizers.clear()
    assert ("d", "Dense") in seen


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"io_type": "io_stream"}, "allowed is 'io_parallel'"),
        ({"colour": "red"}, "setting 'colour' is unknown"),
        ({"clock_period": -1}, "expected nanoseconds above 0"),
        ({"input_precision": "float"}, "not a fixed-point type"),
    ],
)
def test_wrong_settings(hls4ml, model, settings, match, tmp_path):
    with pytest.raises(ConfigError, match=match):
        converted(hls4ml, model, tmp_path, **settings)


def test_saved_and_loaded_graph(hls4ml, compiled, model, tmp_path):
    compiled.save(str(tmp_path / "m.fml"))
    loaded = hls4ml.converters.load_saved_model(str(tmp_path / "m.fml"), output_dir=str(tmp_path))
    loaded.config.config["OutputDir"] = str(tmp_path / "prj")
    loaded.compile()
    assert np.array_equal(loaded.predict(events()), model.predict(events(), verbose=0))


def test_a_graph_without_keras_model_is_refused(hls4ml, tmp_path):
    config = {"Backend": "BitTrigger", "ProjectName": "x", "OutputDir": str(tmp_path), "IOType": "io_parallel"}
    config["HLSConfig"] = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1}}
    nodes = [{"class_name": "Input", "name": "x", "input_shape": [3]}]
    with pytest.raises(UnsupportedModelError, match="without a Keras model object"):
        hls4ml.model.ModelGraph.from_layer_list(config, nodes)


def test_plugin_is_found_by_hls4ml_and_is_light():
    """Through the environment variable: nothing is printed, and registration imports neither TensorFlow nor QKeras."""
    code = (
        "import sys\nbefore = set(sys.modules)\nimport bittrigger.hls4ml_plugin, bittrigger.hls4ml\n"
        "assert not {'tensorflow', 'qkeras', 'hls4ml'} & set(sys.modules)\n"
        "import hls4ml.backends\nassert 'bittrigger' in hls4ml.backends.get_available_backends()\n"
        "sys.exit('qkeras' in sys.modules)"
    )
    env = os.environ | {"HLS4ML_BACKEND_PLUGINS": "bittrigger.hls4ml_plugin"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=env, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING: " not in done.stdout


def test_the_reuse_factor_of_a_model_is_its_interval(hls4ml, model, tmp_path):
    """Of the HLS loops too, as far as a layer has outputs; a layer's own factor concerns its loops only."""
    from bittrigger.hls4ml.design import design_of

    config = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 8}, "LayerName": {"o": {"ReuseFactor": 2}}}
    graph = converted(hls4ml, model, tmp_path, hls_config=config)
    settings = design_of(graph).settings
    assert settings.ii == 8
    assert settings.reuse_factor["o"] == 2
    assert max(settings.reuse_factor.values()) == 4
    config["Model"]["ReuseFactor"] = 5000
    with pytest.raises(ConfigError, match="initiation interval of 5000 cycles; allowed are 1 to 4096"):
        converted(hls4ml, model, tmp_path / "far", hls_config=config)


def test_a_split_into_several_graphs_is_refused_before_anything_is_changed(hls4ml, compiled):
    graph = compiled[0] if isinstance(compiled, tuple) else compiled
    names, operands = [node.name for node in graph.get_layers()], [list(node.inputs) for node in graph.get_layers()]
    with pytest.raises(ConfigError, match=r"to_multi_model_graph .* one design"):
        hls4ml.model.to_multi_model_graph(graph, [names[-1]])
    assert [list(node.inputs) for node in graph.get_layers()] == operands


def test_a_project_that_was_written_is_linked(hls4ml, compiled):
    folder = compiled.config.get_output_dir()
    compiled.write()
    build = load_build(Path(folder))
    assert build.pipeline.origin.kind == "graph", "the model is in no file"
    assert build.provenance["versions"]["hls4ml"]
    linked = hls4ml.converters.link_existing_project(folder)
    with pytest.raises(ConfigError, match="not compiled"):
        linked.predict(events())
    linked.compile()
    assert np.array_equal(linked.predict(events()), compiled.predict(events()))
    from hls4ml.report.vivado_report import _parse_project_script

    assert _parse_project_script(f"{folder}/hls") == ("demo_prj", "demo")


def test_a_trace_leaves_no_trace(compiled):
    with pytest.raises(ConfigError, match=r"trace\(\) is not supported"):
        compiled.trace(events())
    compiled.compile()
    assert compiled.predict(events()).shape == (300, 3)
