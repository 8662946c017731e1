"""Tables drawn with ``|`` and ``+``, as Vivado and Vitis print them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bittrigger.errors import ReportError

Table = list[list[str]]

_VERSION = re.compile(r"(?:Tool Version\s*:\s*Vivado v\.|\* Version:\s*)(\d{4}\.\d+(?:\.\d+)?)")


def read_text(path: Path) -> str:
    """The text of a report.

    Raises:
        ReportError: if it is absent or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ReportError(f"report {path}: {error.strerror}; run the vendor's tool first") from error


def tool_version(text: str, path: Path) -> str:
    """The version in a report's head.

    Raises:
        ReportError: if there is none.
    """
    match = _VERSION.search(text)
    if match is None:
        raise ReportError(f"report {path}: no tool version in it; expected a report of Vivado or Vitis HLS")
    return match[1]


def tables(text: str) -> Iterator[Table]:
    """Every table of ``text`` as rows of stripped cells, rules left out."""
    rows: Table = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("|") and stripped.endswith("|"):
            rows.append([cell.strip() for cell in stripped.strip("|").split("|")])
        elif rows and not stripped.startswith("+"):
            yield rows
            rows = []
    if rows:
        yield rows


def number(text: str, path: Path) -> int | float:
    """A count in a table: ``1,234``, ``0.5``, ``<1`` never.

    Raises:
        ReportError: if ``text`` is no number.
    """
    plain = text.replace(",", "")
    try:
        return int(plain) if plain.lstrip("-").isdigit() else float(plain)
    except ValueError as error:
        raise ReportError(f"report {path}: {text!r} where a number is expected; the layout is not known") from error
