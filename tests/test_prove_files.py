"""Files that nobody seals and that a tool or a Makefile would take: prove finds them, and scripts are those that are written."""

import shutil

import pytest
from click.testing import CliRunner
from designs import build_of, solved
from tamper.edits import new_file, text

from bittrigger.build.manifest import seal
from bittrigger.cli import cli
from bittrigger.prove import Verdict
from bittrigger.prove.sources.files import copy_build, file_claims


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    build_of(solved((9, 6, 3)), folder, synth=True)
    return folder


@pytest.fixture
def refuted(made, tmp_path):
    """What is refuted, and why, in a copy with one change; sealed anew before it or after it."""

    def judge(apply, *, sealed):
        folder = shutil.copytree(made, tmp_path / "build")
        apply(folder)
        if sealed:
            seal(folder)
        claims = file_claims(copy_build(folder, tmp_path / "work"))
        return {c.subject: c.detail for c in claims if c.verdict is not Verdict.PROVEN}

    return judge


PLANTED = [
    "hls/GNUmakefile",  # make takes it before Makefile
    "hls/makefile",
    "hls/build/layer.o",  # newer than its source: make links it
    "hls/example_test",
    "hls/ap_int.h",  # beside the test bench, which would include it first
    "hls/hls_config.cfg",
    "emulator/build/example_v1.so",
    "synth/extra.xdc",
    "synth/notes/run.tcl",
    "vhdl/spy.vhd",  # of a build without VHDL
    "wrap/spi/top.sv",
]


@pytest.mark.parametrize("sealed", [False, True], ids=["as it was sealed", "sealed anew"])
@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(refuted, name, sealed):
    found = refuted(new_file(name, "planted\n"), sealed=sealed)
    assert found[f"{name.split('/', maxsplit=1)[0]}/"] == f"{name!r}: not a file of this build; remove it"


@pytest.mark.parametrize("name", ["hls/vitis_hls.log", "synth/timing_route.rpt", "hls/example_prj/solution1/x.xml"])
def test_what_vendor_tools_leave_is_not(refuted, name):
    assert refuted(new_file(name, "left\n"), sealed=False) == {}


@pytest.mark.parametrize("name", ["example", "example_requantize_relu_0"])
def test_scripts_for_yosys_are_those_that_are_written(refuted, name):
    found = refuted(text(f"synth/{name}.ys", r"^techmap", "exec true\ntechmap"), sealed=True)
    assert found["synth/"].startswith(f"synth/{name}.ys: differs from what is emitted, first in line ")


def test_what_solve_says_of_its_adders_is_made_again(tmp_path):
    import numpy as np

    np.save(tmp_path / "w.npy", np.random.default_rng(0).integers(-1, 2, size=(8, 5)))
    folder = tmp_path / "solved"
    assert CliRunner().invoke(cli, ["solve", str(tmp_path / "w.npy"), "-o", str(folder)]).exit_code == 0

    def refutations(work):
        return [c.detail for c in file_claims(copy_build(folder, work)) if c.verdict is not Verdict.PROVEN]

    assert refutations(tmp_path / "one") == []
    for name in ("adders.txt", "adders.svg"):
        sound = (folder / name).read_text()
        (folder / name).write_text(sound + "\n")
        seal(folder)
        assert refutations(tmp_path / name) == [f"{name}: not that of the adder graph of the design"]
        (folder / name).write_text(sound)
