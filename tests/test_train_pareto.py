"""Sweeps of ternary networks: what is trained, how it is resumed, and which design is chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_process import call
from test_part_file import write as own_part

from bittrigger import __version__
from bittrigger.cli import cli
from bittrigger.cli.pareto import rows_of, show
from bittrigger.data.pythia.jets5 import FEATURES
from bittrigger.errors import ConfigError
from bittrigger.explore.dense import DenseSettings, class_sample, softmax, train_float, train_ternary
from bittrigger.explore.firmware import firmware_cost
from bittrigger.explore.pareto import Point, cheapest, pareto_front, points_of
from bittrigger.explore.sweep import SweepSettings, add_firmware, grid, load_scaler, sweep
from bittrigger.train import FitSettings, accuracy
from bittrigger.train.recipes import predict, reload
from bittrigger.train.study import Run, Spread

pytestmark = pytest.mark.filterwarnings("ignore")


def events(n: int = 600) -> tuple[Any, Any]:
    """Three classes in four features, one of which matters in a narrow range only, and one of which is constant."""
    generator = np.random.default_rng(5)
    y = np.arange(n) % 3
    x = generator.normal(0, 1, (n, 4))
    x[:, 0] = np.where(generator.random(n) < 0.05, 12 * x[:, 0], 0.2 * x[:, 0] + y)
    x[:, 3] = 7
    return x.astype(np.float32), y


X, Y = events()
SAMPLE = class_sample(X, Y, seed=1, validation=0.2, test=0.2)
QUICK = SweepSettings(2, 2, batch_size=64, learning_rate=0.02, teacher_hidden=(6,), teacher_seeds=(9,))

# --- points ---------------------------------------------------------------------------------------


def point(name: str, cost: float, score: float) -> Point:
    return Point(name, Spread(cost, None, 1), Spread(score, None, 1))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_the_front_is_what_nothing_beats(pairs: list[tuple[int, int]]) -> None:
    points = [point(str(i), *pair) for i, pair in enumerate(pairs)]
    front = pareto_front(points)
    values = [(p.cost.mean, p.score.mean) for p in front]
    assert values == sorted(set(values))
    for p in points:
        beaten = any(c <= p.cost.mean and s >= p.score.mean and (c, s) != (p.cost.mean, p.score.mean) for c, s in pairs)
        assert ((p.cost.mean, p.score.mean) in values) is not beaten


def test_the_cheapest_that_is_good_enough() -> None:
    points = [point("a", 900, 0.74), point("b", 500, 0.71), point("c", 700, 0.70), point("d", 2000, 0.76)]
    assert [p.variant for p in pareto_front(points)] == ["b", "a", "d"]
    assert cheapest(points, 0.71).variant == "b"
    assert cheapest(points, 0.715).variant == "a"
    with pytest.raises(ConfigError, match=r"score 0.8: no design reaches it; the best is 0.7600 of d; ask for less"):
        cheapest(points, 0.8)
    with pytest.raises(ConfigError, match="there is no design"):
        cheapest([], 0.1)


def test_points_need_both_figures() -> None:
    runs = [Run("a", seed, Path("x"), {"luts": 10.0 * seed, "accuracy": 0.5}) for seed in (1, 2)]
    assert points_of(runs) == [Point("a", Spread(15, pytest.approx(50**0.5), 2), Spread(0.5, 0, 2))]
    with pytest.raises(ConfigError, match="variant 'a': a run has no 'auc'; .*; it has luts, accuracy"):
        points_of(runs, score="auc")


# --- samples and scales ---------------------------------------------------------------------------


def test_a_sample_is_standardised_by_its_training_rows() -> None:
    rows = SAMPLE.x[SAMPLE.split.train]
    assert np.allclose(rows.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(rows.std(axis=0), [1, 1, 1, 0], atol=1e-5)
    assert SAMPLE.classes == 3


def test_scalers_follow_each_other() -> None:
    scaler = SAMPLE.scaler.then(np.array([2.0, 1, 0.5, 1]), np.array([1.0, 0, -3, 0.25]))
    assert np.allclose(scaler.apply(X), SAMPLE.x * [2, 1, 0.5, 1] + [1, 0, -3, 0.25], atol=1e-5)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[:, 0], Y, r"x of shape \(600,\), y of shape \(600,\)"),
        (X, Y[:-1], r"y of shape \(599,\)"),
        (X, Y.astype(float), "type float64; expected .* of integers"),
        (np.where(np.arange(2400).reshape(600, 4) == 9, np.nan, X), Y, "x: nan at row 2, column 1; expected finite"),
        (X, np.where(Y == 1, 3, Y), r"classes \[0, 2, 3\]; expected at least two, counted from 0 with none left out"),
        (X, np.zeros_like(Y), r"classes \[0\]; expected at least two"),
    ],
)
def test_samples_refuse(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        class_sample(x, y, seed=1)


def test_designs() -> None:
    designs = grid([(8, 4), [4]], threshold_factors=(0.5, 1.0))
    assert [d.name for d in designs] == [f"{h}_i8_a6_t{t}_c0" for h in ("8-4", "4") for t in ("0.5", "1")]
    for hidden in ((), (4, 0)):
        with pytest.raises(ConfigError, match="expected at least one, with at least one unit each"):
            DenseSettings(hidden)


# --- training -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("call_by_call")
def test_scales_of_the_inputs_are_trained_and_folded() -> None:
    """The folded scaler in front of the network is the network that was trained; the narrow feature gets a steeper scale."""
    labels = np.eye(3, dtype=np.float32)[SAMPLE.y]
    settings = FitSettings(10, 64, 0.02, seed=3)
    twin = train_float(SAMPLE, (8,), settings)
    trained = train_ternary(SAMPLE, DenseSettings((8,)), twin=twin, targets=labels, settings=settings)
    rows = SAMPLE.split.validation
    right = accuracy(predict(trained.model, trained.scaler.apply(SAMPLE.features)[rows]), SAMPLE.y[rows])
    narrow = SAMPLE.scaler.deviation / trained.scaler.deviation
    assert right > 0.8  # 0.33 by chance; the twin alone has 0.58
    assert narrow[0] > 4 * narrow[1:3].max()


def frozen(folder: Path) -> list[float | None]:
    """The share of frozen weights after each epoch."""
    return [row["frozen"] for row in json.loads((folder / "history.json").read_text())]


def test_a_sweep_is_resumed_and_its_figures_are_those_of_the_files(tmp_path: Path) -> None:
    designs = grid([(4,)], threshold_factors=(0.5, 1.5))
    runs = sweep(SAMPLE, designs[:1], (1,), QUICK, tmp_path)
    before = (runs[0].folder / "model.h5").stat().st_mtime_ns
    runs = sweep(SAMPLE, designs, (1,), QUICK, tmp_path)
    assert (runs[0].folder / "model.h5").stat().st_mtime_ns == before
    assert [run.variant for run in runs] == [design.name for design in designs]
    for run in runs:
        assert frozen(run.folder) == [0, 0]  # they are to be, but in so few steps none goes to and fro
        model, scaler = reload(run.folder / "model.h5"), load_scaler(run.folder / "scaler.json")
        for part, rows in (("", SAMPLE.split.validation), ("test_", SAMPLE.split.test)):
            logits = predict(model, scaler.apply(SAMPLE.features[rows]))
            assert run.figures[f"{part}accuracy"] == accuracy(logits, SAMPLE.y[rows])
    assert {path.parent.name for path in tmp_path.glob("twins/*/seed-*")} == {"4", "6"}
    with pytest.raises(ConfigError, match="its identity are"):
        sweep(class_sample(X, Y, seed=2), designs, (1,), QUICK, tmp_path)


@pytest.mark.usefixtures("call_by_call")
def test_figures_of_firmware_are_made_once_a_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runs = sweep(SAMPLE, grid([(4,)]), (1,), QUICK, tmp_path)
    counted = add_firmware(runs, tmp_path / "luts", synthesize=False)
    cost = firmware_cost(runs[0].folder / "model.h5", synthesize=False)
    assert cost.origin == f"estimate, bittrigger {__version__}"
    assert counted[0].figures == {
        **runs[0].figures,
        "luts": cost.luts.value,
        "flip_flops": cost.flip_flops.value,
        "latency_ns": cost.latency_ns.value,
    }
    caplog.set_level("INFO")
    assert add_firmware(runs, tmp_path / "luts", synthesize=False) == counted
    assert "1 of 1 runs are done" in caplog.text
    with pytest.raises(ConfigError, match="its identity are .*'synthesize': False.*'synthesize': True"):
        add_firmware(runs, tmp_path / "luts")
    own = add_firmware(runs, tmp_path / "own", synthesize=False, part=str(own_part(tmp_path)))
    assert own[0].figures["luts"] == counted[0].figures["luts"]
    with pytest.raises(ConfigError, match="its identity are .*xcours9p"):
        add_firmware(runs, tmp_path / "own", synthesize=False)
    (runs[0].folder / "model.h5").write_bytes(b"another")
    with pytest.raises(ConfigError, match="its settings are"):
        add_firmware(runs, tmp_path / "luts", synthesize=False)


def test_a_kernel_keeps_its_magnitude() -> None:
    """Adam moves this kernel over the middle between two powers of two within an epoch; the constraint holds the scale."""
    from bittrigger.layers.quantizers import KeepMagnitude

    kernel = KeepMagnitude(0.25)(np.array([[1.0, -3.0], [0.0, 4.0]], np.float32))
    assert np.allclose(kernel, [[0.125, -0.375], [0.0, 0.5]])
    assert np.array_equal(KeepMagnitude(0.25)(np.zeros((2, 2), np.float32)), np.zeros((2, 2)))
    assert KeepMagnitude.from_config(KeepMagnitude(0.5).get_config()).magnitude == 0.5
    with pytest.raises(ConfigError, match="KeepMagnitude: magnitude 0; expected a number above 0"):
        KeepMagnitude(0)
    labels, settings = np.eye(3, dtype=np.float32)[SAMPLE.y], FitSettings(2, 64, 0.1, seed=3)
    twin = train_float(SAMPLE, (8,), settings)
    trained = train_ternary(SAMPLE, DenseSettings((8,)), twin=twin, targets=labels, settings=settings)
    for name in ("dense_1", "dense_2"):
        mean = float(np.abs(trained.model.get_layer(name).kernel.numpy()).mean())
        assert mean == pytest.approx(2.0 ** round(np.log2(mean)), rel=1e-5)


def test_labels_alone_without_teachers(tmp_path: Path) -> None:
    from bittrigger.explore.sweep import _Worker

    alone = _Worker(SAMPLE, SweepSettings(teacher_seeds=()), tmp_path).targets()
    assert np.array_equal(alone, np.eye(3)[SAMPLE.y])
    taught = _Worker(SAMPLE, QUICK, tmp_path).targets()
    assert np.allclose(taught.sum(axis=1), 1)
    assert np.array_equal(np.flatnonzero(taught.max(axis=1) == 1), [])
    assert np.allclose(softmax(np.array([[0, np.log(3)]])), [[0.25, 0.75]])


# --- the command ----------------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    """In a process of its own, since it sets the threads of TensorFlow; the second call trains nothing."""
    np.savez(tmp_path / "d.npz", X=X, y=Y)
    words = [
        "pareto",
        str(tmp_path / "d.npz"),
        "--x",
        "X",
        "-o",
        str(tmp_path / "runs"),
        "--hidden",
        "4",
        "--seed",
        "1",
    ]
    words += ["--epochs", "1", "--twin-epochs", "1", "--batch-size", "100", "--no-synth", "--no-freeze"]
    words += ["--threshold", "0.5", "--threshold", "1.5"]
    done, again = call([*words, "--want", "0.05", "--json"], [*words, "--want", "0.99"])
    assert done.code == 0, done.err
    rows = json.loads(done.out)["networks"]
    assert sorted(row["network"] for row in rows) == ["4_i8_a6_t0.5_c0", "4_i8_a6_t1.5_c0"]
    assert [row["luts"] for row in rows] == sorted(row["luts"] for row in rows)
    assert [row["chosen"] for row in rows] == [True, False]
    assert {row["luts_origin"] for row in rows} == {"estimate"}
    assert "run 2 of 2" in done.err
    folder = tmp_path / "runs" / "4_i8_a6_t0.5_c0" / "seed-1"
    assert frozen(folder) == [None]
    assert json.loads((folder / "result.json").read_text())["identity"]["sweep"]["batch_size"] == 100
    assert (again.code, again.err.splitlines()[0]) == (1, "2 of 2 runs are done")
    assert "score 0.99: no design reaches it; the best is 0." in again.err
    assert "4_i8_a6_t0.5_c0" in again.out
    assert "no design reaches it" in (tmp_path / "runs" / "pareto.html").read_text()


def test_the_table_marks_the_front(capsys: pytest.CaptureFixture[str]) -> None:
    points = [point("a", 900, 0.74), point("b", 500, 0.71), point("c", 700, 0.70)]
    show(rows_of(points, points, "a", "synth"), points, points, "synth")
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "%" not in line and "│" in line]
    assert [[word for word in line if word != "│"] for line in lines] == [
        ["b", "500", "71.00", "71.00", "yes"],
        ["c", "700", "70.00", "70.00"],
        ["a", "900", "74.00", "74.00", "chosen"],
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hidden", "64,x"], "--hidden 64,x: expected numbers of units with commas between, as 64,32,32"),
        (["--x", "Z"], "data .*d.npz: no array 'Z' in it"),
    ],
)
def test_the_command_refuses(words: list[str], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    with pytest.raises(ConfigError, match=message):
        cli.main(["pareto", str(tmp_path / "d.npz"), "-o", str(tmp_path / "runs"), *words], standalone_mode=False)
    assert not (tmp_path / "runs").exists()


def test_the_command_takes_the_public_file_of_five_classes(tmp_path: Path) -> None:
    """It is read as what it is: the jets of one class alone are refused by the loader."""
    lines = [",".join([*FEATURES, "class"]), *[",".join(["1"] * len(FEATURES) + ["g"])] * 3]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"d\.csv: class 'q' has no row; expected rows of 0 g, 1 q"):
        cli.main(["pareto", str(tmp_path / "d.csv"), "-o", str(tmp_path / "runs")], standalone_mode=False)
