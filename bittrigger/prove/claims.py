"""What a proof is made of: claims, each with its method, its verdict and the time that it took."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass


class Verdict(enum.Enum):
    """What became of a claim."""

    PROVEN = "proven"
    """True for every input."""
    REFUTED = "refuted"
    """False; the detail says where."""
    OPEN = "open"
    """Neither; the method could not decide, and the detail says why."""


class Unproven(Exception):  # noqa: N818 - not an error of the program
    """Raised inside a proof that does not go through.

    Attributes:
        refuted: whether the claim is known to be false.
    """

    def __init__(self, detail: str, *, refuted: bool = True) -> None:
        super().__init__(detail)
        self.refuted = refuted


@dataclass(frozen=True)
class Claim:
    """One statement about a design.

    Attributes:
        subject: the module, or the design.
        kind: ``files``, ``figures``, ``structure``, ``weights``, ``widths``, ``verilog``, ``latency``, ``wiring`` or ``netlist``.
        statement: what is claimed, for every input.
        method: how it was decided.
        detail: figures of the proof, or why it fails.
        seconds: wall time.
    """

    subject: str
    kind: str
    statement: str
    method: str
    verdict: Verdict
    detail: str
    seconds: float


def attempt(subject: str, kind: str, statement: str, method: str, proof: Callable[[], str]) -> Claim:
    """Run ``proof``, which returns the figures of a proof that goes through and raises ``Unproven`` otherwise."""
    started = time.perf_counter()
    try:
        detail, verdict = proof(), Verdict.PROVEN
    except Unproven as failure:
        detail, verdict = str(failure), Verdict.REFUTED if failure.refuted else Verdict.OPEN
    return Claim(subject, kind, statement, method, verdict, detail, time.perf_counter() - started)
