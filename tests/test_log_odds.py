"""Log odds of classes at the output in the place of logits."""

import numpy as np
import pytest
from keras_models import QDense, layers, model_of, randomize

from bittrigger.cli import main
from bittrigger.compile.foreign import foreign_graph
from bittrigger.compile.read import read_file
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.keras_model.log_odds import LogOdds, parse_log_odds, with_log_odds
from bittrigger.frontend.keras_model.reference import keras_outputs
from bittrigger.ir.basis import Grade
from bittrigger.ir.graph import Graph
from bittrigger.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def tagger(ending=None):
    """A network of four logits, with `ending` behind them."""

    def build(x):
        x = QDense(
            4,
            name="logits",
            kernel_quantizer="ternary(alpha=0.5,threshold=0.5)",
            bias_quantizer="quantized_bits(6,2,alpha=1)",
        )(x)
        return x if ending is None else ending(x)

    return randomize(model_of(build))


def test_words_become_classes():
    assert parse_log_odds("4/0+1, 2/0") == (LogOdds((4,), (0, 1)), LogOdds((2,), (0,)))
    assert str(parse_log_odds("4+3/0+1")[0]) == "4+3/0+1"


@pytest.mark.parametrize("text", ["", "4", "4/", "a/b", "4/0+", "4/0//1", "4/0,", "-1/0"])
def test_other_words_are_refused(text):
    with pytest.raises(ConfigError, match="expected classes that count from 0"):
        parse_log_odds(text)


def test_a_class_that_is_not_there_or_stands_twice_is_refused():
    with pytest.raises(ConfigError, match=r"log odds 4/0: class 4 of a model of 4; allowed are 0 to 3"):
        with_log_odds(tagger(), "4/0")
    with pytest.raises(ConfigError, match="a class stands twice"):
        parse_log_odds("1/1+2")


def test_a_model_without_logits_is_refused():
    one = randomize(model_of(QDense(1, kernel_quantizer="ternary(alpha=1)", name="one")))
    with pytest.raises(UnsupportedModelError, match="allowed is one output of two logits or more"):
        with_log_odds(one, "0/1")


def test_one_class_against_one_is_the_difference_to_the_bit():
    model = tagger()
    events = np.random.default_rng(1).normal(0, 2, (200, model.input_shape[1])).astype(np.float32)
    logits = keras_outputs(model, events)
    found = keras_outputs(with_log_odds(model, "3/0,1/2"), events)
    assert np.array_equal(found, np.stack([logits[:, 3] - logits[:, 0], logits[:, 1] - logits[:, 2]], axis=1))


def test_classes_together_are_within_half_a_step_of_the_logarithm_of_their_sum():
    model = tagger()
    events = np.random.default_rng(1).normal(0, 2, (500, model.input_shape[1])).astype(np.float32)
    logits = keras_outputs(model, events)
    found = keras_outputs(with_log_odds(model, "3/0+1+2,2+3/0+1"), events)
    together = [np.logaddexp.reduce(logits[:, chosen], axis=1) for chosen in ([0, 1, 2], [2, 3], [0, 1])]
    exact = np.stack([logits[:, 3] - together[0], together[1] - together[2]], axis=1)
    assert np.abs(found - exact).max() <= 2 * 2.0**-6
    assert np.abs(found - exact).max() > 0


@pytest.mark.parametrize("ending", [None, layers.Activation("softmax", name="probabilities")])
def test_a_softmax_is_left_out_and_the_grade_is_exact(tmp_path, ending):
    tagger(ending).save(tmp_path / "model.h5")
    events = np.random.default_rng(1).normal(0, 2, (300, 7))
    graph = read_file(tmp_path / "model.h5", Settings(log_odds="3/0+1"), inputs=events).graph
    assert graph.basis.grade is Grade.EXACT
    assert graph.n_outputs == 1
    said = graph.basis.chosen[0]
    assert said.startswith("the outputs are the log odds 3/0+1 of the classes, differences of logits (--log-odds)")
    assert "on 300 events they are within 0.0" in said


def test_a_build_compares_keras_and_proves_them(tmp_path):
    tagger().save(tmp_path / "model.h5")
    model, build = str(tmp_path / "model.h5"), str(tmp_path / "build")
    main(["convert", model, "-o", build, "--log-odds", "3/0+1,2/0", "--prove", "--no-synth"])
    main(["simulate", build, "--executor", "oracle", "keras", "emulator", "--model", model, "--events", "200"])
    assert "log odds 3/0+1,2/0" in (tmp_path / "build/design.json").read_text(encoding="utf-8")


def test_a_graph_is_not_changed():
    with pytest.raises(ConfigError, match="model net: --log-odds is for models of Keras"):
        foreign_graph(Graph("net", (), ()), Settings(log_odds="1/0"))


def test_log_odds_and_a_softmax_exclude_each_other():
    with pytest.raises(ConfigError, match="'log_odds' and 'keep_activation' exclude each other"):
        Settings(log_odds="1/0", keep_activation=True)
