"""Faults of the machine: one sentence, nothing half-written, and the next run is right."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from designs import build_of, solved

from bittrigger.build.folder import load_build, save_build, write_firmware
from bittrigger.errors import ConfigError, ToolError
from bittrigger.ir.graph import evaluate
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.compare import Outcome, create_executor, save_outputs
from bittrigger.simulate.vectors import corner_codes

EXECUTORS = ("csim", "emulator", "rtl-fast")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sealed build, not synthesised."""
    place, pipeline = tmp_path_factory.mktemp("faults") / "build", solved((5, 4, 3))
    write_firmware(pipeline, place, Settings())
    save_build(place, pipeline, Settings(), {})
    return place


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def is_right(name, folder):
    build = load_build(folder)
    codes = corner_codes(build.graph)
    return np.array_equal(create_executor(name, build).run(codes), evaluate(build.graph, codes))


@pytest.mark.parametrize("name", EXECUTORS)
@pytest.mark.parametrize("end", ["exit 0", "kill -9 $$"], ids=["writes nothing", "is killed"])
def test_a_compiler_that_fails_in_silence(name, end, folder, empty_cache, monkeypatch):
    compiler = program(empty_cache.parent / "g++", f'case "$*" in *--version*|*-dM*) echo fake; exit 0;; esac\n{end}')
    with monkeypatch.context() as patch:
        patch.setenv("BITTRIGGER_GXX", compiler)
        with pytest.raises(ToolError, match="wrote n|failed with exit code"):
            is_right(name, folder)
    assert not [path for path in empty_cache.rglob("*") if path.suffix in (".so", ".gch")]


def test_the_run_after_a_compiler_that_failed_is_right(folder, empty_cache, tmp_path, monkeypatch):
    """The same program as the broken one, so that nothing but its results tells them apart."""
    assert not empty_cache.exists()
    broken = tmp_path / "broken"
    broken.touch()
    compiler = program(
        tmp_path / "g++",
        f'case "$*" in *--version*|*-dM*) exec g++ "$@";; esac\n[ -e {shlex.quote(str(broken))} ] && exit 0\nexec g++ "$@"',
    )
    monkeypatch.setenv("BITTRIGGER_GXX", compiler)
    with pytest.raises(ToolError, match="wrote no"):
        is_right("emulator", folder)
    broken.unlink()
    assert is_right("emulator", folder)


def limited(kilobytes, *arguments, folder, **variables):
    """The command line where no file may grow beyond ``kilobytes``, which fails as a full disk does."""
    command = shlex.join([sys.executable, "-m", "bittrigger", *map(str, arguments)])
    return subprocess.run(
        ["bash", "-c", f"ulimit -f {kilobytes}; {command}"],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", EXECUTORS)
def test_files_that_cannot_grow(name, folder, tmp_path):
    done = limited(
        4, "simulate", folder, "-x", name, "-n", "5", folder=tmp_path, BITTRIGGER_CACHE=str(tmp_path / "cache")
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr


def test_a_build_that_cannot_be_written_in_full_leaves_nothing(tmp_path):
    np.save(tmp_path / "w.npy", np.random.default_rng(0).integers(-1, 2, size=(16, 32)))
    done = limited(
        8,
        "solve",
        tmp_path / "w.npy",
        "-o",
        tmp_path / "out",
        folder=tmp_path,
        BITTRIGGER_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode, done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full, of Linux")
def test_outputs_on_a_full_disk(folder, recwarn):
    graph = load_build(folder).graph
    outcome = Outcome("oracle", np.zeros((5, graph.n_outputs), dtype=np.int64), 0.0, None)
    with pytest.raises(ConfigError, match="outputs cannot be written to /dev/full: No space left on device"):
        save_outputs(Path("/dev/full"), graph, [outcome])
    assert not recwarn.list


@pytest.mark.parametrize(
    "words",
    [
        ("patterns", "convert", "PIPE", "out.txt", "--to", "empv2"),
        ("patterns", "check", "BUILD", "PIPE"),
        ("patterns", "write", "BUILD", "--events", "PIPE", "-o", "out.txt"),
        ("data", "info", "PIPE"),
        ("solve", "PIPE"),
        ("costs", "PIPE"),
        ("convert", "PIPE", "-o", "out"),
        ("simulate", "BUILD", "-x", "oracle", "--inputs", "PIPE"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_verb_waits_for_a_pipe(words, folder, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    places = {"PIPE": str(tmp_path / "pipe"), "BUILD": str(folder)}
    command = [sys.executable, "-m", "bittrigger", *(places.get(word, word) for word in words)]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode in (1, 2)
    assert "no regular file" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


INJECT = Path(__file__).parent / "faults" / "inject.py"


def faulty(fault, *words, folder, cache):
    """A command with one of the faults of the campaign."""
    command = [sys.executable, str(INJECT), fault, sys.executable, "-m", "bittrigger", *map(str, words)]
    environment = {**os.environ, "BITTRIGGER_CACHE": str(cache), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="a filter of system calls by their numbers")
@pytest.mark.parametrize(
    ("fault", "words", "said"),
    [
        (
            "processes",
            ("prove", "BUILD", "--no-netlist"),
            "could not be started: [Errno 11] Resource temporarily unavailable",
        ),
        ("processes", ("costs", "MODEL"), "no process can be started: end some or raise the limit (ulimit -u)"),
        ("threads", ("prove", "BUILD", "--no-netlist"), "no thread can be started: end some or raise the limit"),
        (
            "memory=300",
            ("simulate", "BUILD", "--executor", "oracle", "--events", "2000000"),
            "there is not enough memory",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "=" not in value else None,
)
def test_what_is_short_is_said_in_one_sentence(  # noqa: PLR0917
    fault, words, said, folder, tmp_path, jet_tagger
):
    places = {"BUILD": str(folder), "MODEL": str(jet_tagger / "model.h5")}
    done = faulty(fault, *(places.get(word, word) for word in words), folder=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert said in " ".join(done.stderr.split())
    assert not (folder / "proof.json").exists()


@pytest.mark.parametrize("name", ["yosys_worker", "yosys-abc"])
def test_a_proof_whose_worker_is_killed_leaves_none_and_the_next_is_right(name, tmp_path, monkeypatch):
    """The worker ends itself, as the kernel would end it for want of memory."""
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "build"
    build = build_of(solved((5, 4, 3)), folder, synth=True)
    with monkeypatch.context() as patch:
        if name == "yosys-abc":
            patch.setattr("bittrigger.prove.circuits.equivalence.abc", lambda: program(tmp_path / "abc", "kill -9 $$"))
        else:
            script = tmp_path / "worker.py"
            script.write_text("import os\nos.kill(os.getpid(), 9)\n")
            patch.setattr("bittrigger.synth.worker.WORKER", script)
        with pytest.raises(ToolError, match="failed with exit code -9"):
            prove(build, jobs=1)
    assert not (folder / "proof.json").exists()
    assert prove(build, jobs=1).proven


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_command_that_is_done_does_not_die_of_a_signal(number):
    """While the interpreter is taken down Python's own handlers are gone; a signal then finds everything done."""
    program = f"""
import os, signal, sys
from bittrigger.cli import main

class Last:
    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.{number}):
        kill(own, number)

last, sys.argv = Last(), ["bittrigger", "--version"]
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version" in done.stdout
