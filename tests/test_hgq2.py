"""Models of Keras 3 with HGQ2, through the firmware that hls4ml writes of them: every bit of Keras; `make test-hgq2`."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
pytest.importorskip("hgq")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hls4ml
    import keras
    from hgq.config import LayerConfigScope, QuantizerConfigScope
    from hgq.layers import QAdd, QConv1D, QDense, QEinsumDense, QEinsumDenseBatchnorm
    from hgq.utils import trace_minmax

from bittrigger.compile.hls_csim import check_with_csim
from bittrigger.frontend.hls4ml_project.lower import lower_project, output_ports
from bittrigger.frontend.hls4ml_project.project import read_project
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.simulate.vectors import random_codes

pytestmark = pytest.mark.filterwarnings("ignore")


def dense():
    layers = [keras.layers.Input((16,)), QDense(24, activation="relu"), QDense(12, activation="relu"), QDense(5)]
    return keras.Sequential(layers)


def constituents():
    pool = keras.layers.GlobalAveragePooling1D()
    layers = [keras.layers.Input((8, 4)), QConv1D(6, 1, activation="relu"), QConv1D(5, 1, activation="relu"), pool]
    return keras.Sequential(layers)


def features(x, size, **options):
    """The same dense layer with its normalisation at each constituent."""
    return QEinsumDenseBatchnorm("bnc,cC->bnC", (8, size), bias_axes="C", **options)(x)


def deep_sets():
    given = keras.layers.Input((8, 4))
    x = features(features(given, 6, activation="relu"), 5, activation="relu")
    return keras.Model(given, QDense(3)(keras.layers.GlobalAveragePooling1D()(x)))


def mixer():
    """A layer along the constituents, one along the features, each around a sum with what it reads."""
    given = keras.layers.Input((8, 4))
    along = QEinsumDenseBatchnorm("bnc,nN->bNc", (8, 4), bias_axes="N", activation="relu")(given)
    x = QAdd()([given, QEinsumDenseBatchnorm("bnc,nN->bNc", (8, 4), bias_axes="N")(along)])
    x = QAdd()([x, features(features(x, 6, activation="relu"), 4)])
    return keras.Model(given, QDense(3)(keras.layers.Flatten()(x)))


def jedi_linear():
    """Each constituent sees itself and the mean of all, both through matrices."""
    given = keras.layers.Input((8, 4))
    x = features(given, 6, activation="relu")
    mean = QEinsumDense("bnc,nN->bNc", (8, 6), kernel_initializer=keras.initializers.Constant(0.125))
    x = QAdd()([QEinsumDense("bnc,cC->bnC", (8, 6), bias_axes="C")(x), features(mean(x), 6)])
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Activation("relu")(x))
    return keras.Model(given, QDense(3)(QDense(5, activation="relu")(x)))


@pytest.mark.parametrize("overflow", ["WRAP", "SAT"])
@pytest.mark.parametrize("make", [dense, constituents, deep_sets, mixer, jedi_linear])
def test_every_bit_of_keras_3(tmp_path, make, overflow):
    keras.utils.set_random_seed(1)
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode=overflow),
        LayerConfigScope(enable_ebops=True, beta0=1e-5),
    ):
        model = make()
    x = np.random.default_rng(0).normal(size=(2000, *model.input_shape[1:])).astype(np.float32)
    model.compile("adam", "mse")
    model.fit(x, np.random.default_rng(1).normal(size=(2000, *model.output_shape[1:])), epochs=1, verbose=0)
    trace_minmax(model, x)
    config = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "latency"}}
    hls4ml.converters.convert_from_keras_model(
        model, backend="Vitis", hls_config=config, output_dir=str(tmp_path), project_name="net", bit_exact=True
    ).write()
    project = read_project(tmp_path)
    graph = lower_project(project)
    assert check_with_csim(project, graph, output_ports(project), events=300) > 300
    (port,) = graph.inputs
    codes = random_codes(graph, 2000, 0)
    x = (codes / 2.0**port.type.frac).reshape(x.shape).astype(np.float32)
    found = decode(evaluate(graph, codes), output_fracs(graph))
    assert np.array_equal(found, model.predict(x, verbose=0).reshape(len(x), -1))
