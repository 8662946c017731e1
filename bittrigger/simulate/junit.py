"""Outcomes of a simulation as test cases, for continuous integration."""

from __future__ import annotations

from collections.abc import Sequence

from bittrigger.errors import MismatchError
from bittrigger.report.junit import Case, Fate
from bittrigger.simulate.compare import Outcome, explain


def outcome_cases(outcomes: Sequence[Outcome]) -> list[Case]:
    """One case an executor: a mismatch is a failure, anything else that went wrong an error, what could not run is skipped."""
    return [_case(outcome) for outcome in outcomes]


def _case(outcome: Outcome) -> Case:
    if outcome.not_run is not None:
        return Case(outcome.executor, "skipped", message=outcome.not_run)
    if outcome.error is None:
        return Case(outcome.executor, "passed", outcome.seconds)
    fate: Fate = "failure" if isinstance(outcome.error, MismatchError) else "error"
    return Case(outcome.executor, fate, outcome.seconds, type(outcome.error).__name__, explain(outcome))
