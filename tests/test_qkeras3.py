"""Models of QKeras v3, as their own framework saved them and predicts them: every bit; `make test-qkeras3`.

QKeras v3 and the QKeras that reads its files bear one name, so that ``qkeras3_models.py`` makes the files with another Python,
whose folder is in ``QKERAS3_MODELS``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from keras_models import lowered

from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.double import leaves
from bittrigger.frontend.keras_model.reference import keras_outputs
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.ir.ports import encode_events

FOLDER = Path(os.environ.get("QKERAS3_MODELS", "nowhere"))
if not (FOLDER / "models.json").exists():
    pytest.skip("no models of QKeras v3: make test-qkeras3", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")

MADE = json.loads((FOLDER / "models.json").read_text())
REFUSED = {
    "kernel quantized_linear(4,1)": "quantized_linear with bits=4 and alpha=auto_po2",
    "kernel quantized_linear(4,1,alpha='auto_po2')": "quantized_linear with bits=4 and alpha=auto_po2",
    "kernel quantized_linear(3,0,0)": "quantized_linear with bits=3 and alpha=auto_po2",
    "simple rnn unquantised": "so that Keras itself rounds its products",
}
TWO_ANSWERS = ("function gelu",)
"""Of which Keras 3 has other bits with XLA than without."""

CANNOT = {
    *("activation quantized_hswish(5,2,alpha=1)", "activation quantized_linear(4,1)", "conv1d causal"),
    "folded depthwise",
}
"""What QKeras v3 itself cannot build, save or load again."""


def graph_of(model):
    try:
        return lowered(model)
    except Float32RoundsError:
        return lowered(model, require="ideal")


@pytest.mark.parametrize(("name", "stem"), MADE["made"], ids=[name for name, _ in MADE["made"]])
def test_every_bit(name, stem):
    path, events = FOLDER / f"{stem}.keras", np.load(FOLDER / f"{stem}.npz")
    if name in REFUSED:
        with pytest.raises(UnsupportedModelError, match=REFUSED[name]):
            lowered(load_model(path))
        return
    model = load_model(path)
    graph = graph_of(model)
    if name in TWO_ANSWERS:  # the definition, from which float32 is a step away where it lies near to a tie
        found = decode(evaluate(graph, encode_events(graph, events["x"].astype(np.float64))), output_fracs(graph))
        assert graph.basis.grade is Grade.IDEAL
        assert np.abs(found - events["y"]).max() <= 2.0 ** -output_fracs(graph).min()
        return
    assert (keras_outputs(model, events["x"]).astype(np.float32) == events["y"]).all()
    if graph.basis.grade is Grade.EXACT:
        found = decode(evaluate(graph, encode_events(graph, events["x"].astype(np.float64))), output_fracs(graph))
        assert (found == events["y"]).all()


@pytest.mark.parametrize(("name", "stem"), MADE["made"], ids=[name for name, _ in MADE["made"]])
def test_every_bit_of_the_quantised_kernels(name, stem):
    if name in REFUSED:
        return
    kernels, compared = np.load(FOLDER / f"{stem}.npz"), 0
    for layer in leaves(load_model(FOLDER / f"{stem}.keras")):
        quantizer = getattr(layer, "kernel_quantizer_internal", None)
        if quantizer is not None and f"kernel {layer.name}" in kernels:
            assert (np.asarray(quantizer(layer.kernel)) == kernels[f"kernel {layer.name}"]).all()
            compared += 1
    assert compared or not any(key.startswith("kernel ") for key in kernels) or "bi" in name or name == "both ways"


def test_what_qkeras_v3_itself_cannot_do():
    assert set(MADE["failed"]) == CANNOT, MADE["failed"]
