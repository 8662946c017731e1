"""The study of jet taggers: its card says what its files give."""

from __future__ import annotations

import json

import numpy as np
import pytest
from model_recipes import load_recipe

from bittrigger.explore.dense import DenseSettings
from bittrigger.explore.sweep import load_scaler
from bittrigger.train import accuracy
from bittrigger.train.recipes import RecipeOptions, predict, reload

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def jet_pareto(root):
    return root / "models" / "jet_pareto"


WRITTEN = (
    "accuracy_luts.png",
    "card.md",
    "confusion.png",
    "model.h5",
    "pareto.json",
    "roc.png",
    "sample.npz",
    "scaler.json",
)


def check_folder(folder):
    """The sample is scaled by the scaler; the card has what the model gives, and the means of the table."""
    card, table = (folder / "card.md").read_text(), json.loads((folder / "pareto.json").read_text())
    with np.load(folder / "sample.npz") as archive:
        sample = dict(archive)
    assert np.array_equal(load_scaler(folder / "scaler.json").apply(sample["features"]), sample["x"])
    right = accuracy(predict(reload(folder / "model.h5"), sample["x"]), sample["y"])
    assert f"`model.h5` is right for {100 * right:.2f} % of them" in card
    assert f"of origin `{table['luts_origin']}`" in card
    for design in table["designs"]:
        figures = list(design["seeds"].values())
        scores = 100 * np.array([entry["test_accuracy"] for entry in figures])
        luts = np.array([entry["luts"] for entry in figures])
        row = next(line for line in card.splitlines() if line.startswith(f"| {design['network']} "))
        assert f"| {scores.mean():.2f} ± {scores.std(ddof=1):.2f} |" in row
        assert f"| {luts.mean():,.0f} ± {luts.std(ddof=1):,.0f} |" in row


def test_the_card_says_what_the_files_give(jet_pareto):
    check_folder(jet_pareto)


def test_the_folder_stays_small(jet_pareto):
    assert sum(path.stat().st_size for path in jet_pareto.iterdir()) < 1_500_000
    assert max(path.stat().st_size for path in jet_pareto.glob("*.png")) < 150_000


@pytest.mark.usefixtures("call_by_call")
def test_the_recipe_on_a_few_jets(tmp_path, monkeypatch):
    """Networks of two hidden units and one epoch: every file is written, and what is written agrees."""
    recipe = load_recipe("jet_pareto")
    small, other = DenseSettings((2,), activation_bits=3), DenseSettings((3,), activation_bits=3)
    monkeypatch.setattr(recipe, "SHIPPED", small)
    monkeypatch.setattr(recipe, "DESIGNS", (small, other))
    monkeypatch.setattr(recipe, "TWIN_EPOCHS", 1)
    monkeypatch.setattr(recipe, "prepare_tensorflow", lambda _: None)  # it sets threads, before TensorFlow starts
    generator = np.random.default_rng(0)
    y = np.arange(900) % 5
    jets = {"X": (generator.normal(0, 1, (900, 16)) + y[:, np.newaxis]).astype(np.float32), "y": y.astype(np.int8)}
    names = {"features": np.array([f"f{i}" for i in range(16)]), "classes": np.array(list("gqwzt"))}
    np.savez(tmp_path / "jets.npz", **jets, **names)
    jets["X"] = jets["X"] + np.float32(100)
    np.savez(tmp_path / "fresh.npz", **jets, **names)
    options = RecipeOptions(
        tmp_path / "jets.npz", (1, 2), 1, tmp_path / "out", tmp_path / "work", tmp_path / "fresh.npz"
    )
    recipe.run(options)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert sorted(first) == sorted(WRITTEN)
    check_folder(tmp_path / "out")
    with np.load(tmp_path / "out" / "sample.npz") as archive:
        assert len(archive["y"]) == len(y)  # all jets of the other file
        assert archive["features"].min() > 50
    recipe.run(options)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
