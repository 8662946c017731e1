"""The guard of what people wait for: what is slower than recorded is named, and what was not measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "benchmarks" / "waiting.py"
RECORD = PROGRAM.with_suffix(".json")


def compared(tmp_path, new, old):
    for name, ratios in (("new", new), ("old", old)):
        jobs = [{"job": job, "ratio": ratio} for job, ratio in ratios.items()]
        (tmp_path / name).write_text(json.dumps({"jobs": jobs}))
    command = [sys.executable, PROGRAM, "--compare", tmp_path / "new", tmp_path / "old"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_what_is_slower_than_recorded_is_named(tmp_path):
    old = {"convert": 10.0, "prove": 4.0, "report": 0.1, "gone": 1.0}
    code, text = compared(tmp_path, {"convert": 13.5, "prove": 5.1, "report": 0.2, "new": 50.0}, old)
    assert code == 1
    assert text == "gone: not measured; recorded 1.00\nconvert: 13.50; recorded 10.00; 1.35 times\n"


def test_what_is_no_slower_is_not(tmp_path):
    assert compared(tmp_path, {"convert": 12.9}, {"convert": 10.0}) == (
        0,
        "nothing takes more than 1.3 times what is recorded\n",
    )


@pytest.mark.parametrize(
    "verb", ["convert, first", "convert, again", "prove, first", "simulate -x all, first", "report"]
)
def test_every_verb_is_recorded(verb):
    jobs = {row["job"]: row["ratio"] for row in json.loads(RECORD.read_text())["jobs"]}
    assert jobs[f"jet_tagger: {verb}"] > 0
