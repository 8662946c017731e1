"""Products of two signals: exact multipliers in LUTs, by Booth's recoding of the narrower factor.

The factor ``b`` is a sum of digits ``-2 … 2`` times powers of four, so ``a * b`` is as many rows as there are digits: each adds
``a`` times a digit to what the rows before have left above their two lowest bits, which are bits of the product already.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import IntArray, Interval

Ranges = tuple[Interval, ...]


@dataclass(frozen=True, eq=False)
class Product:
    """The product of the two operand codes, or the square of the only one: one code, of each of ``copies`` parts of the operand.

    Attributes:
        frac: fractional bits of the result; those of the operand codes may differ, and a wire in front does not show them.
    """

    name: str
    inputs: tuple[str, ...]
    frac: int
    copies: int = 1

    @property
    def size(self) -> int:
        """One code a copy."""
        return self.copies


def evaluate_product(codes: IntArray) -> IntArray:
    """The output code of one copy, `(events, 1)`, for operand codes `(events, 1 or 2)`."""
    return codes[:, :1] * codes[:, -1:]


def product_interval(source: Ranges) -> Interval:
    """The exact range of the output code, given those of the operand."""
    a, b = source[0], source[-1]
    if len(source) == 1:
        least = 0 if 0 in a else min(a.lo**2, a.hi**2)
        return Interval(least, max(a.lo**2, a.hi**2))
    corners = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    return Interval(min(corners), max(corners))


@dataclass(frozen=True)
class Booth:
    """How a product is built.

    Attributes:
        wide: number of the operand code that is added.
        narrow: number of the one that is recoded.
        rows: range of what each row leaves, in units of four to the power of its number.
        result: range of the product.
    """

    wide: int
    narrow: int
    rows: Ranges
    result: Interval


def booth(source: Ranges) -> Booth:
    """The rows of the product of codes of these ranges."""
    wide, narrow = 0, len(source) - 1
    if source[narrow].width > source[wide].width:
        wide, narrow = narrow, wide
    a, b, result = source[wide], source[narrow], product_interval(source)
    count = (b.width + 1) // 2 if b.signed else b.width // 2 + 1
    reach = Interval(min(2 * a.lo, -2 * a.hi), max(2 * a.hi, -2 * a.lo))
    last = Interval(result.lo >> 2 * (count - 1), result.hi >> 2 * (count - 1))
    return Booth(wide, narrow, (*(reach,) * (count - 1), last), result)


def digits(values: IntArray, count: int) -> IntArray:
    """Booth's digits of ``values``, lowest first, `(…, count)`: ``sum(digit * 4**k)`` is the value."""
    bits = _bits(values, 2 * count)
    return np.asarray(bits[..., 0:-2:2] + bits[..., 1:-1:2] - 2 * bits[..., 2::2])


def _bits(values: IntArray, count: int) -> IntArray:
    """A zero, and then bits ``0`` to ``count - 1`` of two's complement."""
    bits = values[..., None] >> np.arange(count) & 1
    return np.concatenate([np.zeros_like(bits[..., :1]), bits], axis=-1)


def row_bits(source: Ranges) -> tuple[int, ...]:
    """Bits of a register in front of each row: both factors, what the row before leaves, and the bits that are done."""
    plan = booth(source)
    a, b = source[plan.wide].width, source[plan.narrow].width
    first = a + b if len(source) > 1 else a
    later = (
        a + max(b - 2 * k + 1, 1) * (len(source) > 1) + plan.rows[k - 1].width + 2 * (k - 1)
        for k in range(1, len(plan.rows))
    )
    return (first, *later)
