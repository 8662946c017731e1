"""The clock period: measured, kept with the hash of its netlist, judged as an estimate, and never shown of another netlist."""

import json
from dataclasses import replace
from types import SimpleNamespace

import jsonschema
import pytest
from click.testing import CliRunner
from designs import build_of, solved

from bittrigger.build.folder import fresh_folder, load_build
from bittrigger.build.manifest import seal
from bittrigger.cli import cli
from bittrigger.device.budgets import find_budget
from bittrigger.errors import BittriggerError, ConfigError, ToolError
from bittrigger.report import Figure, Origin, load_report, make_report, save_report
from bittrigger.report import period as periods
from bittrigger.report.html import Evidence, render_html
from bittrigger.report.junit import report_cases
from bittrigger.report.model import Period, Standing
from bittrigger.report.period import TIMING, measure_period
from bittrigger.report.recount import report_of
from bittrigger.report.render import margin_text, render_markdown
from bittrigger.report.schema import report_json
from bittrigger.report.timing_text import latency_text, outcome_text, period_text, proposed_margin_ns
from bittrigger.report.verdict import Outcome, verdict
from bittrigger.settings import Settings
from bittrigger.synth import slack
from bittrigger.synth.yosys import netlist_files, synthesize

BUDGET = "cms-phase2-correlator-layer2"


@pytest.fixture(scope="module")
def pipeline():
    return solved((9, 6, 3), seed=11)


@pytest.fixture
def build(pipeline, tmp_path):
    """A build with netlist and report, as a conversion leaves it."""
    built = build_of(pipeline, tmp_path / "build")
    used = synthesize(pipeline, built.folder / "rtl", built.folder / "synth")
    settings = SimpleNamespace(part=built.settings.part, own_part=None, budget=None)
    period = measure_period(pipeline, built.folder / "synth", used.total.lut)
    save_report(replace(make_report(pipeline, settings, used), period=period), built.folder / "report.json")
    seal(built.folder)
    return load_build(built.folder)


def with_slack(report, value, standing=Standing.MEASURED):
    figure = Figure(value, Origin.STA, slack.TOOL, "0.1.0")
    return replace(report, budget=BUDGET, period=Period(figure, "u_dense", "0" * 64, standing))


def timing(folder, *words):
    done = CliRunner().invoke(cli, ["timing", str(folder), *words])
    assert done.exit_code == 0, done.exception
    return " ".join(done.output.split())


def other_netlist(build):
    """The same netlist in other bytes, sealed anew."""
    path = netlist_files(build.pipeline, build.folder / "synth")[0]
    path.write_text(path.read_text() + "\n")
    seal(build.folder)
    return load_build(build.folder)


def test_a_conversion_measures_it_and_a_report_finds_it(build, root):
    said, found = load_report(build.folder / "report.json"), report_of(build)
    assert found == said
    assert found.period.standing is Standing.MEASURED
    assert found.period.slack_ns.origin is Origin.STA
    assert 0 <= found.period.slack_ns.value < 1000 / 360
    schema = json.loads((root / "schemas" / "report-3.json").read_text())
    jsonschema.validate(report_json(found), schema)
    assert report_json(replace(found, period=None)).keys() == report_json(found).keys() - {"period"}


def test_a_slack_of_another_netlist_is_not_shown(build):
    timing(build.folder)
    assert report_of(build).period.standing is Standing.MEASURED
    found = report_of(other_netlist(build))
    assert (found.period.standing, found.period.slack_ns.value) == (Standing.STALE, None)
    assert "what is kept of it is of another netlist" in period_text(found)
    timing(build.folder)
    assert report_of(load_build(build.folder)).period.standing is Standing.MEASURED


def test_timing_is_kept_in_the_build_at_its_clock_alone(build, root):
    assert "Kept in" not in timing(build.folder, "--clock-mhz", "200")
    assert not (build.folder / TIMING).exists()
    assert "`bittrigger report` shows it" in timing(build.folder)
    kept = json.loads((build.folder / TIMING).read_text())
    jsonschema.validate(kept, json.loads((root / "schemas" / "timing-1.json").read_text()))
    assert report_of(load_build(build.folder)).period.slack_ns.value == kept["slack_ns"]


def test_what_timing_says_later_takes_the_place_of_what_was_left_open(build, monkeypatch):
    monkeypatch.setattr(periods, "QUICK_LUTS", 0)
    report = report_of(build)
    large = measure_period(build.pipeline, build.folder / "synth", 1)
    assert (large.standing, large.slack_ns.value) == (Standing.LARGE, None)
    save_report(replace(report, period=large), build.folder / "report.json")
    seal(build.folder)
    assert report_of(load_build(build.folder)).period == large
    timing(build.folder)
    assert report_of(load_build(build.folder)).period == report.period


def test_cells_without_delays_leave_it_open(build, monkeypatch):
    def refuse(*_):
        raise ToolError("timing: the delays of cell RAMB18E2 are not known")

    monkeypatch.setattr(slack, "analyse", refuse)
    found = measure_period(build.pipeline, build.folder / "synth", 1)
    assert (found.standing, found.slack_ns.value) == (Standing.CELLS, None)
    said = period_text(replace(report_of(build), period=found))
    assert said.endswith("it holds cells of which no delay is known; only routing tells")


def test_what_no_run_of_this_user_found_is_marked(build, monkeypatch):
    monkeypatch.setattr(periods, "is_measured_here", lambda *_: False)
    found = report_of(build)
    assert found.period.standing is Standing.SAID
    assert "so says the build, and no run of yours" in period_text(found)


def test_a_slack_that_was_made_up_is_not_taken_for_measured(build):
    timing(build.folder)
    path = build.folder / TIMING
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"slack_ns": facts["slack_ns"] + 0.1}))
    assert report_of(build).period.standing is Standing.SAID


def test_another_conversion_takes_it_away(build, pipeline):
    timing(build.folder)
    with fresh_folder(build.folder, overwrite=True) as scratch:
        build_of(pipeline, scratch)
    assert (build.folder / "bittrigger.json").is_file()
    assert list(build.folder.rglob(TIMING)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"slack_ns": float("nan")},
        {"slack_ns": 10**400},
        {"slack_ns": True},
        {"slack_ns": "0.1"},
        {"origin": "route"},
        {"version": "[red]1"},
        {"paths": []},
        {"paths": [{"module": "[bold]u_a\x1b[2J"}]},
        {"clock_mhz": 200.0},
    ],
)
def test_a_file_that_nobody_of_ours_wrote_is_passed_over(build, change):
    timing(build.folder)
    path, before = build.folder / TIMING, report_of(build)
    path.write_text(json.dumps(json.loads(path.read_text()) | change | {"slack_ns": change.get("slack_ns", 1.5)}))
    assert report_of(build) == before


def test_a_missed_period_leaves_the_verdict_open_and_says_what_to_do(build):
    missed, met, open_ = (with_slack(report_of(build), value) for value in (-0.284, 0.0, None))
    judged = verdict(missed, find_budget(BUDGET))
    assert judged.outcome is Outcome.UNKNOWN
    assert (
        outcome_text(judged, missed) == "unknown: the period is missed by 0.284 ns (sta), and nothing has been routed"
    )
    (line,) = (line for line in latency_text(missed) if "NOT met" in line)
    assert line.startswith("period of 360 MHz NOT met, missed by 0.284 ns in u_dense (sta: a placement of ours, ")
    assert line.endswith("--period-margin-ns 0.3 of convert keeps that much free")
    with pytest.raises(
        BittriggerError, match=r"unknown; period missed by 0\.284 ns: 3\.06178 ns \(sta\), limit 2\.77778"
    ):
        missed.raise_unless_passed()
    (case,) = (case for case in report_cases(missed) if case.name.endswith("period"))
    assert (case.fate, case.message.split(":")[0]) == ("skipped", "missed by 0.284 ns")
    assert "| period | 3.062 ns | sta, bittrigger timing 0.1.0 | 2.778 ns | 110.22 % | missed by 0.284 ns |" in (
        render_markdown(missed)
    )
    met.raise_unless_passed()
    judged = verdict(met, find_budget(BUDGET))
    assert outcome_text(judged, met) == "pass; the period of 360 MHz is met (sta), and nothing has been routed"
    assert not margin_text(judged).startswith("period")
    open_.raise_unless_passed()
    assert outcome_text(verdict(open_, find_budget(BUDGET)), open_) == "pass, provided that 360 MHz is met"
    assert "| not measured |" in render_markdown(open_)


def test_a_missed_period_does_not_hide_a_failure(build):
    missed = with_slack(report_of(build), -0.1)
    late = replace(missed.totals, latency_ns=replace(missed.totals.latency_ns, value=1e6))
    assert verdict(replace(missed, totals=late), find_budget(BUDGET)).outcome is Outcome.FAIL


def test_a_routed_slack_decides_and_the_estimate_is_silent(build):
    missed = with_slack(report_of(build), -0.3)
    routed = replace(missed, totals=replace(missed.totals, wns_ns=Figure(0.01, Origin.ROUTE, "Vivado", "2023.2")))
    judged = verdict(routed, find_budget(BUDGET))
    assert judged.outcome is Outcome.PASS
    assert not [criterion for criterion in judged.criteria if criterion.figure.origin is Origin.STA]
    assert period_text(routed) == "timing at 360 MHz met: slack 0.01 ns (route)"


def test_the_page_shows_it(build):
    page = render_html(with_slack(report_of(build), -0.284), build.pipeline, Evidence())
    assert "missed by 0.284 ns" in page
    assert "-0.284 ns" in page
    assert "slack of the period" in page


def test_a_margin_puts_registers_closer_together_and_is_kept(tmp_path):
    from bittrigger.compile.pipeline import create_pipeline

    graph = solved((24, 24, 8), seed=5).graph
    plain, free = (create_pipeline(graph, Settings(effort="fast", period_margin_ns=ns)) for ns in (0.0, 0.6))
    assert free.latency_cycles > plain.latency_cycles
    settings = Settings(effort="fast", period_margin_ns=0.6)
    build = build_of(free, tmp_path, settings=settings)
    stages = [(module.start, module.stop, module.stages) for module in free.modules]
    assert [(module.start, module.stop, module.stages) for module in build.pipeline.modules] == stages
    assert build.pipeline.period_margin_ns == 0.6
    bounded = replace(settings, latency_cycles=free.latency_cycles + 1)
    assert create_pipeline(graph, bounded).period_margin_ns == 0.6


@pytest.mark.parametrize("margin", [-0.1, 0.73, float("nan")])
def test_a_margin_that_leaves_no_time_for_logic_is_refused(margin):
    with pytest.raises(
        ConfigError, match=r"period margin of .* ns at 360 MHz: .* allowed are 0 to 0\.72 ns; keep less free"
    ):
        Settings(period_margin_ns=margin)


@pytest.mark.parametrize(("slack_ns", "margin"), [(-0.284, 0.3), (-0.3, 0.3), (-0.001, 0.05), (-0.301, 0.35)])
def test_the_margin_that_is_proposed_is_what_is_missing(slack_ns, margin):
    assert proposed_margin_ns(slack_ns) == margin
