"""A refusal has the same words on the command line, in Python and through hls4ml, and its way out is one; so has a grade."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from click.testing import CliRunner
from keras_models import QActivation, QDense, layers, model_of, randomize, tf
from qkeras.qlayers import QAdaptiveActivation

import bittrigger
from bittrigger.cli.convert import command
from bittrigger.compile.read import read_model
from bittrigger.errors import BittriggerError, Float32RoundsError, UnsupportedModelError
from bittrigger.hls4ml import register
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

QUICK = ("--no-synth", "--effort", "fast", "--overwrite")
WORDS = "quantized_bits(4,1,alpha=1)"


@dataclass(frozen=True)
class Refused:
    """A model that is refused, how its refusal begins, and what becomes of the model if its way out is followed."""

    layers: Callable[[Any], Any]
    begins: str
    way_out: Callable[[Any], Any]
    shape: tuple[int | None, ...] = (4,)
    settings: dict[str, Any] = field(default_factory=dict)
    through_hls4ml: bool = True
    """Whether it is refused there too: a configuration of hls4ml types what is left open."""


def act(text=WORDS):
    return QActivation(text)


def dense(kernel="ternary(alpha=1)", units=3):
    return QDense(units, kernel_quantizer=kernel, bias_quantizer="quantized_bits(4,1,alpha=1)", name="d")


def chain(*made):
    def branch(x):
        for layer in made:
            x = layer()(x)
        return x

    return branch


def attention(x):
    """What the way out names."""
    weights = act("quantized_bits(6,1,alpha=1)")(
        layers.Softmax()(act("quantized_bits(3,1,alpha=1)")(layers.Dot(2)([x, x])))
    )
    return act()(layers.Dot((2, 1))([weights, x]))


def sorted_pair(x):
    first, second = x[:, :2], x[:, 2:]
    return layers.Concatenate()([layers.Minimum()([first, second]), layers.Maximum()([first, second])])


ROUND = {"weight_precision": {"*": "fixed<8,2>"}}
FLOAT = "layer 'd': its kernel (no quantizer) needs "
REFUSED = {
    "a float kernel behind two": Refused(
        chain(lambda: layers.Dense(3), lambda: layers.Dense(3), lambda: layers.Dense(3, name="d")),
        FLOAT,
        chain(lambda: layers.Dense(3), lambda: layers.Dense(3), lambda: layers.Dense(3, name="d")),
        settings=ROUND,
        through_hls4ml=False,
    ),
    "a kernel of floats": Refused(
        chain(lambda: dense("quantized_ulaw(4,0)")),
        "layer 'd': its kernel (quantized_ulaw(4,0)) needs ",
        chain(lambda: dense("quantized_po2(4)")),
    ),
    "a random kernel": Refused(
        chain(lambda: dense("bernoulli(alpha=1)")),
        "layer 'd': kernel quantizer bernoulli draws random numbers at inference too; ",
        chain(lambda: dense("binary(alpha=1, use_01=True)")),
    ),
    "a kernel of fewer than no bits before the point": Refused(
        chain(lambda: dense("quantized_bits(4,-1,alpha=1)")),
        "layer 'd': kernel quantizer quantized_bits with integer=-1; ",
        chain(lambda: dense("quantized_bits(5,0,alpha=1)")),
    ),
    "a random activation": Refused(
        chain(lambda: QActivation("bernoulli(alpha=1)", name="a")),
        "layer 'a': activation 'bernoulli' is not supported; ",
        chain(lambda: QActivation("binary(alpha=1, use_01=True)", name="a")),
    ),
    "channels in front": Refused(
        chain(lambda: layers.Conv1D(3, 1, data_format="channels_first", name="c")),
        "layer 'c': Conv1D with data_format=channels_first; ",
        chain(lambda: layers.Conv1D(3, 1, name="c")),
        (4, 3),
        ROUND,
    ),
    "a wide LayerNormalization": Refused(
        chain(lambda: layers.LayerNormalization(name="n"), lambda: act("quantized_bits(16,4,alpha=1)")),
        "layer 'n': it is to be rounded exactly, and ",
        chain(lambda: layers.LayerNormalization(name="n"), act),
    ),
    "code": Refused(
        chain(lambda: layers.Lambda(lambda x: 2 * x, name="l")),
        "layer 'l': class 'Lambda' is not allowed; ",
        chain(lambda: layers.Rescaling(2.0)),
    ),
    "attention": Refused(
        lambda x: layers.Attention(name="a")([x, x]), "layer 'a': class 'Attention' is not allowed; ", attention, (2, 2)
    ),
    "attention of heads": Refused(
        lambda x: layers.MultiHeadAttention(1, 2, name="a")(x, x),
        "layer 'a': class 'MultiHeadAttention' is not allowed; ",
        attention,
        (2, 2),
    ),
    "a mean behind a mask": Refused(
        chain(layers.Masking, lambda: layers.GlobalAveragePooling1D(name="m")),
        "layer 'm': GlobalAveragePooling1D leaves out the steps that a Masking before it marks, ",
        chain(lambda: layers.GlobalAveragePooling1D(name="m")),
        (4, 3),
    ),
    "an operator": Refused(
        tf.sort, "layer 'tf.sort': operator 'sort' of TensorFlow is not allowed; ", sorted_pair
    ),
    "a layer for a function": Refused(
        chain(lambda: layers.Activation(layers.ReLU(), name="a")),
        "layer 'a': an Activation with the layer ReLU; ",
        chain(lambda: layers.ReLU(name="a")),
    ),
    "values on no grid": Refused(
        chain(lambda: layers.Activation("tanh", name="t"), dense),
        "layer 't': its exact results lie on no grid of integers; ",
        chain(lambda: layers.Activation("tanh", name="t"), dense),
        settings={"layer_precision": {"t": "fixed<16,6>"}},
    ),
    "a range that moves": Refused(
        chain(lambda: QAdaptiveActivation("quantized_relu", 4, name="a")),
        "layer 'a': a QAdaptiveActivation, whose range moves with what it sees; ",
        chain(lambda: act("quantized_relu(4,1)")),
    ),
    "a constituent too many": Refused(
        chain(act), "input 'x': its shape (None, 3) has an open length, ", chain(act), (None, 3)
    ),
}  # fmt: skip


def built(branch, shape):
    port = tf.keras.Input(shape, name="x")
    return randomize(tf.keras.Model(port, branch(port if None in shape else act()(port)), name="net"))


def words_of(work: Callable[[], object]) -> str:
    with pytest.raises(BittriggerError) as caught:
        work()
    return str(caught.value)


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_refusal_has_one_wording_and_its_way_out_is_one(case, tmp_path):
    import hls4ml

    register()
    model = built(case.layers, case.shape)
    said = words_of(lambda: bittrigger.convert(model, tmp_path / "python"))
    assert said.startswith(case.begins)
    assert "; allowed " in said
    assert said.count("; ") >= 2  # what and where, what is allowed, what to do
    model.save(tmp_path / "net.h5", include_optimizer=False)
    done = CliRunner().invoke(command, [str(tmp_path / "net.h5"), "-o", str(tmp_path / "cli"), *QUICK])
    assert str(done.exception).removeprefix(f"model file {tmp_path / 'net.h5'}").split(": ", 1)[-1] in said
    assert str(done.exception).endswith(said)
    if case.through_hls4ml:
        options = {"backend": "BitTrigger", "output_dir": str(tmp_path / "hls4ml")}
        assert words_of(lambda: hls4ml.converters.convert_from_keras_model(model, hls_config={}, **options)) == said
    other = built(case.way_out, tuple(5 if n is None else n for n in case.shape))
    assert read_model(other, Settings(**case.settings), name="net").graph.outputs


def test_a_grade_has_one_wording(tmp_path):
    """What is refused with --require exact is said of the design in the ideal grade, in every report of it."""
    model = randomize(model_of(dense("ternary(alpha='auto')")))
    said = words_of(lambda: read_model(model, Settings(require="exact"), name="net"))
    model.save(tmp_path / "net.h5")
    words = [str(tmp_path / "net.h5"), "-o", str(tmp_path / "b"), *QUICK, "--json", str(tmp_path / "c.json")]
    done = CliRunner().invoke(command, words)
    why = json.loads((tmp_path / "c.json").read_text())["report"]["grade"]["reasons"][0]
    assert said.startswith(why)
    assert "; allowed are " in said[len(why) :]
    assert why in " ".join(done.output.split())
    refused = CliRunner().invoke(command, [*words, "--require", "exact"])
    assert isinstance(refused.exception, Float32RoundsError)
    assert str(refused.exception) == said


def test_a_design_of_wires_has_a_report(tmp_path):
    """It ended in an error of Python: a table of no rows."""
    model = built(lambda x: layers.Concatenate()([x, x]), (4,))
    model.save(tmp_path / "net.h5")
    done = CliRunner().invoke(command, [str(tmp_path / "net.h5"), "-o", str(tmp_path / "b"), *QUICK])
    assert done.exit_code == 0, done.exception


def test_a_scale_that_is_no_power_of_two_converts():
    reading = read_model(built(chain(lambda: dense("ternary(alpha=0.3)")), (4,)), Settings(), name="net")
    assert reading.graph.basis.measured.float64.events == 0
    with pytest.raises(UnsupportedModelError, match=r"use alpha='auto_po2' or alpha=1"):
        read_model(built(chain(lambda: dense("ternary(alpha=0.3)")), (4,)), Settings(require="exact"), name="net")
