"""docs/interfaces.md, executed as it stands: every command of its first block, and the Python beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from designs import graph

from bittrigger.build.folder import fresh_folder, save_build, write_firmware
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.patterns.design import in_order, numbered
from bittrigger.settings import Settings


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the build and the events that the page speaks of, and a `bittrigger` on its PATH."""
    folder = tmp_path_factory.mktemp("desk")
    settings = Settings(effort="fast")
    with fresh_folder(folder / "build" / "tagger", overwrite=False) as scratch:
        pipeline = create_pipeline(graph((6, 8, 3), name="tagger"), settings)
        write_firmware(pipeline, scratch, settings)
        save_build(scratch, pipeline, settings, {})
    np.save(folder / "x.npy", np.random.default_rng(1).normal(size=(400, 6)))
    program = folder / "bin" / "bittrigger"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bittrigger "$@"\n')
    program.chmod(0o755)
    return folder


def run(command, folder):
    environment = os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_command_of_the_page_runs(root, desk):
    page = (root / "docs" / "interfaces.md").read_text()
    commands = [line.split("#")[0].strip() for line in re.search(r"```sh\n(.*?)```", page, re.DOTALL)[1].splitlines()]
    assert len(commands) >= 6
    said = {command: run(command, desk) for command in commands if command}
    assert any("100 events, every bit equal" in text for text in said.values())
    assert sorted(path.name for path in desk.iterdir()) == ["bin", "build", "patterns", "x.npy"]
    wanted, found = (sorted((desk / "patterns").glob(f"{stem}_??.txt")) for stem in ("want", "out"))
    assert [path.read_text() for path in wanted] == [path.read_text() for path in found]


def test_the_python_of_the_page_runs(root, desk, monkeypatch):
    page = (root / "docs" / "interfaces.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1].replace("tx_summary.txt", "patterns/in_00.txt")
    if not (desk / "patterns" / "in_00.txt").is_file():
        run("bittrigger patterns write build/tagger --events x.npy -n 100 -o patterns/in.txt", desk)
    monkeypatch.chdir(desk)
    exec(compile(code, "docs/interfaces.md", "exec"), {})  # noqa: S102 - our own page
    assert (desk / "in.txt").read_text().startswith("ID: ")
    (desk / "in.txt").unlink()


def test_a_series_is_in_the_order_of_the_alphabet_and_read_by_its_numbers(tmp_path):
    names = numbered(tmp_path / "in.txt", 668)
    assert names == sorted(names)
    assert (names[0].name, names[-1].name) == ("in_000.txt", "in_667.txt")
    old = [tmp_path / f"in_{k}.txt" for k in (0, 1, 10, 11, 2)]
    assert [path.name for path in in_order(old)] == [f"in_{k}.txt" for k in (0, 1, 2, 10, 11)]
    others = [tmp_path / "b.txt", tmp_path / "a_1.txt"]
    assert in_order(others) == others


@pytest.mark.skipif(shutil.which("make") is None, reason="the simulator needs make")
def test_a_series_in_the_order_of_a_shell_is_right(desk):
    run("bittrigger patterns write build/tagger --events x.npy -n 250 -o s/in.txt --expected s/want.txt", desk)
    files = sorted((desk / "s").glob("want_*.txt"))
    for path in files:
        path.rename(path.with_stem(f"want_{int(path.stem[5:])}"))
    said = run("bittrigger patterns check build/tagger s/want_*.txt --events x.npy -n 250", desk)
    assert "250 events, every bit equal" in said
    shutil.rmtree(desk / "s")
