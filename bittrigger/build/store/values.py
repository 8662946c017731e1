"""Numbers, names and tables of JSON that anybody may have written, each checked as it is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.ir.fixed import MAX_WIDTH, FixedPoint, IntArray
from bittrigger.ir.graph import frozen_array
from bittrigger.ir.naming import identifier

Json = dict[str, Any]

MAX_SIZE = 1 << 24
"""Most codes of a node."""

MAX_FRAC = 1 << 10
"""Most bits behind the point, or in front of it, of a code."""

NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading raises where the file has another structure than ours."""


def whole(value: object, lo: int = -(1 << MAX_WIDTH), hi: int = 1 << MAX_WIDTH) -> int:
    """``value`` if it is an integer from ``lo`` to ``hi``."""
    if type(value) is not int or not lo <= value <= hi:
        raise ValueError(f"{str(value)[:40]!r} is no integer from {lo} to {hi}")
    return value


def array_of(values: list[object]) -> IntArray:
    """Integers in as many axes as there are lists within lists."""
    array = np.array(values)
    if array.dtype.kind != "i":
        raise ValueError(f"weights of type {array.dtype}; expected integers")
    return frozen_array(array)


def name_of(value: object) -> str:
    """A name that may become part of C++, Verilog and paths."""
    if not isinstance(value, str) or identifier(value) != value:
        raise ValueError(f"{str(value)[:80]!r} is no identifier")
    return value


def frac_of(data: Json) -> int:
    """The bits behind the point of the codes of a node."""
    return whole(data["frac"], -MAX_FRAC, MAX_FRAC)


def size_of(data: Json) -> int:
    """The number of codes of a node."""
    return whole(data["size"], 1, MAX_SIZE)


def copies_of(data: Json) -> int:
    """How many parts of its operand a node treats alike."""
    return whole(data["copies"], 1, MAX_SIZE)


def table_of(rows: list[list[object]]) -> tuple[tuple[int, ...], ...]:
    """Integers, a tuple for each row."""
    return tuple(tuple(whole(value) for value in row) for row in rows)


def type_of(kind: list[object]) -> FixedPoint:
    """A fixed-point type."""
    signed, width, frac = kind
    return FixedPoint(bool(signed), whole(width, 1, MAX_WIDTH), whole(frac, -MAX_FRAC, MAX_FRAC))
