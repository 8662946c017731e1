"""Operations and parameters of a model, counted by hand, and the verb that prints them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from keras_models import QDense, layers, tf
from model_recipes import load_recipe

from bittrigger.cli import cli
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.layers import BitActivation, BitConv1D, BitHepLinear, BitLinear, absmean_ternary, adder_bits
from bittrigger.train.costs import LayerCost, costs_json, model_costs

pytestmark = pytest.mark.filterwarnings("ignore")


def model() -> Any:
    """A float, a ternary, a binary and a 4-bit layer, with each kind of bias and a normalisation."""
    inputs = tf.keras.Input(10)
    tensor = layers.Dense(8, name="float")(inputs)
    tensor = layers.BatchNormalization(name="norm")(tensor)
    tensor = BitLinear(6, input_quantizer=7, name="ternary")(tensor)
    tensor = BitLinear(5, kernel_quantizer="binary", input_quantizer=8, use_bias=False, name="binary")(tensor)
    tensor = BitActivation(8)(tensor)
    outputs = QDense(4, kernel_quantizer="quantized_bits(4,0,alpha=1)", name="fixed")(tensor)
    return tf.keras.Model(inputs, outputs, name="net")


def by_name(net: Any) -> dict[str, LayerCost]:
    return {layer.name: layer for layer in model_costs(net).layers}


def test_each_kind_of_layer_is_counted_as_the_rules_say() -> None:
    net = model()
    found = by_name(net)
    assert list(found) == ["float", "norm", "ternary", "binary", "fixed"]
    numbers = {n: (c.parameters, c.quantized_parameters, c.macs, c.flops, c.int_ops) for n, c in found.items()}
    assert numbers == {
        "float": (88, 0, 80, 168, 0),
        "norm": (32, 0, 0, 16, 0),
        "ternary": (54, 54, 48, 0, 54),
        "binary": (30, 30, 30, 0, 30),
        "fixed": (24, 24, 20, 4, 40),
    }
    codes = net.get_layer("ternary").kernel_quantizer_internal(net.get_layer("ternary").kernel).numpy()
    assert found["ternary"].zero_share == np.mean(codes == 0)
    assert found["ternary"].adder_bits == adder_bits(codes, 7)
    assert (found["float"].zero_share, found["float"].adder_bits, found["fixed"].adder_bits) == (None, None, None)
    assert [round(found[n].weight_bits or 0, 2) for n in ("float", "ternary", "binary", "fixed")] == [32, 1.58, 1, 4]


def test_the_totals_are_the_sums() -> None:
    costs = model_costs(model())
    assert (costs.parameters, costs.quantized_parameters, costs.quantized_share) == (228, 108, 108 / 228)
    assert (costs.macs, costs.flops, costs.int_ops) == (178, 188, 124)
    unknown = replace(costs, layers=(*costs.layers, replace(costs.layers[0], macs=None, flops=None)))
    assert (unknown.macs, unknown.flops, unknown.int_ops) == (None, None, 124)


def test_a_scale_that_is_no_power_of_two_is_one_operation_an_output() -> None:
    inputs = tf.keras.Input(4)
    scaled = BitLinear(3, kernel_quantizer=absmean_ternary(scale_bits=3), input_quantizer=8, name="a")
    net = tf.keras.Model(inputs, QDense(2, kernel_quantizer="ternary(alpha=0.75)", name="b")(scaled(inputs)))
    assert {name: cost.int_ops for name, cost in by_name(net).items()} == {"a": 12 + 3 + 3, "b": 6 + 2}


def test_a_layer_that_is_used_twice_works_twice() -> None:
    inputs = tf.keras.Input(4)
    shared = BitLinear(4, input_quantizer=8, name="shared")
    cost = by_name(tf.keras.Model(inputs, shared(shared(inputs))))["shared"]
    assert (cost.parameters, cost.macs, cost.int_ops) == (20, 32, 40)


def test_convolutions_count_each_position_and_unknown_layers_are_not_zero() -> None:
    inputs = tf.keras.Input((9, 2))
    tensor = BitConv1D(3, 4, input_quantizer=8, name="conv")(inputs)
    found = by_name(tf.keras.Model(inputs, layers.LSTM(2, name="recurrent")(tensor)))
    assert (found["conv"].macs, found["conv"].int_ops) == (6 * 4 * 2 * 3, 6 * (4 * 2 * 3 + 3))
    assert (found["recurrent"].parameters, found["recurrent"].flops, found["recurrent"].macs) == (48, None, None)


def test_the_quantised_share_of_an_attention_block_of_64_units() -> None:
    """Eleven layers 64 x 64 have 45,760 parameters, as in the quark-gluon tagger of BitHEP."""
    inputs = tensor = tf.keras.Input(64)
    for _ in range(11):
        tensor = BitLinear(64, input_quantizer=8)(tensor)
    costs = model_costs(tf.keras.Model(inputs, layers.Dense(2)(tensor)))
    assert (costs.quantized_parameters, costs.parameters) == (45_760, 45_760 + 130)


def test_a_model_without_shapes_is_refused() -> None:
    with pytest.raises(ConfigError, match="it is not built; expected a model with known shapes; call it once"):
        model_costs(tf.keras.Sequential([BitLinear(2)]))


def test_the_verb_prints_a_table_and_json(tmp_path: Path) -> None:
    net = model()
    net.save(tmp_path / "m.h5")
    printed = CliRunner().invoke(cli, ["costs", str(tmp_path / "m.h5")]).output
    assert "ternary" in printed
    assert "47.4%" in printed
    found = CliRunner().invoke(cli, ["costs", str(tmp_path / "m.h5"), "--json"]).stdout
    wanted = json.loads(json.dumps(costs_json(model_costs(net))))
    assert {name: json.loads(found)[name] for name in wanted} == wanted


def test_the_verb_refuses_what_is_no_model_and_its_help_is_light(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(b"no")
    code = (
        "import sys; from bittrigger.cli import main\n"
        "for words in (['costs', '--help'], ['costs', sys.argv[1]]):\n"
        "    try: main(words)\n"
        "    except SystemExit as stop: print(stop.code)\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'qkeras')))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "m.h5")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    assert "Count what the Keras MODEL" in run.stdout
    assert run.stderr.splitlines()[-1].startswith(f"error: model file {tmp_path / 'm.h5'}: it is neither HDF5 nor")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_the_verb_counts_layers_that_do_not_convert(tmp_path: Path, suffix: str) -> None:
    inputs = tf.keras.Input((9, 4), name="x")
    tensor = BitConv1D(6, 3, input_quantizer=8, name="ternary")(inputs)
    tensor = layers.LayerNormalization(name="norm")(layers.Conv1D(6, 1, name="float")(tensor))
    tensor = layers.MultiHeadAttention(2, 3, name="attention")(tensor, tensor)
    tensor = BitHepLinear(5, name="paper")(layers.GlobalAveragePooling1D(name="pool")(tensor))
    net = tf.keras.Model(inputs, tensor, name="net")
    path = tmp_path / f"m{suffix}"
    net.save(path)
    done = CliRunner().invoke(cli, ["costs", str(path), "--json"])
    assert done.exit_code == 0, done.exception
    found = {layer["name"]: layer["macs"] for layer in json.loads(done.stdout)["layers"]}
    assert found == {
        "ternary": 7 * 72,
        "float": 7 * 36,
        "norm": 0,
        "attention": 7 * 36 * 4 + 2 * 2 * 49 * 3,
        "paper": 30,
    }
    with pytest.raises(
        UnsupportedModelError, match="layer 'attention': class 'MultiHeadAttention' is not allowed; allowed are"
    ):
        load_model(path)


def test_the_verb_reads_no_code_and_no_absurd_size(tmp_path: Path) -> None:
    """What is allowed besides what converts holds no code, and is bounded too."""
    inputs = tf.keras.Input((9, 4), name="x")
    for name, layer in {
        "lambda": layers.Lambda(lambda x: x, name="code"),
        "huge": layers.Conv1D(2, 3, name="huge"),
        "hidden": layers.Conv1D(2, 3, activation="relu", name="hidden"),
    }.items():
        tf.keras.Model(inputs, layer(inputs), name="net").save(tmp_path / f"{name}.h5")
    for name, old, new in (("huge", '"filters": 2', '"filters": 900000000'), ("hidden", '"relu"', '"os_system"')):
        with h5py.File(tmp_path / f"{name}.h5", "r+") as file:
            file.attrs["model_config"] = file.attrs["model_config"].replace(old, new)
    for name, message in (
        ("lambda", "layer 'code': class 'Lambda' is not allowed; allowed are "),
        ("huge", "a layer could have 2700000000 x 2700000000 weights; allowed are"),
        ("hidden", "layer 'hidden', activation: function 'os_system' is not allowed"),
    ):
        done = CliRunner().invoke(cli, ["costs", str(tmp_path / f"{name}.h5")])
        assert message in str(done.exception)


def test_the_verb_counts_a_saved_p_dat(root: Path, tmp_path: Path) -> None:
    """Its neighbours are chosen by operators that do not convert; 1,520 of its parameters are means and deviations."""
    load_recipe("quark_gluon", "pdat_recipe")
    import pdat

    pdat.build_pdat(6, 3, ternary=True, seed=1).save(tmp_path / "pdat.h5", include_optimizer=False)
    words = ["costs", str(tmp_path / "pdat.h5"), "--json", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "bittrigger", *words, "--code", str(root / "models" / "quark_gluon" / "pdat.py"), "-q"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert (found["parameters"], found["quantized_parameters"]) == (216_248, 45_760)
    assert "operator 'math.top_k' of TensorFlow is not allowed" not in done.stderr


def test_the_verb_counts_the_models_of_the_repository_that_have_layers_of_their_own(root: Path) -> None:
    """BitHEP's 30 %: the message MLP of SMEFTNet."""
    folder = root / "models" / "decay_plane"
    words = ["costs", str(folder / "model.h5"), "--json"]
    refused = str(CliRunner().invoke(cli, words).exception)
    assert "class 'decay_plane>Unpack' is not allowed" in refused
    assert refused.endswith("; or give the file that registers it, if you trust it, with --code")
    done = subprocess.run(
        [sys.executable, "-m", "bittrigger", *words, "--code", str(folder / "smeftnet.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert (found["parameters"], found["quantized_parameters"]) == (2418, 561)
    assert found["macs"] is None
