"""A piecewise constant function as a sum of tables, one for each digit of the code, whose upper bits are the result.

``floor(code * a + b)`` is such a function, and so is what a limit behind it makes of that. Its tables need not be multiples
of ``a``: any entries will do whose sums give the same results, and these have far fewer bits than the products. A LUT that adds
a bit of a table in front of a carry reads one bit of the sum and five of the code, so that each digit takes one LUT a bit of
the sum; the first one, to which nothing is added, may have six bits.

Of the lowest bits of a code it may count no more than whether one of them is set, as where halves are rounded to even numbers:
this tail is one bit of the code that the digits are cut from. The highest digit of a code of many bits is limited.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from bittrigger.ir.fixed import FixedPoint, IntArray, Interval

MAX_ENTRY_BITS = 48
"""Bits of an entry, and of what is dropped of a sum."""

MAX_SUMMED_BITS = 16
"""Bits that the digits are cut from, every pattern of which is tried."""

MAX_LIMITED_BITS = 20
"""Bits of a code whose tail is one bit, before its highest digit is limited."""

NEXT_BITS = 5
"""Bits of each further digit: a LUT reads a bit of the sum besides."""


def digit_places(width: int) -> tuple[int, ...]:
    """The lowest bit of each digit of a code of ``width`` bits; the first digit takes what the others leave over."""
    count = max(-(-(width - 1) // NEXT_BITS), 1)
    return (0, *(width - NEXT_BITS * k for k in range(count - 1, 0, -1)))


@dataclass(frozen=True)
class DigitSum:
    """The sum of ``tables[d][digit d]`` over the digits of a code; its value is ``sum >> shift``.

    Attributes:
        span: codes for which it stands.
        shift: bits of the sum that are dropped.
        tables: of each digit, the lowest first, an entry for each pattern of its bits; none is negative but in the last one.
        tail: lowest bits of a code that are one bit of what the digits are cut from: whether any of them is set; none if 0.
    """

    span: Interval
    shift: int
    tables: tuple[tuple[int, ...], ...]
    tail: int = 0

    @property
    def shortened(self) -> Interval:
        """The range of a code whose tail is one bit."""
        return Interval(shorten(self.span.lo, self.tail), shorten(self.span.hi, self.tail))

    @property
    def cut(self) -> Interval:
        """The range of what the digits are cut from."""
        return limited(self.shortened)

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """The lowest and the highest bit of each digit."""
        width = self.cut.width
        lows = (*digit_places(width), width)
        return tuple((low, above - 1) for low, above in pairwise(lows))

    @property
    def is_limited(self) -> bool:
        """Whether there are codes whose highest digit is limited."""
        return self.cut != self.shortened

    def digits_of(self, codes: IntArray) -> IntArray:
        """What the digits are cut from, for each code."""
        short = shorten(codes, self.tail)
        low, cut = self.places[-1][0], self.cut
        upper: IntArray = np.clip(short >> low, cut.lo >> low, cut.hi >> low)
        return upper << low | short & ((1 << low) - 1)

    def partial_sums(self, codes: IntArray) -> list[IntArray]:
        """The sums of the first table, of the first two, and so on."""
        return _sums(self, self.digits_of(codes))

    def value_of(self, codes: IntArray) -> IntArray:
        """Its value for each code."""
        value: IntArray = self.partial_sums(codes)[-1] >> self.shift
        return value

    def alike(self) -> tuple[IntArray, IntArray]:
        """The first and the last code of each run of codes that differ in their tails alone, and not in whether those are 0."""
        short = np.arange(self.shortened.lo, self.shortened.hi + 1, dtype=np.int64)
        if not self.tail:
            return short, short
        firsts = (short >> 1 << self.tail) + (short & 1)
        lasts = np.minimum(firsts + (short & 1) * ((1 << self.tail) - 2), self.span.hi)
        return np.maximum(firsts, self.span.lo), lasts

    @property
    def is_well_formed(self) -> bool:
        """Whether there is a table for each digit, with an entry for each pattern of it, of a size whose sums are exact."""
        if self.tail < 0 or self.shortened.width > (MAX_LIMITED_BITS if self.tail else MAX_SUMMED_BITS):
            return False
        sizes = [1 << high + 1 - low for low, high in self.places]
        small = all(abs(entry) < 1 << MAX_ENTRY_BITS for table in self.tables for entry in table)
        return small and 0 <= self.shift < MAX_ENTRY_BITS and [len(table) for table in self.tables] == sizes

    @property
    def ranges(self) -> tuple[Interval, ...]:
        """Ranges of the sums of the first table, of the first two, and so on."""
        return _ranges(self)

    @property
    def value(self) -> Interval:
        """The range of its value."""
        last = self.ranges[-1]
        return Interval(last.lo >> self.shift, last.hi >> self.shift)


Code = TypeVar("Code", int, IntArray)


def shorten(code: Code, tail: int) -> Code:
    """``code`` with one bit in the place of the lowest ``tail``: whether any of them is set."""
    return code >> tail << 1 | ((code & (1 << tail) - 1) != 0) if tail else code


def limited(span: Interval) -> Interval:
    """``span`` as far as ``MAX_SUMMED_BITS`` reach, of codes that are signed if its own are."""
    kind = FixedPoint(span.signed, MAX_SUMMED_BITS, 0).interval
    return Interval(max(span.lo, kind.lo), min(span.hi, kind.hi))


def _sums(digits: DigitSum, cut: IntArray) -> list[IntArray]:
    entries = (
        np.array(table, dtype=np.int64)[(cut >> low) & ((1 << high + 1 - low) - 1)]
        for table, (low, high) in zip(digits.tables, digits.places, strict=True)
    )
    return list(np.cumsum(np.stack(list(entries)), axis=0))


@lru_cache(maxsize=1 << 12)
def _ranges(digits: DigitSum) -> tuple[Interval, ...]:
    sums = _sums(digits, np.arange(digits.cut.lo, digits.cut.hi + 1, dtype=np.int64))
    return tuple(Interval(int(found.min()), int(found.max())) for found in sums)
