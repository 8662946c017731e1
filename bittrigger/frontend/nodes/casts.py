"""Assignments to ``ap_fixed`` types: codes rounded, and then limited or wrapped, as C++ and HGQ do it."""

from __future__ import annotations

from dataclasses import replace

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import NO_LIMITS, Interval, Overflow, Rounding, hull
from bittrigger.ir.graph import Requantize

MAX_SHIFT = 62
"""Most bits that an assignment drops or adds."""


def assigned(  # noqa: PLR0917
    builder: Builder, name: str, source: str, kind: Cast, floor: int | None = None, copies: int = 1
) -> str:
    """The codes of ``source`` assigned to variables of ``kind``.

    Args:
        builder: where the nodes are made.
        name: of the nodes.
        source: a node.
        kind: the type.
        floor: least code after rounding, where the C++ takes the larger one first.
        copies: equal parts that ``source`` consists of.

    Raises:
        UnsupportedModelError: if the steps lie too far apart, or values beyond the type become 0.
    """
    node = builder[source]
    shift = node.frac - kind.frac
    if abs(shift) > MAX_SHIFT:
        raise UnsupportedModelError(
            f"layer {name!r}: {node.frac} fractional bits become {kind.frac}; allowed are steps of 62"
        )
    free = Requantize(name, (source,), node.size, shift, kind.rounding, *NO_LIMITS, kind.frac, 0, copies)
    whole = hull([span.interval for span in builder.preview(free)])
    low = whole.lo if floor is None else max(floor, whole.lo)
    reached = Interval(low, max(low, whole.hi))
    allowed = kind.limits
    inside = reached.lo in allowed and reached.hi in allowed
    if inside and not shift and floor is None:
        return source
    if inside or kind.overflow in (Overflow.SAT, Overflow.SAT_SYM):
        lo = max(allowed.lo, reached.lo if floor is not None else allowed.lo)
        return builder.add(replace(free, lo=lo, hi=max(lo, allowed.hi)))
    if kind.overflow is Overflow.SAT_ZERO:
        raise UnsupportedModelError(
            f"layer {name!r}: values beyond {kind.fixed} become 0 (AP_SAT_ZERO); allowed are AP_WRAP, AP_SAT and AP_SAT_SYM"
        )
    around = replace(free, lo=allowed.lo, hi=allowed.hi, overflow=Overflow.WRAP)
    if whole.lo == reached.lo:
        return builder.add(around)
    limited = builder.add(replace(free, lo=reached.lo, hi=reached.hi))
    return builder.add(replace(around, name=f"{name}_wrapped", inputs=(limited,), shift=0, rounding=Rounding.TRN))
