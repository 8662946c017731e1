"""docs/command-line.md, executed; what the verbs write for machines has the layout of its schema."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from designs import graph
from layouts import validate

from bittrigger.build.folder import fresh_folder, save_build, write_firmware
from bittrigger.cli import VERBS, cli
from bittrigger.cli.doctor import VARIABLES
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.budgets import find_budget
from bittrigger.errors import ConfigError
from bittrigger.report import make_report, save_report
from bittrigger.settings import Settings

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "command-line.md").read_text()


@pytest.fixture(scope="module")
def said(page, tmp_path_factory):
    """The output of each command of the page's first block, run in turn in one folder."""
    folder = tmp_path_factory.mktemp("desk")
    environment = os.environ | {"BITTRIGGER_CACHE": str(folder / "cache")}
    environment.pop("COLUMNS", None)
    make_demo(folder / "build" / "demo")
    found = {}
    for line in re.search(r"```sh\n(.*?)```", page, re.DOTALL)[1].splitlines():
        command = line.split("#")[0].split()
        if command[1] == "demo":
            continue  # minutes; see test_the_demo_converts_what_is_shipped
        words = [sys.executable, "-m", *command]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        found[command[1]] = done.stdout
    written = [
        "patterns",
        "write",
        f"{folder}/build/demo",
        "-o",
        f"{folder}/in.txt",
        "--expected",
        f"{folder}/want.txt",
    ]
    cli.main([*written, "-n", "8"], standalone_mode=False)
    return folder, found


def make_demo(folder):
    """A small build in the place of the demo's."""
    settings = Settings(effort="fast", budget="cms-phase2-correlator-layer2")
    with fresh_folder(folder, overwrite=False) as scratch:
        pipeline = create_pipeline(graph((5, 6, 3), name="tagger"), settings)
        write_firmware(pipeline, scratch, settings)
        save_report(make_report(pipeline, settings, None), scratch / "report.json")
        save_build(scratch, pipeline, settings, {"emit": 0.1})


def test_the_demo_converts_what_is_shipped(monkeypatch, tmp_path):
    calls = []
    real = cli.main
    monkeypatch.setattr(cli, "main", lambda words, **_: calls.append(words))
    with real.__self__.make_context("bittrigger", ["demo", "-o", str(tmp_path / "d"), "--fast"]) as context:
        cli.invoke(context)
    convert, report = calls
    assert (convert[0], report[0]) == ("convert", "report")
    options = dict(itertools.pairwise(convert))
    for path in (convert[1], options["--inputs"]):
        assert Path(path).is_file(), path
    verb = cli.get_command(None, "convert")
    assert verb.make_context("convert", list(convert[1:])).params["simulate"]


def test_every_command_of_the_page_runs(said):
    folder, found = said
    assert "review" not in found["diff"]
    assert "nothing: they are the same" in found["diff"]
    assert "ok:" in found["verify"]
    assert "_BITTRIGGER_COMPLETE" in found["completion"]
    assert (folder / "build" / "demo" / "report.html").is_file()
    assert (folder / "build" / "release" / "emulator_v2").is_dir()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["report", "build/demo"], "report-3"),
        (["simulate", "build/demo", "-x", "oracle", "-n", "5"], "simulate-1"),
        (["diff", "build/demo", "build/demo"], "diff-1"),
        (["verify", "build/release"], "verify-1"),
        (["package", "build/demo", "-o", "build/again"], "package-1"),
        (["budgets"], "budgets-1"),
        (["budgets", "cms-phase2-level1"], "budgets-1"),
        (["parts"], "parts-1"),
        (["doctor"], "doctor-1"),
        (["cache", "show"], "cache-1"),
        (["data", "list"], "data-list-1"),
        (["data", "info", "events.npz"], "data-info-1"),
        (["wrap", "build/demo", "-i", "axi-stream"], "wrap-1"),
        (["wrap", "build/demo", "-i", "emp"], "wrap-1"),
        *(
            (words.split(), f"patterns-{words.split()[1]}-1")
            for words in (
                "patterns write build/demo -o in.txt --expected want.txt -n 8",
                "patterns convert in.txt apx.txt --to apx --drop id --drop strobe --drop start_of_orbit",
                "patterns check build/demo want.txt -n 8",
            )
        ),
    ],
)
def test_what_a_verb_writes_has_the_layout_of_its_schema(root, said, words, name, monkeypatch):
    folder, _ = said
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BITTRIGGER_CACHE", str(folder / "cache"))
    np.savez("events.npz", x=np.zeros((3, 5)))
    done = CliRunner().invoke(cli, [*words, "--json", "-"])
    assert done.exit_code == 0, done.exception
    validate(root, name, json.loads(done.stdout))


def test_every_schema_is_a_schema_and_is_listed(root):
    listed = CliRunner().invoke(cli, ["schema"]).output.split()
    files = sorted((root / "schemas").glob("*.json"))
    assert listed == [path.stem for path in files]
    for path in files:
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))
    for source in (root / "bittrigger" / "cli").glob("*.py"):
        for name in re.findall(r'write_json\(\s*\w+(?:\[\d\])?, "([\w-]+)"', source.read_text()):
            assert name in listed, f"{source.name} writes {name}, which has no schema"


def test_the_budget_of_the_page_is_a_budget(root, page, tmp_path):
    text = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    path = tmp_path / "my.yaml"
    path.write_text(text)
    budget = find_budget(str(path))
    assert (budget.name, budget.latency_ns, budget.lut, budget.part) == ("our-board", 500, 200_000, None)
    data = yaml.safe_load(text)
    jsonschema.validate(data, json.loads((root / "schemas" / "budget-file-1.json").read_text()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": None}, "no source; a budget says where its figures were read"),
        ({"lut": "many"}, "lut 'many'; expected a positive number"),
        ({"lut": True}, "expected a positive number"),
        ({"latency_ns": -1}, "latency_ns '-1'; expected a positive number"),
        ({"colour": "red"}, "field 'colour' is unknown"),
    ],
)
def test_a_budget_without_a_source_or_with_wrong_figures_is_refused(change, said, tmp_path):
    data = {"name": "a", "title": "b", "source": "c", "retrieved": "2026-11-29", "lut": 5} | change
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match=re.escape(said)):
        find_budget(str(path))


def test_an_own_budget_judges_a_build_and_is_no_setting(said, tmp_path, monkeypatch):
    folder, _ = said
    monkeypatch.chdir(folder)
    path = tmp_path / "tight.yaml"
    path.write_text("name: tight\ntitle: t\nsource: s\nretrieved: '2026'\nlatency_ns: 1\n")
    done = CliRunner().invoke(cli, ["report", "build/demo", "--budget", str(path), "--check"])
    assert done.exit_code == 1
    assert "tight" in done.output
    assert "latency is" in done.output


def test_the_page_names_every_variable(page):
    for name in VARIABLES:
        assert name in page, name


def test_every_verb_has_the_common_options():
    for verb in VERBS:
        help_text = CliRunner().invoke(cli, [verb, "--help"]).output
        if "Commands:" not in help_text:
            assert "--quiet" in help_text, verb
            assert "--log" in help_text, verb


def test_the_cache_is_cleared(tmp_path, monkeypatch):
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "cache"))
    assert CliRunner().invoke(cli, ["cache", "show"]).exit_code == 0
    (tmp_path / "cache" / "headers").mkdir()
    (tmp_path / "cache" / "headers" / "a.gch").write_bytes(b"x" * 1000)
    (tmp_path / "cache" / "solver.so").write_bytes(b"y")
    (tmp_path / "cache" / "link").symlink_to(tmp_path)
    done = CliRunner().invoke(cli, ["cache", "clear"])
    assert done.exit_code == 0, done.exception
    assert list((tmp_path / "cache").iterdir()) == []
    assert tmp_path.is_dir()


def test_doctor_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("BITTRIGGER_GXX", "no-such-compiler")
    done = CliRunner().invoke(cli, ["doctor", "--json", "-", "--check"])
    facts = json.loads(done.stdout[: done.stdout.rindex("}") + 1])
    assert "g++" in facts["missing"]
    assert done.exit_code == 1
    assert "missing: " in str(done.exception)
