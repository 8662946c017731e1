"""The outputs of a design: values as they are where they lie on a grid, else rounded to a declared type."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bittrigger.errors import Float32RoundsError, TableTooLargeError
from bittrigger.frontend.elementwise.chains import Apply, apply_steps, as_floats, distinct_channels
from bittrigger.frontend.elementwise.functions.rounding import rounding_to
from bittrigger.frontend.elementwise.thresholds import grid_of_step
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.elementwise import lower_elementwise
from bittrigger.frontend.nodes.plans import MAX_BREAKPOINTS, reach_under
from bittrigger.frontend.nodes.positions import add_step
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import FixedPoint, parse_fixed
from bittrigger.settings import AUTO

WIDTH = 16
"""Bits of a type that is declared for want of another: those of hls4ml's own default."""

LOOKED_AT = 1 << 22
"""Most codes, of all channels, whose values a type of that kind is chosen by."""

LEAST = 10
"""Bits of the coarsest one that is tried."""


def delivered(builder: Builder, signal: Signal, layer: str, wanted: str) -> tuple[Signal, FixedPoint | None]:
    """The codes of an output, and the type to which its values were rounded, or None where they are delivered as they are.

    Args:
        layer: the last layer, for messages.
        wanted: a type, or ``auto`` for one only where the values lie on no grid.

    Raises:
        UnsupportedModelError: if no integers equal the rounded values.
    """
    if wanted != AUTO:
        return _rounded(builder, signal, layer, parse_fixed(wanted))
    if not _is_open(signal):
        return lower_elementwise(builder, signal), None
    if not signal.ideal:
        try:
            return lower_elementwise(builder, signal, exactly=True), None
        except Float32RoundsError:
            if builder.account.exact:
                raise
    made, kind = _finest(builder, signal, layer, _covering(builder, signal))
    why = "" if kind.width == WIDTH else f", the finest type whose table has up to {MAX_BREAKPOINTS} steps"
    builder.account.choose(
        f"layer {layer!r}: its values lie on no grid of reasonable width, and are rounded to {kind}, half to even{why}; choose "
        "another type with --output-precision"
    )
    return made, kind


def _finest(builder: Builder, signal: Signal, layer: str, kind: FixedPoint) -> tuple[Signal, FixedPoint]:
    """The values in ``kind``, or in the finest of the coarser types down to ``LEAST`` bits of which a table can be made.

    Raises:
        TableTooLargeError: if of none of them one can.
    """
    before = builder.kept()
    try:
        return _rounded(builder, signal, layer, kind)
    except TableTooLargeError:
        if kind.width <= LEAST:
            raise
        builder.restore(before)
    return _finest(builder, signal, layer, replace(kind, width=kind.width - 1, frac=kind.frac - 1))


def _is_open(signal: Signal) -> bool:
    """Whether the signal ends in operations that no quantiser closes."""
    return bool(signal.steps) and grid_of_step(signal.steps[-1]) is None


def _rounded(builder: Builder, signal: Signal, layer: str, kind: FixedPoint) -> tuple[Signal, FixedPoint]:
    return lower_elementwise(builder, add_step(signal, Apply(layer, rounding_to(kind)))), kind


def _covering(builder: Builder, signal: Signal) -> FixedPoint:
    """The type of ``WIDTH`` bits that just covers the values of ``signal``, which may turn between the ends of its ranges.

    All codes are looked at up to ``LOOKED_AT`` of them, else as many at equal distances, with the ends and zero.
    """
    reach, frac = reach_under(builder, signal)
    first, _ = distinct_channels(signal.steps, reach)
    every = -(-sum(reach[channel].points for channel in first) // LOOKED_AT)
    lowest, highest = 0.0, 0.0
    for channel in first.tolist():
        span = reach[channel]
        ends = np.array([span.lo, span.hi, min(max(span.lo, 0), span.hi)], dtype=np.int64)
        codes = np.concatenate([span.codes(0, span.points)[::every], ends])
        found = apply_steps(signal.steps, as_floats(codes, frac), np.full(len(codes), channel))
        values = np.nan_to_num(found.astype(np.float64))
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
    signed = lowest < 0
    integer = int(np.frexp(max(-lowest, highest))[1]) + signed
    return FixedPoint(signed, WIDTH, WIDTH - integer)
