"""CaloDREAM: parameters of the authors' sizes and shares, paths that end where they must, a recipe from data to card."""

from dataclasses import replace

import numpy as np
import pytest
from calo_showers import write_showers
from keras_models import tf
from model_recipes import load_recipe

from bittrigger.data import load_showers
from bittrigger.train import FitSettings, model_costs
from bittrigger.train.generators import parameter_counts
from bittrigger.train.recipes import RecipeOptions

recipe = load_recipe("calo_dream")
energy, shape, matching = (load_recipe("calo_dream", name) for name in ("energy", "shape", "matching"))

pytestmark = pytest.mark.filterwarnings("ignore")

SMALL_ENERGY = recipe.EnergySettings(dims=5, units=8, heads=2, depth=1, hidden=8, head_units=8, head_layers=1)
SMALL_SHAPE = recipe.ShapeSettings(tokens=46, token_size=8, units=8, depth=1, heads=2, steps=2)


def counts(net, width):
    model = recipe.Matching(net, 1, "counted")
    model(tf.zeros((1, width)))
    found = parameter_counts(model)
    assert model_costs(model).quantized_parameters == found[1]
    return found


@pytest.mark.parametrize(("ternary", "quantised"), [(False, 0), (True, 1_575_936)])
def test_parameters_of_the_energy_network_are_those_of_the_authors(ternary, quantised):
    net = energy.EnergyNet(energy.EnergySettings(ternary=ternary), 1)
    assert counts(net, 46) == (2_384_705, quantised)


@pytest.mark.parametrize(("variant", "quantised"), [("float", 0), ("no-embedding", 16_614_720), ("full", 17_269_008)])
def test_parameters_of_the_shape_network_are_those_of_the_authors(variant, quantised):
    net = shape.ShapeNet(shape.ShapeSettings(variant=variant), np.zeros((135, 3)))
    assert counts(net, 6480 + 46) == (26_042_688, quantised)


def test_a_number_is_told_by_those_before_it_alone():
    net = energy.EnergyNet(SMALL_ENERGY, 1)
    numbers = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    first = net.contexts(tf.constant(numbers), tf.ones((3, 1))).numpy()
    numbers[:, 2] += 1
    second = net.contexts(tf.constant(numbers), tf.ones((3, 1))).numpy()
    assert np.array_equal(first[:, :3], second[:, :3])
    assert (first[:, 3:] != second[:, 3:]).any(axis=(1, 2)).all()


def test_following_a_path_is_exact_for_a_cubic_in_time():
    start = tf.constant([[1.0, 2.0]])
    end = matching.follow(lambda x, time: 0 * x + 4 * time**3, start, steps=3)
    assert end.numpy() == pytest.approx(np.array([[2.0, 3.0]]), abs=1e-6)


def test_a_network_that_knows_nothing_has_the_error_of_noise_and_events():
    model = recipe.Matching(shape.ShapeNet(SMALL_SHAPE, np.zeros((46, 3))), 1, "blank")
    events = np.random.default_rng(1).normal(size=(200, 368 + 6)).astype(np.float32)
    assert model(events).numpy().mean() == pytest.approx(2, abs=0.1)
    assert np.array_equal(model(events).numpy(), model(events).numpy())


def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "SHAPE", SMALL_SHAPE)
    layout = recipe.Layout.of(load_showers(write_showers(tmp_path / "a.npz", 1)), SMALL_SHAPE, 1)
    rows = np.random.default_rng(1).normal(size=(60, 374)).astype(np.float32)

    def train(folder, stop=False):
        model = recipe.built("shape", "full", layout, 3)
        calls = []

        def score(net, _):
            calls.append(net)
            if stop and len(calls) == 2:
                raise KeyboardInterrupt
            return -np.zeros((1, 1))

        monkeypatch.setattr(recipe, "predict", score)
        recipe.fitted(model, rows, rows, FitSettings(3, 16, 1e-3, seed=3), folder)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", stop=True)
    assert np.array_equal(train(tmp_path / "parts"), whole)


def test_the_energy_network_is_traced_and_trained():
    """As people train it; the recipe below runs call by call."""
    model = recipe.Matching(energy.EnergyNet(replace(SMALL_ENERGY, ternary=True), 1), 1, "traced")
    rows = np.random.default_rng(1).normal(size=(16, 6)).astype(np.float32)
    model(rows)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile("adam", lambda _, found: tf.reduce_mean(found))
    model.train_on_batch(rows, np.zeros((16, 1), np.float32))
    after = [weight.numpy() for weight in model.trainable_weights]
    assert not all(map(np.array_equal, before, after))
    assert all(np.isfinite(weight).all() for weight in after)


@pytest.mark.usefixtures("call_by_call")
def test_the_recipe_goes_from_data_to_card(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "prepare_tensorflow", lambda _seed: None)  # once a process only
    monkeypatch.setattr(recipe, "ENERGY", SMALL_ENERGY)
    monkeypatch.setattr(recipe, "SHAPE", SMALL_SHAPE)
    monkeypatch.setattr(energy, "SAMPLING_STEPS", 2)
    monkeypatch.setattr(recipe, "PAIRS", {"energy full, shape full": ("energy-full", "shape-full")})
    monkeypatch.setattr("bittrigger.train.generators.CLASSIFIER_EPOCHS", 1)
    data, fresh = write_showers(tmp_path / "a.npz", 1), write_showers(tmp_path / "b.npz", 2)
    recipe.run(RecipeOptions(data, (1,), 1, tmp_path / "out", tmp_path / "work", fresh))
    card = (tmp_path / "out" / "card.md").read_text()
    assert "36 showers train, the shape network for 1 epochs,\nthe energy network for 1; one seed, so that" in card
    assert card.count("| energy full, shape full |") == 2
    assert "python models/calo_dream/recipe.py --data a.npz --test b.npz --seed 1 --epochs 1" in card
    made = np.load(tmp_path / "work" / "pairs" / "energy-full-shape-full" / "seed-1" / "samples.npz")["showers"]
    assert made.shape == (40, 368)
    assert np.isfinite(made).all()
    assert (tmp_path / "out" / "observables.png").stat().st_size > 1000
