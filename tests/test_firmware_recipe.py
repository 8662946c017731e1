"""The table of what the networks of few constituents take as firmware."""

from __future__ import annotations

import json

import numpy as np
import pytest
from keras_models import tf
from model_recipes import load_recipe
from test_quark_gluon import write_jets

from bittrigger.errors import ConfigError
from bittrigger.train import calibrate

recipe = load_recipe("quark_gluon", "firmware_recipe")

import attention_nets  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def runs(tmp_path):
    """A folder as a study leaves it: two seeds of DeepSets, of which the second is better, and one of attention."""
    x = np.random.default_rng(0).normal(size=(100, 3, 5)).astype(np.float32)
    for kind, seed, area in (
        (attention_nets.DEEP_SETS, 1, 0.7),
        (attention_nets.DEEP_SETS, 2, 0.8),
        (attention_nets.ATTENTION, 1, 0.75),
    ):
        folder = tmp_path / f"{kind}-ternary" / f"seed-{seed}"
        folder.mkdir(parents=True)
        tf.keras.utils.set_random_seed(seed)
        model = attention_nets.build(kind, ternary=True, constituents=3)
        calibrate(model, x)
        model.save(folder / "model.h5", include_optimizer=False)
        (folder / "result.json").write_text(json.dumps({"figures": {"validation AUC": area}}))
    return tmp_path


def test_the_networks_of_a_study_are_built_proven_and_told(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "KINDS", (attention_nets.DEEP_SETS, attention_nets.ATTENTION))
    monkeypatch.setattr(recipe, "INTERVALS", (9,))
    test = write_jets(tmp_path / "fresh.npz", 240)
    assert recipe.best_model(runs, attention_nets.DEEP_SETS) == runs / "DeepSets-ternary" / "seed-2" / "model.h5"
    assert recipe.main(["--work", str(runs), "--test", str(test), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "firmware.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith(("| DeepSets", "| attention"))]
    assert [(row[0], row[2], row[6]) for row in rows] == [
        ("| DeepSets", "9", "layer1: pass"),
        ("| attention", "9", "layer1: pass"),
    ]
    for row in rows:
        proven, claims = row[7].strip(" |").split(" of ")
        assert proven == claims
        assert 0 < float(row[1]) < 1
    assert "AUC is on 240 jets of `fresh.npz`" in text
    assert "of origin\nsynth, Yosys" in text


def test_a_study_without_that_network_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match="attention-ternary: no finished run; expected those of architectures_recipe.py"
    ):
        recipe.best_model(tmp_path, attention_nets.ATTENTION)
