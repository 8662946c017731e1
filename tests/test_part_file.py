"""Parts of a user's own: a file that says where its figures come from, and builds that keep them."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from designs import graph
from layouts import validate

from bittrigger import design
from bittrigger.build.folder import load_build, save_build, write_firmware
from bittrigger.cli import cli
from bittrigger.cli.explore import own_files, with_files
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.budgets import find_budget
from bittrigger.device.parts import find_part
from bittrigger.errors import ConfigError
from bittrigger.explore.space import choices, explore
from bittrigger.report import make_report, save_report
from bittrigger.report.recount import report_of
from bittrigger.report.render import render_markdown
from bittrigger.report.verdict import verdict
from bittrigger.settings import Settings, read_settings

FACTS = {
    "device": "xcours9p",
    "name": "xcours9p-flga2104-2-e",
    "family": "Virtex UltraScale+",
    "lut": 1_000,
    "dsp": 10,
    "bram36": 20,
    "slrs": 2,
    "source": "data sheet, page 4",
    "retrieved": "2026-11-29",
}


def write(folder, **change):
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump(FACTS | change))
    return path


def test_points_of_an_own_part_say_the_file_in_their_command(tmp_path):
    path = write(tmp_path)
    points = choices(
        Settings(), parts=(str(path),), clocks_mhz=(200.0,), latencies=(None,), efforts=("fast",), precisions=(None,)
    )
    assert points[0].own_part.lut == 1_000
    with ThreadPoolExecutor(1) as workers:
        (trial,) = explore({None: graph((5, 6, 3), name="tagger")}, points, tmp_path, workers)
    assert (trial.part, trial.refusal) == ("xcours9p-flga2104-2-e", None)
    assert f"--part {path}" in " ".join(replace(trial, part_file=str(path)).words)


def test_parts_of_one_name_say_their_own_files(tmp_path):
    places = tmp_path / "small", tmp_path / "large"
    for place in places:
        place.mkdir()
    parts = [str(write(place, lut=lut)) for place, lut in zip(places, (1_000, 9_000), strict=True)]
    points = choices(
        Settings(),
        parts=("xcvu13p-flga2577-2-e", *parts),
        clocks_mhz=(200.0,),
        latencies=(None,),
        efforts=("fast",),
        precisions=(None,),
    )
    with ThreadPoolExecutor(1) as workers:
        trials = explore({None: graph((5, 6, 3), name="tagger")}, points, tmp_path, workers)
    assert [trial.part_file for trial in with_files(trials, points, own_files(parts))] == [None, *parts]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build for an own part whose file is gone."""
    folder = tmp_path_factory.mktemp("own")
    path = write(folder)
    settings = Settings.given(part=str(path), effort="fast", budget="cms-phase2-correlator-layer2")
    path.unlink()
    build = folder / "build"
    build.mkdir()
    pipeline = create_pipeline(graph((5, 6, 3), name="tagger"), settings)
    write_firmware(pipeline, build, settings)
    save_report(make_report(pipeline, settings, None), build / "report.json")
    save_build(build, pipeline, settings, {"emit": 0.1})
    return build


def test_the_part_of_the_page_is_a_part(root, tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (root / "docs" / "command-line.md").read_text(), re.DOTALL)
    (text,) = [block for block in blocks if "device:" in block]
    path = tmp_path / "my.yaml"
    path.write_text(text)
    settings = Settings.given(part=str(path))
    assert (settings.part, settings.device.lut, settings.device.uram) == ("xcours9p-flga2104-2-e", 1_182_240, None)
    jsonschema.validate(yaml.safe_load(text), json.loads((root / "schemas" / "part-file-1.json").read_text()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": None}, "no source; a part says where its figures were read"),
        ({"retrieved": None}, "no retrieved; a part says"),
        ({"slrs": None}, "no slrs"),
        ({"lut": "many"}, "lut 'many'; expected a positive number, an integer"),
        ({"lut": True}, "lut 'True'; expected a positive number"),
        ({"ff": 1.5}, "ff '1.5'; expected a positive number, an integer"),
        ({"dsp": -1}, "dsp '-1'; expected a positive number"),
        ({"colour": "red"}, "field 'colour' is unknown; allowed are device"),
        ({"aliases": [3]}, "aliases '[3]'; expected a list of names"),
        ({"device": "xc; exec rm"}, "device 'xc; exec rm'; expected small letters and digits"),
        ({"name": "xcours9p-2-e]\nexec"}, "expected a part of xcours9p as Vivado spells it"),
        ({"name": "xcvu13p-flga2577-2-e"}, "expected a part of xcours9p as Vivado spells it"),
        ({"device": "xcvu13p", "name": None}, "'xcvu13p' is in the catalogue"),
        ({"aliases": ["xcu250"]}, "'xcu250' is in the catalogue"),
        ({"source": "x" * 2000}, "a text of more than 1000 letters"),
    ],
)
def test_a_part_that_will_not_do_is_refused(change, said, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(said)):
        Settings.given(part=str(write(tmp_path, **change)))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="it cannot be read: No such file"):
        Settings.given(part=str(tmp_path / "none.yaml"))


def test_only_who_chooses_reads_a_file(tmp_path):
    """What comes from a build is never taken for a path, nor what a file of settings says for facts."""
    path = write(tmp_path)
    with pytest.raises(ConfigError, match="is a file, which convert, solve and import-hls4ml take"):
        Settings(part=str(path))
    with pytest.raises(ConfigError, match="is a file"):
        find_part(str(path))
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"own_part": FACTS}))
    with pytest.raises(ConfigError, match="setting 'own_part' is unknown"):
        read_settings(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"part": str(path)}))
    assert Settings.given(**read_settings(tmp_path / "s.yaml")).device.device == "xcours9p"


def test_facts_belong_to_their_part(tmp_path):
    own = Settings.given(part=str(write(tmp_path)))
    assert Settings(**json.loads(json.dumps(asdict(own)))) == own
    for wrong in ("xcvu9p", "xcours9p-flga2104-3-e"):
        with pytest.raises(ConfigError, match="'own_part' is of 'xcours9p'"):
            replace(own, part=wrong)
    with pytest.raises(ConfigError, match="setting 'own_part' is 'yes'"):
        replace(own, own_part="yes")
    assert design._settings(own, {"part": "xcvu9p"}).device is find_part("xcvu9p")
    assert design._settings(own, {"effort": "fast"}).device == own.device


def test_the_family_chooses_the_adders(tmp_path):
    assert Settings.given(part=str(write(tmp_path))).solver.adder_inputs == 3
    assert Settings.given(part=str(write(tmp_path, family="Kintex-7"))).solver.adder_inputs == 2


def test_a_build_keeps_the_facts_and_never_looks_for_the_file(root, built):
    build = load_build(built)
    assert build.settings.device.lut == 1000
    report = report_of(build)
    assert report.device == build.settings.device
    validate(root, "report-3", json.loads((built / "report.json").read_text()))
    limits = {c.name: c.limit for c in verdict(report, find_budget(report.budget)).criteria}
    assert limits["LUT of xcours9p"] == 1000
    assert limits["FF of xcours9p"] is None
    assert "xcours9p-flga2104-2-e" in (built / "synth" / "vivado_synth.tcl").read_text()
    assert "figures of xcours9p: data sheet, page 4; read 2026-11-29" in render_markdown(report)


def test_the_verbs_read_a_build_of_an_own_part(built, tmp_path):
    calls = (
        ["report", str(built)],
        ["report", str(built), "--format", "html", "-o", str(tmp_path / "r.html")],
        ["prove", str(built), "--no-netlist"],
        ["package", str(built), "-o", str(tmp_path / "release")],
        ["verify", str(tmp_path / "release")],
        ["diff", str(built), str(built)],
    )
    for words in calls:
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, (words, done.output, done.exception)
    assert "data sheet, page 4" in CliRunner().invoke(cli, calls[0]).output
    assert "data sheet, page 4" in (tmp_path / "r.html").read_text()


def test_figures_of_a_report_are_held_against_those_of_the_build(built):
    build = load_build(built)
    report = report_of(build)
    larger = replace(report, own_part=replace(report.own_part, lut=2_000_000))
    path = built / "report.json"
    kept = path.read_text()
    try:
        save_report(larger, path)
        with pytest.raises(Exception, match="own_part lut is 2000000, and 1000 when counted again"):
            report_of(build)
    finally:
        path.write_text(kept)


def test_parts_shows_a_file_and_a_name(root, tmp_path):
    for name, device in ((str(write(tmp_path)), "xcours9p"), ("xcu250", "xcvu13p")):
        done = CliRunner().invoke(cli, ["parts", name, "--json", "-"])
        assert done.exit_code == 0, done.exception
        found = json.loads(done.stdout)
        validate(root, "parts-1", found)
        assert [part["device"] for part in found["parts"]] == [device]
