"""The tail of the normal distribution between bounds, for functions that are made of it."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

_NEAR = 3
"""Up to which a series is short; beyond it a continued fraction is."""

_LONGEST = 4000
"""Most terms of either."""

Pair = tuple[Fraction, Fraction]


def tail(point: Fraction, power: Pair, digits: int) -> Pair:
    """``erfc(point / sqrt(2)) / 2`` of a positive ``point``, strictly between two fractions.

    Args:
        power: what ``exp(-point**2 / 2)`` lies between.
        digits: decimal ones, to which bounds are drawn together.
    """
    least, most = _density_at_0(digits)
    close = Fraction(1, 10**digits)
    if point < _NEAR:  # 1/2 less the density times point + point**3 / 3 + point**5 / 15 + ...
        term = total = point
        for number in range(3, _LONGEST, 2):
            term = term * point**2 / number
            total += term
            if term < close and point**2 * 2 < number:
                break
        half = Fraction(1, 2)
        return half - power[1] * most * (total + 2 * term), half - power[0] * least * total
    lower, upper = _ratio(point, close)
    return power[0] * least * lower, power[1] * most * upper


def _ratio(point: Fraction, close: Fraction) -> Pair:
    """The tail over the density, 1/(x + 1/(x + 2/(x + 3/(x + ...)))): one part of it after the other lies above and below."""
    before, now = (Fraction(1), Fraction(0)), (Fraction(0), Fraction(1))
    found: list[Fraction] = []
    for number in range(_LONGEST):
        factor = max(number, 1)
        before, now = now, (point * now[0] + factor * before[0], point * now[1] + factor * before[1])
        scale = now[1]
        before, now = (before[0] / scale, before[1] / scale), (now[0] / scale, Fraction(1))
        found.append(now[0])
        if number and abs(found[-1] - found[-2]) < close:
            break
    return min(found[-2:]), max(found[-2:])


@lru_cache
def _density_at_0(digits: int) -> Pair:
    """``1 / sqrt(2 pi)``, by Machin's formula."""
    close = Fraction(1, 10 ** (digits + 5))

    def arc_cotangent(number: int) -> Fraction:
        total, term, odd = Fraction(0), Fraction(1, number), 1
        while term / odd > close:
            total += (term if odd % 4 == 1 else -term) / odd
            term, odd = term / number**2, odd + 2
        return total

    pi = 4 * (4 * arc_cotangent(5) - arc_cotangent(239))
    context = Context(prec=digits + 5)
    root = Fraction(context.sqrt(context.divide(Decimal(pi.denominator), Decimal(2 * pi.numerator))))
    wide = Fraction(1, 10 ** (digits - 2))
    return root - wide, root + wide
