"""A claim that is yet to be decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bittrigger.prove.claims import Claim, attempt


@dataclass(frozen=True)
class Task:
    """A claim that is yet to be decided."""

    subject: str
    kind: str
    statement: str
    method: str
    proof: Callable[[], str]

    def run(self) -> Claim:
        """Decide it."""
        return attempt(self.subject, self.kind, self.statement, self.method, self.proof)
