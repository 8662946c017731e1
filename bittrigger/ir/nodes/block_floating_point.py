"""Nodes of the integer graph for block floating point: the scale of each event, or token of it, follows from its largest code.

A dynamic quantiser is four nodes, each of which delivers one vector of codes like any other, or one for each of its copies:

* ``MagnitudeOr``: the OR of the magnitudes, whose bit length is that of the largest one;
* a ``Lookup`` on it (``exponent_table``): how many places the codes have to be shifted;
* ``ShiftDown``: the codes, shifted by so many places, rounded and clipped;
* later ``ShiftUp``: codes times two to the power of an exponent.

The codes of ``ShiftDown`` are sums' operands as they are: a matrix without bias commutes with the scale of the event. With
copies, a shifter reads a wire that puts the exponent of each token behind its codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Interval, Rounding, clip, shift_round


@dataclass(frozen=True, eq=False)
class MagnitudeOr:
    """The bitwise OR over the operand codes of ``magnitude >> drop``: one code, as many bits long as the largest, of each copy.

    The magnitude of a negative code is ``-1 - code`` if ``signed``, so that it has a bit less than the two's complement
    of the code, and 0 if not.
    """

    name: str
    inputs: tuple[str, ...]
    drop: int
    signed: bool
    frac: int = 0
    copies: int = 1

    @property
    def size(self) -> int:
        """One code a copy."""
        return self.copies


@dataclass(frozen=True, eq=False)
class ShiftDown:
    """``clip(round(codes / 2**(base + exponent)), lo, hi)``, rounded half to even; the exponent is a copy's last operand code.

    ``size`` counts the results of all copies. ``lo`` and ``hi`` are the ends of a two's complement or unsigned type. The exponent
    comes from the ``exponent_table`` of a ``MagnitudeOr`` over the same codes: below the highest exponent, every code fits as it
    is shifted.
    """

    name: str
    inputs: tuple[str, ...]
    size: int
    base: int
    lo: int
    hi: int
    frac: int
    copies: int = 1

    @property
    def signed(self) -> bool:
        """Whether there are negative results."""
        return self.lo < 0

    @property
    def magnitude_bits(self) -> int:
        """Bits of a result, its sign left out."""
        return self.hi.bit_length()


@dataclass(frozen=True, eq=False)
class ShiftUp:
    """``codes * 2**exponent``; the exponent is a copy's last operand code, and not negative. ``size`` is that of all copies."""

    name: str
    inputs: tuple[str, ...]
    size: int
    frac: int
    copies: int = 1


Scaling = MagnitudeOr | ShiftDown | ShiftUp


def exponent_table(highest: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Starts and values of the ``Lookup`` that gives the bit length of a code, ``highest`` for longer ones."""
    return (0, *(1 << k for k in range(highest))), tuple(range(highest + 1))


def magnitudes(codes: IntArray, *, signed: bool) -> IntArray:
    """The magnitude of each code as ``MagnitudeOr`` has it."""
    return np.where(codes < 0, ~codes if signed else 0, codes)


def evaluate_scaling(node: Scaling, codes: IntArray) -> IntArray:
    """The output codes of one copy of ``node``, `(events, results)`, for operand codes `(events, n_in)`."""
    match node:
        case MagnitudeOr():
            kept = magnitudes(codes, signed=node.signed) >> node.drop
            joined: IntArray = np.bitwise_or.reduce(kept, axis=1, keepdims=True)
            return joined
        case ShiftDown():
            return _shifted_down(node, codes[:, :-1], codes[:, -1])
        case ShiftUp():
            shifted: IntArray = codes[:, :-1] << codes[:, -1:]
            return shifted


def _shifted_down(node: ShiftDown, codes: IntArray, exponents: IntArray) -> IntArray:
    result = np.empty_like(codes)
    for exponent in np.unique(exponents):
        rows = exponents == exponent
        result[rows] = shift_round(codes[rows], node.base + int(exponent), Rounding.RND_CONV)
    return clip(result, node.lo, node.hi)


def scaling_intervals(node: Scaling, source: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The hull of each output code of one copy of ``node``, given the hulls of its operand.

    That of ``MagnitudeOr`` is exact in its bit length.
    """
    match node:
        case MagnitudeOr():
            spans = [_magnitude(interval, signed=node.signed) for interval in source]
            highest = max(span.hi for span in spans) >> node.drop
            if len(spans) > 1:
                highest = (1 << highest.bit_length()) - 1
            return (Interval(max(span.lo for span in spans) >> node.drop, highest),)
        case ShiftDown():
            return tuple(_down_interval(node, interval, source[-1]) for interval in source[:-1])
        case ShiftUp():
            return tuple(_up_interval(interval, source[-1]) for interval in source[:-1])


def _magnitude(interval: Interval, *, signed: bool) -> Interval:
    ends = magnitudes(np.array([interval.lo, interval.hi], dtype=object), signed=signed)
    lowest = 0 if interval.lo <= 0 <= interval.hi else min(ends)
    return Interval(int(lowest), int(max(ends)))


def _down_interval(node: ShiftDown, interval: Interval, exponent: Interval) -> Interval:
    near, far = (node.base + min(max(end, 0), MAX_WIDTH) for end in (exponent.lo, exponent.hi))
    lo = shift_round(np.array([interval.lo], dtype=object), near if interval.lo < 0 else far, Rounding.RND_CONV)
    hi = shift_round(np.array([interval.hi], dtype=object), far if interval.hi < 0 else near, Rounding.RND_CONV)
    return Interval(*(int(clip(end, node.lo, node.hi)[0]) for end in (lo, hi)))


def _up_interval(interval: Interval, exponent: Interval) -> Interval:
    near, far = (min(max(end, 0), MAX_WIDTH) for end in (exponent.lo, exponent.hi))
    lo = interval.lo << (far if interval.lo < 0 else near)
    hi = interval.hi << (near if interval.hi < 0 else far)
    return Interval(lo, hi)


def operand_bits(node: Scaling, source: tuple[Interval, ...], result: tuple[Interval, ...]) -> tuple[int, ...]:
    """Bits of a register in front of each part of the logic of ``node``: what that part reads.

    A ``ShiftDown`` has two parts: it shifts, and then rounds the shifted codes with two bits below and their limits.
    """
    if isinstance(node, MagnitudeOr):
        kept = (
            (min(span.width - span.signed - node.drop, result[0].width), span.signed) for span in source if result[0].hi
        )
        return (sum(bits + signed for bits, signed in kept if bits > 0),)
    codes = [span for span, out in zip(source[:-1], result, strict=True) if out.lo < out.hi]
    exponent = source[-1].hi.bit_length() if codes else 0
    first = exponent + sum(span.width for span in codes)
    if isinstance(node, ShiftUp):
        return (first,)
    shifted = len(codes) * (node.magnitude_bits + node.signed + 2)
    return first, shifted + sum(limits(node, span, source[-1].hi) for span in codes)


def limits(node: ShiftDown, span: Interval, highest: int) -> int:
    """How many ends of the range of ``node`` a code can lie beyond at the highest exponent."""
    top = node.magnitude_bits + node.base + highest
    below = span.lo < 0 if not node.signed else span.lo < -1 << top
    return int(span.hi >= 1 << top) + int(below)
