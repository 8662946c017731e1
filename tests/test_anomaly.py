"""The anomaly trigger: its recipe on a few crossings, and what was committed."""

from __future__ import annotations

import numpy as np
import pytest
from model_recipes import load_recipe

from bittrigger.data import Provenance, RatedCrossings, load_l1_objects
from bittrigger.data.level1.algorithms import OBJECTS
from bittrigger.errors import ConfigError
from bittrigger.explore.firmware import FirmwareCost
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.report.model import Figure, Origin
from bittrigger.train import roc_auc
from bittrigger.train.recipes import RecipeOptions, predict, reload
from bittrigger.train.study import Run

with quiet_tensorflow():
    recipe = load_recipe("anomaly")

    import anomaly_card
    import baselines
    import rates
    import teacher_student

pytestmark = pytest.mark.filterwarnings("ignore")

SIGNALS = ("ttbar", "qcd", "hto4l", "hinv")


@pytest.fixture(scope="module")
def sample(root):
    with np.load(root / "models" / "anomaly" / "sample.npz") as archive:
        return {name: archive[name] for name in archive.files}


def write_crossings(path, sample, rows):
    kinds = {
        str(name): sample["x"][sample["y"] == i][rows].astype(np.int16) for i, name in enumerate(sample["classes"])
    }
    np.savez(path, **kinds)
    return path


def test_the_scales_are_those_of_the_columns():
    assert tuple(name.split("_")[0] for name in OBJECTS) == teacher_student.OBJECTS
    x = np.arange(57, dtype=np.float32)[np.newaxis]
    assert (x @ teacher_student.object_scales())[0, [0, 1, 5, 9]].tolist() == [0 / 16, 3 / 8, 15 / 4, 27 / 16]


def test_stretched_crossings_stay_crossings(sample):
    rows = sample["x"][:50].astype(np.int64)
    made = recipe.stretched(rows, np.random.default_rng(1))
    assert np.array_equal(np.delete(made, np.s_[::3], axis=1), np.delete(rows, np.s_[::3], axis=1))
    momenta = made[:, ::3]
    assert ((momenta >= 0) & (momenta < 2048)).all()
    for first, last in ((1, 5), (5, 9), (9, 19)):
        assert (np.diff(momenta[:, first:last], axis=1) <= 0).all()
    assert (momenta[:, 9] > rows[:, 27]).any()
    assert (momenta[:, 9] < rows[:, 27]).any()


def test_baselines_by_hand():
    x = np.arange(57, dtype=np.int16)[np.newaxis]
    ht, everything, squares = (score(x)[0] for score in baselines.momentum_sums().values())
    assert (ht, everything, squares) == (405, 513, sum((3 * i) ** 2 for i in range(19)))


@pytest.mark.usefixtures("call_by_call")
def test_the_recipe_trains_scores_and_goes_on(sample, tmp_path, monkeypatch):
    data = write_crossings(tmp_path / "data.npz", sample, slice(0, 200))
    test = write_crossings(tmp_path / "test.npz", sample, slice(200, 400))
    monkeypatch.setattr(recipe, "CODE_EPOCHS", 2)
    options = RecipeOptions(data, (1,), 1, tmp_path / "out", tmp_path / "work", test)
    crossings, record = recipe.load_crossings(options)
    assert (record["train"], record["validation"], len(crossings.test.y)) == (180, 20, 1000)
    scores = recipe.train_and_score(crossings, {"hidden": [8, 4], "epochs": 1}, 1, tmp_path / "run")
    assert all(np.isfinite(values).all() and len(values) == 1000 for values in scores.values())
    found = recipe.train_and_score(crossings, {"hidden": [8, 4], "epochs": 1}, 1, tmp_path / "run")
    assert all(np.array_equal(found[name], values) for name, values in scores.items())
    for module in (baselines, anomaly_card):
        monkeypatch.setattr(module, "RATES", (0.1,))
    run = Run("ternary", 1, tmp_path / "run", baselines.figures(crossings.test, scores))
    assert {key.split("|")[1] for key in run.figures} == set(SIGNALS)
    known = recipe.measured(crossings, run)
    luts, latency = (Figure(value, Origin.SYNTH, "Yosys", "0") for value in (1234, 51.0))
    model = reload(tmp_path / "run" / "model.h5")
    cost = FirmwareCost(luts, luts, latency)
    text = anomaly_card.card(anomaly_card.Result(model, [run], known, crossings.test, record, cost, "python x"))
    assert "The network is ternary, 19-8-4-1," in text
    assert "| LUT | 1,234 | synth, Yosys 0 |" in text
    assert "| 50 ns: does not fit | the decision of the Global Trigger" in text
    assert (
        f"| HT (sum of jet pT) | {baselines.figures(crossings.test, known)['HT (sum of jet pT)|ttbar|auc']:.4f} |"
        in text
    )


def test_one_file_cannot_be_both(sample, tmp_path):
    data = write_crossings(tmp_path / "data.npz", sample, slice(0, 20))
    with pytest.raises(ConfigError, match="--data .* and --test .*: .* share crossings; expected two seeds"):
        recipe.load_crossings(RecipeOptions(data, (1,), 1, tmp_path, tmp_path, data))
    few = write_crossings(tmp_path / "few.npz", sample, slice(0, 2))
    with pytest.raises(ConfigError, match="2 crossings of zero bias are too few"):
        recipe.load_crossings(RecipeOptions(few, (1,), 1, tmp_path, tmp_path, data))


def test_the_model_finds_what_its_card_says(root, sample):
    """On the sample; the limits lie several errors below the card's figures."""
    score = predict(reload(root / "models" / "anomaly" / "model.h5"), sample["x"])[:, 0]
    zero_bias = score[sample["y"] == 0]
    for name, least in zip(SIGNALS, (0.98, 0.70, 0.96, 0.88), strict=True):
        signal = score[sample["y"] == list(sample["classes"]).index(name)]
        positive = np.repeat([False, True], [len(zero_bias), len(signal)])
        assert roc_auc(np.concatenate([zero_bias, signal]), positive) > least, name


def rated(count, khz, sample):
    """Crossings of one rate, half of QCD and half with a boson."""
    x = np.resize(sample["x"], (count, 57)).astype(np.int16)
    kind = (np.arange(count) % 2).astype(np.int8)
    nowhere = Provenance("l1-rates", ("l1_rates.npz",))
    return RatedCrossings(x, np.full(count, khz), np.full(count, 20, np.float32), kind, ("qcd", "weak"), nowhere)


def test_rates_are_told_in_khz_with_their_errors(sample, tmp_path, monkeypatch):
    """A background of 4,000 crossings of 0.5 kHz each beside the committed sample."""
    monkeypatch.setattr(rates, "RATES_KHZ", (2.0, 5.0, 20.0))
    table = load_l1_objects(write_crossings(tmp_path / "test.npz", sample, slice(0, 400)))
    measured = rates.Measured(
        {rates.NETWORK: np.arange(4000.0)},
        {rates.NETWORK: np.random.default_rng(0).uniform(3000, 4010, len(table.y))},
        rated(4000, 0.5, sample),
        table,
    )
    found = measured.efficiency(rates.NETWORK, "ttbar", 5.0)
    assert (found.threshold, found.rate) == (3989, 5)
    assert measured.crossings_near(rates.NETWORK, 5.0) == pytest.approx(20, abs=1.01)
    assert measured.efficiency(rates.NETWORK, "ttbar", 2.0) is None  # four crossings tell nothing
    assert measured.floor_khz(rates.NETWORK) == pytest.approx(2.4, abs=0.2)
    text = rates.card(measured, ["ttbar", "hto4l"])
    row = next(line for line in text.splitlines() if line.startswith("| 5 | ternary network "))
    assert row.startswith(f"| 5 | {rates.NETWORK} | 20 | {found.value:.3f} ± {found.error:.3f} | ")
    assert f"| 2 | {rates.NETWORK} | 8 | - | - |" in text
    assert f"At 5 kHz the\nnetwork keeps {found.value:.3f}" in text
    assert "2,000 of qcd, 2,000 of weak of `l1-rates`" in text
    assert "which stand for 2,000 kHz together" in text
    rates.plot(measured, ["ttbar", "hto4l"], tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_rates_of_zero_bias_are_found_again_in_the_crossings_that_stand_for_them(sample, tmp_path):
    """Zero bias itself as the background, each crossing for its share of 30 MHz."""
    table = load_l1_objects(write_crossings(tmp_path / "test.npz", sample, slice(0, 400)))
    rows = table.x[table.y == 0]
    background = rated(len(rows), rates.CROSSINGS_KHZ / len(rows), sample)
    score = rates.momentum_sums()["sum of all pT"]
    measured = rates.Measured({"s": score(rows)}, {"s": score(table.x)}, background, table)
    direct, error, weighted, deviation = measured.checked("s", 3000.0)
    assert direct == pytest.approx(weighted)
    assert error == pytest.approx(deviation)
    assert 2000 < direct <= 3000


def test_the_recipe_of_rates_writes_its_card(root, sample, tmp_path):
    test = write_crossings(tmp_path / "test.npz", sample, slice(0, 400))
    zero_bias = sample["x"][sample["y"] == 0].astype(np.int16)
    arrays = {}
    for kind in ("qcd", "weak"):
        arrays |= {kind: zero_bias, f"{kind}_khz": np.full(400, 15_000.0), f"{kind}_pt_hat": np.full(400, 20.0)}
    np.savez(tmp_path / "rates.npz", **arrays)
    rates.measure(tmp_path / "rates.npz", test, root / "models" / "anomaly", tmp_path / "out")
    text = (tmp_path / "out" / "rates.md").read_text(encoding="utf-8")
    assert "stand for 30,000 kHz together" in text
    assert "What the network keeps at such rates is not known" in text
