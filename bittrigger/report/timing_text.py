"""Latency, interval and clock period of a report, in words."""

from __future__ import annotations

import math
from typing import assert_never

from bittrigger.device.budgets import BUNCH_CROSSING_NS
from bittrigger.report.model import Period, Report, Standing
from bittrigger.report.numbers import counted, number
from bittrigger.report.verdict import Outcome, Verdict

_MEASURE = "`bittrigger timing` measures it"
STEP_NS = 0.05
"""Margins that are proposed are multiples of it."""


def latency_text(report: Report) -> list[str]:
    """Latency, initiation interval and timing, a sentence each."""
    totals = report.totals
    origin = totals.latency_cycles.origin.value
    return [
        f"latency {counted(totals.latency_cycles.value, 'cycle')} = {number(totals.latency_ns.value)} ns = "
        f"{counted(totals.latency_bx.value, 'bunch crossing')} of {BUNCH_CROSSING_NS:g} ns, at {report.clock_mhz:g} MHz "
        f"({origin})",
        f"initiation interval {counted(totals.ii_cycles.value, 'cycle')} = {number(totals.ii_ns.value)} ns ({origin})",
        period_text(report),
    ]


def period_text(report: Report) -> str:
    """Whether the clock period is met: by the routed slack, else by our own placement, which is said."""
    slack, clock = report.totals.wns_ns, f"{report.clock_mhz:g} MHz"
    if slack.value is not None:
        met = "met" if slack.value >= 0 else "NOT met"
        return f"timing at {clock} {met}: slack {number(slack.value)} ns ({slack.origin.value})"
    if report.period is None:
        return f"timing at {clock} is not known: nothing has been routed (`bittrigger timing` estimates it)"
    estimated = report.period.slack_ns.value
    if estimated is None:
        return f"period of {clock} not measured, nothing has been routed: {_why_unknown(report.period.standing)}"
    origin = _origin(report.period)
    if estimated >= 0:
        return f"period of {clock} met, slack {estimated:.3f} ns ({origin})"
    return (
        f"period of {clock} NOT met, missed by {-estimated:.3f} ns in {report.period.module or 'the top'} ({origin}); "
        f"--period-margin-ns {proposed_margin_ns(estimated):g} of convert keeps that much free"
    )


def proposed_margin_ns(slack_ns: float) -> float:
    """What of a period to keep free where a slack is negative: as much as is missing, rounded up."""
    return round(math.ceil(-slack_ns / STEP_NS) * STEP_NS, 2)


def _origin(period: Period) -> str:
    said = f"{period.slack_ns.origin.value}: a placement of ours, nothing has been routed"
    return f"{said}; so says the build, and no run of yours: {_MEASURE}" if period.standing is Standing.SAID else said


def _why_unknown(standing: Standing) -> str:
    match standing:
        case Standing.MEASURED | Standing.SAID:
            return _MEASURE
        case Standing.LARGE:
            return f"a design of this size takes a while; {_MEASURE}"
        case Standing.CELLS:
            return "it holds cells of which no delay is known; only routing tells"
        case Standing.STALE:
            return f"what is kept of it is of another netlist; {_MEASURE}"
        case _:
            assert_never(standing)


def outcome_text(judged: Verdict, report: Report) -> str:
    """The verdict, and what it rests on."""
    period = next((criterion for criterion in judged.criteria if criterion.warns), None)
    outcome, clock = judged.outcome.value, f"{report.clock_mhz:g} MHz"
    if period is None or judged.outcome is Outcome.FAIL:
        return outcome
    if period.is_missed:
        return f"{outcome}: the period is {period.said} ({period.figure.origin.value}), and nothing has been routed"
    if judged.outcome is Outcome.UNKNOWN:
        return outcome
    if period.is_open:
        return f"{outcome}, provided that {clock} is met"
    return f"{outcome}; the period of {clock} is met ({period.figure.origin.value}), and nothing has been routed"
