"""The results of a simulation as JSON, for continuous integration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from bittrigger import __version__
from bittrigger.errors import MismatchError
from bittrigger.ir.graph import Graph
from bittrigger.ir.ports import output_fields
from bittrigger.simulate.compare import Outcome

SCHEMA = 1
"""Version of the layout; raised whenever an older reader would misread the file."""

Verdict = Literal["equal", "mismatch", "error", "not run"]


def verdict(outcome: Outcome) -> Verdict:
    """What became of one executor."""
    if outcome.not_run is not None:
        return "not run"
    if outcome.error is None:
        return "equal"
    return "mismatch" if isinstance(outcome.error, MismatchError) else "error"


def results_json(graph: Graph, outcomes: Sequence[Outcome], corners: int) -> dict[str, Any]:
    """The results as plain types, of a run whose last ``corners`` events were corner vectors.

    They are one object: ``schema`` (1), ``tool`` (``bittrigger``), ``version``, ``design``, ``events`` and
    ``corner_vectors`` (their numbers), ``every_bit_equal`` (no executor that ran failed or differed), and ``executors``, a
    list in the order of the run. Each executor has ``name``; ``verdict``, one of ``equal``, ``mismatch``, ``error``,
    ``not run``; ``seconds`` of wall time, of these ``build_seconds`` for what had to be built, and ``events_per_s`` of the
    rest, all null if it did not finish; ``reason``, the message of an error or why it was not run, else null; and
    ``first_mismatch``: null, or ``event`` (events first, corner vectors after them), ``output``, ``expected`` and ``actual``
    codes at the output, ``layer``, ``node``, ``lane``, ``node_expected`` and ``node_actual`` where the design first goes wrong,
    and ``command`` to see it again; each is null where it is unknown.
    """
    run = next((len(item.codes) for item in outcomes if item.codes is not None), corners)
    return {
        "schema": SCHEMA,
        "tool": "bittrigger",
        "version": __version__,
        "design": graph.name,
        "events": run - corners,
        "corner_vectors": corners,
        "every_bit_equal": all(outcome.error is None for outcome in outcomes),
        "executors": [_executor(graph, outcome, run) for outcome in outcomes],
    }


def _executor(graph: Graph, outcome: Outcome, events: int) -> dict[str, Any]:
    ran = outcome.codes is not None
    return {
        "name": outcome.executor,
        "verdict": verdict(outcome),
        "seconds": round(outcome.seconds, 3) if ran else None,
        "build_seconds": round(outcome.build_seconds, 3) if ran else None,
        "events_per_s": round(events / outcome.run_seconds) if ran else None,
        "reason": outcome.not_run or (str(outcome.error) if outcome.error is not None else None),
        "first_mismatch": _first_mismatch(graph, outcome),
    }


def _first_mismatch(graph: Graph, outcome: Outcome) -> dict[str, Any] | None:
    error, record = outcome.error, outcome.record
    if not isinstance(error, MismatchError) or error.event is None:
        return None
    field = None if error.column is None else output_fields(graph)[error.column]
    expected, actual = error.codes or (None, None)
    location = record.location if record is not None else None
    return {
        "event": error.event,
        "output": None if field is None else f"{field.port}[{field.index}]",
        "expected": expected,
        "actual": actual,
        "layer": location.layer if location else None,
        "node": location.node if location else None,
        "lane": location.lane if location else None,
        "node_expected": location.expected if location else None,
        "node_actual": location.actual if location else None,
        "command": record.command if record else None,
    }
