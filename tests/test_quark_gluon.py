"""The quark and gluon networks: sizes, symmetries, inputs, and the recipe from data to card."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from keras_models import tf
from model_recipes import MODELS, load_recipe

from bittrigger.data import load_quark_gluon, pad
from bittrigger.errors import ConfigError
from bittrigger.explore.firmware import firmware_cost
from bittrigger.train import calibrate
from bittrigger.train.recipes import predict

FOLDER = MODELS / "quark_gluon"
qg_recipe = load_recipe("quark_gluon")
pdat_recipe = load_recipe("quark_gluon", "pdat_recipe")
architectures = load_recipe("quark_gluon", "architectures_recipe")

import attention_nets  # noqa: E402
import deep_sets  # noqa: E402
import paired  # noqa: E402
import pdat  # noqa: E402
import pdat_inputs  # noqa: E402
import qg_jets  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def write_jets(path, jets=40, seed=0, numbers=(211, -211, 22)):
    """Jets of 3 to 9 constituents around an axis; quarks have fewer."""
    generator = np.random.default_rng(seed)
    y = np.arange(jets) % 2
    n = generator.integers(3, 6, jets) + 4 * (1 - y)
    axis = np.stack(
        [generator.uniform(500, 550, jets), generator.uniform(-1, 1, jets), generator.uniform(-3, 3, jets)], 1
    )
    near = np.repeat(axis, n, axis=0)
    pt = generator.exponential(60, n.sum()) + 1
    order = np.lexsort((-pt, np.repeat(np.arange(jets), n)))
    particles = np.stack([pt[order], near[:, 1] + generator.normal(0, 0.1, n.sum()), near[:, 2] + 0.1], axis=1)
    jet = np.concatenate([axis, np.full((jets, 1), 50.0)], axis=1)
    arrays = {"particles": particles.astype(np.float32), "pid": generator.choice(numbers, n.sum()).astype(np.int32)}
    np.savez(path, **arrays, n=n.astype(np.int16), jet=jet.astype(np.float32), y=y.astype(np.int8))
    return path


@pytest.fixture
def sample(tmp_path):
    return load_quark_gluon(write_jets(tmp_path / "jets.npz"))


# --- P-DAT ---------------------------------------------------------------------------------------


@cache
def p_dat(*, ternary, seed=1):
    """A small P-DAT, built once, which takes seconds; tests that train build their own."""
    return pdat.build_pdat(6, 3, ternary=ternary, seed=seed)


@pytest.mark.parametrize(("ternary", "quantised"), [(False, 0), (True, 45_760)])
def test_the_numbers_of_parameters_are_those_of_the_paper(ternary, quantised):
    model = p_dat(ternary=ternary)
    assert pdat.parameter_counts(model) == (214_728, quantised)
    kinds = [part for part in model.submodules if isinstance(part, pdat.BitHepLinear)]
    assert len(kinds) == (pdat.QUANTISED_LAYERS if ternary else 0)


def test_the_twin_begins_with_the_same_weights():
    one, other = (p_dat(ternary=ternary).get_weights() for ternary in (False, True))
    assert all(map(np.array_equal, one, other))
    assert not all(map(np.array_equal, one, p_dat(ternary=True, seed=5).get_weights()))


@pytest.mark.parametrize("ternary", [False, True])
def test_every_weight_of_p_dat_is_trained(sample, ternary):
    """The ternary one by the graph of TensorFlow that trains it, which takes long to trace; the other call by call."""
    model = pdat.build_pdat(6, 3, ternary=ternary, seed=1)
    table = pdat_inputs.particle_table(sample, 6)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile("adam", pdat.double_softmax_loss, run_eagerly=not ternary)
    model.fit(table, sample.y, epochs=1, verbose=0)
    same = [w.name for w, old in zip(model.trainable_weights, before, strict=True) if np.array_equal(w.numpy(), old)]
    assert not same


def test_the_loss_takes_probabilities_for_logits():
    found = pdat.double_softmax_loss(tf.constant([[1.0]]), tf.constant([[0.25, 0.75]]))
    assert found.numpy()[0] == pytest.approx(-np.log(np.exp(0.75) / (np.exp(0.25) + np.exp(0.75))), rel=1e-6)


def test_channel_attention_reads_rows_without_transposing():
    """The trap of the paper's code: the same numbers in the same order, in other rows."""
    layer = pdat.channel_attention(pdat.layers.Dense)
    x = np.random.default_rng(0).normal(size=(1, 4, 64)).astype(np.float32)
    matrix = np.zeros((1, 11, 11), np.float32)
    before = layer(x, matrix).numpy()
    after = layer(x[:, [1, 0, 2, 3]], matrix).numpy()[:, [1, 0, 2, 3]]
    assert np.abs(before - after).max() > 1e-3  # a transposition would not depend on the order


@pytest.mark.parametrize("part", ["particle", "channel"])
def test_a_gelu_stands_between_the_two_layers_behind_each_attention(part):
    """So it is in the authors' code in both: without it two ternary layers would follow each other."""
    model = p_dat(ternary=True)
    behind = model.get_layer(f"{part}_fc1").outbound_nodes
    assert len(behind) == 2  # both calls
    for node in behind:
        assert node.outbound_layer.get_config()["function"] == "nn.gelu"


@pytest.mark.usefixtures("call_by_call")
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_p_dat_is_saved_and_read(sample, tmp_path, suffix):
    model = p_dat(ternary=True)
    model.save(tmp_path / f"m.{suffix}")
    again = tf.keras.models.load_model(tmp_path / f"m.{suffix}", compile=False)
    table = pdat_inputs.particle_table(sample, 6)
    assert np.array_equal(predict(again, table), predict(model, table))


def test_nearest_mean_by_hand():
    rows = tf.constant([[[0.0], [1.0], [10.0]]])
    found = pdat.nearest_mean(rows, tf.constant([[[1.0], [3.0], [100.0]]]), 2)
    assert found.numpy()[0, :, 0].tolist() == [2.0, 2.0, 51.5]


# --- what passes between constituents ------------------------------------------------------------


@pytest.mark.parametrize("kind", attention_nets.KINDS)
def test_the_order_of_the_constituents_counts_for_the_mixer_alone(kind):
    tf.keras.utils.set_random_seed(2)
    model = attention_nets.build(kind, ternary=False, constituents=4)
    x = np.random.default_rng(0).normal(size=(50, 4, 5)).astype(np.float32)
    same = np.abs(predict(model, x) - predict(model, x[:, [2, 0, 3, 1]])).max() < 1e-5
    assert same == (kind != attention_nets.MIXER)


@pytest.mark.parametrize("kind", [attention_nets.JEDI_LINEAR, attention_nets.MIXER, attention_nets.SOFTMAX])
def test_what_passes_between_constituents_reaches_the_firmware(tmp_path, kind):
    """Ternary: converted, which compares Keras and the integers on every bit; and a constituent changes what others give."""
    tf.keras.utils.set_random_seed(2)
    model = attention_nets.build(kind, ternary=True, constituents=4)
    x = np.random.default_rng(0).normal(size=(200, 4, 5)).astype(np.float32)
    calibrate(model, x)
    model.save(tmp_path / "model.h5", include_optimizer=False)
    assert firmware_cost(tmp_path / "model.h5", synthesize=False).luts.value > 0
    others = tf.keras.Model(model.input, model.get_layer("sum").output)
    changed = x.copy()
    changed[:, 1] += 1
    assert (predict(others, x) != predict(others, changed))[:, [0, 2, 3]].any()


def test_further_jets_stand_behind_those_of_the_data(tmp_path):
    paths = [write_jets(tmp_path / f"{seed}.npz", 240, seed=seed) for seed in range(3)]
    jets = qg_jets.load(*paths)
    assert str(jets) == "432 train, 48 validation, 240 test"
    one, other = (load_quark_gluon(path) for path in (paths[0], paths[2]))
    x = deep_sets.constituent_features(jets.known, 4)
    assert np.array_equal(x, np.concatenate([deep_sets.constituent_features(part, 4) for part in (one, other)]))
    with pytest.raises(ConfigError, match=r"1\.npz and .*1\.npz: both hold the same jets"):
        qg_jets.load(paths[0], paths[1], paths[1])


def test_differences_have_the_error_of_jets_and_of_seeds():
    areas = paired.Drawn(
        {
            ("a", 1): np.array([0.80, 0.80, 0.80]),
            ("a", 2): np.array([0.82, 0.82, 0.82]),
            ("b", 1): np.array([0.79, 0.79, 0.79]),
            ("b", 2): np.array([0.79, 0.79, 0.79]),
        }
    )
    assert areas.difference("a", "b") == "+2.00 ± 1.00"  # 1 and 3 points; no spread of the draws
    jets_alone = paired.Drawn({("a", 1): np.array([0.8, 0.8, 0.82]), ("b", 1): np.array([0.8, 0.8, 0.8])})
    assert jets_alone.difference("a", "b") == "+0.00 ± 1.00"


@pytest.mark.parametrize(
    ("area", "words"), [(0.8, "None of them differs"), (0.9, r"Mixer-ternary \(better\);\nthe others")]
)
def test_the_card_names_networks_that_differ_by_twice_the_error(area, words):
    names = [architectures.name_of(kind, ternary=ternary) for ternary in (False, True) for kind in attention_nets.KINDS]
    of = {(name, seed): np.array([0.8, 0.8, 0.81]) for name in names for seed in (1, 2)}
    of.update({("Mixer-ternary", seed): np.array([area, area, area]) for seed in (1, 2)})
    assert re.search(words, architectures.verdict(paired.Drawn(of)))


def test_the_card_says_which_networks_lose_to_what_needs_none():
    of = {("boosted trees", 1): [0.8, 0.8], ("a", 1): [0.82, 0.82], ("b", 1): [0.79, 0.79], ("c", 1): [0.8, 0.81]}
    found = architectures.beside_trees(paired.Drawn({key: np.array([*areas, areas[1]]) for key, areas in of.items()}))
    assert found.endswith("better: a (+2.00 ± 0.00); worse: b (-1.00 ± 0.00).")
    of.update({("a", 1): [0.78, 0.78], ("c", 1): [0.77, 0.77]})
    found = architectures.beside_trees(paired.Drawn({key: np.array([*areas, areas[1]]) for key, areas in of.items()}))
    assert found.startswith("**All are worse than boosted trees")
    assert found.endswith("from b (-1.00 ± 0.00) to c (-3.00 ± 0.00).")


def test_the_comparison_goes_from_data_to_card_and_looks_at_the_test_jets_last(tmp_path, monkeypatch):
    from bittrigger.train.recipes import RecipeOptions

    monkeypatch.setattr(architectures, "CONSTITUENTS", 4)
    monkeypatch.setattr(paired, "BOOTSTRAPS", 3)
    monkeypatch.setattr(architectures, "KINDS", ("DeepSets", "softmax-attention"))
    monkeypatch.setattr(architectures, "prepare_tensorflow", lambda _seed: None)  # once a process only
    data, more, test = (write_jets(tmp_path / f"{seed}.npz", 240, seed=seed) for seed in range(3))
    options = RecipeOptions(data, (1,), 1, tmp_path / "out", tmp_path / "work", test, {"more": more})
    architectures.run(options)
    results = list(options.work.rglob("result.json"))
    assert len(results) == 4
    assert all("validation AUC" in path.read_text() and "accuracy" not in path.read_text() for path in results)
    card = (options.out / "architectures.md").read_text()
    assert "| softmax-attention-float |" in card
    assert "| softmax-attention-ternary |" in card
    assert "--data 0.npz --test 2.npz --more 1.npz --seed 1 --epochs 1" in card
    assert "core minutes for all" in card
    assert "In 4 of 4 trainings the last epoch was the best one" in card


# --- inputs --------------------------------------------------------------------------------------


def test_neighbours_pairs_and_the_matrix_of_a_jet(sample):
    table = pdat_inputs.particle_table(sample, 6)
    assert table.shape == (40, 6, 8)
    near = pdat_inputs.neighbour_features(tf.constant(table), 3).numpy()
    assert np.array_equal(near[:, :, 0, :4], table[:, :, :4])  # itself first
    assert (near[:, :, 0, 4:7] == 0).all()
    assert (np.diff(near[0, 0, :, 6]) >= 0).all()
    pairs = pdat_inputs.pair_features(tf.constant(table)).numpy()
    full = table[:, :, 7].all(axis=1)
    assert np.allclose(pairs[full], pairs[full].swapaxes(1, 2), atol=1e-4)
    assert (pairs[full][:, range(6), range(6)] == 1).all()
    assert (pairs[table[:, :, 7] == 0] == 0).all()
    matrix = pdat_inputs.jet_matrix(tf.constant(table)).numpy()
    assert np.array_equal(matrix, matrix.swapaxes(1, 2))
    assert np.abs(matrix[:, :10, :10]).max() <= 1
    assert np.isfinite(matrix).all()


def test_a_table_that_counts_gives_each_neighbour_the_number_of_constituents(sample):
    """Beside the features without it, which stay; pairs and the matrix do not read it."""
    plain, counted = (tf.constant(pdat_inputs.particle_table(sample, 6, counted=count)) for count in (False, True))
    near, more = (pdat_inputs.neighbour_features(table, 3).numpy() for table in (plain, counted))
    assert np.array_equal(more[..., :8], near)
    here = plain.numpy()[:, :, None, 7].repeat(3, axis=2)
    assert np.array_equal(16 * more[..., 8] + 44 * here, here * sample.counts[:, None, None])
    for part in (pdat_inputs.pair_features, pdat_inputs.jet_matrix):
        assert np.array_equal(part(plain).numpy(), part(counted).numpy())


def test_a_particle_of_short_life_is_refused(tmp_path):
    sample = load_quark_gluon(write_jets(tmp_path / "j.npz", numbers=(211, 111)))
    with pytest.raises(ConfigError, match=r"particle 111 among the constituents; expected one of \[-2212"):
        pdat_inputs.particle_table(sample, 6)


def test_features_of_missing_constituents(sample):
    x = deep_sets.constituent_features(sample, 8)
    assert x.shape == (40, 8, len(deep_sets.FEATURES))
    short = int(np.argmin(sample.counts))
    missing = x[short, sample.counts[short] :, :-1]
    assert np.array_equal(missing, np.tile(deep_sets.ABSENT, (8 - sample.counts[short], 1)))
    assert np.array_equal(16 * x[:, :, -1] + 44, np.tile(sample.counts[:, None], (1, 8)))
    assert (np.diff(x[:, :3, 0], axis=1) <= 0).all()


# --- figures and recipes -------------------------------------------------------------------------


def test_figures_by_hand():
    found = qg_jets.figures_of(np.array([-2, 1, -1, 2, 3, 4], np.float32), np.array([0, 0, 1, 1, 1, 1], np.int8))
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["AUC"] == pytest.approx(7 / 8)
    assert found["1 / background at 50 %"] == 6  # no gluon above 2.5, and no more is known than one in six


def test_too_few_jets_and_no_file(tmp_path):
    path = write_jets(tmp_path / "jets.npz")
    with pytest.raises(ConfigError, match="40 jets; expected at least 200; make more with"):
        qg_jets.load(path, path)
    with pytest.raises(ConfigError, match=r"none\.npz"):
        qg_jets.load(path, tmp_path / "none.npz")
    with pytest.raises(ConfigError, match="no test file: expected jets of another seed"):
        qg_jets.load(path, None)
    enough = write_jets(tmp_path / "enough.npz", 240)
    with pytest.raises(ConfigError, match="both hold the same jets; expected files of two seeds"):
        qg_jets.load(enough, enough)


def energyflow_file(path, sample):
    """The same jets as EnergyFlow has them."""
    x = np.zeros((len(sample.y), sample.counts.max(), 4))
    x[:, :, :3], x[:, :, 3] = pad(sample, sample.counts.max())
    np.savez(path, X=x, y=sample.y.astype(float))
    return path


def test_jets_of_the_public_file_are_read_too(tmp_path):
    ours = load_quark_gluon(write_jets(tmp_path / "jets.npz", 240))
    jets = qg_jets.load(energyflow_file(tmp_path / "QG_jets.npz", ours), write_jets(tmp_path / "f.npz", 240, seed=1))
    assert np.array_equal(jets.known.momenta, ours.momenta)
    assert (np.abs(deep_sets.constituent_features(jets.known, 4)[:, :, 1:4]) < 10).all()
    assert str(jets) == "216 train, 24 validation, 240 test"


def test_observables_and_baselines_by_hand(tmp_path):
    jets = qg_jets.load(write_jets(tmp_path / "k.npz", 240), write_jets(tmp_path / "f.npz", 240, seed=1))
    found = qg_jets.observables(jets.fresh)
    own = jets.fresh.momenta[: jets.fresh.counts[0]].astype(np.float64)
    distance = np.hypot(own[:, 1] - jets.fresh.jet[0, 1], own[:, 2] - jets.fresh.jet[0, 2])
    wanted = [len(own), np.sqrt((own[:, 0] ** 2).sum()) / own[:, 0].sum(), np.average(distance, weights=own[:, 0])]
    assert found[0, :3] == pytest.approx(wanted)
    assert found[0, 3] == pytest.approx(50 / jets.fresh.jet[0, 0])
    count, _, trees = qg_jets.baselines(jets).values()
    assert qg_jets.figures_of(count, jets.fresh.y)["AUC"] == qg_jets.roc_auc(-found[:, 0], jets.fresh.y == 1)
    assert qg_jets.area_gain(trees, trees, jets.fresh.y) == "0.00 ± 0.00"
    assert qg_jets.area_gain(jets.fresh.y, 1 - jets.fresh.y, jets.fresh.y) == "100.00 ± 0.00"


def test_the_shipped_network_beats_what_needs_none():
    """By the table of the card; a network that loses to the number of constituents is not shipped."""
    result = (FOLDER / "card.md").read_text().split("## Firmware")[0]
    rows = [line.split("|")[1:-1] for line in result.splitlines() if line.startswith("| ")][2:]
    areas = {row[0].strip(): float(row[2].split("±")[0]) for row in rows}
    ternary = areas.pop("ternary")
    areas.pop("float")
    assert len(areas) == 3
    assert ternary > max(areas.values())


def small_p_dat(constituents, _neighbours, *, ternary, seed, counted):
    """A network with the inputs, the outputs and the kinds of layers of P-DAT; P-DAT itself is trained above."""
    tf.keras.utils.set_random_seed(seed)
    table = tf.keras.Input((constituents, 8 + counted))
    hidden = pdat.linear(4, 8 + counted, pdat.BitHepLinear if ternary else pdat.layers.Dense)(table)
    return tf.keras.Model(table, pdat.layers.Dense(2, "softmax")(tf.reduce_mean(hidden, axis=1)))


@pytest.mark.usefixtures("call_by_call")
@pytest.mark.parametrize("module", [qg_recipe, pdat_recipe])
def test_a_recipe_goes_from_data_to_card_and_does_no_run_twice(tmp_path, monkeypatch, module):
    """Smaller networks; the options, the study, the export, the conversion and the card are the real ones."""
    from bittrigger.train.recipes import RecipeOptions

    for name, value in {"CONSTITUENTS": 4, "NEIGHBOURS": 2, "FLOAT_EPOCHS": 1, "BATCH_SIZE": 64}.items():
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "prepare_tensorflow", lambda _seed: None)  # once a process only
    monkeypatch.setattr(pdat_recipe, "build_pdat", small_p_dat)
    monkeypatch.setattr(deep_sets, "EACH", (3, 2))
    monkeypatch.setattr(deep_sets, "MEAN", (2,))
    data, fresh = write_jets(tmp_path / "jets.npz", 240), write_jets(tmp_path / "fresh.npz", 240, seed=1)
    options = RecipeOptions(data, (1, 2), 1, tmp_path / "out", tmp_path / "work", fresh)
    module.run(options)
    results = {path: path.stat().st_mtime_ns for path in options.work.rglob("result.json")}
    assert len(results) == 4
    assert module is qg_recipe or not any("accuracy" in path.read_text() for path in results)
    card = next(options.out.glob("*.md")).read_text()
    assert card.count(" ± ") >= 6
    module.run(options)
    assert {path: path.stat().st_mtime_ns for path in options.work.rglob("result.json")} == results


def test_the_committed_network_finds_what_the_card_says():
    with np.load(FOLDER / "sample.npz") as sample:
        x, y = sample["x"], sample["y"]
    model = qg_recipe.reload(FOLDER / "model.h5")
    scores = predict(model, x.reshape(len(x), qg_recipe.CONSTITUENTS, -1))[:, 0]
    row = next(line for line in (FOLDER / "card.md").read_text().splitlines() if line.startswith("| ternary "))
    stated = float(row.split("|")[2].split("±")[0])
    assert 100 * qg_jets.figures_of(scores, y)["accuracy"] == pytest.approx(stated, abs=4)
