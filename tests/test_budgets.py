"""The catalogue of budgets and the verdict."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from designs import mlp

from bittrigger.device.budgets import BUDGETS, find_budget
from bittrigger.device.parts import find_part
from bittrigger.errors import BittriggerError, ConfigError
from bittrigger.report import Figure, Origin, Resources, make_report
from bittrigger.report.verdict import Outcome, verdict

SYNTH = Resources.of(
    Origin.SYNTH, "Yosys", "0.70", lut=500, ff=600, carry_bits=1, carry8=1, dsp=0, bram36=0, logic_levels=4
)


@pytest.fixture(scope="module")
def report():
    made = make_report(
        mlp((4, 3, 2)), SimpleNamespace(part="xcvu13p", own_part=None, budget="cms-phase2-correlator-layer2"), None
    )
    return replace(made, totals=replace(made.totals, synth=SYNTH))


def with_totals(report, **changes):
    return replace(report, totals=replace(report.totals, **changes))


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_entries_are_sourced(budget):
    assert budget.trust in ("P", "D")
    assert budget.source
    assert budget.covers
    assert budget.part is None or find_part(budget.part)
    assert find_budget(budget.name) is budget


def test_known_figures():
    assert find_budget("cms-run3-global-trigger").latency_bx == 2
    assert find_budget("cms-phase2-level1").latency_bx == 500


def test_unknown_budget_offers_close_ones():
    with pytest.raises(ConfigError, match="did you mean cms-phase2-correlator-layer2"):
        find_budget("cms-phase2-correlator-2")


def test_all_pass(report):
    judged = verdict(report, find_budget("cms-phase2-correlator-layer2"))
    assert judged.outcome is Outcome.PASS
    report.raise_unless_passed()


@pytest.mark.parametrize("budget", ["cms-phase2-correlator-layer2", "atlas-phase2-l0-global"])
def test_a_missing_number_is_unknown_and_never_passes(report, budget):
    missing = with_totals(report, synth=Resources.of(Origin.SYNTH, "Yosys", "0.70"))
    judged = verdict(missing, find_budget(budget))
    assert judged.outcome is Outcome.UNKNOWN
    with pytest.raises(BittriggerError, match="unknown; .*LUT of xcvu13p unknown: missing"):
        missing.raise_unless_passed()


def test_an_estimate_is_never_judged(report):
    assert report.totals.estimate.lut.value > 0
    missing = with_totals(report, synth=Resources.of(Origin.SYNTH, "Yosys", "0.70"))
    judged = verdict(missing, find_budget("atlas-phase2-l0-global"))
    assert all(criterion.figure.origin is not Origin.ESTIMATE for criterion in judged.criteria)


def test_routed_figures_take_precedence_and_are_named(report):
    routed = Resources.of(Origin.ROUTE, "Vivado", "2023.2", lut=200_000, ff=1, dsp=0, bram36=0)
    judged = verdict(with_totals(report, route=routed), find_budget("atlas-phase2-l0-global"))
    lut = next(criterion for criterion in judged.criteria if criterion.name == "LUT")
    assert (lut.figure.origin, lut.outcome, judged.outcome) == (Origin.ROUTE, Outcome.FAIL, Outcome.FAIL)


@pytest.mark.parametrize(("latency_ns", "outcome"), [(1000.0, Outcome.PASS), (1000.1, Outcome.FAIL)])
def test_the_limit_itself_passes(report, latency_ns, outcome):
    late = with_totals(report, latency_ns=replace(report.totals.latency_ns, value=latency_ns))
    assert verdict(late, find_budget("cms-phase2-correlator-layer2")).outcome is outcome


@pytest.mark.parametrize(("slack", "outcome"), [(0.0, Outcome.PASS), (0.2, Outcome.PASS), (-0.001, Outcome.FAIL)])
def test_missed_timing_fails(report, slack, outcome):
    timed = with_totals(report, wns_ns=Figure(slack, Origin.ROUTE, "Vivado", "2023.2"))
    assert verdict(timed, find_budget("cms-phase2-correlator-layer2")).outcome is outcome


def test_no_budget(report):
    with pytest.raises(BittriggerError, match="has no budget to be judged by; name one with --budget"):
        replace(report, budget=None).raise_unless_passed()
