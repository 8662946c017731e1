"""JUnit XML of a simulation, for continuous integration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from bittrigger.errors import ConfigError, MismatchError
from bittrigger.simulate.compare import Outcome, explain


def write_junit(path: Path, design: str, outcomes: Sequence[Outcome]) -> None:
    """Write one test case an executor to ``path``.

    A mismatch is a failure, anything else that went wrong an error, and what could not run is skipped.

    Raises:
        ConfigError: if ``path`` cannot be written.
    """
    suite = ElementTree.Element("testsuite", name=f"bittrigger.{design}", tests=str(len(outcomes)))
    counts = {"failure": 0, "error": 0}
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", classname=design, name=outcome.executor, time=f"{outcome.seconds:.3f}"
        )
        if outcome.not_run is not None:
            ElementTree.SubElement(case, "skipped", message=outcome.not_run)
        if outcome.error is not None:
            kind = "failure" if isinstance(outcome.error, MismatchError) else "error"
            counts[kind] += 1
            problem = ElementTree.SubElement(case, kind, type=type(outcome.error).__name__)
            problem.text = explain(outcome)
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    try:
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise ConfigError(f"JUnit report cannot be written to {path}: {error.strerror}") from error
