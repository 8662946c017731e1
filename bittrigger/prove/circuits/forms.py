"""Integers as linear forms: what a bundle of wires is worth, for every input at once.

A form is a sum of symbols times integers, plus a constant. Symbols are the input codes of a module and, where wires are
cut, floors: ``floor(L / 2**k)`` of an earlier form ``L``. Floors of the same form are the same symbol, so that they
cancel where the parts of a cut word come together again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bittrigger.ir.fixed import IntArray, Interval
from bittrigger.prove.claims import Unproven

UNIT = -1
"""The symbol whose value is 1, for constants."""

Form = Mapping[int, int]


def combine(*parts: tuple[Form, int]) -> dict[int, int]:
    """The sum of forms times factors."""
    total: dict[int, int] = {}
    for form, factor in parts:
        for symbol, coefficient in form.items():
            total[symbol] = total.get(symbol, 0) + coefficient * factor
    return {symbol: coefficient for symbol, coefficient in total.items() if coefficient}


def _residue(symbol: int, coefficient: int, shift: int) -> int:
    """What of a coefficient stays below the cut: the residue that is smallest in size, of a constant the one above zero."""
    low = coefficient % (1 << shift)
    return low - (1 << shift) if symbol != UNIT and low > 1 << (shift - 1) else low


@dataclass(frozen=True)
class Value:
    """What some wires hold: the bits of ``form`` modulo ``2**width``, and ``form`` lies in ``span`` for every input."""

    form: Form
    span: Interval
    width: int


@dataclass
class Symbols:
    """The ranges of all symbols, and the floors among them."""

    spans: list[Interval]
    _floors: dict[tuple[frozenset[tuple[int, int]], int], int] = field(default_factory=dict)
    _inside: dict[int, tuple[Form, int]] = field(default_factory=dict)

    def codes_in(self, form: Form) -> set[int]:
        """The symbols that ``form`` depends on, floors replaced by what they are floors of."""
        found: set[int] = set()
        for symbol in form:
            if symbol in self._inside:
                found |= self.codes_in(self._inside[symbol][0])
            elif symbol != UNIT:
                found.add(symbol)
        return found

    def evaluate(self, form: Form, codes: Mapping[int, IntArray]) -> IntArray:
        """What ``form`` is worth for many events, where symbol ``k`` is ``codes[k]``; floors follow from these."""
        total = np.full(next(iter(codes.values())).shape, form.get(UNIT, 0), dtype=np.int64)
        for symbol, coefficient in form.items():
            if symbol in self._inside:
                cut, shift = self._inside[symbol]
                total += coefficient * (self.evaluate(cut, codes) >> shift)
            elif symbol != UNIT:
                total += coefficient * codes[symbol]
        return total

    def hull(self, form: Form) -> Interval:
        """The range of ``form`` if its symbols vary independently."""
        total = Interval(form.get(UNIT, 0), form.get(UNIT, 0))
        for symbol, coefficient in form.items():
            if symbol != UNIT:
                total += self.spans[symbol].scaled(coefficient)
        return total

    def value(self, form: Form, span: Interval, width: int) -> Value:
        """``form`` with the narrower of ``span`` and its hull."""
        hull = self.hull(form)
        return Value(form, Interval(max(span.lo, hull.lo), min(span.hi, hull.hi)), width)

    def floor(self, value: Value, shift: int) -> Value:
        """``floor(value / 2**shift)``; known to as many bits as lie above the cut."""
        if shift == 0:
            return value
        span = Interval(value.span.lo >> shift, value.span.hi >> shift)
        width = max(value.width - shift, 0)
        if span.lo == span.hi:
            return Value({UNIT: span.lo} if span.lo else {}, span, width)
        return Value(self._floor(value.form, shift), span, width)

    def _floor(self, form: Form, shift: int) -> dict[int, int]:
        """``floor(form / 2**shift)``, in the same words for the same function wherever one of these rules sees it."""
        if shift == 0:
            return dict(form)
        hull = self.hull(form)
        if hull.lo >> shift == hull.hi >> shift:
            return combine(({UNIT: hull.lo >> shift}, 1))
        if hull.lo < 0 and hull.width - 1 < shift:  # nothing but copies of the sign lies above
            return self._floor(form, hull.width - 1)
        rest = {symbol: r for symbol, c in form.items() if (r := _residue(symbol, c, shift))}
        if rest != dict(form):  # multiples of 2**shift come out whole
            whole = combine((form, 1), (rest, -1))
            return combine(({symbol: c >> shift for symbol, c in whole.items()}, 1), (self._floor(rest, shift), 1))
        return self._floor_of_residues(rest, shift)

    def _floor_of_residues(self, rest: Form, shift: int) -> dict[int, int]:
        """As ``_floor``, of a form that has no part that comes out whole."""
        common = min((c & -c).bit_length() - 1 for symbol, c in rest.items() if symbol != UNIT)
        if common:  # floor((2R + r) / 4) = floor((R + floor(r / 2)) / 2)
            return self._floor({symbol: c >> common for symbol, c in rest.items() if c >> common}, shift - common)
        smaller = self._without_fine_part(rest, shift)
        if smaller is not None:
            return self._floor(*smaller)
        inner = next((symbol for symbol, c in sorted(rest.items()) if c == 1 and symbol in self._inside), None)
        if inner is not None:  # floor((floor(L / 2**i) + M) / 2**j) = floor((L + 2**i * M) / 2**(i + j))
            cut, cut_by = self._inside[inner]
            joined = combine((cut, 1), (rest, 1 << cut_by), ({inner: 1}, -(1 << cut_by)))
            return self._floor(joined, shift + cut_by)
        key = (frozenset(rest.items()), shift)
        if key not in self._floors:
            self._floors[key] = symbol = len(self.spans)
            hull = self.hull(rest)
            self.spans.append(Interval(hull.lo >> shift, hull.hi >> shift))
            self._inside[symbol] = (rest, shift)
        return {self._floors[key]: 1}

    def _without_fine_part(self, rest: Form, shift: int) -> tuple[dict[int, int], int] | None:
        """``2**k * M + R`` where all that matters of ``R`` is its sign, or nothing: a smaller form with the same floor."""
        for k in range(shift - 1, 0, -1):
            fine = {symbol: c for symbol, c in rest.items() if c % (1 << k)}
            coarse = combine((rest, 1), (fine, -1))
            if UNIT in fine:
                fine[UNIT] %= 1 << k
                coarse = combine((rest, 1), (fine, -1))
            if not set(fine) - {UNIT} or not set(coarse) - {UNIT}:
                continue
            hull = self.hull(fine)
            if hull.lo >> k == hull.hi >> k:
                return combine(({s: c >> k for s, c in coarse.items()}, 1), ({UNIT: hull.lo >> k}, 1)), shift - k
            signs = hull.width - 1
            if hull.lo < 0 and signs < k:
                return combine((fine, 1), ({s: c >> (k - signs) for s, c in coarse.items()}, 1)), shift - (k - signs)
        return None

    def integer(self, value: Value, *, signed: bool) -> Value:
        """The integer that the ``width`` bits of ``value`` stand for, signed or not, whatever ``value`` is."""
        try:
            return self.exact(value, signed=signed)
        except Unproven:
            size = 1 << value.width
            low = -(size >> 1) if signed else 0
            raised = Value(combine((value.form, 1), ({UNIT: 1}, -low)), value.span + Interval(-low, -low), value.width)
            form = combine((value.form, 1), (self.floor(raised, value.width).form, -size))
            return self.value(form, Interval(low, low + size - 1), value.width)

    def exact(self, value: Value, *, signed: bool) -> Value:
        """``value`` as the integer that its ``width`` bits stand for, signed or not.

        Raises:
            Unproven: if it may leave the range of that many bits.
        """
        size = 1 << value.width
        found = _unwrapped(value, signed=signed)
        if found is None:  # terms that are multiples of the size change nothing, but they blur the range
            form = {symbol: c for symbol, c in value.form.items() if c % size}
            found = _unwrapped(Value(form, self.hull(form), value.width), signed=signed)
        if found is None:
            kind = "signed" if signed else "unsigned"
            raise Unproven(f"a value in [{value.span.lo}, {value.span.hi}] is read as {value.width} {kind} bits")
        return found


def _unwrapped(value: Value, *, signed: bool) -> Value | None:
    """``value`` less a multiple of ``2**width``, so that it is what its bits stand for; None if there is no such multiple."""
    size = 1 << value.width
    lowest = -(size >> 1) if signed else 0
    wraps = (value.span.lo - lowest) // size
    span = Interval(value.span.lo - wraps * size, value.span.hi - wraps * size)
    if span.hi >= lowest + size:
        return None
    form = combine((value.form, 1), ({UNIT: 1}, -wraps * size)) if wraps else value.form
    return Value(form, span, value.width)
