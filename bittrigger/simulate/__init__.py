"""The executors: independent ways to run one design, all of which must agree on every bit."""

from __future__ import annotations

from typing import Protocol

from bittrigger.fixed import IntArray


class Executor(Protocol):
    """One way to run a design."""

    @property
    def name(self) -> str:
        """``oracle``, ``csim``, ``emulator``, ``rtl``, ``rtl-fast`` or ``gates``."""

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`."""
