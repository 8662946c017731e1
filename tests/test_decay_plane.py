"""SMEFTNet: its sizes, its symmetries, the figures of the card, and the recipe from data to card."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from keras_models import tf
from model_recipes import load_recipe

from bittrigger.errors import ConfigError
from bittrigger.layers import BitHepLinear
from bittrigger.train import model_costs
from bittrigger.train.plots import plot_density, plot_histograms
from bittrigger.train.recipes import RecipeOptions, predict

FOLDER = Path(__file__).parent.parent / "models" / "decay_plane"
sys.path.append(str(FOLDER))  # the modules of the recipe lie beside it

import residuals  # noqa: E402
import smeftnet  # noqa: E402
import wz_jets as decay_jets  # noqa: E402
from smeftnet import Shape, build_smeftnet, part_parameters, pooled_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

Floats = npt.NDArray[np.float32]


def constituents(rows: int = 20, filled: int = 6, slots: int = 8, seed: int = 0) -> Floats:
    """Jets `(rows, slots, 3)` with some empty slots at the end; many pairs lie within the radius and many beyond."""
    generator = np.random.default_rng(seed)
    x = np.zeros((rows, slots, 3), np.float32)
    x[:, :filled, 0] = -np.sort(-generator.exponential(50, (rows, filled)) - 1)
    x[:, :filled, 1] = generator.uniform(0.02, 0.6, (rows, filled))
    x[:, :filled, 2] = generator.uniform(-np.pi, np.pi, (rows, filled))
    return x


def packed(x: Floats) -> Floats:
    return decay_jets.network_input(x, np.full(len(x), 700.0), x.shape[1])


def pooled(x: Floats, layers: int = 1) -> npt.NDArray[np.float64]:
    """What the message passing makes of jets, with the same weights at each call."""
    tf.keras.utils.set_random_seed(5)
    model = pooled_of(build_smeftnet(Shape(x.shape[1], layers)))
    model.set_weights([4 * weight for weight in model.get_weights()])  # so that it is far from linear
    return predict(model, packed(x)).astype(np.float64)


# --- the network ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("layers", "message"), [(1, 561), (2, 2262)])
def test_the_numbers_of_parameters_are_those_of_the_paper(layers: int, message: int) -> None:
    model = build_smeftnet(Shape(4, layers))
    assert part_parameters(model) == {"message": message, "readout": 1857}
    assert model.count_params() == message + 1857


@pytest.mark.parametrize(("message", "readout", "share"), [(0, 0, 0), (1, 0, 561), (0, 1, 1857), (1, 1, 561 + 1857)])
def test_the_variants_differ_in_their_linear_layers_alone(message: int, readout: int, share: int) -> None:
    model = build_smeftnet(Shape(4, bit_message=bool(message), bit_readout=bool(readout)))
    assert model_costs(model).quantized_parameters == share
    kinds = [type(layer) is BitHepLinear for layer in model.layers if layer.weights]
    assert kinds == [bool(message)] * 2 + [bool(readout)] * 3
    plain = build_smeftnet(Shape(4))
    assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
    assert [w.shape for w in model.weights] == [w.shape for w in plain.weights]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("turn", [0.3, 2.0])
def test_a_rotated_jet_has_the_same_features_and_a_rotated_vector(layers: int, turn: float) -> None:
    x = constituents()
    rotated = x.copy()
    rotated[..., 2] += np.float32(turn)
    before, after = pooled(x, layers), pooled(rotated, layers)
    assert np.abs(after[:, :-2] - before[:, :-2]).max() < 1e-4
    vectors = [values[:, -2] + 1j * values[:, -1] for values in (before, after)]
    assert np.abs(vectors[1] - vectors[0] * np.exp(1j * turn)).max() < 1e-4
    assert np.abs(vectors[0]).max() > 0.1
    assert before[:, 0].std() > 1e-2


@pytest.mark.parametrize("layers", [1, 2])
def test_a_soft_constituent_does_not_count(layers: int) -> None:
    x = constituents()
    soft, hard = x.copy(), x.copy()
    soft[:, 6], hard[:, 6] = [1e-5, 0.2, 1.0], [50, 0.2, 1.0]
    assert np.abs(pooled(soft, layers) - pooled(x, layers)).max() < 1e-4
    assert np.abs(pooled(hard, layers) - pooled(x, layers)).max() > 1e-2


@pytest.mark.parametrize("layers", [1, 2])
def test_a_constituent_split_in_two_counts_as_before(layers: int) -> None:
    x = constituents()
    split = x.copy()
    split[:, 6] = split[:, 0]
    split[:, 0, 0] *= 0.3
    split[:, 6, 0] *= 0.7
    assert np.abs(pooled(split, layers) - pooled(x, layers)).max() < 1e-4


def test_empty_slots_do_not_count_whatever_they_hold() -> None:
    x = constituents()
    other = x.copy()
    other[:, 6:, 1:] = 0.3
    assert np.array_equal(pooled(x), pooled(other))
    assert not np.isnan(pooled(np.zeros_like(x))).any()


def test_messages_come_from_within_the_radius_with_pt_as_weight() -> None:
    pt = tf.constant([[3.0, 1.0, 2.0, 0.0]])
    vectors = tf.constant([[[0.0, 0.0], [0.9, 0.0], [0.0, 1.1], [0.1, 0.0]]])
    inputs, weights = smeftnet.Edges()([pt, vectors, tf.norm(vectors, axis=-1, keepdims=True)])
    expected = [[0.75, 0.25, 0, 0], [0.75, 0.25, 0, 0], [0, 0, 1, 0], [0.75, 0.25, 0, 0]]
    assert np.allclose(weights.numpy()[0], expected, atol=1e-6)
    assert np.allclose(inputs.numpy()[0, 1, 2], [0.9, 1.1, 0.2, 0, -1], atol=1e-6)  # own, other's, difference, cos, sin
    assert np.allclose(inputs.numpy()[0, 2, 1], [1.1, 0.9, -0.2, 0, 1], atol=1e-6)


def test_the_loss_takes_opposite_angles_for_the_same() -> None:
    target, found = tf.constant([[0.0], [1.0]]), tf.constant([[np.pi], [1.0 + np.pi / 6]])
    assert float(smeftnet.mean_sin2(target, found)) == pytest.approx(0.125, abs=1e-6)


@pytest.mark.parametrize("bit", [False, True])
def test_a_network_trains_and_is_read_back(tmp_path: Path, bit: bool) -> None:
    model = build_smeftnet(Shape(8, bit_message=bit, bit_readout=bit))
    before = model.get_weights()
    model.compile("adam", smeftnet.mean_sin2)
    x = packed(constituents())
    model.fit(x, np.ones((len(x), 1), np.float32), verbose=0)
    assert not any(map(np.array_equal, before, model.get_weights()))
    model.save(tmp_path / "m.h5", include_optimizer=False)
    loaded = tf.keras.models.load_model(tmp_path / "m.h5", compile=False)
    assert np.array_equal(predict(loaded, x), predict(model, x))


def test_numbers_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="SMEFTNet: message_layers 0; expected at least 1"):
        Shape(message_layers=0)


# --- residuals -----------------------------------------------------------------------------------


def test_residuals_are_wrapped_to_half_open_intervals() -> None:
    found, target = np.array([3.0, -3.0, np.pi, -np.pi, 2.0]), np.array([-3.0, 3.0, 0.0, 0.0, 0.0])
    wanted = [6 - 2 * np.pi, 2 * np.pi - 6, np.pi, np.pi, 2.0]
    assert np.allclose(residuals.wrapped(found, target), wanted)
    assert np.allclose(
        residuals.wrapped(np.array([2.0, np.pi / 2, -np.pi / 2]), np.zeros(3), np.pi), [2 - np.pi, *[np.pi / 2] * 2]
    )


def test_distances_by_hand() -> None:
    one, other = np.array([0.01, 0.01, 1.0, 1.0]), np.array([0.01, 0.01, 0.01, 2.0])
    found = residuals.compare(one, other)
    assert found.separation == pytest.approx(0.5 * (0.25**2 / 1.25 + 0.5 + 0.25))
    assert found.separation_of_densities == pytest.approx(found.separation * 100 / (2 * np.pi))
    assert found.wasserstein_rad == pytest.approx((0.99 + 1.0) / 4)
    assert found.wasserstein_modulo_pi_rad == pytest.approx((np.pi - 2 + 0.01 + 2 * 0.99) / 4)
    assert residuals.compare(one, one[[0, 2]]) == residuals.Distance(0, 0, 0, 0)
    assert residuals.compare(one - np.pi, one).wasserstein_modulo_pi_rad == pytest.approx(0)
    assert residuals.compare(np.zeros(3), np.full(5, 2.0)).separation == 1
    with pytest.raises(ConfigError, match="0 and 4 residuals; expected at least one of each"):
        residuals.compare(one[:0], other)


def test_the_principal_axis_is_the_line_between_two_prongs() -> None:
    x = np.zeros((2, 5, 3), np.float32)
    x[:, 0] = [300, 0.1, 0.7]
    x[:, 1] = [150, 0.2, 0.7 - np.pi]
    x[1, 2] = [450, 0.15, 0.7 + np.pi / 2]  # a harder line across
    found = residuals.principal_axis(x)
    assert np.allclose(np.sin(found - [0.7, 0.7 + np.pi / 2]), 0, atol=1e-6)


# --- data, plots and the recipe ------------------------------------------------------------------


def write_sample(path: Path, rows: int, seed: int) -> None:
    x = constituents(rows, filled=18, slots=20, seed=seed)
    scalars = np.full((rows, 5), 600, np.float32)
    phi = np.random.default_rng(seed).uniform(-np.pi, np.pi, rows).astype(np.float32)
    np.savez(path, x=x, scalars=scalars, phi=phi)


def test_the_jets_of_a_folder_are_split_once(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_sample(tmp_path / f"{seed}.npz", 30, seed)
    jets = decay_jets.load_jets(tmp_path)
    assert jets.x.shape == (60, 1 + 3 * decay_jets.CONSTITUENTS)
    assert sorted(np.concatenate([jets.split.train, jets.split.validation, jets.split.test])) == list(range(60))
    assert jets.x[0, 0] == pytest.approx(np.log(600 / 500))
    assert np.array_equal(jets.x[:30, 1:4], jets.files[0].x[:, 0])
    assert decay_jets.load_jets(tmp_path / "1.npz").digest() != jets.digest()
    with pytest.raises(ConfigError, match="no such file, or a folder without .npz files; expected what"):
        decay_jets.load_jets(tmp_path / "3.npz")
    with pytest.raises(ConfigError, match="data of 20 constituents; expected at least 21"):
        decay_jets.load_jets(tmp_path, 21)


def test_plots_are_small_and_refuse_what_is_empty(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 20, 500)
    plot_histograms({"a": values, "b": values / 2}, tmp_path / "h.png", bins=20, span=(-90, 90), xlabel="x (degrees)")
    plot_density(values, -values, tmp_path / "d.png", span=(-90, 90), xlabel="x", ylabel="y")
    for name in ("h.png", "d.png"):
        assert 3_000 < (tmp_path / name).stat().st_size < 150_000
    with pytest.raises(ConfigError, match="0 value of sample 'a's to plot"):
        plot_histograms({"a": values[:0]}, tmp_path / "n.png", bins=20, span=(-90, 90), xlabel="x")
    with pytest.raises(ConfigError, match="0 point within the spans to plot"):
        plot_density(values + 900, values, tmp_path / "n.png", span=(-90, 90), xlabel="x", ylabel="y")
    with pytest.raises(ConfigError, match="expected one shape"):
        plot_density(values[:3], values, tmp_path / "n.png", span=(-90, 90), xlabel="x", ylabel="y")
    assert not (tmp_path / "n.png").exists()


@pytest.mark.usefixtures("call_by_call")
def test_the_recipe_goes_from_data_to_card_and_does_no_run_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here, and then as people call it."""
    recipe = load_recipe("decay_plane")
    monkeypatch.setattr(recipe, "prepare_tensorflow", lambda _seed: None)  # once a process only
    monkeypatch.chdir(tmp_path)
    write_sample(tmp_path / "a.npz", 60, 1)
    out, work = tmp_path / "out", tmp_path / "work"

    def runs() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in work.rglob("*.npy")}

    recipe.run(RecipeOptions(Path("a.npz"), (1, 2), 1, out, work))
    before = runs()
    assert len(before) == 8
    plots = {"residuals.png", "density_float.png", "density_bit100.png"}
    assert {path.name for path in out.iterdir()} == {"card.md", "model.h5", "sample.npz", *plots}
    card = (out / "card.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card.splitlines() if line.startswith("|")][2:8]
    axes = [f"principal axis of {count} constituents, no network" for count in (16, 20)]
    assert [row[0] for row in rows] == [*axes, "float", "bit-30", "bit-70", "bit-100"]
    assert all("±" in cell for row in rows[3:] for cell in row[1:])
    assert ["±" in cell for cell in rows[2]] == [False, True, True, True, False, False, False, False]
    words = ["--data", "a.npz", "--seed", "1", "2", "--epochs", "1", "--out", out, "--work", work]
    subprocess.run([sys.executable, FOLDER / "recipe.py", *words], check=True, capture_output=True, timeout=600)
    assert runs() == before
    assert (out / "card.md").read_text() == card


def test_the_committed_network_finds_what_the_card_says() -> None:
    with np.load(FOLDER / "sample.npz") as sample:
        x, phi = sample["x"], sample["phi"]
    model = tf.keras.models.load_model(FOLDER / "model.h5", compile=False)
    found = residuals.mean_sin2_of(predict(model, x), phi)
    rows = [line for line in (FOLDER / "card.md").read_text().splitlines() if line.startswith("| bit-30 ")]
    stated = float(rows[0].split("|")[2].split("±")[0])
    assert found == pytest.approx(stated, abs=0.05)


def test_the_first_line_of_the_card_says_that_the_axis_is_better() -> None:
    """As long as it is, by the table of the card."""
    text = (FOLDER / "card.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    sin2 = {row[0]: float(row[1].split("±")[0]) for row in rows[2:8]}
    axis = min(value for name, value in sin2.items() if name.startswith("principal axis"))
    networks = [sin2[name] for name in ("float", "bit-30", "bit-70", "bit-100")]
    assert min(networks) > axis
    assert text.split("\n\n")[1].startswith("**No network here finds the plane as well as the principal axis")
    assert (round(min(networks) / axis), round(max(networks) / axis)) == (4, 13)
