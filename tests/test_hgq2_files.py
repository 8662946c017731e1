"""Files of HGQ2 as its own Keras 3 predicts them: one kept beside the tests, and those of `make test-hgq2`, on every bit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hgq2_kept import CROSSED, LINFORMER, RECURRENT, SAMPLE, spoiled
from keras_models import lowered
from predicted import check_every_bit

from bittrigger.frontend.keras_file.hgq_2.types import rounded
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.reference import keras_outputs
from bittrigger.ir.fixed import FixedPoint, Overflow, Rounding, requantize

pytestmark = pytest.mark.filterwarnings("ignore")

FOLDER = Path(os.environ.get("HGQ2_MODELS", "nowhere"))
"""Where ``hgq2_models.py`` has written its models, with the Python of an environment that has HGQ2."""

FILES = [SAMPLE, LINFORMER, CROSSED, RECURRENT, *sorted(FOLDER.glob("*.keras"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_bit_of_keras_3(path):
    check_every_bit(path, left_open="tabulated" in path.stem)


def test_modes_may_be_written_in_small_letters(tmp_path):
    """As CMS' configurations have them."""

    def small(layers):
        text = json.dumps(layers)
        for mode in ("WRAP", "SAT_SYM", "RND"):
            text = text.replace(f'"{mode}"', f'"{mode.lower()}"')
        layers[:] = json.loads(text)

    events = np.load(SAMPLE.with_suffix(".npz"))
    found = keras_outputs(load_model(spoiled(tmp_path, small)), events["x"])
    assert (found.astype(np.float32) == events["y"]).all()


@pytest.mark.parametrize("mode", list(Rounding))
def test_weights_round_as_ap_fixed(mode):
    codes = np.arange(-100, 100)
    wide = FixedPoint(signed=True, width=16, frac=0)
    wanted = requantize(codes, 3, wide, mode, Overflow.SAT)
    assert (rounded((codes / 8).astype(np.float32), mode.name) == wanted).all()


def test_layers_that_are_counted_by_name_stand_beside_the_parts_of_another(tmp_path):
    """The second of two layers that name themselves is called as a part of the first could be."""

    def renamed(layers):
        layers[:] = json.loads(json.dumps(layers).replace('"q_sum_3"', '"q_dense_3_1"'))

    events = np.load(SAMPLE.with_suffix(".npz"))
    found = keras_outputs(load_model(spoiled(tmp_path, renamed)), events["x"])
    assert (found.astype(np.float32) == events["y"]).all()


def test_an_input_that_several_quantisers_read_is_told_what_holds_all_their_types():
    """It was said that none reads it; of ``fixed<16,6>`` events in between are rounded twice."""
    (said,) = [text for text in lowered(load_model(RECURRENT)).basis.chosen if text.startswith("input")]
    assert "(2 quantisers with types of their own read it, which ap_fixed<" in said
    assert said.endswith(
        "would hold); it takes ap_fixed<16,6>, as in hls4ml; choose another type with --input-precision"
    )
