"""Where a code divided by the length of its vector passes a constant: one comparison of integers, right for every vector.

``N / sqrt(S + e)`` is at least ``w`` where ``P >= r * (S + e)``, with the signed square ``P`` of ``N`` and ``r`` of ``w``. ``P``
takes few values, and for each of them the ``S`` that fulfil it end at one integer, which is computed in fractions without limit.
``2**s * P >= m * S + o`` is the same for every vector if it has these ends; the smallest ``s`` with such integers is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

from bittrigger.ir.digits import signed_digits
from bittrigger.ir.fixed import MAX_WIDTH

MAX_PLACES = 48
"""Most bits by which squares are multiplied."""

_NEARBY = 2
_LONGER = 3
"""How far around the ratio factors are tried, and how many bits beyond the fewest, in search of one with few digits."""


@dataclass(frozen=True)
class Ratio:
    """``P >= ratio * (S + extra)``; where both are equal, only if ``even``."""

    ratio: Fraction
    extra: Fraction
    even: bool


@dataclass(frozen=True)
class Reached:
    """The vectors that can occur.

    Attributes:
        peak: largest magnitude of ``N``.
        most: largest ``S``.
        least: the smallest ``S`` with a given magnitude of ``N``.
    """

    peak: int
    most: int
    least: Callable[[int], int]


@dataclass(frozen=True)
class Comparison:
    """``2**places * P - factor * S - offset >= 0``."""

    places: int
    factor: int
    offset: int


def comparison(wanted: Ratio, reached: Reached) -> Comparison | bool | None:
    """Integers for ``wanted``; a truth value where it is the same for every vector; None where there are none."""
    if wanted.ratio == 0:
        return Comparison(0, 0, 0 if wanted.even else 1)
    rising, size = wanted.ratio > 0, abs(wanted.ratio)
    above, below = _ends(wanted, reached)
    if not below:
        return not rising
    lower, upper = (np.array(ends, dtype=np.int64).T for ends in ([*above, (0, 0)], below))
    found: list[tuple[int, Comparison]] = []
    for places in range(MAX_PLACES):
        middle = round(size * 2**places)
        if max(middle * reached.most, reached.peak**2 << places).bit_length() > MAX_WIDTH - 2:
            break
        for factor in range(max(middle - _NEARBY, 0), middle + _NEARBY + 1):
            lo = int(((lower[1] << places) - factor * lower[0]).max()) + rising
            hi = int(((upper[1] << places) - factor * upper[0]).min()) - (not rising)
            if lo <= hi:
                sign = 1 if rising else -1
                found.append((len(signed_digits(factor)), Comparison(places, sign * factor, sign * lo)))
        if found and places >= found[0][1].places + _LONGER:
            break
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _ends(wanted: Ratio, reached: Reached) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Each ``S`` with a square that ``factor * S + offset`` has to reach, and with one that it must not pass.

    Where the ratio is positive the first begin what is false, and the second end what is true; else the other way round.
    """
    above, below = [], []
    rising, size = wanted.ratio > 0, abs(wanted.ratio)
    for code in range(1, reached.peak + 1):
        end = code**2 / size - wanted.extra
        # The last one before the change, which is at the end itself where a tie belongs to what is above.
        last = floor(end) if rising == wanted.even else ceil(end) - 1
        least = reached.least(code)
        if last < reached.most and max(last + 1, least) <= reached.most:
            above.append((max(last + 1, least), code**2))
        if last >= least:
            below.append((min(last, reached.most), code**2))
    return above, below
