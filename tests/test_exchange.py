"""Overwriting a build: whole or not at all, whenever the run is killed, and nothing is lost that bittrigger did not write."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from bittrigger.build import exchange
from bittrigger.build.folder import fresh_folder
from bittrigger.build.manifest import seal
from bittrigger.errors import ConfigError


def write_build(folder, text):
    """The outline of a build, sealed."""
    for name in ("bittrigger.json", "design.json", "rtl/top.sv", "hls/firmware/top.cpp", "synth/top.json", "card.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "synth" / "top.log").write_text(text)
    seal(folder)
    exchange._note_written(folder)


def overwrite(target, text="new"):
    with fresh_folder(target, overwrite=True) as scratch:
        write_build(scratch, text)


def content(folder):
    """Everything in a folder: text by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture
def target(tmp_path):
    """A build, and what it holds."""
    write_build(tmp_path / "build", "old")
    return tmp_path / "build"


def test_what_a_user_keeps_in_the_folder_stays_there(target):
    (target / "mine.h5").write_text("model")
    (target / "notes").mkdir()
    (target / "notes" / "today.txt").write_text("notes")
    (target / "link").symlink_to("/nowhere")
    overwrite(target)
    assert (target / "mine.h5").read_text() == "model"
    assert (target / "notes" / "today.txt").read_text() == "notes"
    assert (target / "link").is_symlink()
    assert (target / "rtl" / "top.sv").read_text() == "new"


def test_what_a_user_wrote_into_the_folders_of_a_build_is_kept_aside(target):
    (target / "hls" / "notes.txt").write_text("notes")
    (target / "rtl" / "top.sv").write_text("edited")
    (target / "card.md").write_text("my card")
    overwrite(target)
    (target / "card.md").write_text("my other card")
    overwrite(target, "newer")
    kept = content(target / "kept")
    assert kept == {
        "hls/notes.txt": "notes",
        "rtl/top.sv": "edited",
        "card.md": "my card",
        "card.md.2": "my other card",
    }


def test_what_bittrigger_left_behind_goes_with_the_build(target):
    for name in ("proof.json", "emulator/build/x.so", "synth/other.log"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("old")
    overwrite(target)
    assert "old" not in content(target).values()
    assert "kept" not in {name.split("/")[0] for name in content(target)}


def test_the_folder_itself_stays(target, monkeypatch):
    inode = target.stat().st_ino
    monkeypatch.chdir(target)
    overwrite(Path())
    assert target.stat().st_ino == inode
    assert Path("rtl/top.sv").read_text() == "new"


def test_a_link_to_a_folder_stays_a_link(target, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(target)
    overwrite(link)
    assert link.is_symlink()
    assert (target / "rtl" / "top.sv").read_text() == "new"


def test_a_link_that_leads_to_itself(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(ConfigError, match="output folder"), fresh_folder(tmp_path / "link", overwrite=True):
        pass


def test_an_empty_folder_is_filled_and_not_replaced(tmp_path):
    inode = tmp_path.stat().st_ino
    overwrite(tmp_path)
    assert tmp_path.stat().st_ino == inode
    assert not list(tmp_path.glob(".bittrigger-*"))


MOVES = 20
"""More than there are, so that the last run to the end."""


@pytest.mark.parametrize("number", range(MOVES))
def test_a_move_that_fails_is_rolled_back(number, target, monkeypatch):
    (target / "mine.h5").write_text("model")
    before, rename, calls = content(target), Path.rename, []

    def failing(self, other):
        calls.append(other)
        if len(calls) == number + 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", failing)
    try:
        overwrite(target)
    except ConfigError as error:
        assert "cannot be written: No space left on device" in str(error)  # noqa: PT017
        assert content(target) == before
    else:
        assert len(calls) <= number
        assert (target / "rtl" / "top.sv").read_text() == "new"
    assert not list(target.glob(".bittrigger-*"))


def die_at(target, number):
    """Overwrite, and die without a word at that move."""
    rename, calls = Path.rename, []

    def dying(self, other):
        calls.append(other)
        if len(calls) == number + 1:
            os._exit(9)
        return rename(self, other)

    Path.rename = dying
    overwrite(target)
    os._exit(0)


@pytest.mark.parametrize("number", range(MOVES))
def test_a_run_that_is_killed_is_undone_by_the_next(number, target):
    (target / "mine.h5").write_text("model")
    before = content(target)
    child = multiprocessing.get_context("fork").Process(target=die_at, args=(target, number))
    child.start()
    child.join(60)
    killed = child.exitcode == 9
    assert killed or number > 9
    assert bool(list(target.glob(".bittrigger-*"))) == killed
    exchange.recover(target)
    assert (content(target) == before) == killed
    overwrite(target, "newest")
    after = content(target)
    assert (after.pop("mine.h5"), set(after.values()) - {"newest", after["SHA256SUMS"], after[".written.json"]}) == (
        "model",
        set(),
    )
    assert not list(target.glob(".bittrigger-*"))


def test_a_run_that_is_killed_before_there_was_a_folder(tmp_path):
    def die(target):
        with fresh_folder(target, overwrite=True):
            os._exit(9)

    child = multiprocessing.get_context("fork").Process(target=die, args=(tmp_path / "build",))
    child.start()
    child.join(60)
    assert len(list(tmp_path.glob(".build.bittrigger-*"))) == 1
    overwrite(tmp_path / "build")
    assert [path.name for path in tmp_path.iterdir()] == ["build"]


def test_a_run_that_lives_is_left_alone(target):
    work = target / ".bittrigger-other"
    (work / "new").mkdir(parents=True)
    with (work / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        overwrite(target)
        assert work.is_dir()
    overwrite(target)
    assert not work.exists()


@pytest.mark.parametrize("name", ["../outside", "", "..", "a/b", ".bittrigger-x", 7])
def test_a_plan_that_leads_out_of_the_folder_is_not_followed(name, target, tmp_path):
    (tmp_path / "outside").write_text("precious")
    work = target / ".bittrigger-x"
    (work / "new").mkdir(parents=True)
    (work / "old").mkdir()
    (work / ".lock").touch()
    (work / "plan.json").write_text(json.dumps({"out": [name], "in": [name]}))
    before = content(target)
    exchange.recover(target)
    assert content(target) == before
    assert (tmp_path / "outside").read_text() == "precious"


def test_a_full_disk_while_writing_is_one_sentence(target):
    before = content(target)

    def fill():
        with fresh_folder(target, overwrite=True) as scratch:
            (scratch / "half").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device", str(scratch / "half"))

    with pytest.raises(ConfigError, match="cannot be written: No space left on device .*free some space"):
        fill()
    assert content(target) == before


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(ConfigError, match="cannot be written|is a file"),
        fresh_folder(tmp_path / "file" / "x", overwrite=True),
    ):
        pass
