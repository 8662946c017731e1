"""Means of any number of codes, rounded to any type in integers: long division against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from bittrigger.frontend.elementwise.chains import Apply, Divide
from bittrigger.frontend.elementwise.functions.rounding import assigning_to, rounding_to
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.division import rounded_quotient
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.casts import Cast
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Overflow, Rounding
from bittrigger.ir.graph import Graph, evaluate


def rounded(value: Fraction, mode: Rounding) -> int:  # noqa: PLR0911 - one return a mode
    half, down = Fraction(1, 2), math.floor(value)
    match mode:
        case Rounding.TRN:
            return down
        case Rounding.TRN_ZERO:
            return math.trunc(value)
        case Rounding.RND:
            return math.floor(value + half)
        case Rounding.RND_MIN_INF:
            return math.ceil(value - half)
        case Rounding.RND_ZERO:
            return math.ceil(value - half) if value > 0 else math.floor(value + half)
        case Rounding.RND_INF:
            return math.floor(value + half) if value > 0 else math.ceil(value - half)
    return round(value)


def code(value: Fraction, kind: Cast) -> int:
    found, span = rounded(value * 2**kind.frac, kind.rounding), kind.limits
    if kind.overflow is Overflow.WRAP:
        return (found - span.lo) % (1 << kind.fixed.width) + span.lo
    return min(max(found, span.lo), span.hi)


def divided(port: FixedPoint, divisor: int, function):
    builder = Builder("net")
    given = builder.add_input("x", 2, port, port.interval)
    steps = (Divide("m", divisor), Apply("m", function))
    made = rounded_quotient(builder, Signal((given,), (2,), steps=steps))
    graph = Graph("net", builder.nodes, made.parts)
    verify(graph)
    return graph


def codes_of(port: FixedPoint, divisor: int):
    """Corners, values about multiples of the divisor, and of its half, and random ones."""
    span, random = port.interval, np.random.default_rng(1)
    near = [n * divisor // 2 * 2**places + d for n in range(-4, 5) for places in (0, 3, 11) for d in (-1, 0, 1)]
    drawn = random.integers(span.lo, span.hi, 60, endpoint=True).tolist()
    return [value for value in (*near, *drawn, span.lo, span.hi, 0) if value in span]


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("limit", [Overflow.WRAP, Overflow.SAT, Overflow.SAT_SYM])
def test_every_rounding_of_means(mode, limit):
    for port, divisor in (
        (FixedPoint(True, 10, 4), 6),
        (FixedPoint(True, 41, 23), 18),
        (FixedPoint(False, 36, 20), 324),
    ):
        kind = Cast(FixedPoint(True, 12, 7), mode, limit)
        values = codes_of(port, divisor)
        graph = divided(port, divisor, assigning_to(kind))
        events = np.array([[value, values[0]] for value in values], dtype=np.int64)
        found = evaluate(graph, events)[:, 0].tolist()
        assert found == [code(Fraction(value, 2**port.frac * divisor), kind) for value in values]


def test_the_quantiser_of_qkeras_behind_a_mean():
    port, kind = FixedPoint(True, 36, 20), FixedPoint(True, 24, 18)
    graph, values = divided(port, 10, rounding_to(kind)), codes_of(port, 10)
    found = evaluate(graph, np.array([[value, 0] for value in values], dtype=np.int64))[:, 0].tolist()
    saturating = Cast(kind, Rounding.RND_CONV, Overflow.SAT)
    assert found == [code(Fraction(value, 2**port.frac * 10), saturating) for value in values]


def test_what_is_no_division_is_left_to_others():
    builder = Builder("net")
    given = builder.add_input("x", 1, FixedPoint(True, 8, 4), FixedPoint(True, 8, 4).interval)
    assert rounded_quotient(builder, Signal((given,), (1,), steps=(Divide("m", 3),))) is None
    assert rounded_quotient(builder, Signal((given,), (1,))) is None
    wide = FixedPoint(True, 61, 4)
    given = builder.add_input("y", 1, wide, wide.interval)
    kind = assigning_to(Cast(FixedPoint(True, 12, 7), Rounding.TRN, Overflow.SAT))
    assert rounded_quotient(builder, Signal((given,), (1,), steps=(Divide("m", 3), Apply("m", kind)))) is None
