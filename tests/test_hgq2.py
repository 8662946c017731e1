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
    from hgq2_models import FORMS, trained

from bittrigger.compile.hls_csim import check_with_csim
from bittrigger.frontend.hls4ml_project.lower import lower_project, output_ports
from bittrigger.frontend.hls4ml_project.project import read_project
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.simulate.vectors import random_codes

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("overflow", ["WRAP", "SAT"])
@pytest.mark.parametrize("make", FORMS)
def test_every_bit_of_keras_3(tmp_path, make, overflow):
    model = trained(make, overflow)
    config = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "latency"}}
    hls4ml.converters.convert_from_keras_model(
        model, backend="Vitis", hls_config=config, output_dir=str(tmp_path), project_name="net", bit_exact=True
    ).write()
    project = read_project(tmp_path)
    graph = lower_project(project)
    assert check_with_csim(project, graph, output_ports(project), events=300) > 300
    (port,) = graph.inputs
    codes = random_codes(graph, 2000, 0)
    x = (codes / 2.0**port.type.frac).reshape(-1, *model.input_shape[1:]).astype(np.float32)
    found = decode(evaluate(graph, codes), output_fracs(graph))
    assert np.array_equal(found, model.predict(x, verbose=0).reshape(len(x), -1))
