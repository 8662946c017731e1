"""Numbers for people."""

from __future__ import annotations


def number(value: float | None) -> str:
    """``value`` with thousands separated; a missing one is a dash."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def counted(value: float | None, what: str) -> str:
    """``value`` with its noun, which is a singular for 1 and a plural else: ``1 cycle``, ``1.333 bunch crossings``."""
    return f"{number(value)} {what if value == 1 else f'{what}s'}"
