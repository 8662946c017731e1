"""Making data: the same bits for any number of workers, each file with its record, and requests that make no sense refused."""

from __future__ import annotations

import json
import subprocess
import sys

import data_sets
import numpy as np
import pytest
from click.testing import CliRunner
from data_sets import content
from layouts import validate

from bittrigger.cli import cli
from bittrigger.data.model import Block, Request
from bittrigger.data.production.archive import members, read_record
from bittrigger.data.production.plan import plan_blocks, rows_of_kinds
from bittrigger.data.production.run import make
from bittrigger.data.production.workers import processes
from bittrigger.data.sets import SETS
from bittrigger.errors import ConfigError, ToolNotFoundError
from bittrigger.system import arrays

# --- blocks --------------------------------------------------------------------------------------


def test_rows_are_shared_and_blocks_alternate():
    dataset = data_sets.fake()
    assert rows_of_kinds(dataset, 22) == {"a": 17, "b": 5}
    blocks = plan_blocks(Request(dataset, 22, 7))
    assert [(block.name, block.rows) for block in blocks] == [
        ("a-00000", 4),
        ("b-00000", 4),
        ("a-00001", 4),
        ("b-00001", 1),
        ("a-00002", 4),
        ("a-00003", 4),
        ("a-00004", 1),
    ]


def test_every_block_has_its_own_seeds():
    blocks = [Block("a", kind, number, 4, seed) for kind in (0, 1) for number in range(50) for seed in (0, 1)]
    seeds = [block.pythia_seed(stream) for block in blocks for stream in (0, 1)]
    assert len(set(seeds)) == len(seeds)
    assert all(1 <= seed <= 900_000_000 for seed in seeds)
    assert len({block.random().integers(1 << 60) for block in blocks}) == len(blocks)


def test_seeds_are_those_of_earlier_versions():
    """Files made with one version can be made again with the next."""
    block = Block("b", 1, 2, 4, 7)
    assert (block.pythia_seed(), block.pythia_seed(1), int(block.random().integers(1000))) == PINNED


PINNED = (488930734, 531647926, 674)


# --- files ---------------------------------------------------------------------------------------


def test_a_file_holds_all_rows_in_order_and_how_they_were_made(request_, workers, tmp_path):
    reports = []
    make(request_, tmp_path / "a.npz", workers, on_progress=reports.append)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    found = content(tmp_path / "a.npz")
    parts = [data_sets.generate(block).arrays for block in plan_blocks(request_)]
    for name in ("X", "y"):
        assert np.array_equal(found[name], np.concatenate([part[name] for part in parts]))
        assert found[name].dtype == parts[0][name].dtype
    assert found["classes"].tolist() == ["a", "b"]
    record = json.loads(str(found["provenance"]))
    assert record == read_record(tmp_path / "a.npz")
    assert {key: record[key] for key in ("set", "events", "seed", "block_rows", "rows", "events_tried")} == {
        "set": "fake",
        "events": 22,
        "seed": 7,
        "block_rows": 4,
        "rows": {"a": 17, "b": 5},
        "events_tried": {"a": 34, "b": 10},
    }
    assert record["versions"]["numpy"] == np.__version__
    assert record["settings"] == request_.dataset.settings
    assert [report.rows for report in reports] == [0, 4, 8, 12, 13, 17, 21, 22]


def test_the_number_of_processes_does_not_change_a_byte(request_, workers, tmp_path, capfd):
    make(request_, tmp_path / "a.npz", workers)
    capfd.readouterr()
    with processes(2) as pool:
        make(request_, tmp_path / "b.npz", pool)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert "banner" not in capfd.readouterr().out


def test_a_generator_that_remembers_is_noticed(workers, tmp_path):
    """The comparison above can fail: rows that depend on earlier blocks change with the process."""
    request = Request(data_sets.fake(function=data_sets.forgetful), 22, 7)
    for name in ("a.npz", "b.npz"):
        make(request, tmp_path / name, workers)
    assert (tmp_path / "a.npz").read_bytes() != (tmp_path / "b.npz").read_bytes()


def test_another_seed_gives_other_rows(request_, fake, workers, tmp_path):
    make(request_, tmp_path / "a.npz", workers)
    make(Request(fake, 22, 8), tmp_path / "b.npz", workers)
    assert not np.isin(content(tmp_path / "a.npz")["X"][:, 1], content(tmp_path / "b.npz")["X"][:, 1]).any()


def test_more_rows_begin_with_the_same_blocks(workers, tmp_path):
    dataset = data_sets.fake(kinds=("a",), shares=(1,))
    make(Request(dataset, 8, 7), tmp_path / "a.npz", workers)
    make(Request(dataset, 30, 7), tmp_path / "b.npz", workers)
    assert np.array_equal(content(tmp_path / "a.npz")["X"], content(tmp_path / "b.npz")["X"][:8])


def test_dask_makes_the_same_bytes(request_, workers, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs `pip install 'bittrigger[dask]'`")
    from bittrigger.data.production.workers import dask_cluster

    make(request_, tmp_path / "a.npz", workers)
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, dask_cluster(cluster.scheduler_address) as pool:
        make(request_, tmp_path / "b.npz", pool)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.usefixtures("fake")
def test_the_verb_make_says_for_machines_what_it_made(root, tmp_path):
    said = tmp_path / "a.json"
    assert "wrote" in invoke("make", "fake", "-n", 22, "-o", tmp_path / "a.npz", "--json", said)
    validate(root, "data-make-1", json.loads(said.read_text()))


# --- refusals ------------------------------------------------------------------------------------


def invoke(*arguments):
    """The command line's message and exit code."""
    done = CliRunner().invoke(cli, ["data", *map(str, arguments)])
    return done.exception if done.exit_code == 1 else done.output


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("make", "jets6", "-n", 9, "-o", "a.npz"), "set 'jets6' is unknown; allowed are "),
        (
            ("make", "fake", "-n", 0, "-o", "a.npz"),
            "--events 0: fake takes from 4 to 100,000,000 events, so that each of a, b",
        ),
        (("make", "fake", "-n", 3, "-o", "a.npz"), "--events 3: fake takes from 4 "),
        (("make", "fake", "-n", -5, "-o", "a.npz"), "--events -5: fake takes from 4 "),
        (("make", "fake", "-n", 10**10, "-o", "a.npz"), "--events 10000000000: fake takes from 4 to 100,000,000"),
        (("make", "fake", "-n", 9, "-s", -1, "-o", "a.npz"), "--seed -1: expected an integer from 0 to 2^63 - 1"),
        (("make", "fake", "-n", 9, "-j", 0, "-o", "a.npz"), "--jobs 0: expected 1 to 1024 processes"),
        (("make", "fake", "-n", 9, "-o", "a.h5"), "-o a.h5: expected a name that ends in .npz"),
        (("make", "fake", "-n", 9, "-o", "no/a.npz"), "-o no/a.npz: there is no folder no; make it"),
        (("make", "fake", "-n", 9, "-o", "old.npz"), "-o old.npz exists; give --overwrite"),
        (("make", "fake", "-n", 9, "-o", "folder.npz"), "-o folder.npz is a folder; expected a file"),
        (("info", "no.npz"), "file no.npz: not a readable .npz file"),
        (("info", "old.npz"), "file old.npz: not a readable .npz file"),
    ],
)
def test_refusals(tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.npz").write_bytes(b"old")
    (tmp_path / "folder.npz").mkdir()
    assert text in str(invoke(*arguments))
    assert {path.name for path in tmp_path.iterdir()} == {"old.npz", "folder.npz"}
    assert (tmp_path / "old.npz").read_bytes() == b"old"


def test_a_place_that_cannot_be_written(request_, workers, tmp_path):
    (tmp_path / "a.npz.parts").write_text("a file")
    with pytest.raises(ConfigError, match=r"-o .*a.npz: .*a.npz.parts cannot be written: .*; choose another place"):
        make(request_, tmp_path / "a.npz", workers)


def test_a_missing_extra_names_the_command(workers, tmp_path):
    dataset = data_sets.fake(packages=("pythia8-is-not-here",))
    text = r"package 'pythia8-is-not-here' not found; .*pip install --only-binary :all: 'bittrigger\[data\]'"
    with pytest.raises(ToolNotFoundError, match=text):
        make(Request(dataset, 9, 1), tmp_path / "a.npz", workers)
    assert not list(tmp_path.iterdir())


# --- info and list -------------------------------------------------------------------------------


def test_info_shows_arrays_and_record(request_, workers, tmp_path):
    make(request_, tmp_path / "a.npz", workers)
    text = invoke("info", tmp_path / "a.npz")
    assert "X              float32    22 x 3" in text
    assert '"seed": 7' in text
    assert [member.name for member in members(tmp_path / "a.npz")] == ["X", "y", "classes", "provenance"]


def test_info_of_other_files(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", **{"[red]x\x1b[31m": np.zeros((2, 3))})
    text = invoke("info", tmp_path / "a.npz")
    assert r"[red]x\x1b[31m" in text
    assert "no record of how it was made" in text
    np.savez(tmp_path / "b.npz", provenance=np.array("[1"))
    assert "array 'provenance' is not a record of bittrigger data; make the file again" in str(
        invoke("info", tmp_path / "b.npz")
    )
    np.savez(tmp_path / "c.npz", provenance=np.array(["x" * 100]))
    monkeypatch.setattr(arrays, "MAX_BYTES", 10)
    assert "is not a record" in str(invoke("info", tmp_path / "c.npz"))


@pytest.mark.usefixtures("fake")
def test_list_shows_every_set():
    text = invoke("list")
    for dataset in SETS.values():
        assert dataset.name in text
        assert dataset.rate in text
        assert dataset.source in text


def test_the_package_imports_neither_tensorflow_nor_generators():
    code = (
        "import sys, bittrigger.data, bittrigger.cli.data\n"
        "wanted = {'tensorflow', 'hls4ml', 'keras', 'pythia8mc', 'fastjet', 'awkward', 'distributed'}\n"
        "sys.exit(str(wanted & set(sys.modules) or '') or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
