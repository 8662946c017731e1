"""The jet tagger's recipe: fresh jets, simple classifiers beside the network, and a model that is measured without training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from model_recipes import load_recipe

from bittrigger.data.jets5 import CLASSES, FEATURES
from bittrigger.train.recipes import RecipeOptions

pytestmark = pytest.mark.filterwarnings("ignore")


def write_jets(path, seed, jets=900):
    generator = np.random.default_rng(seed)
    y = np.arange(jets) % 5
    x = (generator.normal(0, 1, (jets, 16)) + np.eye(16)[y] * 3).astype(np.float32)
    np.savez(path, X=x, y=y.astype(np.int8), features=np.array(FEATURES), classes=np.array(CLASSES))
    return path


def test_the_recipe_measures_fresh_jets_and_leaves_the_model_without_epochs(tmp_path, monkeypatch):
    recipe = load_recipe("jet_tagger")
    monkeypatch.setattr(recipe, "HIDDEN", (3,))
    monkeypatch.setattr(recipe, "FLOAT_EPOCHS", 1)
    monkeypatch.setattr(recipe, "prepare_tensorflow", lambda _seed: None)  # once a process only
    data, fresh = write_jets(tmp_path / "jets.npz", 1), write_jets(tmp_path / "fresh.npz", 2, jets=500)
    options = RecipeOptions(data, (1,), 1, tmp_path / "out", tmp_path / "work", fresh)
    recipe.run(options)
    model, card = tmp_path / "out" / "model.h5", tmp_path / "out" / "card.md"
    before, first = model.read_bytes(), card.read_text()
    assert "On 500 fresh test jets" in first
    rows = [line.split("|")[1].strip() for line in first.splitlines() if line.startswith("| ") and " ± " in line]
    assert rows == ["logistic regression", "boosted trees, 100 rounds", "float twin", "ternary, exported"]
    recipe.run(dataclasses.replace(options, epochs=0))
    assert model.read_bytes() == before
    shipped = [next(line for line in text.splitlines() if "exported" in line) for text in (first, card.read_text())]
    assert shipped[0] == shipped[1]
