"""Keras as an executor: the codes of ``predict``, and what tells a wrong model."""

import numpy as np
import pytest
from keras_models import QActivation, QDense, layers, lowered, model_of, randomize

from bittrigger.errors import MismatchError
from bittrigger.ir.graph import evaluate
from bittrigger.simulate.compare import compare
from bittrigger.simulate.executors.keras import KerasExecutor
from bittrigger.simulate.vectors import corner_codes, random_codes

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def network(seed, units=4):
    def branch(x):
        x = QDense(6, kernel_quantizer="ternary(alpha=1)", bias_quantizer="quantized_bits(6,2,alpha=1)", name="d")(x)
        x = QActivation("quantized_relu(5,2)", name="a")(x)
        x = QDense(
            units, kernel_quantizer="ternary(alpha=1)", bias_quantizer="quantized_bits(6,2,alpha=1)", name="out"
        )(x)
        return layers.Softmax(name="probabilities")(x)

    return randomize(model_of(branch), seed)


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    model = network(1)
    path = tmp_path_factory.mktemp("models") / "model.h5"
    model.save(path)
    return lowered(model, logits=True), path


def test_keras_gives_the_codes_of_the_graph(design, monkeypatch):
    graph, path = design
    monkeypatch.setattr("bittrigger.frontend.keras_model.reference.BATCH", 64)
    codes = np.concatenate([random_codes(graph, 300, 1), corner_codes(graph)])
    executor = KerasExecutor(graph, path)
    np.testing.assert_array_equal(executor.run(codes), evaluate(graph, codes))
    assert executor.run(codes[:0]).shape == (0, 4)


def test_other_weights_are_found(design, tmp_path):
    graph, _ = design
    network(2).save(tmp_path / "other.h5")
    codes = random_codes(graph, 100, 1)
    with pytest.raises(MismatchError, match=r"event \d+, output layer_out\[\d\]: oracle gives"):
        compare(
            graph, evaluate(graph, codes), KerasExecutor(graph, tmp_path / "other.h5").run(codes), ("oracle", "keras")
        )


def test_a_model_of_another_shape_or_grid_is_named(design, tmp_path):
    graph, _ = design
    codes = random_codes(graph, 10, 1)
    network(1, units=3).save(tmp_path / "narrow.h5")
    with pytest.raises(MismatchError, match="narrow.h5 has 3 outputs; the build has 4"):
        KerasExecutor(graph, tmp_path / "narrow.h5").run(codes)
    randomize(model_of(QActivation("quantized_bits(6,2,alpha=1)", name="b"), inputs=5), 1).save(tmp_path / "five.h5")
    with pytest.raises(MismatchError, match="five.h5 has 5 inputs; the build has 7"):
        KerasExecutor(graph, tmp_path / "five.h5").run(codes)

    def halves(x):
        return QDense(4, kernel_quantizer="quantized_po2(4)", bias_quantizer="quantized_bits(8,0,alpha=1)", name="h")(x)

    randomize(model_of(halves), 1, scale=0.01).save(tmp_path / "fine.h5")
    with pytest.raises(
        MismatchError, match=r"which is no multiple of .*, the step of the output; is .*fine\.h5 the model"
    ):
        KerasExecutor(graph, tmp_path / "fine.h5").run(codes)
