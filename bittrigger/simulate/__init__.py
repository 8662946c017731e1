"""The executors: independent ways to run one design, all of which must agree on every bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bittrigger.ir.fixed import IntArray

EXECUTORS = ("oracle", "keras", "csim", "emulator", "rtl", "rtl-fast", "rtl-icarus", "gates")
"""The name of each, the oracle first."""


class Executor(Protocol):
    """One way to run a design."""

    @property
    def name(self) -> str:
        """One of ``EXECUTORS``."""

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`."""
