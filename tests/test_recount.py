"""Figures of a report are counted again from what lies beside it: a report that says otherwise is refused, resealed or not."""

import json
import shutil

import pytest
from click.testing import CliRunner
from designs import build_of, solved

from bittrigger.build.folder import load_build
from bittrigger.build.manifest import seal
from bittrigger.cli import cli
from bittrigger.errors import ReportError, TamperError, ToolError
from bittrigger.prove import Verdict
from bittrigger.prove.sources.files import copy_build, file_claims
from bittrigger.report import make_report, save_report
from bittrigger.report.recount import report_of
from bittrigger.synth.yosys import synthesize


@pytest.fixture(scope="module", params=["synthesised", "not synthesised"])
def sound(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    pipeline = solved((9, 6, 3))
    build = build_of(pipeline, folder)
    used = synthesize(pipeline, folder / "rtl", folder / "synth") if request.param == "synthesised" else None
    save_report(make_report(pipeline, build.settings, used), folder / "report.json")
    seal(folder)
    return folder


@pytest.fixture
def changed(sound, tmp_path):
    """``changed(edit)`` is a copy whose report was edited, sealed anew."""

    def make(edit):
        folder = shutil.copytree(sound, tmp_path / "build")
        path = folder / "report.json"
        data = json.loads(path.read_text())
        edit(data)
        path.write_text(json.dumps(data))
        seal(folder)
        return folder

    return make


def put(value, *keys):
    def edit(data):
        place = data
        for key in keys[:-1]:
            place = place[key]
        assert place[keys[-1]] != value
        place[keys[-1]] = value

    return edit


def test_a_sound_report_is_what_is_counted(sound, tmp_path):
    build = load_build(sound)
    assert report_of(build).design == "example"
    (claim,) = (c for c in file_claims(copy_build(sound, tmp_path)) if c.kind == "figures")
    assert (claim.verdict, claim.detail) == (Verdict.PROVEN, "3 layers")


LIES = {
    "fewer LUTs": (put(7, "totals", "synth", "lut", "value"), "totals synth lut is 7, and "),
    "fewer LUTs of a layer": (put(1, "layers", 0, "synth", "lut", "value"), "layers dense_0 synth lut is 1, and "),
    "an estimate": (put(1, "layers", 2, "estimate", "ff", "value"), "layers dense_1 estimate ff is 1, and "),
    "a shorter latency": (put(1, "totals", "latency_cycles", "value"), "totals latency_cycles is 1, and "),
    "latency in nanoseconds": (put(0.5, "totals", "latency_ns", "value"), "totals latency_ns is 0.5, and "),
    "another origin": (put("route", "totals", "estimate", "lut", "origin"), "totals estimate lut origin is "),
    "a routed figure": (put(9, "totals", "route", "lut", "value"), "totals route lut is 9, and None when"),
    "timing that is met": (put(0.1, "totals", "wns_ns", "value"), "totals wns_ns is 0.1, and None when"),
    "another part": (put("xcvu9p-flga2104-2L-e", "part"), "part is 'xcvu9p-flga2104-2L-e', and "),
    "a slower clock": (put(100.0, "clock_mhz"), "clock_mhz is 100.0, and "),
    "a wider budget": (put("cms-phase2-global-trigger", "budget"), "budget is 'cms-phase2-global-trigger', and "),
    "a layer less": (lambda data: data["layers"].pop(), "the number of layers is 2, and 3 when"),
    "more zeros": (put(54, "layers", 0, "zeros"), "layers dense_0 zeros is 54, and "),
    "nothing missing": (put([], "missing"), "the number of missing is 0, and "),
}


@pytest.mark.parametrize("name", LIES)
def test_a_report_that_lies_is_refused_even_if_it_is_sealed_anew(changed, tmp_path, name):
    edit, said = LIES[name]
    folder = changed(edit)
    with pytest.raises(TamperError, match=f"report.json: {said}"):
        report_of(load_build(folder))
    (claim,) = (c for c in file_claims(copy_build(folder, tmp_path / "work")) if c.kind == "figures")
    assert claim.verdict is Verdict.REFUTED
    assert claim.detail.startswith(said)


@pytest.mark.parametrize("command", ["report BUILD", "report BUILD --format html", "diff BUILD BUILD"])
def test_the_commands_refuse_it_in_one_sentence(changed, command):
    folder = changed(put(1, "totals", "latency_cycles", "value"))
    done = CliRunner().invoke(cli, [word.replace("BUILD", str(folder)) for word in command.split()])
    assert isinstance(done.exception, TamperError)
    assert "totals latency_cycles is 1, and 3 when counted again; convert the model again" in str(done.exception)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("sound", ["synthesised"], indirect=True)
def test_netlists_are_read_strictly_before_they_are_counted(changed):
    folder = changed(lambda _: None)
    path = folder / "synth" / "example_bitlinear_dense_1.json"
    text = path.read_text()
    bad_ports = '{"modules": {"example_bitlinear_dense_1": {"ports": 3}}}'
    for damage in ("{", bad_ports, text.replace('"FDRE"', '"SECRET"')):
        path.write_text(damage)
        seal(folder)
        with pytest.raises(ToolError, match=r"example_bitlinear_dense_1\.json"):
            report_of(load_build(folder))
    path.unlink()
    seal(folder)
    with pytest.raises(ToolError, match=r"example_bitlinear_dense_1\.json: not readable"):
        report_of(load_build(folder))


def test_a_build_without_a_report_says_so(sound, tmp_path):
    folder = shutil.copytree(sound, tmp_path / "build")
    (folder / "report.json").unlink()
    seal(folder)
    with pytest.raises(ReportError, match=r"report\.json"):
        report_of(load_build(folder))
    assert not [c for c in file_claims(copy_build(folder, tmp_path / "work")) if c.kind == "figures"]
