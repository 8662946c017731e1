"""The verdict: a report held against a Level-1 budget, criterion by criterion."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from bittrigger.device.budgets import Budget
from bittrigger.report.model import Figure, Origin, Report


class Outcome(enum.Enum):
    """What became of a criterion."""

    PASS = "pass"  # noqa: S105 - a word of a verdict
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Criterion:
    """One limit and the figure that was held against it.

    Attributes:
        figure: of one origin, which it states; its value is None if it is missing.
        limit: None if no source gives one.
        warns: whether a figure over the limit leaves the verdict open, since it is of a placement of ours, and a better one may
            do; where it is missing, the criterion counts for nothing.
    """

    name: str
    figure: Figure
    limit: float | None
    unit: str
    warns: bool = False

    @property
    def outcome(self) -> Outcome:
        """``pass`` only if both numbers are there and the figure is within the limit."""
        if self.limit is None or self.figure.value is None:
            return Outcome.UNKNOWN
        if self.figure.value <= self.limit:
            return Outcome.PASS
        return Outcome.UNKNOWN if self.warns else Outcome.FAIL

    @property
    def is_open(self) -> bool:
        """Whether it warns, and nothing is known to warn of."""
        return self.warns and self.figure.value is None

    @property
    def is_missed(self) -> bool:
        """Whether it warns of a figure over the limit."""
        return self.warns and not self.is_open and self.outcome is Outcome.UNKNOWN

    @property
    def said(self) -> str:
        """The outcome in words, of what warns with the excess."""
        if not self.warns:
            return self.outcome.value
        if self.figure.value is None or self.limit is None:
            return "not measured"
        return f"missed by {self.figure.value - self.limit:.3f} {self.unit}" if self.is_missed else "met"

    @property
    def facts(self) -> str:
        """Figure, origin and limit."""
        figure = "missing" if self.figure.value is None else f"{self.figure.value:g} {self.unit}"
        limit = "not known" if self.limit is None else f"{self.limit:g} {self.unit}"
        return f"{figure} ({self.figure.origin.value}), limit {limit}"

    @property
    def fraction(self) -> float | None:
        """The figure as a fraction of the limit."""
        if not self.limit or self.figure.value is None:
            return None
        return self.figure.value / self.limit


@dataclass(frozen=True)
class Verdict:
    """A report judged by a budget."""

    budget: Budget
    criteria: tuple[Criterion, ...]

    @property
    def outcome(self) -> Outcome:
        """``fail`` if one criterion fails, ``pass`` if all pass, else ``unknown``; a warning that is open counts for nothing."""
        outcomes = {criterion.outcome for criterion in self.criteria if not criterion.is_open}
        if Outcome.FAIL in outcomes:
            return Outcome.FAIL
        return Outcome.PASS if outcomes == {Outcome.PASS} else Outcome.UNKNOWN


def verdict(report: Report, budget: Budget) -> Verdict:
    """``report`` judged by ``budget``: latency, initiation interval, clock period, LUTs, and whether it fits its part.

    Latency in nanoseconds takes it that the clock is met. Once a routed slack is there, it decides whether it is; until then a
    period that our own placement misses leaves the verdict open, since a better placement may meet it. A limit that no source
    gives is no criterion; a budget without any latency is judged ``unknown``. Resources are taken from placement and routing if
    they are there, else from synthesis, never from an estimate.
    """
    totals = report.totals
    best = totals.route if totals.route.lut.value is not None else totals.synth
    part = report.device
    criteria = [Criterion("latency", totals.latency_ns, budget.latency_ns, "ns")]
    if budget.ii_ns is not None:
        criteria.append(Criterion("initiation interval", totals.ii_ns, budget.ii_ns, "ns"))
    if totals.wns_ns.value is None:
        criteria.append(_period(report))
    if budget.lut is not None:
        criteria.append(Criterion("LUT", best.lut, budget.lut, "LUT"))
    capacities = (
        ("LUT", best.lut, part.lut),
        ("FF", best.ff, part.ff),
        ("DSP", best.dsp, part.dsp),
        ("BRAM36", best.bram36, part.bram36),
    )
    for name, figure, capacity in capacities:
        criteria.append(Criterion(f"{name} of {part.device}", figure, capacity, name))
    slack = totals.wns_ns
    if slack.value is not None:
        criteria.append(Criterion("missed timing", replace(slack, value=max(0.0, -slack.value)), 0.0, "ns"))
    return Verdict(budget, tuple(criteria))


def _period(report: Report) -> Criterion:
    """The time that the slowest path takes, clock uncertainty included, held against the clock period."""
    period_ns, nothing = 1000.0 / report.clock_mhz, Figure(None, Origin.STA, "bittrigger timing", "")
    slack = report.period.slack_ns if report.period else nothing
    taken = slack if slack.value is None else replace(slack, value=period_ns - slack.value)
    return Criterion("period", taken, period_ns, "ns", warns=True)
