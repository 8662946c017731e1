"""Making data when it stops: Ctrl-C, full disks, damaged parts and dead workers lose no finished block, and say how to go on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor

import data_sets
import pytest
from data_sets import content

from bittrigger.cli import main
from bittrigger.data.model import Part, Request
from bittrigger.data.production import run as make_module
from bittrigger.data.production.parts import folder_of
from bittrigger.data.production.run import make
from bittrigger.data.production.workers import Workers, processes
from bittrigger.errors import ConfigError, InternalError, ToolError


class StopsAfter(ThreadPoolExecutor):
    """Ctrl-C after so many blocks."""

    def __init__(self, blocks):
        super().__init__(1)
        self.left = blocks

    def submit(self, *arguments):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        future = Future()
        future.set_result(super().submit(*arguments).result())
        return future


def interrupt(request, output, blocks):
    with StopsAfter(blocks) as executor, pytest.raises(KeyboardInterrupt):
        make(request, output, Workers(executor, 1))


# --- interruptions -------------------------------------------------------------------------------


def test_an_interrupted_run_goes_on(request_, workers, tmp_path):
    make(request_, tmp_path / "whole.npz", workers)
    output = tmp_path / "a.npz"
    interrupt(request_, output, 3)
    kept = sorted(path.name for path in folder_of(output).glob("*.npz"))
    assert kept
    assert not output.exists()
    reports = []
    make(request_, output, workers, on_progress=reports.append)
    assert reports[0].found == reports[0].rows == 4 * len(kept)
    assert output.read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert not folder_of(output).exists()


def test_a_damaged_part_is_made_again(request_, workers, tmp_path):
    make(request_, tmp_path / "whole.npz", workers)
    output = tmp_path / "a.npz"
    interrupt(request_, output, 3)
    for path, keep in zip(sorted(folder_of(output).glob("*.npz")), (0, 200), strict=False):
        path.write_bytes(path.read_bytes()[:keep])
    make(request_, output, workers)
    assert output.read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"events": 23}, "events was '22', now '23'"),
        ({"seed": 8}, "seed was '7', now '8'"),
        (
            {"dataset": data_sets.fake(settings={"pt_gev": [500, 560]})},
            r"settings.pt_gev was '\[500, 550\]', now '\[500, 560",
        ),
        ({"dataset": data_sets.fake(block_rows=5)}, "block_rows was '4', now '5'"),
    ],
)
def test_parts_of_another_request_are_refused(request_, workers, tmp_path, change, text):
    output = tmp_path / "a.npz"
    interrupt(request_, output, 3)
    before = sorted(folder_of(output).iterdir())
    other = Request(**{"dataset": request_.dataset, "events": 22, "seed": 7, **change})
    with pytest.raises(
        ConfigError, match=rf"a.npz.parts holds parts of another request: .*{text}.*give the same settings"
    ):
        make(other, output, workers)
    assert sorted(folder_of(output).iterdir()) == before


def test_a_folder_of_someone_else_is_left_alone(request_, workers, tmp_path):
    folder = folder_of(tmp_path / "a.npz")
    folder.mkdir()
    (folder / "thesis.tex").write_text("")
    with pytest.raises(
        ConfigError, match="holds 'thesis.tex' and no request.json: it is not a folder of parts; move it"
    ):
        make(request_, tmp_path / "a.npz", workers)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_two_at_once_are_refused(request_, workers, tmp_path):
    output = tmp_path / "a.npz"

    def second(_):
        with pytest.raises(ConfigError, match="a.npz.parts is in use by another bittrigger; wait for it"):
            make(request_, output, workers)

    make(request_, output, workers, on_progress=second)


def test_a_full_disk_loses_nothing(request_, workers, tmp_path, monkeypatch):
    output = tmp_path / "a.npz"
    output.write_bytes(b"old")
    real = os.fsync
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    text = (
        "block a-00001: .*cannot be written: No space left on device; finished blocks are kept: free some space and run"
    )
    with pytest.raises(ConfigError, match=text):
        make(request_, output, workers, overwrite=True)
    assert output.read_bytes() == b"old"
    assert {path.name for path in folder_of(output).iterdir()} == {"request.json", "lock", "a-00000.npz", "b-00000.npz"}
    make(request_, output, workers, overwrite=True)
    assert len(content(output)["X"]) == 22


def test_a_disk_that_is_full_at_the_start_is_left_as_it_was(request_, workers, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(ConfigError, match=r"-o .*request.json cannot be written: No space left on device"):
        make(request_, tmp_path / "a.npz", workers)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_at_the_end_loses_nothing(request_, workers, tmp_path, monkeypatch):
    output = tmp_path / "a.npz"
    real = make_module.join

    def full(*arguments):
        monkeypatch.setattr(
            os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device"))
        )
        try:
            real(*arguments)
        finally:
            monkeypatch.undo()

    with monkeypatch.context() as patch:
        patch.setattr(make_module, "join", full)
        with pytest.raises(
            ConfigError, match=r"-o .*a.npz cannot be written: No space left on device; finished blocks are"
        ):
            make(request_, output, workers)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz.parts"]
    assert len(list(folder_of(output).glob("*.npz"))) == 7


@pytest.mark.usefixtures("fake")
def test_ctrl_c_tells_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(make_module, "make", stop)
    with pytest.raises(SystemExit) as stop:
        main(["data", "make", "fake", "-n", "22", "-o", str(tmp_path / "a.npz")])
    assert stop.value.code == 130
    message = f"finished blocks are kept in {tmp_path}/a.npz.parts; run the same command to go on"
    assert message in capsys.readouterr().err


def test_a_real_signal_ends_all_processes_and_keeps_the_parts(tmp_path):
    script = (
        "import sys, time, data_sets\n"
        "from bittrigger.data.sets import SETS\n"
        "from bittrigger.cli import main\n"
        "if __name__ == '__main__':\n"
        "    SETS['fake'] = data_sets.fake(function=data_sets.slow)\n"
        f"    main(['data', 'make', 'fake', '-n', '4000', '-j', '2', '-o', {str(tmp_path / 'a.npz')!r}])\n"
    )
    (tmp_path / "run.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(data_sets.__file__)}  # noqa: PTH120
    process = subprocess.Popen(
        [sys.executable, tmp_path / "run.py"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(folder_of(tmp_path / "a.npz").glob("*.npz")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130, errors
    assert "run the same command to go on" in errors
    assert "Traceback" not in errors
    assert list(folder_of(tmp_path / "a.npz").glob("*.npz"))


# --- generators and workers that fail ------------------------------------------------------------


def test_a_failing_generator_is_one_message(tmp_path, workers):
    dataset = data_sets.fake(function=data_sets.generate_nothing)
    with pytest.raises(ToolError, match="block a-00000: no event passes"):
        make(Request(dataset, 9, 1), tmp_path / "a.npz", workers)


def test_a_worker_without_space_is_one_message(tmp_path, workers):
    dataset = data_sets.fake(function=data_sets.fill_the_disk)
    text = r"block a-00000 cannot be made: .*No space left on device; finished blocks are kept: .*TMPDIR.*run the same command"
    with pytest.raises(ToolError, match=text):
        make(Request(dataset, 9, 1), tmp_path / "a.npz", workers)


def test_a_dead_worker_is_one_message(tmp_path):
    dataset = data_sets.fake(function=data_sets.die)
    with pytest.raises(ToolError, match=r"a worker died, .* run the same command to go on"), processes(1) as pool:
        make(Request(dataset, 9, 1), tmp_path / "a.npz", pool)


def test_workers_of_other_versions_are_refused(request_, tmp_path, monkeypatch, workers):
    monkeypatch.setattr(make_module, "run_block", lambda *_: (Part({}, 0), {"numpy": "0.9"}))
    with pytest.raises(ToolError, match=r"block a-00000: the worker has \{'numpy': '0.9'\}, here are .*same versions"):
        make(request_, tmp_path / "a.npz", workers)


def test_blocks_of_different_shapes_are_a_bug_of_ours(request_, tmp_path, monkeypatch, workers):
    real = make_module.run_block

    def twisted(function, packages, block):
        part, found = real(function, packages, block)
        return (Part({"X": part.arrays["X"][:, : 2 + block.kind_index]}, 1), found)

    monkeypatch.setattr(make_module, "run_block", twisted)
    with pytest.raises(InternalError, match="does not go with float32"):
        make(request_, tmp_path / "a.npz", workers)
