"""A build may be somebody else's, seal and all: what it holds is compared with the design before anything compiles or runs it."""

from __future__ import annotations

import os
import shutil
import stat

import numpy as np
import pytest
from designs import solved

from bittrigger.build.folder import load_build, save_build, write_firmware
from bittrigger.build.manifest import seal
from bittrigger.cli import main
from bittrigger.emit.render import write_changed
from bittrigger.errors import ConfigError
from bittrigger.settings import Settings
from bittrigger.simulate.compare import create_executor
from bittrigger.simulate.executors.emulator import Emulator
from bittrigger.simulate.intake import check_emitted
from bittrigger.system.toolchain import cache_folder, require_tool


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A sealed build, not synthesised."""
    folder, pipeline = tmp_path_factory.mktemp("written"), solved((5, 4, 3))
    write_firmware(pipeline, folder, Settings())
    save_build(folder, pipeline, Settings(), {})
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """The same, free to be broken."""
    return shutil.copytree(written, tmp_path / "build")


def append(name, text):
    def change(folder, target):
        with (folder / name).open("a", encoding="utf-8") as stream:
            stream.write(text.format(target=target))

    return change


def make(name, text):
    def change(folder, target):
        (folder / name).write_text(text.format(target=target), encoding="utf-8")

    return change


PAYLOADS = {
    "system task": append("rtl/example.sv", 'module evil; initial $system("touch {target}"); endmodule\n'),
    "import in a new file": make(
        "rtl/aaa.sv",
        'module aaa; import "DPI-C" function int system(string s); initial system("touch {target}"); endmodule\n',
    ),
    "name with a line break": make("rtl/a\nb.sv", "// {target}\n"),
    "C++ of the HLS project": append(
        "hls/firmware/example.cpp",
        '#include <cstdlib>\nstatic int evil = std::system("touch {target}");\n',
    ),
    "new source of the HLS project": make(
        "hls/firmware/aaa.cpp", '#include <cstdlib>\nstatic int evil = std::system("touch {target}");\n'
    ),
    "C++ of the emulator": append(
        "emulator/example_v1.cpp", '#include <cstdlib>\nstatic int evil = std::system("touch {target}");\n'
    ),
    "Makefile of the emulator": append("emulator/Makefile", "\n$(shell touch {target})\n"),
}


@pytest.mark.parametrize("change", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_what_is_not_emitted_for_the_design_is_not_run(change, folder, tmp_path, capsys):
    target = tmp_path / "executed"
    change(folder, target)
    seal(folder)
    with pytest.raises(SystemExit) as stop:
        main(["simulate", str(folder), "-x", "csim", "emulator", "rtl-fast", "-n", "5"])
    assert stop.value.code
    assert not target.exists()
    text = " ".join(capsys.readouterr().err.split())
    assert "simulating would run it" in text or "is 'rtl/a\\nb.sv'" in text or "SHA256SUMS" in text


def test_a_sound_build_is_taken(folder):
    check_emitted(load_build(folder))


def test_what_a_tool_left_in_the_folders_is_not_looked_at(folder):
    (folder / "emulator" / "build").mkdir()
    (folder / "emulator" / "build" / "example_v1.so").write_bytes(b"no library")
    check_emitted(load_build(folder))


def test_nothing_that_lies_in_a_build_is_loaded(folder):
    build = load_build(folder)
    for name in ("csim", "emulator", "rtl", "rtl-fast"):
        cache = create_executor(name, build).cache
        assert folder.resolve() not in cache.resolve().parents
        assert cache_folder() in cache.parents


def test_the_flags_of_the_environment_make_another_library(folder, tmp_path, monkeypatch):
    emulator = Emulator(load_build(folder).graph, folder / "emulator", tmp_path)
    plain = emulator._digest(require_tool("g++"))
    monkeypatch.setenv("CXXFLAGS", "-ffast-math")
    assert emulator._digest(require_tool("g++")) != plain


def test_a_new_cache_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "a" / "cache"))
    assert stat.S_IMODE(cache_folder().stat().st_mode) == 0o700


def test_a_cache_that_others_may_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(ConfigError, match="others may write to it, and code is loaded from it"):
        cache_folder()


def test_a_cache_that_is_a_file(tmp_path, monkeypatch, folder, capsys):
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit):
        main(["simulate", str(folder), "-x", "emulator", "-n", "5"])
    assert "cannot be made: File exists; name another in" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("variables", [{"HOME": None}, {"HOME": ""}, {"HOME": "x", "XDG_CACHE_HOME": "relative"}])
def test_a_home_that_is_not_set(variables, monkeypatch):
    monkeypatch.delenv("BITTRIGGER_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    assert cache_folder().is_absolute()


def test_writing_follows_no_link(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tmp_path / "inside").symlink_to(outside)
    assert write_changed(tmp_path / "inside", "precious")
    assert not (tmp_path / "inside").is_symlink()
    assert write_changed(tmp_path / "inside", "new")
    assert outside.read_text() == "precious"
    assert stat.S_IMODE((tmp_path / "inside").stat().st_mode) == 0o666 & ~current_umask()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside"]


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_same_library_serves_the_same_sources_in_another_place(folder, tmp_path):
    first = load_build(folder)
    codes = np.zeros((3, first.graph.n_inputs), dtype=np.int64)
    wanted = create_executor("emulator", first).run(codes)
    again = load_build(shutil.copytree(folder, tmp_path / "again"))
    assert np.array_equal(create_executor("emulator", again).run(codes), wanted)


@pytest.mark.parametrize("link", ["wrap", "wrap/emp"])
def test_a_wrapper_is_not_written_through_a_link(link, folder, tmp_path, capsys):
    (tmp_path / "outside").mkdir()
    (folder / link).parent.mkdir(exist_ok=True)
    (folder / link).symlink_to(tmp_path / "outside")
    with pytest.raises(SystemExit) as stop:
        main(["wrap", str(folder), "-i", "emp"])
    assert stop.value.code == 2
    assert "it is a link, and writing would follow it; remove it" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "outside").iterdir())
