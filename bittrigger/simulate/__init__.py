"""The executors: independent ways to run one design, all of which must agree on every bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from bittrigger.ir.fixed import IntArray

EXECUTORS = ("oracle", "keras", "csim", "emulator", "rtl", "rtl-fast", "rtl-icarus", "vhdl", "gates")
"""The name of each, the oracle first."""


class Executor(Protocol):
    """One way to run a design."""

    @property
    def name(self) -> str:
        """One of ``EXECUTORS``."""

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`."""


@runtime_checkable
class HasEntries(Protocol):
    """An executor whose design has more public entries than ``run`` calls."""

    def check_entries(self) -> None:
        """Compare them with the oracle; raise ``MismatchError`` if one differs."""


@runtime_checkable
class Compiled(Protocol):
    """An executor that builds something before it runs, and keeps it."""

    def build(self) -> Path:
        """Build it unless it is there."""
