"""Products of two signals: exact multipliers in LUTs, by Booth's recoding of the narrower factor.

The factor ``b`` is a sum of digits ``-2 … 2`` times powers of four, so ``a * b`` is as many rows as there are digits: each adds
``a`` times a digit to what the rows before have left above their two lowest bits, which are bits of the product already.

A square is folded: with ``x = d + 4 u``, ``d`` the lowest digit, ``x**2 = d**2 + 8 d u + 16 u**2``, and ``u**2`` likewise. Each
row adds ``d**2 + 8 d u`` and settles four bits, and ``u`` is shorter by two bits each time, so that all rows together have little
more than half the bits of those of a product. ``d u`` needs no carry: ``u`` is the upper bits ``v`` of ``x``, and one more where
the digit is negative, so that it is ``|d| v`` or ``|d| (-v - 1)``, and the latter is ``|d|`` times ``v`` inverted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import IntArray, Interval

Ranges = tuple[Interval, ...]

MAX_SQUARED = 24
"""Widest code whose square is folded: so many bits a proof goes through, code by code. Beyond, it is a product."""


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
        rows: range of what each row leaves, in units of two to the power of ``settled`` times its number.
        result: range of the product.
        folded: whether it is a square, whose rows share its digits.
    """

    wide: int
    narrow: int
    rows: Ranges
    result: Interval
    folded: bool = False

    @property
    def settled(self) -> int:
        """Bits of the result that each row settles."""
        return 4 if self.folded else 2

    def left(self, number: int) -> Interval:
        """The range of what a row leaves above the bits that it settles."""
        return Interval(self.rows[number].lo >> self.settled, self.rows[number].hi >> self.settled)


def booth(source: Ranges) -> Booth:
    """The rows of the product of codes of these ranges."""
    if len(source) == 1 and source[0].width <= MAX_SQUARED:
        return _folded(source[0])
    wide, narrow = 0, len(source) - 1
    if source[narrow].width > source[wide].width:
        wide, narrow = narrow, wide
    a, b, result = source[wide], source[narrow], product_interval(source)
    count = _digit_count(b)
    reach = Interval(min(2 * a.lo, -2 * a.hi), max(2 * a.hi, -2 * a.lo))
    last = Interval(result.lo >> 2 * (count - 1), result.hi >> 2 * (count - 1))
    return Booth(wide, narrow, (*(reach,) * (count - 1), last), result)


def _digit_count(span: Interval) -> int:
    return (span.width + 1) // 2 if span.signed else span.width // 2 + 1


def _folded(span: Interval) -> Booth:
    """The rows of a square: the first ``k`` of them add up to ``r (2 x - r)``, where ``r`` are the ``k`` lowest digits."""
    count, result = _digit_count(span), product_interval((span,))
    rows = []
    for number in range(count - 1):
        least, most = -(2 << 2 * number), (2 << 2 * number) - 1
        ends = [r * (2 * x - r) for r in (least, most) for x in (span.lo, span.hi)]
        peak = max(min(abs(x), -least) for x in (span.lo, span.hi)) ** 2
        rows.append(Interval(min(ends) >> 4 * number, max(*ends, peak) >> 4 * number))
    last = 4 * (count - 1)
    return Booth(0, 0, (*rows, Interval(result.lo >> last, result.hi >> last)), result, folded=True)


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
    if plan.folded:
        return _square_bits(source[0].width, plan)
    a, b = source[plan.wide].width, source[plan.narrow].width
    first = a + b if len(source) > 1 else a
    later = (
        a + max(b - 2 * k + 1, 1) * (len(source) > 1) + plan.rows[k - 1].width + 2 * (k - 1)
        for k in range(1, len(plan.rows))
    )
    return (first, *later)


def _square_bits(width: int, plan: Booth) -> tuple[int, ...]:
    """Of a square: the digits that are left and the bit below them, what the row before leaves, and the bits that are done."""
    later = (
        max(width - 2 * k + 1, 1) + plan.left(k - 1).width + 4 * k - 1  # bit 1 of a square is always 0
        for k in range(1, len(plan.rows))
    )
    return (width, *later)
