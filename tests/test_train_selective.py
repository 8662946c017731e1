"""Ranking layers by what making them ternary costs, and the mixed network that follows from it, also from the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import layers, tf
from layouts import validate
from one_process import call

from bittrigger.errors import ConfigError
from bittrigger.explore import candidates, selective, sensitivity
from bittrigger.explore.candidates import Probe, Task, calibrated, claim_folder, train_mixed
from bittrigger.explore.estimate import estimate_luts
from bittrigger.explore.events import read_events
from bittrigger.explore.mixed import TERNARY
from bittrigger.explore.objectives import METRICS, logits_of
from bittrigger.frontend.keras_file.read import load_model

pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(0)
X = RNG.normal(0, 1, (400, 5)).astype(np.float32)
Y = (X[:, 0] + 0.6 * X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)
NAMES = ("first", "second", "logits")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained float network and its events."""
    folder = tmp_path_factory.mktemp("float")
    tf.keras.utils.set_random_seed(1)
    model = tf.keras.Sequential(
        [
            tf.keras.Input(5),
            layers.Dense(10, "relu", name="first"),
            layers.Dense(6, "relu", name="second"),
            layers.Dense(3, "softmax", name="logits"),
        ],
        name="net",
    )
    model.compile(tf.keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=15, batch_size=50, verbose=0)
    model.save(folder / "model.h5")
    np.savez(folder / "events.npz", x=X, y=Y)
    return folder


def task_of(files: Path, **probe: Any) -> Task:
    model, objective = load_model(files / "model.h5"), METRICS["accuracy"]
    return Task(model, read_events(files / "events.npz", model, objective, 1), objective, Probe(**probe))


def test_each_figure_of_the_ranking_is_that_of_the_network_it_speaks_of(files: Path) -> None:
    task, steps = task_of(files), []
    found = sensitivity.measure_sensitivity(task, announce=lambda *step: steps.append(step))
    assert steps == [(name, i, 5) for i, name in enumerate(("all kernels at few bits", *NAMES, "all kernels ternary"))]
    few = calibrated(task, dict.fromkeys(NAMES, 6))
    x, y = task.events.part("validation")
    assert (found.baseline, found.baseline_luts) == (
        task.objective.measure(logits_of(few, x), y),
        estimate_luts(few, task.probe.settings),
    )
    second = next(layer for layer in found.layers if layer.layer == "second")
    mixed = calibrated(task, {"first": 6, "second": TERNARY, "logits": 6})
    assert second.luts == estimate_luts(mixed, task.probe.settings)
    assert second.metric == task.objective.measure(logits_of(mixed, x), y)
    assert second.drop == found.baseline - second.metric
    assert second.luts_saved == found.baseline_luts - second.luts > 0
    assert second.weights == 60
    rates = [layer.drop_per_kilolut for layer in found.layers]
    assert rates == sorted(rates)
    assert found.ternary_luts < min(layer.luts for layer in found.layers)
    content = json.loads(json.dumps(sensitivity.sensitivity_json(found)))
    assert content["luts_origin"] == "estimate"
    assert [layer["layer"] for layer in content["layers"]] == [layer.layer for layer in found.layers]


def test_layers_that_save_nothing_come_last() -> None:
    def layer(name: str, drop: float, saved: int) -> Any:
        return sensitivity.LayerSensitivity(name, 1, 0.5, drop, None, 10, saved)

    ordered = [layer("a", -0.1, 5), layer("b", 0.1, 500), layer("c", 0.1, 50), layer("d", -0.2, 0), layer("e", 0, -3)]
    assert sorted(sorted(ordered, key=lambda item: item.drop), key=sensitivity._order) == ordered
    assert ordered[-1].drop_per_kilolut is None


def test_training_and_distillation_win_back_what_quantisation_loses(files: Path) -> None:
    ternary = dict.fromkeys(NAMES, TERNARY)
    task = task_of(files, epochs=12, batch_size=20, learning_rate=0.01, distil=0.5)
    x, y = task.events.part("validation")
    before = task.objective.measure(logits_of(calibrated(task, ternary), x), y)
    mixed, result = train_mixed(task, ternary)
    assert result is not None
    assert result.best == task.objective.measure(logits_of(mixed, x), y) > before


def test_kernels_are_chosen_by_name() -> None:
    inputs = tf.keras.Input(4)
    model = tf.keras.Model(inputs, layers.Dense(2, name="b")(layers.Dense(3, name="a")(inputs)), name="net")
    assert selective.choose_kernels(model, ["all"], {"b": 7}, 6) == {"a": TERNARY, "b": 7}
    assert selective.choose_kernels(model, ["b"], {}, 5) == {"a": 5, "b": TERNARY}
    with pytest.raises(ConfigError, match="layer 'b': it is to be ternary and to keep 7 bits; allowed is one of both"):
        selective.choose_kernels(model, ["b"], {"b": 7}, 6)
    with pytest.raises(ConfigError, match="layer 'z': model 'net' has no such dense layer; allowed are a, b"):
        selective.choose_kernels(model, ["z"], {}, 6)
    assert selective.parse_keep(["a:6,b:8", "c:4"]) == {"a": 6, "b": 8, "c": 4}
    for wrong in ("a", "a:", ":6", "a:x", "a:6,a:7"):
        with pytest.raises(ConfigError, match="expected NAME:BITS, such as logits:6"):
            selective.parse_keep([wrong])


@pytest.mark.usefixtures("call_by_call")
def test_the_search_takes_layers_while_the_metric_allows_it(files: Path, tmp_path: Path) -> None:
    task = task_of(files)
    everything, ranking = selective.select_kernels(task, 1.0, keep={}, folder=tmp_path / "a", announce=lambda *_: None)
    assert everything == dict.fromkeys(NAMES, TERNARY)
    some, _ = selective.select_kernels(task, 0.06, keep={"logits": 8}, folder=tmp_path / "b", announce=lambda *_: None)
    assert some["logits"] == 8
    x, y = task.events.part("validation")
    assert ranking.original - task.objective.measure(logits_of(calibrated(task, some), x), y) <= 0.06
    with pytest.raises(
        ConfigError, match="drop at most -0.5: accuracy is worse by .* already without a ternary kernel"
    ):
        selective.select_kernels(task, -0.5, keep={}, folder=tmp_path / "c", announce=lambda *_: None)


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    claim_folder(tmp_path / "run", {"epochs": 3, "kernels": {"a": 0}})
    claim_folder(tmp_path / "run", {"epochs": 3, "kernels": {"a": 0}})
    with pytest.raises(
        ConfigError, match="it holds a run with kernels .'a': 0., this one has .'a': 6.; allowed is the same"
    ):
        claim_folder(tmp_path / "run", {"epochs": 3, "kernels": {"a": 6}})
    (tmp_path / "run" / candidates.PLAN).write_text("{")
    with pytest.raises(ConfigError, match="its plan.json cannot be written or read"):
        claim_folder(tmp_path / "run", {"epochs": 3})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="it is in use and holds no run; choose another"):
        claim_folder(tmp_path / "other", {"epochs": 3})


WRONG = [
    (["--metric", "f1"], "metric 'f1': not known; allowed are accuracy, auc, mse"),
    (["--distil", "2"], "distillation 2.0: allowed are shares of the loss from 0 to 1"),
    (["--epochs", "-1"], "epochs -1: expected at least 0"),
    (["--part", "none"], "'none'"),
    (["--data", "lost.npz"], "data lost.npz: no such file"),
    (["-o", "m.txt"], "output m.txt: suffix '.txt'; allowed are .h5 and .keras"),
    (["--drop-at-most", "0.1", "--ternary", "first"], "allowed is either a number from 0 on"),
    (
        ["--ternary", "second,lost"],
        "layer 'lost': model 'net' has no such dense layer; allowed are first, second, logits",
    ),
    (["--keep", "logits:9"], "layer 'logits': a kernel of 9 bits; allowed are ternary, and 4 to 8 bits"),
    (["--metric", "mse"], "y has shape (400,), and the model 3 outputs"),
]


def test_a_wrong_wish_is_refused_and_leaves_nothing(files: Path, tmp_path: Path) -> None:
    """The help and most wishes need no TensorFlow; code in a model is not run."""
    model = tf.keras.Sequential([tf.keras.Input(5), layers.Lambda(lambda x: x, name="code"), layers.Dense(3)])
    model.save(tmp_path / "code.h5")
    data = ["--data", files / "events.npz"]
    helps = [["sensitivity", "--help"], ["quantize", "--help"], ["sensitivity", tmp_path / "code.h5", *data]]
    wrong = [["quantize", files / "model.h5", *data, "-o", tmp_path / "m.h5", *words] for words, _ in WRONG]
    done = call(*helps[:2], *wrong, helps[2])
    assert [run.code for run in done] == [0, 0, *(2 for _ in WRONG), 1]
    assert all(run.light for run in done[: 2 + 7])
    for (_, message), run in zip(WRONG, done[2:-1], strict=True):
        assert message in run.err
        assert "Traceback" not in run.err
    assert "layer 'code': class 'Lambda' is not allowed; allowed are " in done[-1].err
    assert [path.name for path in tmp_path.iterdir()] == ["code.h5"]


def test_the_verb_sensitivity_prints_writes_and_draws(files: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    words = [
        "sensitivity",
        files / "model.h5",
        "-d",
        files / "events.npz",
        "--json",
        tmp_path / "s.json",
        "-o",
        tmp_path / "out",
    ]
    (done,) = call(words)
    assert done.code == 0, done.err
    assert "drop / 1000 LUT saved" in done.out
    assert "LUT: estimate of the solver, effort fast" in done.out
    assert "5/5 all kernels ternary" in done.err
    saved = json.loads((tmp_path / "s.json").read_text())
    assert saved["schema"] == "bittrigger/sensitivity-1"
    assert saved.items() >= json.loads((tmp_path / "out" / "sensitivity.json").read_text()).items()
    assert (tmp_path / "out" / "sensitivity.png").read_bytes().startswith(b"\x89PNG")


def test_the_verb_quantize_writes_a_keras_file(root: Path, files: Path, tmp_path: Path) -> None:
    words = ["quantize", files / "model.h5", "--data", files / "events.npz", "--epochs", "0"]
    (done,) = call([*words, "-o", tmp_path / "m.keras", "--json", tmp_path / "m.json"])
    assert done.code == 0, done.err
    validate(root, "quantize-1", json.loads((tmp_path / "m.json").read_text()))
    assert [layer.name for layer in load_model(tmp_path / "m.keras").layers if layer.weights]


def test_the_verb_quantize_can_be_stopped_and_writes_what_converts(files: Path, tmp_path: Path) -> None:
    words = [
        "quantize",
        files / "model.h5",
        "--data",
        files / "events.npz",
        "--ternary",
        "first,second",
        "--keep",
        "logits:8",
    ]
    words += ["--epochs", "40", "--batch-size", "10", "--distil", "0.3"]
    made, straight = tmp_path / "m.h5", tmp_path / "straight.h5"
    history = tmp_path / "m.h5.run" / "training" / "history.json"
    command = [sys.executable, "-m", "bittrigger", *map(str, words), "-o", str(made)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not history.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=600)[1]
    assert process.returncode == 130
    assert "the training so far is kept in" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["m.h5.run"]
    assert 1 <= len(json.loads(history.read_text())) < 40
    other = [*words[:-1], "0.9", "-o", made]
    done = call([*words, "-o", made], [*words, "-o", straight], [*words, "-o", made], [*other, "--overwrite"])
    assert [run.code for run in done] == [0, 0, 2, 2]
    assert "accuracy on 80 test events" in done[0].out
    assert "it exists; choose another with -o, or replace an earlier file with --overwrite" in done[2].err
    assert "it holds a run with distil 0.3, this one has 0.9" in done[3].err
    model, wanted = load_model(made), load_model(straight)
    assert all(map(np.array_equal, model.get_weights(), wanted.get_weights()))
    result = json.loads((tmp_path / "m.h5.run" / "training" / selective.RESULT).read_text())
    assert result["kernels"] == {"first": 0, "second": 0, "logits": 8}
    assert result["luts"] == estimate_luts(model, Probe().settings) < result["few_bits_luts"]
