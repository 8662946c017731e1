"""`bittrigger weights`: a retrained network of the same shape, and every network that is none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import refuses, said
from keras_models import QActivation, QDense, randomize, tf

from bittrigger.build.folder import load_build
from bittrigger.build.weights import read_weights
from bittrigger.compile.read import read_file
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.ir.graph import evaluate
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import random_codes

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def written(folder, name, *, seed=0, bits=6, integer=2, units=4, scale=0.5):
    """The file of a ternary network of two layers."""
    ternary, bias = "ternary(alpha=1,threshold=0.5)", f"quantized_bits({bits},{integer},alpha=1)"
    port = tensor = tf.keras.Input((7,), name="x")
    tensor = QActivation("quantized_bits(6,2,alpha=1)", name="q")(tensor)
    tensor = QDense(6, kernel_quantizer=ternary, bias_quantizer=bias, name="first")(tensor)
    tensor = QActivation("quantized_relu(6,2)", name="relu")(tensor)
    tensor = QDense(units, kernel_quantizer=ternary, bias_quantizer=bias, name="second")(tensor)
    model = randomize(tf.keras.Model(port, tensor, name="tagger"), seed, scale)
    path = folder / f"{name}.h5"
    model.save(path)
    return path


@pytest.fixture(scope="module", params=[1, 3])
def desk(request, tmp_path_factory):
    """A folder with a build that can be reloaded: an event a clock, and columns that take turns."""
    folder = tmp_path_factory.mktemp("desk")
    words = ("--reloadable", "weights", "--no-synth", "--ii", request.param)
    said("convert", written(folder, "tagger"), "-o", folder / "build", *words)
    return folder


@pytest.mark.parametrize("bits", [6, 5])
def test_a_retrained_network_becomes_a_file(desk, bits, tmp_path):
    other = written(tmp_path, "other", seed=4, bits=bits)
    said("weights", other, desk / "build", "-o", tmp_path / "other.txt", "--json", tmp_path / "facts.json")
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["layers"] == {"first": 7 * 6 + 6, "second": 6 * 4 + 4}
    build = load_build(desk / "build")
    graph = read_weights(tmp_path / "other.txt", build.graph)
    plain = read_file(other, Settings(), check=False).graph
    codes = random_codes(graph, 500, 1)
    found, wanted = evaluate(graph, codes), evaluate(plain, codes)
    assert np.array_equal(found, wanted << (graph["second"].frac - plain["second"].frac))
    assert not np.array_equal(found, evaluate(build.graph, codes))
    said("simulate", desk / "build", "--weights", tmp_path / "other.txt", "-x", "emulator", "-x", "rtl-fast", "-n", 300)


def test_what_was_declared_is_so_for_a_retrained_network(tmp_path):
    declared = ("--layer-precision", "second=fixed<8,5>", "--log-odds", "0/1,2/3")
    said(
        *("convert", written(tmp_path, "tagger"), "-o", tmp_path / "build", "--reloadable", "weights", "--no-synth"),
        *declared,
    )
    said("weights", written(tmp_path, "other", seed=4), tmp_path / "build", "-o", tmp_path / "other.txt")
    build = load_build(tmp_path / "build")
    assert read_weights(tmp_path / "other.txt", build.graph) != build.graph


OTHERS = {
    "of another shape": ({"units": 3}, "allowed is a network of the same shape"),
    "of larger biases": ({"bits": 10, "integer": 6, "scale": 40}, "--bias-bits"),
    "of finer biases": ({"bits": 9, "integer": 2}, "allowed are the same, or coarser ones"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_network_is_refused_and_nothing_is_written(desk, name, tmp_path):
    chosen, match = OTHERS[name]
    other, path = written(tmp_path, "other", seed=4, **chosen), tmp_path / "other.txt"
    refuses(UnsupportedModelError, match, "weights", other, desk / "build", "-o", path)
    assert not path.exists()


def test_what_is_there_stays(desk, tmp_path):
    path = tmp_path / "weights.txt"
    path.write_text("mine")
    refuses(ConfigError, "--overwrite", "weights", desk / "tagger.h5", desk / "build", "-o", path)
    assert path.read_text() == "mine"


def test_constants_cannot_be_reloaded(desk, tmp_path):
    said("convert", desk / "tagger.h5", "-o", tmp_path / "build", "--no-synth")
    words = ("weights", desk / "tagger.h5", tmp_path / "build", "-o", tmp_path / "w.txt")
    refuses(ConfigError, "holds nothing in registers", *words)
    path = desk / "build" / "weights.txt"
    refuses(ConfigError, "of network", "simulate", tmp_path / "build", "--weights", path, "-x", "oracle")


def test_the_weights_of_a_build_are_its_model(desk, tmp_path):
    said("weights", desk / "tagger.h5", desk / "build", "-o", tmp_path / "same.txt")
    assert (tmp_path / "same.txt").read_bytes() == (desk / "build" / "weights.txt").read_bytes()


def test_a_wrapper_is_played_with_what_the_build_holds(desk, tmp_path):
    build, words = desk / "build", ("--tmux", 6, "-o")
    said("patterns", "write", build, "-n", 5, *words, tmp_path / "in.txt", "--expected", tmp_path / "want.txt")
    said("patterns", "play", build, tmp_path / "in.txt", *words, tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == (tmp_path / "want.txt").read_text()
    assert "every bit equal" in said(
        "patterns", "check", build, tmp_path / "out.txt", "--tmux", 6, "--events", tmp_path / "in.txt"
    )


def test_a_difference_names_the_weights_that_are_held(desk, tmp_path):
    other = written(tmp_path, "tagger", seed=4)
    words = ("--reloadable", "weights", "--no-synth", "--ii", load_build(desk / "build").pipeline.ii)
    said("convert", other, "-o", tmp_path / "build", *words)
    shown = said("diff", desk / "build", tmp_path / "build")
    assert "first_terms" in shown
    assert "second_terms" in shown
