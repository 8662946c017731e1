"""``ap_fixed`` and ``ap_int`` types of a project: the numbers that they hold, and what becomes of any other number."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np

from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import FixedPoint, IntArray, Overflow, Rounding, overflow, requantize, shift_round

_TYPE = re.compile(
    r"ap_(?P<unsigned>u?)(?P<kind>fixed|int)<(?P<width>\d{1,4})(?:,(?P<integer>-?\d{1,4}))?"
    r"(?:,AP_(?P<rounding>\w+))?(?:,AP_(?P<overflow>\w+))?(?:,(?P<bits>0|AP_SAT))?>"
)
_ALLOWED = (
    "allowed are ap_fixed, ap_ufixed, ap_int and ap_uint of up to 62 bits with AP_TRN, AP_RND... and AP_WRAP, AP_SAT..."
)


HlsType = Cast
"""A type of the C++."""


def parse_type(text: str, owner: str) -> HlsType:
    """The type that ``text`` spells, which is C++ without spaces.

    Args:
        owner: who has it, for messages.

    Raises:
        UnsupportedModelError: if it is another type.
    """
    match = _TYPE.fullmatch(text)
    if match is None or (match["integer"] is None) != (match["kind"] == "int"):
        reason = "streams (io_stream) are not read; " if "array" in text else ""
        raise UnsupportedModelError(f"{owner}: type {text[:80]!r}; {reason}{_ALLOWED}; convert with io_parallel")
    width = int(match["width"])
    integer = width if match["integer"] is None else int(match["integer"])
    try:
        return HlsType(
            FixedPoint(not match["unsigned"], width, width - integer),
            Rounding[match["rounding"] or "TRN"],
            Overflow[match["overflow"] or "WRAP"],
        )
    except (KeyError, ConfigError) as error:
        raise UnsupportedModelError(f"{owner}: type {text[:80]!r}: {error}; {_ALLOWED}") from error


def codes_of(values: list[str], kind: HlsType, owner: str) -> IntArray:
    """The codes that C++ gives an array of ``kind`` for number literals, which it first takes for doubles.

    Raises:
        UnsupportedModelError: if one is no finite number.
    """
    codes = []
    for text in values:
        try:
            value = float(text.rstrip("fF") if not text.lower().startswith("0x") else text)
        except ValueError as error:
            raise UnsupportedModelError(f"{owner}: {text[:40]!r} is no number; allowed are decimal numbers") from error
        if not math.isfinite(value):
            raise UnsupportedModelError(
                f"{owner}: {text[:40]!r}; allowed are finite numbers; did the training diverge?"
            )
        codes.append(code_of(value, kind))
    return np.array(codes, dtype=np.int64)


def code_of(value: float, kind: HlsType) -> int:
    """The code that C++ gives a variable of ``kind`` for a double."""
    exact = Fraction(value) * Fraction(2) ** kind.frac
    places = exact.denominator.bit_length() - 1
    code = np.array([exact.numerator], dtype=object)
    return int(overflow(shift_round(code, places, kind.rounding), kind.fixed, kind.overflow)[0])


def convert_codes(codes: IntArray, frac: int, kind: HlsType) -> IntArray:
    """Codes with ``frac`` fractional bits assigned to ``kind``."""
    return requantize(codes, frac, kind.fixed, kind.rounding, kind.overflow)
