"""Every exception that bittrigger raises on purpose."""

from __future__ import annotations

import reprlib


class BittriggerError(Exception):
    """Something a person can act on; the command line prints it without a traceback and exits with 1."""


class UnsupportedModelError(BittriggerError):
    """A layer, quantiser, shape or model file cannot be lowered exactly."""


class Float32RoundsError(UnsupportedModelError):
    """Keras' own float32 rounds, so that no integers give its bits; exact arithmetic has an answer, see ``ir.basis``."""

    @property
    def fact(self) -> str:
        """What rounds and where, without the way out."""
        return str(self).split("; ", maxsplit=1)[0]


class TableTooLargeError(UnsupportedModelError):
    """A table would have too many steps; with a coarser type behind it there are fewer."""


class ConfigError(BittriggerError):
    """A setting is unknown or out of range."""


class ToolNotFoundError(BittriggerError):
    """A program is missing: its name, where it was looked for, how to install it."""


class ToolError(BittriggerError):
    """A program failed: its command, exit code, last lines and the path of the full log."""


class ReportError(BittriggerError):
    """A vendor report is absent or of unknown layout."""


class MismatchError(BittriggerError):
    """Two executions of one design differ in at least one bit.

    Attributes:
        event: the first event that differs, or None if it is a matter of timing.
        column: the first output of that event that differs.
        codes: what was expected of it and what came.
    """

    def __init__(
        self, message: str, *, event: int | None = None, column: int | None = None, codes: tuple[int, int] | None = None
    ) -> None:
        super().__init__(message)
        self.event, self.column, self.codes = event, column, codes


class ProofError(BittriggerError):
    """A claim about a design is refuted, or could not be decided."""


class TamperError(BittriggerError):
    """A package is not what was released."""


class InternalError(Exception):
    """An invariant of bittrigger is broken: a bug of ours, shown with its traceback."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def excerpt(value: object) -> str:
    """``repr(value)`` for a message, of a hundred characters or so where somebody's file gives a value of millions."""
    return _SHORT.repr(value)
