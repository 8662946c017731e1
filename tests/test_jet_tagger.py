"""The jet tagger's recipe: a range of pT, fresh jets, simple classifiers beside the network, and a card that tells them all."""

from __future__ import annotations

import numpy as np
import pytest
from model_recipes import MODELS, load_recipe

from bittrigger.data.pythia.jets5 import CLASSES, FEATURES
from bittrigger.explore.dense import DenseSettings
from bittrigger.explore.firmware import firmware_cost
from bittrigger.train.recipes import RecipeOptions, predict, reload

pytestmark = pytest.mark.filterwarnings("ignore")


def write_jets(path, seed, jets=600):
    generator = np.random.default_rng(seed)
    y = np.arange(jets) % 5
    x = (generator.normal(0, 1, (jets, 16)) + np.eye(16)[y] * 3).astype(np.float32)
    kin = np.stack([generator.uniform(400, 1600, jets), generator.uniform(-2.4, 2.4, jets)], axis=1)
    arrays = {"X": x, "y": y.astype(np.int8), "kin": kin.astype(np.float32)}
    np.savez(path, **arrays, features=np.array(FEATURES), classes=np.array(CLASSES))
    return path


@pytest.mark.usefixtures("call_by_call")
def test_the_recipe_measures_fresh_jets_over_the_range_and_at_1_tev(tmp_path, monkeypatch):
    recipe = load_recipe("jet_tagger")
    monkeypatch.setattr(recipe, "DESIGN", DenseSettings((3,)))
    monkeypatch.setattr(recipe, "TWIN_EPOCHS", 1)
    monkeypatch.setattr(recipe, "prepare_tensorflow", lambda _seed: None)  # once a process only
    monkeypatch.setattr(recipe, "firmware_cost", lambda path: firmware_cost(path, synthesize=False))
    files = [write_jets(tmp_path / f"{name}.npz", i) for i, name in enumerate(("range", "fresh", "jets5", "test5"))]
    others = {"jets5": files[2], "jets5-test": files[3]}
    recipe.run(RecipeOptions(files[0], (1,), 1, tmp_path / "out", tmp_path / "work", files[1], others))
    card = (tmp_path / "out" / "card.md").read_text()
    rows = [line.split("|")[1].strip() for line in card.splitlines() if line.startswith("| ") and " ± " in line]
    scores = [
        "`model.h5`",
        "network of jet_pareto, trained at 1 TeV",
        "logistic regression",
        "boosted trees, 100 rounds",
    ]
    assert rows == [*scores, *scores]
    assert "On 600 fresh test jets of 0.4 to 1.6 TeV" in card
    assert "--data range.npz --test fresh.npz --jets5 jets5.npz --jets5-test test5.npz --seed 1 --epochs 1" in card
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("model.h5", "scaler.json", "sample.npz", "card.md", "accuracy_pt.png", "accuracy_y.png")
    }


def test_the_shipped_network_is_as_right_on_its_sample_as_the_card_says():
    """The sample is a part of the test jets: within three binomial errors of both samples."""
    folder = MODELS / "jet_tagger"
    with np.load(folder / "sample.npz") as archive:
        x, y = archive["x"], archive["y"]
    share = np.mean(predict(reload(folder / "model.h5"), x).argmax(axis=1) == y)
    row = next(line for line in (folder / "card.md").read_text().splitlines() if line.startswith("| `model.h5` |"))
    told, error = (float(part) / 100 for part in row.split("|")[2].split("±"))
    assert abs(share - told) < 3 * np.hypot(error, np.sqrt(told * (1 - told) / len(y)))
