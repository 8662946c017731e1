"""A mismatch names the layer, the node and the lane, and leaves a command that shows it again."""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from designs import mlp

from bittrigger.build.folder import fresh_folder, load_build, save_build, write_firmware
from bittrigger.build.manifest import seal
from bittrigger.errors import MismatchError, ToolError
from bittrigger.ir.graph import evaluate, evaluate_nodes
from bittrigger.ir.ports import decode_inputs
from bittrigger.report.junit import junit_text
from bittrigger.settings import Settings
from bittrigger.simulate import EXECUTORS
from bittrigger.simulate.compare import Outcome, explain, run_executors
from bittrigger.simulate.diagnose.record import record_mismatch
from bittrigger.simulate.junit import outcome_cases
from bittrigger.simulate.results import results_json
from bittrigger.simulate.simulators.waves import FST, VCD, wave_format
from bittrigger.simulate.vectors import random_codes
from bittrigger.synth.yosys import synthesize


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A build of two layers, synthesised."""
    folder = tmp_path_factory.mktemp("builds") / "sound one"
    settings = Settings()
    pipeline = mlp((6, 5, 4), name="two_layers")
    with fresh_folder(folder, overwrite=False) as scratch:
        write_firmware(pipeline, scratch, settings)
        synthesize(pipeline, scratch / "rtl", scratch / "synth")
        save_build(scratch, pipeline, settings, {})
    return folder


@pytest.fixture
def broken(sound, tmp_path):
    """``broken(file, edit)`` is a copy of the build with one file changed."""

    def copy(file, edit):
        folder = tmp_path / "broken one"
        shutil.copytree(sound, folder)
        text = (folder / file).read_text()
        assert edit(text) != text
        (folder / file).write_text(edit(text))
        seal(folder)  # as if it had been emitted like that
        return load_build(folder)

    return copy


def flip_sign(text):
    """The first sum becomes a difference."""
    return re.sub(r"^(\s*(?:wire|const) .* = [^-+\n]*) \+ ", r"\1 - ", text, count=1, flags=re.MULTILINE)


def invert_lut(text):
    """A look-up table of the netlist gives the opposite of what it should."""
    data = json.loads(text)
    module = data["modules"]["two_layers_bitlinear_dense_1"]
    lut = next(cell for cell in module["cells"].values() if cell["type"].startswith("LUT"))
    lut["parameters"]["INIT"] = lut["parameters"]["INIT"].translate(str.maketrans("01", "10"))
    return json.dumps(data)


BREAKS = [
    ("rtl-fast", "rtl/two_layers_bitlinear_dense_0.sv", flip_sign, "dense_0"),
    ("rtl", "rtl/two_layers_bitlinear_dense_1.sv", flip_sign, "dense_1"),
    ("csim", "hls/firmware/two_layers_bitlinear_dense_0.cpp", flip_sign, "dense_0"),
    ("emulator", "emulator/two_layers_bitlinear_dense_1.cpp", flip_sign, "dense_1"),
    ("gates", "synth/two_layers_bitlinear_dense_1.json", invert_lut, "dense_1"),
]


def check_wave(folder, node):
    """A waveform of few cycles with the bus of ``node``; FST holds its names compressed."""
    if wave_format() is FST:
        assert (folder / "wave.fst").stat().st_size > 300
        return
    wave = (folder / "wave.vcd").read_text()
    assert f"{node}_codes" in wave
    assert len(re.findall(r"^#\d+$", wave, re.MULTILINE)) < 100


@pytest.mark.parametrize(("library", "wanted"), [("int LZ4_versionNumber();", VCD), ("", VCD)])
def test_without_the_libraries_of_fst_the_waveform_is_vcd(tmp_path, monkeypatch, library, wanted):
    """A header without its library will not do either."""
    (tmp_path / "lz4.h").write_text(library or "#error no lz4")
    monkeypatch.setenv("CPATH", str(tmp_path))
    monkeypatch.setenv("LIBRARY_PATH", "")
    if library and wave_format() is FST:
        pytest.skip("lz4 is installed")
    assert wave_format() is wanted


@pytest.mark.parametrize(("executor", "file", "edit", "node"), BREAKS, ids=[f"{row[0]} {row[3]}" for row in BREAKS])
def test_a_broken_layer_is_named_and_reproduced(broken, executor, file, edit, node):
    build = broken(file, edit)
    codes = random_codes(build.graph, 100, 1)
    oracle, outcome = run_executors(build, ["oracle", executor], codes)
    assert oracle.agrees
    assert isinstance(outcome.error, MismatchError)
    location = outcome.record.location
    assert (location.layer, location.node) == (f"bitlinear_{node}", node)
    wanted = evaluate_nodes(build.graph, codes)[node][location.event, location.lane]
    assert location.expected == wanted != location.actual
    text = explain(outcome)
    assert (
        f"first wrong in layer bitlinear_{node}, node {node}[{location.lane}]: expected code {wanted}, actual" in text
    )

    folder = outcome.record.folder
    assert folder == build.folder / "sim" / "mismatch" / "1"
    np.testing.assert_array_equal(
        np.load(folder / "event.npy"), decode_inputs(build.graph, codes[location.event : location.event + 1])
    )
    assert json.loads((folder / "mismatch.json").read_text())["node"] == node
    if executor.startswith("rtl"):
        check_wave(folder, node)
    words = shlex.split(outcome.record.command)
    assert words[:2] == ["bittrigger", "simulate"]
    done = subprocess.run([sys.executable, "-m", *words], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"event 0: first wrong in layer bitlinear_{node}, node {node}[" in done.stderr.replace("\n", " ")
    assert (build.folder / "sim" / "mismatch" / "2").is_dir()


def test_an_executor_without_layers_says_so(sound, tmp_path):
    build = load_build(shutil.copytree(sound, tmp_path / "copy"))
    codes = random_codes(build.graph, 30, 1)
    record = record_mismatch(
        build, "keras", codes, MismatchError("odd", event=3, column=0), model=tmp_path / "model.h5"
    )
    assert str(record.location) == "event 3: layer unknown (keras gives no access to its layers)"
    assert record.command.endswith(f"--model {tmp_path / 'model.h5'}")


def test_a_mismatch_that_a_short_run_does_not_show_says_so(sound, tmp_path):
    build = load_build(shutil.copytree(sound, tmp_path / "copy"))
    codes = random_codes(build.graph, 30, 1)
    record = record_mismatch(build, "rtl-fast", codes, MismatchError("odd", event=20, column=0))
    assert "every layer is right in a short run" in str(record.location)
    latency = build.pipeline.latency_cycles
    np.testing.assert_array_equal(
        np.load(record.folder / "event.npy"), decode_inputs(build.graph, codes[20 - latency : 22])
    )
    assert record_mismatch(build, "rtl", codes, MismatchError("late")) is None


def test_results_are_written_for_continuous_integration(broken):
    build = broken("rtl/two_layers_bitlinear_dense_1.sv", flip_sign)
    codes = random_codes(build.graph, 100, 1)
    outcomes = run_executors(build, ["oracle", "rtl-fast"], codes)
    outcomes += [
        Outcome("csim", None, 0.5, ToolError("no")),
        Outcome("keras", None, 0.0, None, "no --model was given"),
    ]
    data = results_json(build.graph, outcomes, 10)
    assert (data["schema"], data["tool"], data["design"]) == (1, "bittrigger", "two_layers")
    assert (data["events"], data["corner_vectors"], data["every_bit_equal"]) == (90, 10, False)
    verdicts = {row["name"]: row["verdict"] for row in data["executors"]}
    assert verdicts == {"oracle": "equal", "rtl-fast": "mismatch", "csim": "error", "keras": "not run"}
    first = data["executors"][1]["first_mismatch"]
    row, column = first["event"], [f"dense_1[{k}]" for k in range(4)].index(first["output"])
    assert first["expected"] == evaluate(build.graph, codes)[row, column] != first["actual"]
    assert (first["layer"], first["node"], first["node_expected"]) == (
        "bitlinear_dense_1",
        "dense_1",
        first["expected"],
    )
    assert first["command"].startswith("bittrigger simulate ")
    assert data["executors"][3]["reason"] == "no --model was given"
    text = junit_text("two_layers", outcome_cases(outcomes))
    assert 'failures="1" errors="1"' in text
    assert '<skipped message="no --model was given"' in text
    assert "first wrong in layer bitlinear_dense_1" in text


def test_all_says_what_cannot_run_here_and_a_name_insists(sound, tmp_path, monkeypatch):
    monkeypatch.setenv("BITTRIGGER_IVERILOG", str(tmp_path / "absent"))
    build = load_build(shutil.copytree(sound, tmp_path / "copy"))
    codes = random_codes(build.graph, 20, 1)
    outcomes = {item.executor: item for item in run_executors(build, ["all"], codes)}
    assert tuple(outcomes) == tuple(name for name in EXECUTORS if name != "vhdl")
    missing = {name: item.not_run for name, item in outcomes.items() if item.not_run}
    absent = {"keras": "no --model was given", "rtl-icarus": "Icarus Verilog is not installed"}
    if importlib.util.find_spec("hls4ml") is None:
        absent["csim"] = "the headers ap_types of hls4ml are not installed"
    assert missing == absent
    assert all(item.agrees for name, item in outcomes.items() if name not in missing)
    insisted = run_executors(build, ["keras", "rtl-icarus"], codes)
    assert "executor 'keras' needs the model of the build; give it with --model" in str(insisted[1].error)
    assert "program 'iverilog' not found" in str(insisted[2].error)
