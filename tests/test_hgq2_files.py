"""Files of HGQ2 as its own Keras 3 predicts them: one kept beside the tests, and those of `make test-hgq2`, on every bit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import hostile_models as hostile
import numpy as np
import pytest
from keras_models import lowered

from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.hgq_2_types import rounded
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.reference import keras_outputs
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import FixedPoint, Overflow, Rounding, decode, requantize
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.ir.ports import decode_inputs, encode_events

pytestmark = pytest.mark.filterwarnings("ignore")

KEPT = Path(__file__).parent / "keras_3"
SAMPLE = KEPT / "hgq2.keras"
FOLDER = Path(os.environ.get("HGQ2_MODELS", "nowhere"))
"""Where ``hgq2_models.py`` has written its models, with the Python of an environment that has HGQ2."""

FILES = [SAMPLE, *sorted(FOLDER.glob("*.keras"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_bit_of_keras_3(path):
    model, events = load_model(path), np.load(path.with_suffix(".npz"))
    assert (keras_outputs(model, events["x"]).astype(np.float32) == events["y"]).all()
    graph = lowered(model)
    assert graph.basis.grade is Grade.EXACT
    codes = encode_events(graph, events["x"].astype(np.float64))
    on_port = (decode_inputs(graph, codes) == events["x"]).all(axis=1)
    found = decode(evaluate(graph, codes), output_fracs(graph))
    assert on_port.sum() > 100
    assert (found[on_port] == events["y"][on_port]).all()
    check_agreement(model, graph)


@pytest.mark.parametrize("mode", list(Rounding))
def test_weights_round_as_ap_fixed(mode):
    codes = np.arange(-100, 100)
    wide = FixedPoint(signed=True, width=16, frac=0)
    wanted = requantize(codes, 3, wide, mode, Overflow.SAT)
    assert (rounded((codes / 8).astype(np.float32), mode.name) == wanted).all()


def spoiled(tmp_path, change=hostile.unchanged, weights=hostile.unchanged):
    def within(config):
        change(config["config"]["layers"])

    return hostile.spoiled(SAMPLE, tmp_path / "model.keras", within, weights)


def of_class(layers, kind):
    return next(layer for layer in layers if layer["class_name"] == kind)


ATTENTION = {"class_name": "QLinformerAttention", "registered_name": "hgq>QLinformerAttention"}


def quantiser(layers, **changes):
    of_class(layers, "QDense")["config"]["iq_conf"]["config"].update(changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: of_class(s, "QSum").update(ATTENTION), r"is not read; .*\.write\(\) in Python, then `bittrigger import"),
        (lambda s: quantiser(s, round_mode="MINE"), "MINE and .*; allowed are TRN"),
        (lambda s: quantiser(s, overflow_mode="WRAP_SM"), "WRAP_SM; allowed are"),
        (lambda s: quantiser(s, q_type="float"), "allowed are q_type 'kif' and 'kbi'"),
        (lambda s: quantiser(s, scaler=2.0), "scaler"),
        (lambda s: of_class(s, "QSum")["config"].update(axes=[0]), "over the axes"),
        (lambda s: of_class(s, "QSum").update(build_config=None), "over the axes"),
        (lambda s: of_class(s, "QSum")["config"].update(scale=0.3), "QSum with scale=0.3; allowed are powers of two"),
        (lambda s: of_class(s, "QSum")["config"].update(scale=[1]), "settings and arrays do not fit"),
        (lambda s: of_class(s, "QBatchNormalization")["config"].update(epsilon="x"), "settings and arrays do not fit"),
        (lambda s: of_class(s, "QAdd")["config"].update(iq_confs=7), "iq_confs=7"),
        (lambda s: of_class(s, "QDense")["config"].update(activation="gelu"), "'gelu' of Keras 3"),
        (lambda s: of_class(s, "QEinsumDenseBatchnorm")["config"].update(equation="x"), "normalised along"),
        (lambda s: of_class(s, "QDense").update(held=[[1.0]]), "."),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_by_name(change, match, tmp_path):
    path = spoiled(tmp_path, change)
    if match == ".":
        load_model(path)  # what only looks like arrays that are held is not looked at
        return
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(path)


def wide(file):
    file["layers/q_dense/iq/quantizer/vars/0"][...] = 1000


def nan(file):
    file["layers/q_dense/iq/quantizer/vars/0"][...] = np.nan


def infinite(file):
    file["layers/q_dense/vars/0"][...] = np.inf


def longer(file):
    del file["layers/q_einsum_dense_batchnorm/vars/2"]
    file["layers/q_einsum_dense_batchnorm/vars/2"] = np.ones(7, np.float32)


def without(file):
    del file["layers/q_dense/kq/quantizer/vars/0"]


def another(file):
    del file["layers/q_dense/kq/quantizer/vars/0"]
    file["layers/q_dense/kq/quantizer/vars/0"] = np.zeros((3, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (wide, "more than 64 bits"),
        (nan, "more than 64 bits"),
        (infinite, "finite float32"),
        (longer, "settings and arrays do not fit"),
        (without, "weights called"),
        (another, "3 of one shape"),
    ],
)
def test_types_and_weights_that_do_not_fit(weights, match, tmp_path):
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(spoiled(tmp_path, weights=weights))


def test_a_quantiser_of_weights_before_values_is_refused(tmp_path):
    """At inference it limits no value, which a type cannot say."""

    def swapped(file):
        arrays = file["layers/q_dense/iq/quantizer/vars"]
        arrays.move("1", "integers")
        arrays.move("2", "1")
        arrays.move("integers", "2")

    path = spoiled(tmp_path, lambda s: quantiser(s, overflow_mode="WRAP", is_weight=True, trainable=True), swapped)
    with pytest.raises(UnsupportedModelError, match="'q_dense_3': a quantiser of weights, which limits nothing"):
        load_model(path)


def test_layers_that_are_counted_by_name_stand_beside_the_parts_of_another(tmp_path):
    """The second of two layers that name themselves is called as a part of the first could be."""

    def renamed(layers):
        layers[:] = json.loads(json.dumps(layers).replace('"q_sum_3"', '"q_dense_3_1"'))

    events = np.load(SAMPLE.with_suffix(".npz"))
    found = keras_outputs(load_model(spoiled(tmp_path, renamed)), events["x"])
    assert (found.astype(np.float32) == events["y"]).all()
