"""CaloINN: parameters of the authors' size and shares, splines that invert, a likelihood that is one."""

import numpy as np
import pytest
from calo_showers import write_showers
from keras_models import tf
from model_recipes import load_recipe

from bittrigger.data import load_showers, shower_shares
from bittrigger.train import generators, model_costs
from bittrigger.train.generators import parameter_counts
from bittrigger.train.metrics import separation
from bittrigger.train.recipes import RecipeOptions
from bittrigger.train.study import Run

flow = load_recipe("calo_inn", "flow")

pytestmark = pytest.mark.filterwarnings("ignore")

SMALL = flow.FlowSettings(dims=5, blocks=5, width=8, layers=3, bins=4, bound=3.0)


@pytest.mark.parametrize(
    ("variant", "quantised"),
    [("float", 0), ("NNCentral", 1_579_008), ("BlockCentral", 12_529_808), ("All", 18_794_712)],
)
def test_parameters_are_those_of_the_authors_for_ds1_photons(variant, quantised):
    """Totals of the CaloChallenge and the shares that follow from the authors' code."""
    settings = flow.FlowSettings(variant=variant)
    linear = [
        (size + 1) * units
        for block in range(settings.blocks)
        for place, (size, units) in enumerate(((188, 256), (256, 256), (256, 256), (256, 5394)))
        if settings.is_ternary(block, place)
    ]
    assert sum(linear) == quantised


def test_one_block_of_the_authors_size_has_their_weights():
    model = flow.built(flow.FlowSettings(blocks=2, variant="All"))
    total, quantised = parameter_counts(model)
    assert quantised == 2 * 1_566_226 == model_costs(model).quantized_parameters
    assert total == 2 * (1_566_226 + 1_536) + 2 * 373
    assert 12 * (1_566_226 + 1_536) + 11 * 2 * 373 == 18_821_350


def randomised(settings):
    model = flow.built(settings, seed=1)
    generator = np.random.default_rng(2)
    for weight in model.trainable_weights:
        weight.assign(weight + generator.normal(0, 0.4, weight.shape).astype(np.float32))
    return model


@pytest.mark.parametrize("variant", flow.VARIANTS)
def test_samples_are_what_the_flow_maps_to_the_numbers_they_came_from(variant):
    model = randomised(flow.FlowSettings(**{**SMALL.__dict__, "variant": variant}))
    condition = np.linspace(-1, 1, 40).astype(np.float32)[:, None]
    x = model.sample(condition, np.random.default_rng(5))
    drawn = np.random.default_rng(5).normal(size=x.shape)
    again, _ = forward(model, x, condition)
    assert np.isfinite(x).all()
    assert np.median(np.abs(again - drawn)) < 1e-3


def forward(model, x, condition):
    """The numbers that events are mapped to, from the likelihood's own steps."""
    settings, gained = model.settings, 0.0
    x = tf.constant(x)
    for block, subnet in enumerate(model.subnets):
        if block:
            x, log = model.norms[block - 1](x)
            gained += log
        kept, moved = x[:, : settings.kept], x[:, settings.kept :]
        moved, log = flow.spline(moved, subnet(tf.concat([kept, condition], axis=1)), settings)
        gained += log
        x = tf.gather(tf.concat([kept, moved], axis=1), model.orders[block], axis=1)
    return x.numpy(), gained


def test_the_likelihood_integrates_to_one():
    settings = flow.FlowSettings(dims=2, blocks=4, width=8, layers=3, bins=5, bound=4.0)
    model = randomised(settings)
    axis = np.linspace(-9, 9, 361, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = np.exp(-model(np.concatenate([grid, np.full((len(grid), 1), 0.3, np.float32)], axis=1)).numpy())
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=0.02)


def test_zeros_are_the_identity_and_inverse_undoes():
    x = tf.constant(np.linspace(-5, 5, 60).reshape(12, 5), tf.float32)
    same, log = flow.spline(x, tf.zeros((12, 5 * SMALL.of_spline)), SMALL)
    assert np.allclose(same, x, atol=1e-5)
    assert np.allclose(log, 0, atol=1e-4)
    parameters = tf.constant(np.random.default_rng(0).normal(0, 1, (12, 5 * SMALL.of_spline)), tf.float32)
    there, gained = flow.spline(x, parameters, SMALL)
    back, lost = flow.spline(there, parameters, SMALL, inverse=True)
    assert np.allclose(back, x, atol=1e-3)
    assert np.allclose(gained, -lost, atol=1e-2)


def test_showers_come_back_from_what_the_flow_sees(tmp_path):
    sample = load_showers(write_showers(tmp_path / "a.npz", 1))
    logs = shower_shares.events(sample.voxels_mev, sample.incident_mev, np.random.default_rng(1))
    back = shower_shares.voxels_of(logs, sample.incident_mev)
    assert logs.shape == (40, 373)
    total = sample.voxels_mev.sum(axis=1)
    assert np.abs(back - sample.voxels_mev).sum() < 1e-3 * total.sum()
    assert separation(total, total) == 0
    assert separation(total, total + 1e9) == pytest.approx(1)


def test_a_flow_is_traced_and_trained():
    """As people train it; the recipe below runs call by call."""
    model = flow.built(flow.FlowSettings(dims=5, blocks=2, width=4, layers=2, bins=3, variant="All"))
    rows = np.random.default_rng(1).normal(size=(16, 6)).astype(np.float32)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile("adam", lambda _, found: tf.reduce_mean(found))
    model.train_on_batch(rows, np.zeros(16, np.float32))
    after = [weight.numpy() for weight in model.trainable_weights]
    assert not all(map(np.array_equal, before, after))
    assert all(np.isfinite(weight).all() for weight in after)


@pytest.mark.usefixtures("call_by_call")
def test_the_recipe_goes_from_data_to_card(tmp_path, monkeypatch):
    recipe = load_recipe("calo_inn")
    monkeypatch.setattr(recipe, "prepare_tensorflow", lambda _seed: None)  # once a process only
    monkeypatch.setattr(recipe, "SETTINGS", flow.FlowSettings(blocks=2, width=4, layers=3, bins=3))
    monkeypatch.setattr(recipe, "VARIANTS_OF_WIDTH", {v: {"variant": v, "width": 4} for v in ("float", "All")})
    monkeypatch.setattr("bittrigger.train.generators.CLASSIFIER_EPOCHS", 1)
    monkeypatch.setattr(recipe, "VARIANTS", ("float", "All"))
    data, fresh = write_showers(tmp_path / "a.npz", 1), write_showers(tmp_path / "b.npz", 2)
    recipe.run(RecipeOptions(data, (1,), 1, tmp_path / "out", tmp_path / "work", fresh))
    card = (tmp_path / "out" / "card.md").read_text()
    assert "36 showers train, for 1 epochs, 40 fresh ones" in card
    assert [line.split("|")[1].strip() for line in card.splitlines() if line.startswith(("| float", "| All"))] == [
        *("float", "All"),
        *("float", "All"),
    ]


def run_of(variant, seed, area):
    return Run(variant, seed, None, {"AUC of voxels": area})


def test_differences_are_of_the_same_seeds():
    runs = [run_of("float", 1, 0.8), run_of("float", 2, 0.7), run_of("All", 2, 0.9), run_of("All", 3, 0.5)]
    assert not generators.differences(runs, "float", {"AUC of voxels": 3})  # one seed in common
    runs += [run_of("All", 1, 0.9), run_of("shuffled", 1, 0.9)]
    assert (
        generators.differences(runs, "float", {"AUC of voxels": 3})
        == "- All less float, seed by seed: AUC of voxels +0.150 ± 0.071.\n"
    )


def test_what_ternary_layers_lose_is_told_at_each_width_from_the_same_seeds():
    lost = load_recipe("calo_inn").lost
    figures = {"float": (120, 130), "All": (20, 36), "float-narrow": (110,), "All-narrow": (-20, 7)}
    runs = [
        Run(variant, seed, None, {"log likelihood": value})
        for variant, values in figures.items()
        for seed, value in enumerate(values)
    ]
    assert lost(runs) == (
        "Ternary throughout loses 97.0 ± 4.2 with 64 units; 130.0 with 16 units, against float of the same width and seed."
    )
    assert not lost([Run("showers", 1, None, {"AUC of voxels": 0.5})])


def test_seeds_in_words():
    runs = [run_of("showers", 1, 0.5), run_of("float", 1, 0.8)]
    assert generators.seeds_text(runs) == "one seed, so that small differences say nothing"
    runs += [run_of("float", 2, 0.8)]
    assert generators.seeds_text(runs) == "mean and deviation of 2 seeds"
    assert "(how many: float 2; All 1)" in generators.seeds_text([*runs, run_of("All", 1, 0.9)])


def test_showers_are_drawn_once_each_and_shuffled_ones_voxel_by_voxel(tmp_path):
    known = load_showers(write_showers(tmp_path / "a.npz", 1, rows=120))
    incident = known.incident_mev[::2]
    drawn = generators.baseline("showers", known, incident, 1)
    of = [np.flatnonzero((known.voxels_mev == shower).all(axis=1)) for shower in drawn if shower.sum() > 1]
    assert all(len(rows) == 1 for rows in of)
    assert len({int(rows[0]) for rows in of}) == len(of)
    assert all(
        energy == known.incident_mev[rows[0]] for rows, energy in zip(of, incident[drawn.sum(axis=1) > 1], strict=True)
    )
    mixed = generators.baseline("shuffled", known, incident, 1)
    assert (mixed[:, 100] != drawn[:, 100]).any()
    assert np.isin(mixed[:, 100], known.voxels_mev[:, 100]).all()
