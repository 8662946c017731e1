"""Keras as the reference: ``predict`` on the user's own events, in float32, with sums as the layers write them."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import QActivation, dense, layers, model_of, randomize, tf
from qkeras import QConv1D

from bittrigger.build.folder import load_build
from bittrigger.compile.convert import convert
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_model.reference import BATCH, keras_outputs, reference_events
from bittrigger.hls4ml import register
from bittrigger.ir.graph import evaluate
from bittrigger.ir.ports import decode_outputs, encode_events
from bittrigger.simulate.compare import run_executors

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def added_twice(x):
    return dense()(layers.Add(name="add")([x, x]))


def added_branches(x):
    branches = [
        QActivation("quantized_bits(6,2,alpha=1)", name=f"a{k}")(
            layers.BatchNormalization(name=f"n{k}")(dense(4, f"d{k}")(x))
        )
        for k in (0, 1)
    ]
    return QActivation("quantized_bits(3,2,alpha=1)", name="coarse")(layers.Add(name="add")(branches))


def softmax_of_windows(x):
    x = QConv1D(3, 2, kernel_quantizer="ternary(alpha=1)", name="c")(layers.Reshape((7, 1), name="r")(x))
    x = layers.AveragePooling1D(2, name="pool")(QActivation("quantized_relu(4,2)", name="q1")(x))
    return layers.Activation("softmax", name="s")(dense()(layers.Flatten(name="f")(x)))


@pytest.fixture
def rewriting():
    """TensorFlow as it comes: its optimiser may rewrite sums."""
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": True})
    yield
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


def reals(size, seed=1, events=3000):
    return np.random.default_rng(seed).normal(0, 3, size=(events, size))


@pytest.mark.usefixtures("rewriting")
@pytest.mark.parametrize("branch", [added_twice, added_branches])
def test_the_sum_of_two_quantisers_is_what_the_layers_give(branch):
    model = randomize(model_of(branch, quantizer="quantized_bits(8,2,alpha=1)"), seed=3)
    x = reals(7).astype(np.float32)
    eager = np.asarray(model(tf.constant(x), training=False))
    rewritten = model.predict(x, verbose=0)
    assert (rewritten != eager).any(), "TensorFlow rewrites this sum no longer; the network has to be another one"
    assert np.array_equal(keras_outputs(model, x), eager)


def operations(model):
    """All that ``predict`` computes, as text."""
    return [str(traced.graph.as_graph_def()) for traced in model.predict_function._list_all_concrete_functions()]


@pytest.mark.parametrize("branch", [added_twice, added_branches, softmax_of_windows])
def test_predict_computes_the_same_operations_with_and_without_autograph(branch):
    model = randomize(model_of(branch, quantizer="quantized_bits(8,2,alpha=1)"), seed=3)
    x = reals(7).astype(np.float32)
    model.predict(x, batch_size=BATCH, verbose=0)
    translated = operations(model)
    model.predict_function = None
    keras_outputs(model, x)
    assert operations(model) == translated


def test_a_layer_that_branches_on_tensors_is_translated():
    class Larger(layers.Layer):
        def call(self, x):
            if tf.reduce_sum(x) > 0:
                return x
            return -x

    inputs = tf.keras.Input((3,))
    model = tf.keras.Model(inputs, Larger()(inputs))
    assert np.array_equal(keras_outputs(model, np.full((2, 3), -1, np.float32)), np.ones((2, 3)))


@pytest.mark.usefixtures("rewriting")
def test_after_a_conversion_predict_is_the_reference(tmp_path):
    import hls4ml

    register()
    model = randomize(model_of(added_twice, quantizer="quantized_bits(8,2,alpha=1)"), seed=3)
    x = reals(7)
    model.predict(x, verbose=0)  # traced before
    graph = hls4ml.converters.convert_from_keras_model(model, backend="BitTrigger", output_dir=str(tmp_path))
    graph.compile()
    assert np.array_equal(graph.predict(x), model.predict(x, verbose=0))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A network with a fine grid at its input, where rounding to float32 first matters, and its build."""
    folder = tmp_path_factory.mktemp("float32")
    model = randomize(model_of(dense(2), quantizer="quantized_bits(16,3,alpha=1)", inputs=3), seed=1)
    model.save(folder / "model.h5")
    convert(folder / "model.h5", folder / "build", synthesize=False)
    return model, load_build(folder / "build"), folder


def halves(step=2.0**-12):
    """Float64 a little beside the ties between two codes: float32 rounds them onto the ties."""
    ties = (np.arange(-3000, 3000).reshape(-1, 3) * 8 + 0.5) * step
    return ties + np.random.default_rng(0).choice([-1, 1], size=ties.shape) * 1e-13


def test_float64_events_are_rounded_to_float32_first(built):
    model, build, _ = built
    x = halves()
    wanted = model.predict(x, verbose=0)
    graph = build.graph
    assert (np.rint(x * 2.0**12) != np.rint(x.astype(np.float32) * 2.0**12)).any(), "float32 changes no code here"
    assert np.array_equal(decode_outputs(graph, evaluate(graph, encode_events(graph, x))), wanted)


def test_every_executor_takes_the_events_as_keras_does(built, monkeypatch):
    """Keras gets the events themselves; with the values of the codes it would agree with any encoding."""
    _, build, folder = built
    x = halves()
    codes = encode_events(build.graph, x)
    seen = []
    monkeypatch.setattr(
        "bittrigger.frontend.keras_model.reference.keras_outputs", lambda m, v: seen.append(v) or keras_outputs(m, v)
    )
    outcomes = run_executors(build, ["oracle", "keras"], codes, model=folder / "model.h5", events=x)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert np.array_equal(seen[0], x.astype(np.float32))
    wrong = run_executors(build, ["oracle", "keras"], codes + (codes == 0), model=folder / "model.h5", events=x)
    assert wrong[1].error is not None
    assert np.array_equal(np.load(wrong[1].record.folder / "event.npy"), x[wrong[1].error.event][None])


def test_events_that_a_chosen_port_does_not_hold_are_counted(caplog):
    from keras_models import lowered

    model = randomize(model_of(dense(2), quantizer=None, inputs=2), seed=1)
    graph = lowered(model, input_precision="fixed<4,4>")
    found = reference_events(model, graph, np.array([[1.0, 2.0], [7.5, 0.0], [300.0, -2.0]]))
    assert found.tolist() == [[1.0, 2.0], [7.0, 0.0], [7.0, -2.0]]
    assert "2 of 3 events do not fit the ports (x ap_fixed<4,4>)" in caplog.text


def test_a_model_that_keras_cannot_predict_is_refused():
    """Called eagerly it works; in a graph TensorFlow does not take the name of its layer."""
    model = randomize(model_of(dense(name="a\\b")))
    x = np.zeros((3, 7), dtype=np.float32)
    assert np.asarray(model(x)).shape == (3, 4)
    with pytest.raises(UnsupportedModelError, match="model 'net': Keras' own predict fails: .* give that layer a name"):
        keras_outputs(model, x)
