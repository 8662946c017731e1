"""A piecewise constant function as a sum of tables, one for each digit of the code, whose upper bits are the result.

``floor(code * a + b)`` is such a function, and so is what a limit behind it makes of that. Its tables need not be multiples
of ``a``: any entries will do whose sums give the same results, and these have far fewer bits than the products. A LUT that adds
a bit of a table in front of a carry reads one bit of the sum and five of the code, so that each digit takes one LUT a bit of
the sum; the first one, to which nothing is added, may have six bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from bittrigger.ir.fixed import IntArray, Interval

MAX_ENTRY_BITS = 48
"""Bits of an entry, and of what is dropped of a sum."""

MAX_SUMMED_BITS = 16
"""Bits of a code, every one of which is tried."""

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
    """

    span: Interval
    shift: int
    tables: tuple[tuple[int, ...], ...]

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """The lowest and the highest bit of each digit."""
        lows = (*digit_places(self.span.width), self.span.width)
        return tuple((low, above - 1) for low, above in pairwise(lows))

    def partial_sums(self, codes: IntArray) -> list[IntArray]:
        """The sums of the first table, of the first two, and so on."""
        entries = (
            np.array(table, dtype=np.int64)[(codes >> low) & ((1 << high + 1 - low) - 1)]
            for table, (low, high) in zip(self.tables, self.places, strict=True)
        )
        return list(np.cumsum(np.stack(list(entries)), axis=0))

    def value_of(self, codes: IntArray) -> IntArray:
        """Its value for each code."""
        value: IntArray = self.partial_sums(codes)[-1] >> self.shift
        return value

    @property
    def is_well_formed(self) -> bool:
        """Whether there is a table for each digit, with an entry for each pattern of it, of a size whose sums are exact."""
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


@lru_cache(maxsize=1 << 12)
def _ranges(digits: DigitSum) -> tuple[Interval, ...]:
    codes = np.arange(digits.span.lo, digits.span.hi + 1, dtype=np.int64)
    return tuple(Interval(int(sums.min()), int(sums.max())) for sums in digits.partial_sums(codes))
