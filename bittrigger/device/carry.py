"""Where the top bit of an adder is a carry, and takes no LUT.

Every operand brings a small number to the two top bits of the sum: one that is signed and narrower than the result brings 0
or -1 of the bit below the top, an unsigned one 0 or 1; 2 is added where the sum is signed, so that all of it is positive. With
the carry that three operands save below, the total is ``u``. A step of the carry chain adds ``u`` if it is 0, 1 (propagate) or
2 (generate), and its carry out is then the top bit, inverted if the sum is signed. ``bittrigger_adder2_carry`` and
``bittrigger_adder3_carry`` in ``firmware/ultrascale`` are built so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from bittrigger.ir.adders import Adder
from bittrigger.ir.fixed import Interval

MAX_SUBTRACTED = 2
"""Operands that one adder subtracts."""

NARROW = 3
"""An operand that is so many bits narrower than the sum, or more, reaches no bit that decides."""


@dataclass(frozen=True, slots=True)
class Field:
    """An operand of an adder as a wire.

    Attributes:
        width: bits from the lowest bit of the adder on.
        signed: whether the top bit is a sign.
        negative: whether the operand is subtracted.
    """

    width: int
    signed: bool
    negative: bool

    @staticmethod
    def of(span: Interval, low: int, *, negative: bool) -> Field:
        """The field of a value in ``span``, for an adder whose lowest bit is bit ``low``."""
        return Field(max(span.width - low, 1), span.signed, negative)


def constant_operand(adder: Adder) -> tuple[int, bool]:
    """The constant of ``adder`` as an operand: the number, and whether it is subtracted.

    Adders in primitives subtract at most two operands: a third negative one is added, modulo a power of two.
    """
    subtracted = adder.constant < 0 and sum(term.negative for term in adder.terms) < MAX_SUBTRACTED
    return (-adder.constant if subtracted else adder.constant), subtracted


def fields_of(adder: Adder, ranges: Sequence[Interval], low: int) -> tuple[Field, ...]:
    """The operands of ``adder`` above bit ``low``, its constant last, given the ranges of all values."""
    fields = [Field.of(ranges[term.value] << term.shift, low, negative=term.negative) for term in adder.terms]
    if adder.constant:
        number, subtracted = constant_operand(adder)
        fields.append(Field.of(Interval(number, number), low, negative=subtracted))
    return tuple(fields)


def top_is_carry(fields: Sequence[Field], width: int, *, signed: bool) -> bool:
    """Whether the top bit of a sum of two or three operands is a carry, whatever the bits of the operands.

    Args:
        width: bits of the sum, from the lowest bit of the adder on.
        signed: whether it is signed.
    """
    if not 2 <= len(fields) <= width or any(field.width >= width for field in fields):
        return False
    if signed != any(field.signed or field.negative for field in fields):
        return False
    kinds = ((width - field.width, field.signed, field.negative) for field in fields)
    return _is_carry(tuple(sorted((min(gap, NARROW), *kind) for gap, *kind in kinds)))


def plain_carry(fields: Sequence[Field], width: int) -> bool:
    """Whether it is one that every tool finds: the carry out of two unsigned operands that end below the top bit."""
    return len(fields) == 2 and all(not (f.signed or f.negative) and f.width < width for f in fields)


def has_carry_out(adder: Adder, fields: Sequence[Field], width: int, *, signed: bool) -> bool:
    """Whether ``adder`` is one of the firmware library whose top bit is a carry; a value and a constant are left to the tools.

    Args:
        fields: its operands, in any order.
        width: as of ``top_is_carry``, and so is ``signed``.
    """
    return len(adder.terms) > 1 and top_is_carry(fields, width, signed=signed) and not plain_carry(fields, width)


@cache
def _is_carry(kinds: tuple[tuple[int, bool, bool], ...]) -> bool:
    """As ``top_is_carry``, by how much narrower than the sum each operand is."""
    raised = 2 * any(signed or negative for _, signed, negative in kinds)
    for parts in product(*(_parts(*kind) for kind in kinds)):
        saved = len(kinds) == 3 and sum(below for below, _ in parts) >= 2
        if not 0 <= raised + saved + sum(above for _, above in parts) <= 2:
            return False
    return True


def _parts(gap: int, signed: bool, negative: bool) -> list[tuple[int, int]]:
    """What an operand can bring: its bit two below the top of the sum, and the number that it adds above that.

    A negated operand is inverted; the 1 that makes it negative enters at the lowest bit.
    """
    bits = product((0, 1), repeat=2)
    if signed:
        parts = [(low, -high) for low, high in bits if gap == 1 or low == high]
    else:
        parts = [(low, high) for low, high in bits if (gap < NARROW or not low) and (gap == 1 or not high)]
    return [(1 - low, -1 - high) for low, high in parts] if negative else parts
