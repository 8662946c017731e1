"""Dynamic quantisers: from their settings to nodes that shift the codes of each vector by what its largest one needs.

A vector is an event, or each token of it, and its codes keep its exponent (``Signal.exponent``). Matrices without bias commute
with it, and so does the next dynamic quantiser: rounding looks at the codes alone, and the exponents add up. Whatever else reads
the codes gets them multiplied back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bittrigger.frontend.elementwise.chains import Apply
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.elementwise import lower_elementwise, unscaled, with_exponents
from bittrigger.frontend.nodes.positions import positions
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import Interval, Rounding
from bittrigger.ir.graph import Lookup, Requantize, frozen_array
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, exponent_table, scaling_intervals

LEAST_RANGE_LOG2 = -80
MAX_RANGE_LOG2 = 80
"""The ranges of a quantiser without bounds of its own, as ``bittrigger.layers.dynamic`` has them."""


@dataclass(frozen=True)
class DynamicSettings:
    """What a ``DynamicQuantizer`` of ``bittrigger.layers`` holds."""

    bits: int
    signed: bool
    least: int | None
    most: int | None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> DynamicSettings:
        """Those that stand on a node of hls4ml's graph."""
        return cls(config["bits"], config["signed"], config["least"], config["most"])

    @property
    def magnitude_bits(self) -> int:
        """Bits of a code, its sign left out."""
        return self.bits - self.signed

    @property
    def range(self) -> Interval:
        """The codes."""
        top = 1 << self.magnitude_bits
        return Interval(-top if self.signed else 0, top - 1)


def lower_dynamic(builder: Builder, signal: Signal, name: str, settings: DynamicSettings) -> Signal:
    """The codes that the quantiser makes of ``signal``, with exponents unless every vector has the same scale.

    Raises:
        UnsupportedModelError: if the steps before have no exact integers.
    """
    if not settings.signed and all(isinstance(step, Apply) and step.function.is_relu for step in signal.steps):
        signal = replace(signal, steps=())
    source = lower_elementwise(builder, signal, scaled=settings.least is None and settings.most is None)
    if source.exponent is not None and not _is_ordinary(builder, source, settings):
        source = unscaled(builder, source)
    if positions(source.shape) > 1:
        source = replace(source, parts=(builder.joined(f"{name}_operand", source.parts),))
    source = _on_one_grid(builder, source, name, settings)
    frac = builder[source.parts[0]].frac
    peak = _magnitude(builder, source, settings)
    least, most = LEAST_RANGE_LOG2, MAX_RANGE_LOG2
    if source.exponent is None:
        least = least if settings.least is None else settings.least
        most = most if settings.most is None else settings.most
    # Two places more than there are bits leave zeros, and so does every further one.
    lowest = min(max(least + frac - settings.magnitude_bits, 0), peak + 2)
    highest = max(min(peak, most + frac) - settings.magnitude_bits, lowest)
    if lowest == highest:
        return _static(builder, source, name, settings, highest)
    return _shifted(builder, source, name, settings, Interval(lowest, highest))


def _magnitude(builder: Builder, source: Signal, settings: DynamicSettings) -> int:
    """Bits of the largest magnitude that can occur."""
    spans = tuple(span.interval for span in builder.operand(source.parts))
    (peak,) = scaling_intervals(MagnitudeOr("", (), 0, settings.signed), spans)
    return peak.hi.bit_length()


def _is_ordinary(builder: Builder, source: Signal, settings: DynamicSettings) -> bool:
    """Whether each vector has one scale, and the ranges of all but zeros lie within those of a quantiser without bounds."""
    if source.exponent is None:
        return True
    if positions(source.shape) % builder[source.exponent].size:
        return False
    frac, exponent = builder[source.parts[0]].frac, max(span.hi for span in builder.reach(source.exponent))
    return 1 - frac >= LEAST_RANGE_LOG2 and _magnitude(builder, source, settings) + exponent - frac <= MAX_RANGE_LOG2


def _on_one_grid(builder: Builder, source: Signal, name: str, settings: DynamicSettings) -> Signal:
    """The codes on one grid, fine enough for the greatest range."""
    fracs = builder.fracs(source.parts)
    finest = int(fracs.max())
    if settings.most is not None:
        finest = max(finest, settings.magnitude_bits - settings.most)
    if (fracs == finest).all():
        return source
    copies = positions(source.shape)
    weights = np.diag(np.left_shift(np.int64(1), finest - fracs[: len(fracs) // copies]))
    zeros = np.zeros(len(weights), dtype=np.int64)
    part = builder.add(builder.linear(f"{name}_align", source.parts, weights, zeros, finest, copies))
    return replace(source, parts=(part,))


def _static(builder: Builder, source: Signal, name: str, settings: DynamicSettings, shift: int) -> Signal:
    """A quantiser that shifts all vectors by the same number of places."""
    spans = builder.operand(source.parts)
    ends = settings.range
    if shift == 0 and all(ends.lo <= span.lo and span.hi <= ends.hi for span in spans):
        return source
    rounding = Rounding.RND_CONV if shift else Rounding.TRN
    frac = builder[source.parts[0]].frac - shift
    copies = positions(source.shape)
    node = Requantize(name, source.parts, len(spans), shift, rounding, ends.lo, ends.hi, frac, copies=copies)
    part = builder.add(node)
    return replace(source, parts=(part,))


def _shifted(builder: Builder, source: Signal, name: str, settings: DynamicSettings, places: Interval) -> Signal:
    """A quantiser that shifts each vector by as many of ``places`` as it needs."""
    copies, (lo, hi) = positions(source.shape), (settings.range.lo, settings.range.hi)
    drop = settings.magnitude_bits + places.lo
    peak = builder.add(MagnitudeOr(f"{name}_peak", source.parts, drop, settings.signed, copies=copies))
    starts, values = exponent_table(places.hi - places.lo)
    exponent = builder.add(Lookup(f"{name}_exponent", (peak,), (starts,), (values,), 0, copies))
    size, frac = len(builder.operand(source.parts)), builder[source.parts[0]].frac - places.lo
    operands = (*source.parts, exponent) if copies == 1 else with_exponents(builder, source.parts[0], exponent)
    part = builder.add(ShiftDown(name, operands, size, places.lo, lo, hi, frac, copies))
    if source.exponent is not None:
        exponent = _total(builder, name, source.exponent, exponent)
    return Signal((part,), source.shape, exponent=exponent)


def _total(builder: Builder, name: str, before: str, own: str) -> str:
    """The sums of the exponents ``before`` and ``own``; there may be fewer of the former, each of several vectors."""
    ones, none, copies = frozen_array(np.ones((2, 1), dtype=np.int64)), np.zeros(1, dtype=np.int64), builder[own].size
    operands: tuple[str, ...] = (before, own)
    if copies > 1:
        shared = builder[before].size
        pairs = np.stack([np.arange(copies) * shared // copies, shared + np.arange(copies)], axis=1)
        operands = (builder.wire(f"{name}_exponents", operands, pairs),)
    return builder.add(builder.linear(f"{name}_total", operands, ones, none, 0, copies))
