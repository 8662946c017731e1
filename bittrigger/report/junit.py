"""JUnit XML, for continuous integration: verdicts of any kind as test cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from bittrigger.device.budgets import find_budget
from bittrigger.report.model import Report
from bittrigger.report.verdict import Outcome, Verdict, verdict

Fate = Literal["passed", "failure", "error", "skipped"]


@dataclass(frozen=True)
class Case:
    """One test case.

    Attributes:
        fate: ``failure`` where a verdict is bad, ``error`` where there is none because something broke.
        kind: of a failure or an error, in a word.
        message: why it is not passed.
    """

    name: str
    fate: Fate
    seconds: float = 0.0
    kind: str = ""
    message: str = ""


def junit_text(design: str, cases: Sequence[Case]) -> str:
    """``cases`` as one test suite."""
    suite = ElementTree.Element("testsuite", name=f"bittrigger.{design}", tests=str(len(cases)))
    for case in cases:
        attributes = {"classname": design, "name": case.name, "time": f"{case.seconds:.3f}"}
        element = ElementTree.SubElement(suite, "testcase", attributes)
        if case.fate == "skipped":
            ElementTree.SubElement(element, "skipped", message=case.message)
        elif case.fate != "passed":
            ElementTree.SubElement(element, case.fate, type=case.kind).text = case.message
    for fate, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.fate == fate for case in cases)))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def verdict_cases(judged: Verdict) -> list[Case]:
    """One case a criterion; what is unknown is skipped, and says so."""
    cases = []
    for criterion in judged.criteria:
        name = f"budget {judged.budget.name}: {criterion.name}"
        said = f"{criterion.said}: {criterion.facts}" if criterion.warns else criterion.facts
        match criterion.outcome:
            case Outcome.PASS:
                cases.append(Case(name, "passed"))
            case Outcome.FAIL:
                cases.append(Case(name, "failure", kind="budget", message=said))
            case Outcome.UNKNOWN:
                cases.append(Case(name, "skipped", message=said))
    return cases


def report_cases(report: Report) -> list[Case]:
    """The criteria of the report's budget, or none where it has no budget."""
    return [] if report.budget is None else verdict_cases(verdict(report, find_budget(report.budget)))
