"""Wrappers belong to a build: sealed with it, made again by whoever checks it, mended by the next run."""

import shutil

import pytest
from designs import build_of
from wrapped_designs import PIPELINE

from bittrigger.build.folder import fresh_folder, load_build
from bittrigger.build.manifest import SEAL, check_seal, read_seal, seal
from bittrigger.build.wrapping import check_wrappers, load_to_wrap, wrap
from bittrigger.emit.wrappers import AxisOptions
from bittrigger.errors import ConfigError
from bittrigger.patterns.design import LinkOptions
from bittrigger.prove import Verdict
from bittrigger.prove.sources.files import copy_build, file_claims

TOP = "wrap/axi-stream/example_axis.sv"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrapped")
    build = build_of(PIPELINE, folder)
    wrap(build, AxisOptions(64, 32))
    wrap(build, LinkOptions(tmux=6, links=2))
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "build")


def verdicts(folder, work):
    return {c.subject: c for c in file_claims(copy_build(folder, work)) if c.kind == "files"}


def test_both_wrappers_are_sealed_and_made_again(folder, tmp_path):
    names = [name for name in check_seal(folder) if name.startswith("wrap/")]
    assert TOP in names
    assert {"wrap/axi-stream/options.json", "wrap/emp/options.json", "wrap/emp/example_emp.f"} <= set(names)
    assert check_wrappers(load_build(folder)) == len(names)
    claim = verdicts(folder, tmp_path / "work")["wrap/"]
    assert (claim.verdict, claim.detail) == (Verdict.PROVEN, f"{len(names)} files")
    wrap(load_to_wrap(folder), AxisOptions(32))  # the other one stays listed
    assert sorted(name for name in check_seal(folder) if name.startswith("wrap/")) == sorted(names)


CHANGES = {
    "a line": lambda f: (f / TOP).write_text((f / TOP).read_text().replace("endmodule", "// edited\nendmodule", 1)),
    "an option": lambda f: (f / "wrap/axi-stream/options.json").write_text('{"beat_bits": 32, "out_beat_bits": 32}'),
    "no options": lambda f: (f / "wrap/axi-stream/options.json").unlink(),
    "options of another wrapper": lambda f: (f / "wrap/axi-stream/options.json").write_text('{"tmux": 6}'),
    "options that are none": lambda f: (f / "wrap/axi-stream/options.json").write_text('{"beat_bits": "__import__"}'),
    "a list of sources": lambda f: (f / "wrap/emp/example_emp.f").write_text("/etc/passwd\n"),
    "a file is gone": lambda f: (f / TOP).unlink(),
    "a foreign file": lambda f: (f / "wrap/emp/spy.sv").write_text("module spy; endmodule\n"),
    "a third wrapper": lambda f: (
        (f / "wrap/spi").mkdir() or (f / "wrap/spi/top.sv").write_text("module spi; endmodule\n")
    ),
    "a link": lambda f: (f / "wrap/emp/link.sv").symlink_to("/etc/hostname"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_wrapper_is_refused_by_the_seal(folder, name):
    CHANGES[name](folder)
    with pytest.raises(ConfigError, match="wrap/"):
        load_build(folder)


@pytest.mark.parametrize("name", CHANGES)
def test_and_by_whoever_makes_it_again_if_it_was_sealed_anew(folder, tmp_path, name):
    CHANGES[name](folder)
    if name == "a link":
        (folder / "wrap/emp/link.sv").unlink()
        seal(folder)
        (folder / "wrap/emp/link.sv").symlink_to("/etc/hostname")
    else:
        seal(folder)
    with pytest.raises(ConfigError, match="wrap/"):
        check_wrappers(load_build(folder, sealed=False))
    assert verdicts(folder, tmp_path / "work")["wrap/"].verdict is Verdict.REFUTED


def test_a_run_that_was_cut_off_before_the_seal_is_mended_by_the_next(folder):
    wanted = (folder / SEAL).read_text()
    (folder / SEAL).write_text("".join(line for line in wanted.splitlines(keepends=True) if "wrap/emp" not in line))
    with pytest.raises(ConfigError, match="not a file of this build"):
        load_build(folder)
    wrap(load_to_wrap(folder), LinkOptions(tmux=6, links=2))
    assert (folder / SEAL).read_text() == wanted


def test_what_is_wrapped_has_to_be_sealed_itself(folder):
    path = folder / "rtl" / "example.sv"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(ConfigError, match="rtl/example.sv: changed"):
        load_to_wrap(folder)


def test_wrappers_go_with_their_build_and_edited_ones_are_kept(folder):
    (folder / TOP).write_text("edited")
    with fresh_folder(folder, overwrite=True) as scratch:
        build_of(PIPELINE, scratch)
    assert not (folder / "wrap").exists()
    assert [path.name for path in (folder / "kept").rglob("*") if path.is_file()] == ["example_axis.sv"]
    assert not [name for name in read_seal(folder) if name.startswith("wrap/")]
