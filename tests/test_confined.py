"""Verbs that read a model of somebody else: which process sees it, and what that process may still do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras_models import layers, tf
from test_apart import has_landlock

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(sys.platform != "linux", reason="what Linux alone confines"),
]

RUN = """
import json, os, socket, subprocess, sys
from bittrigger.cli import main
commands, outside = json.loads(sys.argv[1])
codes = []
for words in commands:
    sys.argv = ["bittrigger", *words]
    try:
        main()
        codes.append(0)
    except SystemExit as stop:
        codes.append(stop.code or 0)
found = {"codes": codes, "tensorflow": "tensorflow" in sys.modules, "refused": []}
def attempt(name, work):
    try:
        work()
    except OSError:
        found["refused"].append(name)
attempt("network", lambda: socket.socket())
attempt("program", lambda: subprocess.run(["true"]))
attempt("file", lambda: open(outside, "w").close())
sys.stderr.write("\\n" + json.dumps(found))
"""
"""Runs commands as the command line does, then tries what a model that has taken over would try."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("float")
    rng = np.random.default_rng(0)
    model = tf.keras.Sequential(
        [tf.keras.Input(4), layers.Dense(5, "relu", name="first"), layers.Dense(2, "softmax", name="logits")],
        name="net",
    )
    model.save(folder / "model.h5")
    x = rng.normal(0, 1, (200, 4)).astype(np.float32)
    np.savez(folder / "events.npz", x=x, y=(x[:, 0] > 0).astype(int))
    return folder


def run(folder, outside, *commands):
    text = json.dumps([[[str(word) for word in words] for words in commands], str(outside)])
    done = subprocess.run(
        [sys.executable, "-c", RUN, text], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    found = json.loads(done.stderr.splitlines()[-1])
    assert found["codes"] == [0] * len(commands), done.stderr
    return found, done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["sensitivity", "model.h5", "-d", "events.npz", "--json", "found.json"],
        ["quantize", "model.h5", "-d", "events.npz", "--epochs", "1", "-o", "mixed.h5"],
    ],
    ids=lambda words: words[0],
)
def test_what_trains_a_model_is_confined_as_a_whole(files, tmp_path, words):
    found, _ = run(files, tmp_path / "outside", words)
    assert found["tensorflow"]
    assert {"network", "program"} <= set(found["refused"])
    if has_landlock():
        assert "file" in found["refused"]
        assert not (tmp_path / "outside").exists()
    assert (files / words[-1]).is_file()
    assert not list(Path(files).glob(".*"))


def test_models_are_counted_and_lowered_apart(files, jet_tagger, tmp_path):
    """By every verb, one after the other: at the end this process has no TensorFlow, and may still do everything."""
    model = jet_tagger / "model.h5"
    found, text = run(
        tmp_path,
        tmp_path / "outside",
        ["costs", files / "model.h5"],
        ["diff", model, model, "-n", "20"],
        ["explore", model, "-o", "points", "--clock-mhz", "300", "--effort", "fast"],
        ["convert", model, "-o", "build", "--effort", "fast", "--no-synth", "--dump-passes", "passes"],
    )
    assert (found["tensorflow"], found["refused"]) == (False, [])
    assert (tmp_path / "outside").exists()
    assert "first" in text
    assert "37" in text
    texts = [path.read_text() for path in sorted((tmp_path / "passes").iterdir())]
    assert len(texts) > 2
    assert all("jet_tagger" in text for text in texts)


def test_a_retrained_model_is_read_by_a_process_that_is_confined(jet_tagger, tmp_path):
    model = jet_tagger / "model.h5"
    (tmp_path / "own").mkdir()
    words = ["convert", model, "-o", "build", "--effort", "fast", "--no-synth", "--reloadable", "weights"]
    run(tmp_path, tmp_path / "converted", words)
    found, _ = run(tmp_path, tmp_path / "outside", ["weights", model, "build", "-o", "own/weights.txt"])
    assert {"network", "program"} <= set(found["refused"])
    assert "file" in found["refused"] or not has_landlock()
    assert (tmp_path / "own" / "weights.txt").read_bytes() == (tmp_path / "build" / "weights.txt").read_bytes()
