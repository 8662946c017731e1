"""Integers as linear forms: what a bundle of wires is worth, for every input at once.

A form is a sum of symbols times integers, plus a constant. Symbols are the input codes of a module and, where wires are
cut, floors: ``floor(L / 2**k)`` of an earlier form ``L``. Floors of the same form are the same symbol, so that they
cancel where the parts of a cut word come together again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bittrigger.fixed import Interval
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


def _rest(symbol: int, coefficient: int, shift: int) -> int:
    """What of a term stays below the cut: nothing, or all of it, but of a constant only its lowest bits."""
    low = coefficient % (1 << shift)
    return low if symbol == UNIT or not low else coefficient


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
        """``floor(form / 2**shift)``, always in the same words for the same function."""
        whole = {symbol: c >> shift for symbol, c in form.items() if c >> shift and not _rest(symbol, c, shift)}
        rest = {symbol: r for symbol, c in form.items() if (r := _rest(symbol, c, shift))}
        if form.get(UNIT, 0) >> shift:
            whole[UNIT] = form[UNIT] >> shift
        if set(rest) <= {UNIT}:
            return whole
        common = min((c & -c).bit_length() - 1 for symbol, c in rest.items() if symbol != UNIT)
        if common:  # floor((2R + r) / 4) = floor((R + floor(r / 2)) / 2)
            halved = {symbol: c >> common for symbol, c in rest.items() if c >> common}
            return combine((whole, 1), (self._floor(halved, shift - common), 1))
        inner = next((symbol for symbol, c in sorted(rest.items()) if c == 1 and symbol in self._inside), None)
        if inner is not None:  # floor((floor(L / 2**i) + M) / 2**j) = floor((L + 2**i * M) / 2**(i + j))
            cut, cut_by = self._inside[inner]
            joined = combine((cut, 1), (rest, 1 << cut_by), ({inner: 1}, -(1 << cut_by)))
            return combine((whole, 1), (self._floor(joined, shift + cut_by), 1))
        key = (frozenset(rest.items()), shift)
        if key not in self._floors:
            self._floors[key] = symbol = len(self.spans)
            hull = self.hull(rest)
            self.spans.append(Interval(hull.lo >> shift, hull.hi >> shift))
            self._inside[symbol] = (rest, shift)
        return combine((whole, 1), ({self._floors[key]: 1}, 1))

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
