"""The command line on bad input: one message that says what to do, the exit code of its kind, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bittrigger.build.folder import fresh_folder, save_build, write_firmware
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import FixedPoint, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, frozen_array
from bittrigger.settings import Settings

WEIGHTS = np.array([[1, 0, -1], [-1, 1, 0], [0, 1, 1], [1, -1, 1]])


def run(*arguments, folder, env=None):
    command = [sys.executable, "-m", "bittrigger", *map(str, arguments)]
    environment = {**os.environ, **(env or {})}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def refused(done, *parts, code=2):
    """Check that the command failed as a person would want it to: 1 is a verdict, 2 usage, 3 a tool."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr.replace("\n", " "), done.stderr


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    kind = FixedPoint(True, 8, 4)
    nodes = (
        Input("x", 4, kind, kind.interval),
        Linear("dense", ("x",), frozen_array(WEIGHTS), frozen_array(np.array([1, -2, 0])), 4),
        Requantize("relu", ("dense",), 3, 2, Rounding.RND_CONV, 0, 255, 2),
    )
    settings = Settings()
    folder = tmp_path_factory.mktemp("builds") / "tiny"
    with fresh_folder(folder, overwrite=False) as scratch:
        pipeline = create_pipeline(Graph("tiny", nodes, ("relu",)), settings)
        write_firmware(pipeline, scratch, settings)
        save_build(scratch, pipeline, settings, {"emit": 0.0})
    return folder


@pytest.fixture
def garbage(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(b"this is no model")
    return path


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--part", "xcvu13q"], ["xcvu13q", "xcvu13p"]),
        (["--budget", "cms-run4"], ["cms-run4", "cms-run3-global-trigger"]),
        (["--clock-mhz", "0"], ["clock 0 MHz"]),
        (["--clock-mhz", "-5"], ["clock -5 MHz"]),
        (["--clock-mhz", "2000"], ["clock 2000 MHz", "allowed are clocks up to"]),
        (["--input-precision", "float32"], ["'float32'", "fixed<W,I>"]),
        (["--effort", "heroic"], ["'heroic'", "fast, default"]),
        (["--inputs", "absent.npy"], ["absent.npy"]),
        (["--events", "many"], ["--events"]),
        (["--frobnicate"], ["--frobnicate"]),
    ],
)
def test_a_wrong_option_is_refused_before_the_model_is_read(options, parts, garbage, tmp_path):
    done = run("convert", garbage, "-o", tmp_path / "out", *options, folder=tmp_path)
    refused(done, *parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.h5"]


def test_a_file_that_is_no_model_leaves_nothing_behind(garbage, tmp_path):
    refused(run("convert", garbage, "-o", tmp_path / "out", folder=tmp_path), "model.h5", code=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.h5"]


def test_a_used_folder_is_never_touched(garbage, tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("work")
    for extra in ([], ["--overwrite"]):
        refused(run("convert", garbage, "-o", out, *extra, folder=tmp_path), "thesis", "in use", "-o")
    assert (out / "chapter1.tex").read_text() == "work"


def test_an_output_that_is_a_file_is_refused(garbage, tmp_path):
    refused(run("convert", garbage, "-o", garbage, folder=tmp_path), "is a file")


def test_an_unwritable_output_is_refused(garbage, tmp_path):
    refused(run("convert", garbage, "-o", "/proc/nowhere/out", folder=tmp_path), "cannot be written")


def test_a_failed_conversion_keeps_the_earlier_build(build, garbage, tmp_path):
    done = run("convert", garbage, "-o", build, "--overwrite", folder=tmp_path)
    refused(done, "model.h5", code=1)
    assert (build / "bittrigger.json").is_file()
    assert not [path for path in build.parent.iterdir() if path.name.startswith(".")]


def test_a_build_is_replaced_only_when_told(build):
    with pytest.raises(ConfigError, match="holds a build; .* --overwrite"), fresh_folder(build, overwrite=False):
        pass


def test_an_interrupted_block_leaves_nothing(tmp_path):
    def interrupted():
        with fresh_folder(tmp_path / "out", overwrite=False) as scratch:
            (scratch / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def save(path, array):
    np.save(path, array)
    return path


def test_wrong_inputs_are_refused(build, tmp_path):
    shape = save(tmp_path / "shape.npy", np.zeros((3, 7)))
    refused(run("simulate", build, "-x", "oracle", "--inputs", shape, folder=tmp_path), "(3, 7)", "(events, 4)")
    nan = save(tmp_path / "nan.npy", np.full((3, 4), np.nan))
    refused(run("simulate", build, "-x", "oracle", "--inputs", nan, folder=tmp_path), "nan at event 0, column 0")
    text = save(tmp_path / "text.npy", np.array([["a", "b"]]))
    refused(run("simulate", build, "-x", "oracle", "--inputs", text, folder=tmp_path), "expected real numbers")
    evil = tmp_path / "evil.npy"
    np.save(evil, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused(run("simulate", build, "-x", "oracle", "--inputs", evil, folder=tmp_path), "evil.npy", "not a readable")
    other = tmp_path / "other.npz"
    np.savez(other, y=np.zeros(3))
    refused(run("simulate", build, "-x", "oracle", "--inputs", other, folder=tmp_path), "no array 'x'")


def test_an_unknown_executor_is_refused(build, tmp_path):
    refused(
        run("simulate", build, "--executor", "oracle", "ada", folder=tmp_path),
        "'ada'",
        "oracle, keras, csim, emulator, rtl",
    )


def test_executors_may_be_named_before_the_folder_and_inside_it(build):
    for arguments, folder in (
        (["--executor", "oracle", "emulator", "tiny"], build.parent),
        ([".", "-x", "oracle", "emulator", "-n", "5"], build),
    ):
        done = run("simulate", *arguments, folder=folder)
        assert done.returncode == 0, done.stderr
        assert "emulator" in done.stdout
        assert "csim" not in done.stdout


def test_a_folder_that_is_no_build_is_refused(tmp_path):
    for verb in ("simulate", "report"):
        refused(run(verb, tmp_path, folder=tmp_path), "not a build", "bittrigger convert")


def test_a_damaged_build_is_refused(tmp_path):
    (tmp_path / "bittrigger.json").write_text(
        json.dumps({"settings": {"part": 3, "colour": "red"}, "stage_seconds": {}})
    )
    refused(run("simulate", tmp_path, folder=tmp_path), "not readable", "convert the model again")


def test_a_missing_compiler_is_named(build, tmp_path):
    done = run("simulate", build, "-x", "csim", folder=tmp_path, env={"BITTRIGGER_GXX": "no-such-compiler"})
    refused(done, "'g++' not found", "BITTRIGGER_GXX", code=3)


def test_outputs_are_saved_in_units_of_the_model(build, tmp_path):
    x = save(tmp_path / "x.npy", np.array([[1.0, 0.5, -0.25, 2.0], [0.0, 0.0, 0.0, 0.0]]))
    done = run(
        "simulate", build, "--executor", "oracle", "csim", "--inputs", x, "--save-outputs", "y.npz", "--junit", "r.xml",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    saved = np.load(tmp_path / "y.npz")
    assert sorted(saved.files) == ["csim", "oracle"]
    assert saved["oracle"].dtype == np.float64
    assert saved["oracle"].shape == (2, 3)
    assert np.array_equal(saved["oracle"], saved["csim"])
    assert 'tests="2"' in (tmp_path / "r.xml").read_text()


def test_help_is_light():
    code = (
        "import sys; from bittrigger.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'hls4ml', 'numpy', 'rich', 'jinja2', 'pyosys', 'cocotb'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


CORE = (
    "ir",
    "device",
    "system",
    "solver",
    "passes",
    "schedule",
    "emit",
    "build",
    "report",
    "synth",
    "prove",
    "patterns",
)


@pytest.mark.parametrize("room", [*CORE, "simulate.compare", "simulate.executors.rtl"])
def test_the_core_imports_neither_tensorflow_nor_hls4ml(room):
    code = (
        "import importlib, pkgutil, sys\n"
        f"room = importlib.import_module('bittrigger.{room}')\n"
        "for module in pkgutil.walk_packages(getattr(room, '__path__', ()), room.__name__ + '.'):\n"
        "    if not module.name.endswith(('._native', '_worker')): importlib.import_module(module.name)\n"
        "sys.exit(str({'tensorflow', 'hls4ml', 'keras', 'qkeras'} & set(sys.modules) or '') or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_stage_is_a_line_without_a_terminal(build, tmp_path):
    done = run("simulate", build, "-x", "oracle", "-n", "5", folder=tmp_path)
    assert "simulating: oracle" in done.stderr
    assert "simulating" not in done.stdout
    assert "every bit equal" in done.stdout


def test_quiet_says_nothing_and_json_goes_to_standard_output(build, tmp_path):
    done = run("simulate", build, "-x", "oracle", "-n", "5", "--quiet", "--json", "-", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["every_bit_equal"] is True
    told = run("simulate", build, "-x", "oracle", "-n", "5", "--json", "-", folder=tmp_path)
    json.loads(told.stdout)
    assert "every bit equal" in told.stderr


def test_json_never_replaces_a_file_of_another_kind(build, tmp_path):
    model = tmp_path / "model.h5"
    model.write_bytes(b"a model")
    refused(run("simulate", build, "--json", model, folder=tmp_path), "model.h5", ".json, or - for standard output")
    assert model.read_bytes() == b"a model"


def test_the_log_holds_what_was_printed(build, tmp_path):
    log = tmp_path / "run.log"
    done = run("simulate", build, "-x", "oracle", "-n", "5", "--log", log, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    text = log.read_text()
    assert "simulating: oracle" in text
    assert "every bit equal" in text
    assert "\x1b" not in text


def test_gates_are_left_out_of_a_build_without_a_netlist(build):
    from bittrigger.build.folder import load_build
    from bittrigger.simulate.compare import left_out

    assert left_out("gates", load_build(build), None) == "the build was not synthesised"


def test_a_build_that_cannot_be_written_is_simulated_in_the_cache(build, tmp_path, monkeypatch):
    from bittrigger.build.folder import load_build

    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "cache"))
    assert load_build(build).work == build / "sim"
    monkeypatch.setattr("bittrigger.build.folder.is_writable", lambda _: False)
    assert load_build(build).work.parent == tmp_path / "cache" / "builds"


def test_the_second_of_two_conversions_into_one_folder_says_so(tmp_path):
    def convert_while_another_does():
        with fresh_folder(tmp_path / "out", overwrite=True) as scratch:
            (scratch / "bittrigger.json").write_text("second")
            with fresh_folder(tmp_path / "out", overwrite=True) as first:
                (first / "bittrigger.json").write_text("first")

    with pytest.raises(ConfigError, match="was written by another run meanwhile"):
        convert_while_another_does()
    assert (tmp_path / "out" / "bittrigger.json").read_text() == "first"


def test_a_locked_folder_is_refused_without_waiting(tmp_path):
    from bittrigger.system.locks import locked

    held, refusal = locked(tmp_path, "the bench in"), pytest.raises(ConfigError, match="in use by another run")
    with held, refusal, locked(tmp_path, "the bench in", wait=False):
        pass


def test_a_bug_of_ours_shows_its_traceback_and_has_a_code_of_its_own(monkeypatch, capsys):
    from bittrigger.cli import cli, main
    from bittrigger.errors import InternalError

    def broken(*_arguments, **_options):
        raise InternalError("an invariant")

    monkeypatch.setattr(cli, "main", broken)
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 4
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("events", ["10000000000", "99999999999999999999"])
def test_more_events_than_memory_holds(events, build, tmp_path):
    refused(run("simulate", build, "-x", "oracle", "-n", events, folder=tmp_path), "inputs; allowed are", "run fewer")


def test_a_negative_seed(build, tmp_path):
    done = run("simulate", build, "-x", "oracle", "--seed", "-1", folder=tmp_path)
    assert done.returncode == 2
    assert "-1 is not in the range x>=0" in done.stderr
    refused(run("patterns", "write", build, "-o", "x", "--seed", "-1", folder=tmp_path), "range")


def test_a_path_that_looks_like_markup(build, tmp_path):
    (tmp_path / "a[").mkdir()
    done = run("patterns", "write", build, "-o", "a[/x].txt", "-n", "3", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a[/x].txt" in done.stdout


def test_a_fault_of_the_machine_is_one_sentence(monkeypatch, capsys):
    import errno

    from bittrigger.cli import cli, main

    for error, text in (
        (
            OSError(errno.ENOSPC, "No space left on device", "/there"),
            "/there: No space left on device; free some space",
        ),
        (
            OSError(errno.EAGAIN, "Resource temporarily unavailable"),
            "Resource temporarily unavailable; no process can be started",
        ),
        (MemoryError(), "there is not enough memory; run it on fewer events"),
    ):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(cli, "main", fail)
        with pytest.raises(SystemExit) as stop:
            main(["parts"])
        assert stop.value.code == 3
        assert text in capsys.readouterr().err


def test_nobody_reads_the_output():
    command = f"{sys.executable} -m bittrigger parts | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
