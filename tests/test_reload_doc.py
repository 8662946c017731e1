"""docs/reload.md, executed as it stands: every command of the page, in its order, each block on builds of its own."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest
from test_weights import said, written

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


def blocks(root):
    """The commands of each block of the page."""
    page = (root / "docs" / "reload.md").read_text()
    found = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)
    return [[shlex.split(line, comments=True) for line in block.splitlines()] for block in found]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the two networks that the page speaks of, small ones."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(written(folder, "tagger"), folder / "model.h5")
    written(folder, "retrained", seed=4)
    return folder


def test_every_command_of_the_page_runs(root, desk, monkeypatch):
    monkeypatch.chdir(desk)
    found = blocks(root)
    assert [len(commands) for commands in found] == [4, 3, 3]
    for number in (0, 2, 1):  # the last block goes on with the builds of the first one
        if number == 1:
            shutil.rmtree("build")
        for program, verb, *words in found[number]:
            assert program == "bittrigger"
            more = {"convert": ["--no-synth", "--name", "tagger"], "weights": ["--overwrite"]}.get(verb, [])
            said(verb, *words, *more)
    assert (desk / "retrained.bus").read_text().startswith("# bittrigger bus 1: ipbus, addresses of words\n")
