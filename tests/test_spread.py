"""Work spread over forks: every result comes once, a process that dies is an error, and what is left is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from bittrigger.errors import ConfigError, ToolError
from bittrigger.system.spread import spread


@pytest.fixture(autouse=True)
def without_tensorflow(monkeypatch):
    """As on the command line: another test may have loaded it in this process."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_result_comes_once_with_its_number(jobs):
    base = 100  # in a closure, which no pickle could send
    work = [lambda k=k: base + k for k in range(9)]
    assert sorted(spread(work, jobs)) == [(k, 100 + k) for k in range(9)]
    assert list(spread([], jobs)) == []


def test_the_work_is_done_elsewhere_and_by_threads_beside_tensorflow(monkeypatch):
    ours = os.getpid()
    assert ours not in {process for _, process in spread([os.getpid] * 4, 2)}
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    assert {process for _, process in spread([os.getpid] * 4, 2)} == {ours}


def refuse():
    raise ConfigError("seven is not allowed")


def test_an_error_of_the_work_is_raised_as_it_is():
    with pytest.raises(ConfigError, match="seven is not allowed"):
        list(spread([refuse, os.getpid], 2))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_dies_is_an_error(number):
    with pytest.raises(ToolError, match="died, perhaps for want of memory; try again with --jobs 1"):
        list(spread([lambda: os.kill(os.getpid(), number) or time.sleep(5), os.getpid], 2))


def sleep(note):
    note.write_text("begun")
    subprocess.run(["sh", "-c", f"sleep 30; echo ended > {note}.end"], check=True)


def words_of(path):
    try:
        return path.read_text()
    except OSError:  # ended meanwhile
        return ""


def test_what_runs_is_stopped_with_its_programs_if_the_rest_is_not_wanted(tmp_path):
    notes = [tmp_path / str(k) for k in range(3)]

    def ready():
        while not notes[0].exists():
            time.sleep(0.01)

    results = spread([partial(sleep, notes[0]), ready, partial(sleep, notes[1]), partial(sleep, notes[2])], 2)
    assert next(results)[0] == 1
    results.close()
    while any(str(tmp_path) in words_of(path) for path in Path("/proc").glob("[0-9]*/cmdline")):
        time.sleep(0.05)  # what was killed needs a moment to be gone; left alone, it would go on to its end and say so
    assert not list(tmp_path.glob("*.end"))
    assert not notes[2].exists()


def test_two_threads_that_spread_work_at_a_time_get_their_own():
    """What one of them leaves half done stops nothing of the other."""

    def one(name):
        found = []
        for turn in range(6):
            work = [partial(str, f"{name} {turn} {k}") for k in range(6)]
            found.append(dict(spread(work, 2)) == {k: f"{name} {turn} {k}" for k in range(6)})
            left = spread([partial(str, k) for k in range(4)], 2)
            next(left)
            left.close()
        return all(found)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(one, "ab")) == [True, True]
