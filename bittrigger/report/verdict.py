"""The verdict: a report held against a Level-1 budget, criterion by criterion."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from bittrigger.device.budgets import Budget
from bittrigger.report.model import Figure, Report


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
    """

    name: str
    figure: Figure
    limit: float | None
    unit: str

    @property
    def outcome(self) -> Outcome:
        """``pass`` only if both numbers are there and the figure is within the limit."""
        if self.limit is None or self.figure.value is None:
            return Outcome.UNKNOWN
        return Outcome.PASS if self.figure.value <= self.limit else Outcome.FAIL

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
        """``fail`` if one criterion fails, ``pass`` if all pass, else ``unknown``."""
        outcomes = {criterion.outcome for criterion in self.criteria}
        if Outcome.FAIL in outcomes:
            return Outcome.FAIL
        return Outcome.PASS if outcomes == {Outcome.PASS} else Outcome.UNKNOWN


def verdict(report: Report, budget: Budget) -> Verdict:
    """``report`` judged by ``budget``: latency, initiation interval, LUTs, and whether it fits the part it was made for.

    Latency in nanoseconds takes it that the clock is met; once a routed slack is there, it is a criterion too. A limit that
    no source gives is no criterion; a budget without any latency is judged ``unknown``. Resources are taken
    from placement and routing if they are there, else from synthesis, never from an estimate.
    """
    totals = report.totals
    best = totals.route if totals.route.lut.value is not None else totals.synth
    part = report.device
    criteria = [Criterion("latency", totals.latency_ns, budget.latency_ns, "ns")]
    if budget.ii_ns is not None:
        criteria.append(Criterion("initiation interval", totals.ii_ns, budget.ii_ns, "ns"))
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
