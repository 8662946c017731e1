"""Softmax and its logarithm as tables of integers, exactly rounded: proven for every event when the tables are made.

``p_i = 1 / (1 + S_i)`` with ``S_i = sum of exp(z_j - z_i) over j != i``, so that ``p_i`` reaches a code where ``S_i`` does not
pass a constant. Each exponential is a table of integers with some bits behind the point, and their sum is compared with integers.
An integer sum and the true one differ by half a unit a term at most; the few sums that lie so near to a constant are all found,
and looked at with 200 bits. If two of them lie on the wrong sides of each other, another bit is taken.

No tie is left open: by the theorem of Lindemann and Weierstrass ``S_i`` is rational only where all logits are equal.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import partial
from math import comb

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.chains import StridedInterval
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.nodes.plans import MAX_BREAKPOINTS
from bittrigger.ir.fixed import MAX_WIDTH, IntArray

_PLACES = 200
"""Bits behind the point of the true sums."""

_CONTEXT = Context(prec=120)

MAX_SORTED = 1 << 22
"""Most sums of half of the classes that are kept."""

MAX_SEARCHES = 1 << 26
"""Most searches among them: some seconds of work."""

MAX_DIFFERENCES = 1 << 20
"""Most differences of logits whose exponentials are computed, which takes 20 s."""

MAX_DEPTH = 4096
"""How far a logarithm may reach below 0."""

MAX_HITS = 1 << 16
"""Most sums near one constant that are looked at; where there are more, another bit is taken."""


@dataclass(frozen=True)
class SoftmaxTables:
    """What one class needs.

    Attributes:
        starts, powers: the table of ``exp(difference)``; with one other class, that of the codes themselves.
        sum_starts, codes: the table from the sum of the powers to the codes; empty with one other class.
        places: bits behind the point of the powers.
    """

    starts: tuple[int, ...]
    powers: tuple[int, ...]
    sum_starts: tuple[int, ...]
    codes: tuple[int, ...]
    places: int


@dataclass(frozen=True)
class _Bound:
    """The constant that the sum must not pass for ``code``, between ``lo`` and ``hi`` units of ``2**-_PLACES``."""

    code: int
    lo: int
    hi: int


@dataclass(frozen=True, eq=False)
class _Powers:
    """The distinct integers of the table, and between which true values those lie that became each, in ``2**-_PLACES``."""

    integers: IntArray
    lo: tuple[int, ...]
    hi: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums of some powers, ascending, and the number of each power."""

    values: IntArray
    terms: IntArray


def softmax_tables(
    layer: str, classes: int, span: StridedInterval, frac: int, grid: Grid, *, log: bool
) -> SoftmaxTables:
    """The tables with which every code is the softmax, or its logarithm, rounded to ``grid``, half to even.

    Args:
        layer: for messages.
        classes: at least 2.
        span: every difference of two logits that can occur, with ``frac`` fractional bits.
        log: whether the logarithm is wanted.

    Raises:
        UnsupportedModelError: if tables, or the proof, become too large.
    """
    codes = _codes(grid, log=log)
    if not 0 < len(codes) <= MAX_BREAKPOINTS:
        raise _refused(layer, f"its type has {len(codes)} codes, of which up to {MAX_BREAKPOINTS} are allowed")
    if log and -codes[0] > MAX_DEPTH * Fraction(2) ** grid.frac:
        raise _refused(layer, f"the logarithms of its type reach beyond -{MAX_DEPTH}")
    others, bounds = classes - 1, list(_bounds(grid, codes, log=log))
    if others == 1:
        return _of_two(layer, span, frac, bounds)
    if len(_differences(span)) > MAX_DIFFERENCES:
        raise _refused(layer, f"its logits differ by {len(_differences(span))} values")
    exponentials = _exponentials(span, frac, bounds[0].hi)
    if exponentials[span.lo][0] > bounds[0].hi:  # whatever comes, no code but the lowest is reached
        return SoftmaxTables((span.lo,), (1,), (0,), (codes[0] - 1,), 0)
    width = (max(bounds[0].hi >> _PLACES, 1) * others).bit_length() + 1
    for places in range(grid.frac + 2, MAX_WIDTH - width):
        powers = _powers(exponentials, places, bounds[0])
        if len(powers.integers) > MAX_BREAKPOINTS:
            raise _refused(layer, f"its table of powers has more than {MAX_BREAKPOINTS} steps")
        cuts = _cuts(layer, powers, others, bounds, places)
        if cuts is not None:
            return _tables(exponentials, powers, cuts, bounds, places)
    raise _refused(layer, f"its sums need more than {MAX_WIDTH} bits")


def _refused(layer: str, fact: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"layer {layer!r}: softmax is to be rounded exactly, and {fact}; allowed are few classes with few bits, for example 5 of "
        "quantized_bits(6,3); put a coarser quantizer before it, declare a narrower type for its result, or leave it out: the "
        "argmax of what goes into it is the same"
    )


def _codes(grid: Grid, *, log: bool) -> range:
    """The codes that occur, from the second lowest on."""
    top = min(grid.hi, 0 if log else 1 << grid.frac if grid.frac >= 0 else 1)
    return range((grid.lo if log else max(grid.lo, 0)) + 1, top + 1)


def _differences(span: StridedInterval) -> range:
    """The differences of ``span``."""
    return range(span.lo, span.hi + 1, max(span.stride, 1))


def _bounds(grid: Grid, codes: range, *, log: bool) -> Iterator[_Bound]:
    """The largest sum of each of ``codes``, which ascend, so that sums descend."""
    one = 1 << _PLACES
    for code in codes:
        half = Fraction(2 * code - 1, 2) / Fraction(2) ** grid.frac
        if log:
            lo = _scaled(_CONTEXT.exp(_CONTEXT.divide(Decimal(-half.numerator), Decimal(half.denominator))))
            yield _Bound(code, lo - one - 1, lo - one + 1)
        else:
            exact = (1 / half - 1) * one
            yield _Bound(code, int(exact // 1), -int(-exact // 1))


def _scaled(value: Decimal) -> int:
    """``value`` in units of ``2**-_PLACES``, cut."""
    return int(_CONTEXT.multiply(value, Decimal(1 << _PLACES)))


def _exponentials(span: StridedInterval, frac: int, most: int) -> dict[int, tuple[int, int]]:
    """Each difference that can occur, and between which values its exponential lies, up to the first that passes ``most``."""
    found: dict[int, tuple[int, int]] = {}
    for code in _differences(span):
        found[code] = _exponential(code, frac, most)
        if found[code][0] > most:
            break
    return found


def _exponential(code: int, frac: int, most: int) -> tuple[int, int]:
    """Between which values the exponential of a difference lies; where it is far beyond ``most``, just beyond."""
    if code == 0:
        return (1 << _PLACES, 1 << _PLACES)
    if code > math.ldexp(2 * MAX_DEPTH, frac):  # its digits would fill the memory
        return (most + 1, most + 1)
    value = _scaled(_CONTEXT.exp(_CONTEXT.divide(Decimal(code), _CONTEXT.power(Decimal(2), frac))))
    return (value - 1, value + 1)


def _of_two(layer: str, span: StridedInterval, frac: int, bounds: Sequence[_Bound]) -> SoftmaxTables:
    """One other class: the code is a function of the one difference, whose steps are searched."""
    differences, begin = _differences(span), 0
    starts: list[int] = []
    codes: list[int] = []

    def beyond(difference: int, bound: _Bound) -> bool:
        side = _side(*_exponential(difference, frac, bounds[0].hi), bound)
        if side is None:
            raise _refused(layer, "200 bits do not decide a code")
        return not side

    for bound in reversed(bounds):
        end = bisect_left(differences, True, lo=begin, key=partial(beyond, bound=bound))
        if end > begin:
            starts.append(differences[begin])
            codes.append(bound.code)
        begin = end
    if begin < len(differences):
        starts.append(differences[begin])
        codes.append(bounds[0].code - 1)
    return SoftmaxTables(tuple(starts), tuple(codes), (), (), 0)


def _side(lo: int, hi: int, bound: _Bound) -> bool | None:
    """Whether a sum between ``lo`` and ``hi`` does not pass ``bound``; None where that is not known."""
    if lo == hi == bound.lo == bound.hi:  # a tie goes to the even code
        return bound.code % 2 == 0
    if hi < bound.lo:
        return True
    return False if lo > bound.hi else None


def _powers(exponentials: dict[int, tuple[int, int]], places: int, largest: _Bound) -> _Powers:
    """The integers of the table that do not pass every bound by themselves."""
    groups: dict[int, tuple[int, int]] = {}
    for lo, hi in exponentials.values():
        if lo <= largest.hi:
            number = _rounded(lo, places)
            low, high = groups.get(number, (lo, hi))
            groups[number] = (min(low, lo), max(high, hi))
    ascending = sorted(groups)
    return _Powers(
        np.array(ascending, dtype=np.int64),
        tuple(groups[number][0] for number in ascending),
        tuple(groups[number][1] for number in ascending),
    )


def _rounded(value: int, places: int) -> int:
    """``value`` with ``places`` bits behind the point."""
    drop = _PLACES - places
    return (value + (1 << (drop - 1))) >> drop


def _cuts(layer: str, powers: _Powers, others: int, bounds: Sequence[_Bound], places: int) -> list[int] | None:
    """The largest integer sum of each code; None if with so many places no integer divides the sums."""
    count, second = len(powers.integers), (others + 1) // 2
    first = others - second
    sizes = [comb(count + terms - 1, terms) for terms in (first, second)]
    if sizes[1] > MAX_SORTED or sizes[0] * len(bounds) > MAX_SEARCHES:
        raise _refused(
            layer, f"the sums of {others} of {count} powers and {len(bounds)} codes are too many to look at them all"
        )
    parts = _sums(powers, first), _sums(powers, second)
    cuts: list[int] = []
    for bound in bounds:
        cut = _cut(powers, parts, others, bound, places)
        if cut is None:
            return None
        cuts.append(cut)
    return cuts


def _sums(powers: _Powers, terms: int) -> _Sums:
    """All sums of ``terms`` powers, in whatever order these stand."""
    count = len(powers.integers)
    chosen = np.arange(count, dtype=np.int64)[:, None]
    for _ in range(terms - 1):
        more = count - chosen[:, -1]
        firsts = np.repeat(np.cumsum(more) - more, more)
        added = np.arange(len(firsts)) - firsts + np.repeat(chosen[:, -1], more)
        chosen = np.concatenate([np.repeat(chosen, more, axis=0), added[:, None]], axis=1)
    values = powers.integers[chosen].sum(axis=1)
    order = np.argsort(values, kind="stable")
    return _Sums(values[order], chosen[order].astype(np.int16))


def _cut(powers: _Powers, parts: tuple[_Sums, _Sums], others: int, bound: _Bound, places: int) -> int | None:
    """The largest integer sum that stands for sums up to ``bound``; None if there is none."""
    small, large = parts
    middle, band = bound.lo >> (_PLACES - places), others // 2 + 2
    left = np.searchsorted(large.values, middle - band - small.values, side="left")
    right = np.searchsorted(large.values, middle + band - small.values, side="right")
    if int((right - left).sum()) > MAX_HITS:
        return None
    below, above = middle - band - 1, middle + band + 1
    for k in np.flatnonzero(right > left).tolist():
        for j in range(int(left[k]), int(right[k])):
            chosen = (*small.terms[k].tolist(), *large.terms[j].tolist())
            side = _side(sum(powers.lo[c] for c in chosen), sum(powers.hi[c] for c in chosen), bound)
            total = int(small.values[k] + large.values[j])
            if side is None:
                return None
            if side:
                below = max(below, total)
            else:
                above = min(above, total)
        if below >= above:
            return None
    return _roundest(below, above - 1)


def _roundest(lo: int, hi: int) -> int:
    """The number of ``lo`` to ``hi`` above which the next has most zeros at its end, as a comparison with it is cheaper."""
    for zeros in range(hi.bit_length() + 1, -1, -1):
        found = ((hi + 1) >> zeros << zeros) - 1
        if lo <= found:
            return found
    return hi


def _tables(
    exponentials: dict[int, tuple[int, int]],
    powers: _Powers,
    cuts: Sequence[int],
    bounds: Sequence[_Bound],
    places: int,
) -> SoftmaxTables:
    beyond = max(int(powers.integers[-1]), *cuts) + 1
    starts: list[int] = []
    values: list[int] = []
    for difference, (lo, _) in exponentials.items():
        value = _rounded(lo, places) if lo <= bounds[0].hi else beyond
        if not values or values[-1] != value:
            starts.append(difference)
            values.append(value)
    sum_starts, codes = [0], [bounds[-1].code]
    for bound, cut in zip(reversed(bounds), reversed(cuts), strict=True):
        if cut < sum_starts[-1]:
            codes[-1] = bound.code - 1
            continue
        sum_starts.append(cut + 1)
        codes.append(bound.code - 1)
    return SoftmaxTables(tuple(starts), tuple(values), tuple(sum_starts), tuple(codes), places)
