"""What positions and time cannot do: windows larger than their tensor, axes that are not there, intervals that nothing keeps.

A clear error each, from Python and from the command line, and nothing written.
"""

from __future__ import annotations

import re

import h5py
import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, tf
from qkeras import QConv1D, QConv2D

from bittrigger import Settings, convert
from bittrigger.cli import main
from bittrigger.errors import BittriggerError

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras

KERNEL = "ternary(alpha=1)"

SAVED = {
    "window-1d": (
        (5, 2),
        lambda: QConv1D(3, 3, kernel_quantizer=KERNEL, name="c"),
        '"kernel_size": [3]',
        '"kernel_size": [9]',
    ),
    "window-2d": (
        (5, 5, 2),
        lambda: QConv2D(3, 3, kernel_quantizer=KERNEL, name="c"),
        '"kernel_size": [3, 3]',
        '"kernel_size": [3, 9]',
    ),
    "dilation": (
        (5, 2),
        lambda: QConv1D(3, 3, kernel_quantizer=KERNEL, name="c"),
        '"dilation_rate": [1]',
        '"dilation_rate": [4]',
    ),
    "pool-1d": ((5, 2), lambda: layers.MaxPooling1D(2, name="c"), '"pool_size": [2]', '"pool_size": [9]'),
    "pool-2d": ((6, 6, 2), lambda: layers.AveragePooling2D(2, name="c"), '"pool_size": [2, 2]', '"pool_size": [2, 9]'),
    "crop": ((5, 2), lambda: layers.Cropping1D(1, name="c"), '"cropping": [1, 1]', '"cropping": [4, 4]'),
    "normalised": ((5, 2), lambda: layers.BatchNormalization(name="c"), '"axis": [2]', '"axis": [7]'),
    "softmax": ((5, 2), lambda: layers.Softmax(axis=-1, name="c"), '"axis": -1', '"axis": 6'),
}
"""The shape of an input, what makes a layer that reads it, and what is written in the place of what in the file."""

NAMED = r"Keras cannot build it: layer 'c' \("

PAIRS = {
    "joined": (lambda: layers.Concatenate(axis=1, name="c"), '"axis": 1', '"axis": 7'),
    "joined-from-the-end": (lambda: layers.Concatenate(axis=1, name="c"), '"axis": 1', '"axis": -9'),
    "multiplied": (lambda: layers.Dot(axes=2, name="c"), '"axes": 2', '"axes": 5'),
}
"""The same of layers of two operands."""


def saved(path, shape, layer, before, after, *, twice=False):
    """A model whose file says ``after`` where Keras wrote ``before``."""
    source = layers.Input(shape, name="x")
    codes = QActivation("quantized_bits(6,2,alpha=1)", name="q")(source)
    tf.keras.Model(source, layer()([codes, codes] if twice else codes)).save(path)
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        assert text.count(before) == 1
        file.attrs["model_config"] = text.replace(before, after)
    return path


@pytest.fixture
def refused(tmp_path, capsys):
    """``text`` is what is wrong, said by Python and by the command line; nothing is written."""

    def check(model, text, *options, code=1, **settings):
        there, target = sorted(tmp_path.iterdir()), tmp_path / "build"
        with pytest.raises(BittriggerError, match=text) as said:
            convert(model, target, Settings.given(**settings))
        with pytest.raises(SystemExit) as stop:
            main(["convert", str(model), "-o", str(target), "--no-synth", *options])
        assert stop.value.code == code
        assert re.search(text, " ".join(capsys.readouterr().err.split()))
        assert sorted(tmp_path.iterdir()) == there
        return str(said.value)

    return check


@pytest.mark.parametrize("name", SAVED)
def test_a_window_or_an_axis_that_does_not_fit_names_its_layer(name, refused, tmp_path):
    shape, layer, before, after = SAVED[name]
    model = saved(tmp_path / "m.h5", shape, layer, before, after)
    refused(model, NAMED)


@pytest.mark.parametrize("name", PAIRS)
def test_an_axis_that_two_tensors_do_not_have_names_its_layer(name, refused, tmp_path):
    layer, before, after = PAIRS[name]
    model = saved(tmp_path / "m.h5", (5, 2), layer, before, after, twice=True)
    refused(model, NAMED)


@pytest.fixture
def tagger(tmp_path):
    """A ternary network of one dense layer on one position."""
    source = layers.Input((12,), name="x")
    codes = QActivation("quantized_bits(6,2,alpha=1)", name="q")(source)
    made = tf.keras.Model(source, QDense(9, kernel_quantizer=KERNEL, name="wide")(codes))
    rng = np.random.default_rng(1)
    made.set_weights([rng.uniform(-1, 1, weight.shape) for weight in made.get_weights()])
    made.save(tmp_path / "m.h5")
    return tmp_path / "m.h5"


def test_a_latency_that_no_form_keeps_says_the_least(tagger, refused, tmp_path):
    text, asked = (
        r"latency of 1 cycles at 360 MHz: the network takes at least \d+; allow more cycles",
        ("--latency-cycles", "1"),
    )
    said = refused(tagger, text, "--ii", "20", *asked, code=2, ii=20, latency_cycles=1)
    least = int(said.split("takes at least ")[1].split(";")[0])
    convert(tagger, tmp_path / "kept", Settings(ii=20, latency_cycles=least), synthesize=False)


def test_an_interval_that_is_too_short_says_the_least(tagger, refused, tmp_path, monkeypatch):
    monkeypatch.setattr("bittrigger.compile.pipeline.MAX_SEARCHED", 10)
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path.parent / "cache"))
    text = "layer 'wide' of 12 x 9 at an event every 2 cycles: it is too large.*give --ii 4, or more"
    refused(tagger, text, "--ii", "2", code=2, ii=2)


@pytest.mark.parametrize(
    ("options", "settings", "text"),
    [
        (("--ii", "0"), {"ii": 0}, "initiation interval of 0 cycles; allowed are 1 to 4096"),
        (("--ii", "4097"), {"ii": 4097}, "initiation interval of 4097 cycles; allowed are 1 to 4096"),
        (("--ii", "auto"), {"ii": "auto"}, "takes the interval of a budget, and there is none"),
        (
            ("--ii", "9", "--port", "stream"),
            {"ii": 9, "port": "stream"},
            "no layer reads an input position by position",
        ),
        (("--port", "stream"), {"port": "stream"}, "allowed are intervals of 2 cycles and more"),
    ],
)
def test_an_interval_or_a_port_that_cannot_be(options, settings, text, tagger, refused):
    refused(tagger, text, *options, code=2, **settings)
