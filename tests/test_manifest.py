"""The seal of a build: what is changed, missing, foreign or a link is refused by name, before any of it is read."""

import os
import shutil
import subprocess
import sys

import pytest
from designs import solved

from bittrigger.build.folder import load_build, save_build, write_firmware
from bittrigger.build.manifest import SEAL, check_seal, read_file, read_seal, seal
from bittrigger.cli import main
from bittrigger.errors import ConfigError
from bittrigger.settings import Settings


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A sealed build, not synthesised."""
    folder, pipeline = tmp_path_factory.mktemp("sealed"), solved((5, 4, 3))
    write_firmware(pipeline, folder, Settings())
    save_build(folder, pipeline, Settings(), {})
    return folder


@pytest.fixture
def built(sealed, tmp_path):
    """The same, free to be broken."""
    return shutil.copytree(sealed, tmp_path / "build")


def test_a_build_is_sealed_and_sha256sum_agrees(built):
    sums = check_seal(built)
    assert {"design.json", "bittrigger.json", "rtl/example.sv", "hls/tb_data/tb_input.dat", "emulator/Makefile"} <= set(
        sums
    )
    assert {
        "hls/Makefile",
        "hls/build_prj.tcl",
        "synth/vivado_synth.tcl",
        "synth/ultrascale/bittrigger_clip.sv",
    } <= set(sums)
    assert SEAL not in sums
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SEAL], cwd=built, check=True)


def test_what_tools_leave_behind_does_not_matter(built):
    for name in (
        "sim/csim/x.o",
        "hls/build/x.o",
        "hls/example_prj/x.xml",
        "emulator/build/x.so",
        "synth/vivado.log",
        "proof.json",
        "synth/timing_route.rpt",
    ):
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).write_text("left behind")
    check_seal(built)


SEALED_SORTS = (
    "bittrigger.json",
    "design.json",
    "rtl/example_bitlinear_dense_0.sv",
    "hls/firmware/example.h",
    "hls/tb_data/tb_output.dat",
    "hls/Makefile",
    "emulator/example_v1.py",
    "synth/ultrascale/bittrigger_clip.sv",
    "synth/vivado_synth.tcl",
)


@pytest.mark.parametrize("name", SEALED_SORTS)
def test_a_changed_file_is_refused_by_name(built, name):
    data = (built / name).read_bytes()
    (built / name).write_bytes(data + b" ")
    with pytest.raises(
        ConfigError, match=f"{name}: changed since the build was written; convert the model again, or take"
    ):
        load_build(built)
    (built / name).write_bytes(data)
    load_build(built)
    (built / name).unlink()
    with pytest.raises(ConfigError, match=f"{name}': not readable|it has no {name}"):
        load_build(built)


@pytest.mark.parametrize(
    "name",
    [
        "rtl/a.sv",
        "rtl/deep/a.txt",
        "hls/firmware/a.h",
        "synth/a.v",
        "synth/ultrascale/a",
        "emulator/a.so",
        "report.json",
    ],
)
def test_a_foreign_file_is_refused_by_name(built, name):
    (built / name).parent.mkdir(exist_ok=True)
    (built / name).write_text("")
    with pytest.raises(ConfigError, match=f"{name}': not a file of this build; remove it"):
        load_build(built)


@pytest.mark.parametrize("name", ["rtl/example.sv", "rtl", "design.json", SEAL, "hls/tb_data"])
def test_no_link_is_followed(built, tmp_path, name):
    (built / name).rename(tmp_path / "elsewhere")
    (built / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is a link; a build holds files alone|not a file of this build"):
        load_build(built)


def test_a_link_too_many_is_refused(built, tmp_path):
    (built / "rtl" / "more").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="rtl/more': not a file of this build"):
        load_build(built)


def test_nothing_but_a_file_is_opened(built):
    (built / "rtl" / "example.sv").unlink()
    os.mkfifo(built / "rtl" / "example.sv")
    with pytest.raises(ConfigError, match="not a file of at most"):
        load_build(built)
    (built / "rtl" / "example.sv").unlink()
    (built / "rtl" / "example.sv").mkdir()
    with pytest.raises(ConfigError, match="not a file of at most"):
        read_file(built, "rtl/example.sv")


LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from bittrigger.build.manifest import read_file
from bittrigger.system.files import read_regular
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 28),) * 2)
path = Path(sys.argv[1])
assert read_file(path.parent, path.name) == read_regular(path) == path.read_bytes()
"""


def test_a_small_file_takes_little_memory(built):
    """Where a batch system lets a process have so much address space, room for the largest file is not there."""
    subprocess.run([sys.executable, "-c", LITTLE_MEMORY, str(built / "design.json")], check=True)


@pytest.mark.parametrize(
    "line", ["", "x", f"{'0' * 64}  ../x", f"{'0' * 64}  /x", f"{'0' * 63}  x", f"{'0' * 64}  a//b"]
)
def test_a_list_that_is_none_is_refused(built, line):
    with (built / SEAL).open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(ConfigError, match="expected a SHA-256 and a new name"):
        read_seal(built)


def test_a_name_listed_twice_is_refused(built):
    text = (built / SEAL).read_text()
    (built / SEAL).write_text(text + text.splitlines()[0] + "\n")
    with pytest.raises(ConfigError, match="a new name"):
        read_seal(built)


def test_a_build_without_a_list_is_refused(built):
    (built / SEAL).unlink()
    with pytest.raises(ConfigError, match=f"{SEAL}': not readable"):
        load_build(built)
    seal(built)
    load_build(built)


@pytest.mark.parametrize(
    "words", [["simulate", "-x", "csim"], ["report"], ["wrap", "-i", "emp"], ["patterns", "write", "-o", "p.txt"]]
)
def test_every_command_that_reads_a_build_checks_it(built, capsys, words):
    path = built / "rtl" / "example.sv"
    path.write_text(path.read_text() + "\n")
    place = 2 if words[0] == "patterns" else 1
    with pytest.raises(SystemExit) as stop:
        main([*words[:place], str(built), *words[place:]])
    assert stop.value.code == 2
    assert "rtl/example.sv: changed since the build was written" in " ".join(capsys.readouterr().err.split())
