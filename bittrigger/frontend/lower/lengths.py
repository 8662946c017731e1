"""LayerNormalization, RMSNormalization and UnitNormalization, exactly rounded: each code is how many constants its value reaches.

A vector is divided by its length without a divider and without a root: the signed square of each code is compared with multiples
of the sum of squares, see ``boundaries``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import reach_of_one_copy
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.lower.boundaries import Comparison, Ratio, Reached, comparison
from bittrigger.frontend.lower.declared import declared_grid
from bittrigger.frontend.lower.products import squares
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import MAX_WIDTH, IntArray, Rounding
from bittrigger.ir.graph import Requantize

DEFAULT = "fixed<6,3>"
"""Type of the results at an output for want of another."""

MAX_COMPARISONS = 2048
"""Most comparisons for one vector."""

LEAST_LENGTH = 1e-12
"""What Keras takes a smaller sum of squares for."""


@dataclass(frozen=True, eq=False)
class _Vector:
    """One vector: its codes, centred, and what they are compared with.

    Attributes:
        scale: by which a signed square is multiplied, apart from the square of the factor.
        extra: what is added to the sum of squares.
    """

    size: int
    scale: Fraction
    extra: Fraction
    reached: Reached


@dataclass(frozen=True)
class _Channel:
    """What decides a code of the result.

    Attributes:
        top: the code if no comparison fails.
        sign: that of the factor, with which the signed square is multiplied.
        comparisons: one for each step below ``top``.
    """

    top: int
    sign: int
    comparisons: tuple[Comparison, ...]


def lengths(walk: Walk, node: Any) -> Signal:
    """Each vector divided by its length, or by its deviation, in the type of the result.

    Raises:
        Float32RoundsError: if only the exact grade will do.
        UnsupportedModelError: if nothing gives it a type, or it takes too many comparisons.
    """
    centred = bool(attributes.read(node, attributes.CENTRED))
    epsilon = Fraction(float(attributes.read(node, attributes.EPSILON)))
    kind = "LayerNormalization" if centred else "RMSNormalization" if epsilon else "UnitNormalization"
    grid = declared_grid(walk, node, kind, DEFAULT)
    walk.builder.account.rounds(
        Float32RoundsError(
            f"layer {node.name!r}: {kind} divides by a root of sums, each of which float32 rounds; allowed is its definition, "
            "exactly rounded; leave out --require exact"
        )
    )
    (source,) = walk.operands(node)
    factors, offsets = (np.asarray(values, dtype=np.float32) for values in attributes.read(node, attributes.PARAMETERS))
    size = factors.size
    copies = math.prod(source.shape) // size
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    if centred:
        part = _centred(walk.builder, node.name, part, size, copies)
    vector = _vector(walk.builder, node.name, part, (size, copies), epsilon, centred=centred)
    if size * (grid.hi - grid.lo) > MAX_COMPARISONS:
        raise _too_many(node.name, f"its {size} codes take {size * (grid.hi - grid.lo)} comparisons a vector")
    channel = cache(lambda factor, offset: _channel(node.name, vector, factor, offset, grid))
    table = [channel(float(factor), float(offset)) for factor, offset in zip(factors, offsets, strict=True)]
    squared = _squares_and_sum(walk, node.name, part, size, copies)
    return Signal((_counted(walk.builder, node.name, squared, table, grid.frac, copies),), source.shape)


def _too_many(layer: str, fact: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"layer {layer!r}: it is to be rounded exactly, and {fact}; allowed are {MAX_COMPARISONS} comparisons of up to "
        f"{MAX_WIDTH} bits; use fewer bits in the quantizer behind it or before it, or a BatchNormalization, which is a "
        "constant at inference"
    )


def _centred(builder: Builder, name: str, part: str, size: int, copies: int) -> str:
    """Each code times the number of codes, less their sum."""
    if size == 1:
        raise UnsupportedModelError(
            f"layer {name!r}: it normalises one code, which leaves its offset; allowed are vectors of two and more; leave it "
            "out"
        )
    weights = size * np.eye(size, dtype=np.int64) - 1
    zeros = np.zeros(size, dtype=np.int64)
    return builder.add(builder.linear(f"{name}_centred", (part,), weights, zeros, builder[part].frac, copies))


def _vector(
    builder: Builder, name: str, part: str, shape: tuple[int, int], epsilon: Fraction, *, centred: bool
) -> _Vector:
    size, copies = shape
    frac = builder[part].frac
    reach = reach_of_one_copy(builder.reach(part), copies)
    peaks = [max(abs(span.lo), abs(span.hi)) for span in reach]
    unit = Fraction(4) ** frac
    if centred:  # the others cancel a code, so that they have a length of their own
        reached = Reached(max(peaks), sum(peak**2 for peak in peaks), lambda code: -(-(code**2) * size // (size - 1)))
        return _Vector(size, Fraction(size), epsilon * size**3 * unit, reached)
    reached = Reached(max(peaks), sum(peak**2 for peak in peaks), lambda code: code**2)
    if epsilon:
        return _Vector(size, Fraction(size), epsilon * size * unit, reached)
    if 1 / unit < Fraction(LEAST_LENGTH):
        raise _too_many(name, f"its codes have {frac} fractional bits")
    return _Vector(size, Fraction(1), Fraction(0), reached)


def _channel(name: str, vector: _Vector, factor: float, offset: float, grid: Grid) -> _Channel:
    """What decides each code of a result that is multiplied with ``factor`` and moved by ``offset``."""
    top, made = grid.lo, []
    for code in range(grid.lo + 1, grid.hi + 1):
        distance = Fraction(2 * code - 1, 2) / Fraction(2) ** grid.frac - Fraction(offset)
        even = code % 2 == 0
        found: Comparison | bool | None
        if factor == 0:
            found = distance < 0 or (distance == 0 and even)
        else:
            ratio = distance * abs(distance) / (Fraction(factor) ** 2 * vector.scale)
            found = comparison(Ratio(ratio, vector.extra, even), vector.reached)
        if found is None:
            raise _too_many(name, f"a comparison takes more than {MAX_WIDTH} bits")
        if isinstance(found, Comparison):
            made.append(found)
        elif not found:
            break
        top = code
    return _Channel(top, -1 if factor < 0 else 1, tuple(made))


def _squares_and_sum(walk: Walk, name: str, part: str, size: int, copies: int) -> str:
    """The signed square of each code, and behind those of a vector the sum of their magnitudes."""
    builder = walk.builder
    frac = builder[part].frac
    both = np.concatenate([np.eye(size, dtype=np.int64), -np.eye(size, dtype=np.int64)], axis=1)
    mirrored = builder.add(
        builder.linear(f"{name}_mirrored", (part,), both, np.zeros(2 * size, np.int64), frac, copies)
    )
    top = max(0, *(span.hi for span in builder.reach(mirrored)))
    count = 2 * size * copies
    halves = builder.add(Requantize(f"{name}_halves", (mirrored,), count, 0, Rounding.TRN, 0, top, frac, copies=copies))
    square = squares(walk, name, halves, np.arange(count))
    signed = np.concatenate([np.eye(size, dtype=np.int64), -np.eye(size, dtype=np.int64)])
    weights = np.concatenate([signed, np.ones((2 * size, 1), dtype=np.int64)], axis=1)
    zeros = np.zeros(size + 1, dtype=np.int64)
    return builder.add(builder.linear(f"{name}_lengths", (square,), weights, zeros, builder[square].frac, copies))


def _counted(  # noqa: PLR0917
    builder: Builder, name: str, squared: str, table: list[_Channel], frac: int, copies: int
) -> str:
    """The codes: the highest, less one for each comparison that fails."""
    size = len(table)
    flat = [(own, found) for own, channel in enumerate(table) for found in channel.comparisons]
    if not flat:
        raise _too_many(name, "its result is the same for every event")
    weights: IntArray = np.zeros((size + 1, len(flat)), dtype=np.int64)
    for number, (own, found) in enumerate(flat):
        weights[own, number], weights[size, number] = table[own].sign << found.places, -found.factor
    offsets = np.array([-found.offset for _, found in flat], dtype=np.int64)
    compared = builder.add(builder.linear(f"{name}_compared", (squared,), weights, offsets, 0, copies))
    width = max(span.interval.width for span in builder.reach(compared))
    count = len(flat) * copies
    fails = builder.add(Requantize(f"{name}_fails", (compared,), count, width, Rounding.TRN, -1, 0, 0, copies=copies))
    terms = np.array([[own == column for column in range(size)] for own, _ in flat], dtype=np.int64)
    tops = np.array([channel.top for channel in table], dtype=np.int64)
    return builder.add(builder.linear(name, (fails,), terms, tops, frac, copies))
