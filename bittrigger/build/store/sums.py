"""Sums of tables as JSON."""

from __future__ import annotations

from bittrigger.build.store.values import Json, table_of, whole
from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import MAX_WIDTH, Interval
from bittrigger.ir.nodes.digit_sum import MAX_LIMITED_BITS, MAX_SUMMED_BITS, DigitSum


def sum_to_json(digits: DigitSum | None) -> Json | None:
    """``digits`` as plain types."""
    if digits is None:
        return None
    tail = {"tail": digits.tail} if digits.tail else {}
    return {"span": [digits.span.lo, digits.span.hi], "shift": digits.shift, "tables": digits.tables} | tail


def sum_from_json(data: Json | None) -> DigitSum | None:
    """The sum that ``sum_to_json`` was given.

    Raises:
        ConfigError: if its codes have too many bits.
        ValueError: if a number is out of range; other errors of Python where the structure is another one.
    """
    if data is None:
        return None
    digits = DigitSum(
        Interval(*map(whole, data["span"])),
        whole(data["shift"], 0, MAX_WIDTH),
        table_of(data["tables"]),
        whole(data.get("tail", 0), 0, MAX_WIDTH),
    )
    width, most = digits.shortened.width, MAX_LIMITED_BITS if digits.tail else MAX_SUMMED_BITS
    if width > most:
        raise ConfigError(f"a sum of tables for codes of {width} bits; allowed are {most}")
    return digits
