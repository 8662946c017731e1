"""The event filter's card: what needs no network stands beside it, and where that is better the card says so."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import tf  # noqa: F401 - quietly, before the recipe imports it
from model_recipes import MODELS, load_recipe

from bittrigger.train import roc_auc
from bittrigger.train.recipes import predict, reload

recipe = load_recipe("event_filter")
FOLDER = MODELS / "event_filter"

pytestmark = pytest.mark.filterwarnings("ignore")


def table():
    lines = (FOLDER / "card.md").read_text().split("## Layers")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][2:]


def test_the_card_has_the_areas_of_its_sample():
    """The sample is all test rows, so figures of the file and of the sums are known to the last digit."""
    with np.load(FOLDER / "sample.npz") as archive:
        x, y = archive["x"], archive["y"] == 1
    rows = {row[0]: row[1] for row in table()}
    scores = {
        "mixed net, exported": predict(reload(FOLDER / "model.h5"), x)[:, 0],
        "sum of jet pT alone": x[:, recipe.JET_PT_COLUMNS].sum(axis=1),
        "sum of all pT alone": x[:, recipe.PT_COLUMNS].sum(axis=1),
    }
    assert {name: f"{roc_auc(score, y):.4f}" for name, score in scores.items()} == {n: rows[n] for n in scores}


def test_the_card_says_where_a_network_is_not_needed():
    assert recipe.compared(table()) in (FOLDER / "card.md").read_text()
    rows = [["net", "0.9", "0.9", "0.9", "0.9"], ["twin", *["1"] * 4], ["sum", "0.8", "0.9", "0.7", "0.95"]]
    assert "no better than what needs none for ttbar, hinv**" in recipe.compared(rows)
    assert recipe.compared([rows[0], rows[1], ["sum", *["0.8"] * 4]]).startswith("The net is better")
