"""Lines whose unit is no power of two, rounded exactly where a table or one multiplier is too wide: division by a constant.

``floor(n / d)`` of ``0 <= n < 2**b`` is ``(n * m) >> s`` with ``m = floor(2**s / d) + 1`` and ``s = b + bits(d)``. Wider numbers
are divided in two steps, the upper bits first. Source: Granlund and Montgomery, Division by Invariant Integers using
Multiplication (1994).

What comes out is twice the value, rounded down, with one more bit that says whether anything is left. Every rounding gives of
that what it gives of the value itself: it tells a half, less and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bittrigger.frontend.elementwise.chains import Apply
from bittrigger.frontend.elementwise.exact import Line, affine_part, line_of
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.casts import assigned
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import MAX_WIDTH, FixedPoint, Overflow, Rounding
from bittrigger.ir.graph import Linear, Requantize, frozen_array

AT_ONCE = 28
"""Most bits of a number that is divided in one step: its product has as many more, and a few."""

MOST_OF_A_UNIT = 24

MORE = 2
"""Bits behind the point of the type that a value has before it is rounded: a half, and whether anything is left."""


def rounded_quotient(builder: Builder, signal: Signal) -> Signal | None:
    """The codes of ``signal``, whose steps are one line and a type that is assigned; None where they are anything else."""
    affine = affine_part(signal.steps)
    last = signal.steps[-1] if signal.steps else None
    kind = _type_of(last) if isinstance(last, Apply) and affine == len(signal.steps) - 1 else None
    if kind is None:
        return None
    if signal.linear is not None:
        signal = replace(signal, parts=(builder.add(signal.linear),), linear=None)
    name = signal.steps[-1].layer
    part = builder.joined(f"{name}_operand", signal.parts)
    if not affine:  # as codes they need no division
        return Signal((assigned(builder, name, part, kind),), signal.shape)
    frac, size = builder[part].frac, len(builder.reach(part)) // signal.copies
    lines = {line_of(signal.steps[:affine], channel, frac) for channel in range(size)}
    if len(lines) > 1:
        return None
    made = _twice(builder, name, part, lines.pop().scaled(kind.frac + 1))
    if made is None:
        return None
    node = builder.add(replace(made, frac=kind.frac + MORE))
    return Signal((assigned(builder, name, node, kind),), signal.shape)


def _type_of(step: Apply) -> Cast | None:
    """The type that a step assigns values to and does nothing else."""
    function, grid = step.function, step.function.grid
    if function.cast is not None or grid is None or not function.plain or grid.hi <= 0:
        return function.cast
    width = grid.hi.bit_length()
    if grid.hi != (1 << width) - 1 or grid.lo not in (0, -grid.hi - 1):
        return None
    signed = grid.lo < 0
    return Cast(FixedPoint(signed, width + signed, grid.frac), Rounding.RND_CONV, Overflow.SAT)


def _twice(builder: Builder, name: str, part: str, line: Line) -> Linear | None:
    """Each code's value on ``line``, rounded down, times two, and one more where anything is left; None where it is too wide."""
    spans = [span.interval for span in builder.reach(part)]
    ends = [code * line.slope + line.offset for span in spans for code in (span.lo, span.hi)]
    turns = -(min(ends) // line.unit)
    top = max(ends) + turns * line.unit
    if (top << MORE).bit_length() + 1 > MAX_WIDTH or line.unit.bit_length() > MOST_OF_A_UNIT:
        return None
    raised = builder.add(_sum(builder, f"{name}_raised", [(part, line.slope)], line.offset + turns * line.unit))
    whole, rest = _divided(builder, name, raised, top, line.unit)
    left = builder.add(_within(builder, f"{name}_left", rest, 1))
    return _sum(builder, f"{name}_halves", [(whole, 2), (left, 1)], -2 * turns)


def _divided(builder: Builder, name: str, part: str, top: int, divisor: int) -> tuple[str, str]:
    """Quotient and rest of numbers from 0 to ``top``."""
    bits = top.bit_length()
    if bits <= AT_ONCE:
        shift = bits + divisor.bit_length()
        product = builder.add(_sum(builder, f"{name}_product", [(part, (1 << shift) // divisor + 1)]))
        whole = builder.add(
            Requantize(f"{name}_whole", (product,), builder[part].size, shift, Rounding.TRN, 0, top // divisor, 0)
        )
        rest = builder.add(_sum(builder, f"{name}_over", [(part, 1), (whole, -divisor)]))
        return whole, builder.add(_within(builder, f"{name}_rest", rest, divisor - 1))
    places = bits - AT_ONCE
    size = builder[part].size
    upper = builder.add(Requantize(f"{name}_upper", (part,), size, places, Rounding.TRN, 0, top >> places, 0))
    first, rest = _divided(builder, name, upper, top >> places, divisor)
    lower = builder.add(_sum(builder, f"{name}_lower", [(part, 1), (upper, -(1 << places))]))
    lower = builder.add(_within(builder, f"{name}_low", lower, (1 << places) - 1))
    both = builder.add(_sum(builder, f"{name}_carried", [(rest, 1 << places), (lower, 1)]))
    second, rest = _divided(builder, name, both, (divisor << places) - 1, divisor)
    whole = builder.add(_sum(builder, f"{name}_quotient", [(first, 1 << places), (second, 1)]))
    return builder.add(_within(builder, f"{name}_whole", whole, top // divisor)), rest


def _sum(builder: Builder, name: str, terms: Sequence[tuple[str, int]], offset: int = 0) -> Linear:
    """The same sum of one code of each node, and an offset, at every place; not yet appended."""
    size = builder[terms[0][0]].size
    parts = [part for part, _ in terms]
    joined = parts[0]
    if len(parts) > 1:
        places = np.stack([number * size + np.arange(size) for number in range(len(parts))], axis=1)
        joined = builder.wire(f"{name}_terms", parts, places)
    weights = frozen_array(np.array([[factor] for _, factor in terms], dtype=np.int64))
    return Linear(name, (joined,), weights, frozen_array(np.array([offset], dtype=np.int64)), 0, size)


def _within(builder: Builder, name: str, part: str, most: int) -> Requantize:
    """The codes of a node, of which it is known, or asked for, that they are 0 to ``most``; not yet appended."""
    return Requantize(name, (part,), builder[part].size, 0, Rounding.TRN, 0, most, 0)
