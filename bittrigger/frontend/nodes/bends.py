"""Functions that are a line on either side of zero, written as these where a table would be too large.

They are LeakyReLU, PReLU, ReLU and ``quantized_relu`` with a slope.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bittrigger.frontend.elementwise.chains import Apply, Parametric, Step
from bittrigger.frontend.elementwise.exact import affine_part
from bittrigger.frontend.elementwise.functions.rounding import rounded_to
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Interval, Rounding, hull
from bittrigger.ir.graph import Linear, Requantize, frozen_array


def first_bend(signal: Signal) -> int | None:
    """How many affine steps stand before a function that is bent at zero; None where another function, or none, is first."""
    place = affine_part(signal.steps)
    return place if place < len(signal.steps) and _slopes(signal.steps[place], 1) else None


def bent(builder: Builder, signal: Signal) -> Signal | None:
    """The codes of ``signal``, whose first step is bent at zero, behind that step; None where they take too many bits.

    Args:
        signal: of which ``first_bend`` is 0, without an accumulator.
    """
    step, copies = signal.steps[0], signal.copies
    part = builder.joined(f"{step.layer}_operand", signal.parts)
    node, reach = builder[part], builder.reach(part)
    size = node.size // copies
    slopes = _slopes(step, size)
    places = max(slope.denominator.bit_length() - 1 for slope in slopes)
    whole = _before_saturation(step, hull([span.interval for span in reach]), node.frac)
    widest = max(abs(whole.lo), abs(whole.hi)).bit_length()
    factors = [int(slope * 2**places) for slope in slopes]
    if widest + max(places + 1, *(abs(factor).bit_length() for factor in factors)) + 2 > MAX_WIDTH:
        return None
    halves = {
        word: builder.add(Requantize(f"{step.layer}_{word}", (part,), node.size, 0, Rounding.TRN, lo, hi, node.frac))
        for word, lo, hi in (
            ("above", 0, max(0, whole.hi)),
            ("below", min(0, whole.lo), 0),
        )
    }
    numbers: IntArray = np.arange(2 * node.size).reshape(2, copies, size).swapaxes(0, 1)
    both = builder.wire(f"{step.layer}_halves", tuple(halves.values()), numbers)
    weights = np.concatenate([np.eye(size, dtype=np.int64) << places, np.diag(np.array(factors, dtype=np.int64))])
    none = frozen_array(np.zeros(size, dtype=np.int64))
    rest = signal.steps[1:]
    name = step.layer
    if isinstance(step, Apply) and step.function.grid is not None:
        name = f"{step.layer}_bent"
        rest = (Apply(step.layer, rounded_to(step.function.text, step.function.grid)), *rest)
    made = builder.add(Linear(name, (both,), frozen_array(weights), none, node.frac + places, copies))
    return replace(signal, parts=(made,), steps=rest)


def _before_saturation(step: Step, reach: Interval, frac: int) -> Interval:
    """The codes of ``reach`` beyond which the step's own grid saturates on either side, and one step of it more."""
    grid = step.function.grid if isinstance(step, Apply) else None
    slope = _slopes(step, 1)[0]
    if grid is None or slope <= 0:
        return reach
    unit = Fraction(2) ** (frac - grid.frac)
    lowest, highest = math.floor((grid.lo - 1) * unit / slope), math.ceil((grid.hi + 1) * unit)
    return Interval(min(max(reach.lo, lowest), highest), max(min(reach.hi, highest), lowest))


def _slopes(step: Step, size: int) -> list[Fraction]:
    """The slope below zero of each channel; nothing where the step is another function."""
    if isinstance(step, Apply) and step.function.slope is not None:
        return [Fraction(float(np.float32(step.function.slope)))] * size
    if isinstance(step, Parametric) and step.function == "prelu":
        return [Fraction(float(step.parameters[0][..., channel])) for channel in range(size)]
    return []
