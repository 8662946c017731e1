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
    from hgq.layers import QConv1D, QDense
    from hgq.utils import trace_minmax

from bittrigger.compile.hls_csim import check_with_csim
from bittrigger.frontend.hls4ml_project.lower import lower_project, output_ports
from bittrigger.frontend.hls4ml_project.project import read_project
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.simulate.vectors import random_codes

pytestmark = pytest.mark.filterwarnings("ignore")


def dense():
    return [keras.layers.Input((16,)), QDense(24, activation="relu"), QDense(12, activation="relu"), QDense(5)]


def constituents():
    pool = keras.layers.GlobalAveragePooling1D()
    return [keras.layers.Input((8, 4)), QConv1D(6, 1, activation="relu"), QConv1D(5, 1, activation="relu"), pool]


@pytest.mark.parametrize("overflow", ["WRAP", "SAT"])
@pytest.mark.parametrize("make", [dense, constituents])
def test_every_bit_of_keras_3(tmp_path, make, overflow):
    keras.utils.set_random_seed(1)
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode=overflow),
        LayerConfigScope(enable_ebops=True, beta0=1e-5),
    ):
        model = keras.Sequential(make())
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
