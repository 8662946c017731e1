"""How a ``Requantize`` node limits a code that is rounded already: what the emitter builds, and what delays are reckoned from."""

from __future__ import annotations

import enum

from bittrigger.ir.fixed import Interval
from bittrigger.ir.nodes import Requantize


class Limiter(enum.Enum):
    """The form of a limiter."""

    NONE = "the code as it is"
    SIGN = "zero where the sign says so, two bits a LUT"
    UPPER = "all ones where an upper bit is set, zero where the sign says so, two bits a LUT"
    BOTH = "the highest or lowest code where the upper bits differ, two bits a LUT"
    CHOSEN = "one of the limits, or the code"


def limiter_of(low: Interval, node: Requantize, width: int, *, by_sign: bool) -> Limiter:
    """The form for a rounded code in the range ``low``.

    Args:
        width: bits of the result.
        by_sign: whether the limit below is 0, and the sign of the code before it was rounded decides it.
    """
    over, under = low.hi > node.hi, low.lo < node.lo
    full = is_power(node.hi + 1)
    if not (over or under or by_sign):
        return Limiter.NONE
    if by_sign and not over:
        return Limiter.SIGN
    if over and full and not low.signed and not under:
        return Limiter.UPPER
    if over and under and full and node.lo == -node.hi - 1 and width > 1:
        return Limiter.BOTH
    return Limiter.CHOSEN


def is_power(value: int) -> bool:
    """Whether ``value`` is a power of two."""
    return value > 0 and value & (value - 1) == 0


INPUTS = 6
"""Of a LUT."""

DIRECT = 2
"""Upper bits, or decisions over them, that the LUTs of a limiter read themselves."""


def groups(signals: int) -> int:
    """Into how many LUTs what so many signals decide is divided first."""
    return -(-signals // INPUTS)


def told(form: Limiter, upper: int, *, by_sign: bool) -> int:
    """Signals by which the LUTs of a limiter know what to do, the bits of the code not counted.

    Args:
        upper: bits of the rounded code above those of the result.
    """
    match form:
        case Limiter.NONE | Limiter.CHOSEN:
            return 0
        case Limiter.SIGN:
            return 1
        case Limiter.BOTH:
            return 2
        case Limiter.UPPER:
            return by_sign + (upper if upper <= DIRECT else groups(upper) if groups(upper) <= DIRECT else 1)


def last_bit_apart(node: Requantize, form: Limiter, low: Interval, width: int, dropped: int, *, by_sign: bool) -> bool:
    """Whether the last bit of a code whose ties are cleared has a LUT of its own, where that takes a level less and no LUT more.

    That LUT reads what the limiter reads and the bits that are dropped, or where they are many the LUTs that read these.

    Args:
        low: range of the rounded code.
        dropped: bits of the code that are dropped.
    """
    upper = low.width - width
    signals = 1 + told(form, upper, by_sign=by_sign)
    if not node.clears_ties or signals == 1 or width <= 1 + (form is Limiter.BOTH):
        return False
    at_once = form is Limiter.SIGN or (form is Limiter.UPPER and upper <= DIRECT)
    if at_once and signals + dropped <= INPUTS:
        return True
    return dropped >= INPUTS and signals + groups(dropped) <= INPUTS
