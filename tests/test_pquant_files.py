"""Files of PQuant as its own Keras 3 predicts them: one kept beside the tests, and those of `make test-pquant`, on every bit."""

from __future__ import annotations

import os
from pathlib import Path

import hostile_models as hostile
import numpy as np
import pytest
from hostile_models import of_class
from predicted import check_every_bit

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model

pytestmark = pytest.mark.filterwarnings("ignore")

SAMPLE = Path(__file__).parent / "keras_3" / "pquant.keras"
FOLDER = Path(os.environ.get("PQUANT_MODELS", "nowhere"))
"""Where ``pquant_models.py`` has written its models, with the Python of an environment that has PQuant."""

FILES = [SAMPLE, *(path for path in sorted(FOLDER.glob("*.keras")) if path.stem != "in_training")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_bit_of_keras_3(path):
    check_every_bit(path)


def spoiled(tmp_path, change=hostile.unchanged, weights=hostile.unchanged):
    return hostile.spoiled_layers(SAMPLE, tmp_path / "model.keras", change, weights)


def dense(layers):
    return of_class(layers, "PQDense")["config"]


def parameters(layers, kind, **changes):
    of_class(layers, kind)["config"]["config"]["quantization_parameters"].update(changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: dense(s).update(final_compression_done=False), r"call pquant.apply_final_compression\(model\)"),
        (lambda s: dense(s).update(units=2**31), "asks? for"),
        (lambda s: parameters(s, "PQDense", enable_quantization=False), "without quantisation"),
        (lambda s: parameters(s, "PQDense", overflow_mode_data="WRAP_SM"), "and WRAP_SM"),
        (lambda s: parameters(s, "PQDense", round_mode=7), "has 7 and"),
        (lambda s: parameters(s, "PQActivation", use_relu_multiplier=True), "a ReLU with a multiplier"),
        (lambda s: of_class(s, "PQActivation")["config"].update(activation="hard_tanh"), "PQActivation of hard_tanh"),
        (lambda s: dense(s).update(config=3), "without quantisation"),
        (
            lambda s: of_class(s, "PQAvgPool1d").update(class_name="PQSoftmax", registered_name="PQuantML>PQSoftmax"),
            "PQSoftmax of PQuant is not read; allowed are PQDense",
        ),
        (lambda s: of_class(s, "PQDense").update(registered_name="Mine>PQDense"), "registered as 'Mine>PQDense'"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_by_name(change, match, tmp_path):
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(spoiled(tmp_path, change))


@pytest.mark.parametrize("value", [2.0**31, np.nan, 0.5, -9.0])
def test_bits_that_are_none(value, tmp_path):
    def weights(file):
        file["layers/pq_dense/input_quantizer/vars/2"][...] = value

    with pytest.raises(UnsupportedModelError, match="a quantiser has"):
        load_model(spoiled(tmp_path, weights=weights))
