"""Quantisers that give each code a type of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.errors import Float32RoundsError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import AddBias, Apply, Scale, Step
from bittrigger.frontend.elementwise.functions.rounding import assigning_to
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.casts import assigned
from bittrigger.frontend.nodes.positions import add_step
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import FLOAT32_BITS, FixedPoint, IntArray, Overflow, Rounding
from bittrigger.ir.nodes.wire import ZERO

_MOST = 1 << FLOAT32_BITS
_CUTTING = (Rounding.TRN, Rounding.TRN_ZERO, Rounding.RND_CONV)
"""Roundings that add no half before they cut."""


def casts(walk: Walk, node: Any) -> Signal:
    """The codes, those of one type rounded and limited together; of a type without bits they are 0."""
    signed, bits, integers = (np.asarray(array) for array in attributes.read(node, attributes.PARAMETERS))
    rounding, overflow = attributes.read(node, attributes.CAST)
    signal = walk.signals[node.inputs[0]]
    if not all(map(_on_a_grid, signal.steps)) and (one := _of_all(signed, bits, integers)) is not None:
        function = assigning_to(Cast(one, Rounding[rounding], Overflow[overflow]))
        return add_step(signal, Apply(node.name, function))
    (source,) = walk.operands(node)
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    kinds, which = np.unique(np.stack([signed, bits, integers], axis=1), axis=0, return_inverse=True)
    order = np.full(bits.size, ZERO, dtype=np.int64)
    parts: list[str] = []
    start = 0
    for number, (sign, width, whole) in enumerate(kinds.tolist()):
        places = np.flatnonzero(which.ravel() == number)
        if width == 0:
            continue
        kind = Cast(FixedPoint(bool(sign), width, width - whole), Rounding[rounding], Overflow[overflow])
        picked = walk.builder.wire(f"{node.name}_part", (part,), places)
        peak = max(max(-span.lo, span.hi) for span in walk.builder.reach(picked))
        if _float32_rounds(kind, peak, walk.builder[picked].frac):
            walk.builder.account.rounds(
                Float32RoundsError(
                    f"layer {node.name!r}: it makes {kind.fixed} of codes of up to {peak.bit_length()} bits, and on the way "
                    f"float32 rounds beyond {FLOAT32_BITS}; allowed is its definition; use fewer bits before it, or leave out "
                    "--require exact"
                )
            )
        parts.append(assigned(walk.builder, node.name, picked, kind))
        order[places] = start + np.arange(len(places))
        start += len(places)
    if not parts:
        return Signal((walk.builder.wire(node.name, (part,), order),), source.shape)
    joined = walk.builder.joined(f"{node.name}_types", parts)
    return Signal((walk.builder.wire(node.name, (joined,), order),), source.shape)


def _on_a_grid(step: Step) -> bool:
    """Whether the results of a step are integers times a power of two."""
    if isinstance(step, Apply):
        return step.function.is_relu or step.function.grid is not None
    return isinstance(step, AddBias | Scale)


def _of_all(*types: IntArray) -> FixedPoint | None:
    """The type of all codes, of which ``types`` hold sign, width and bits before the point; None where they have several."""
    sign, width, whole = (int(values.flat[0]) for values in types)
    if width == 0 or any((values != values.flat[0]).any() for values in types):
        return None
    return FixedPoint(bool(sign), width, width - whole)


def _float32_rounds(kind: Cast, peak: int, frac: int) -> bool:
    """Whether the layer's own arithmetic may round codes of a magnitude up to ``peak`` with ``frac`` fractional bits."""
    shift, width = frac - kind.frac, kind.fixed.width
    places = max(shift, 1)
    if kind.rounding not in _CUTTING and (peak << places - shift) + (1 << places - 1) > _MOST:
        return True
    whole = (peak << -shift if shift < 0 else peak >> shift) + 1
    if kind.overflow is Overflow.WRAP:
        return whole + (1 << width - 1) > _MOST if kind.fixed.signed else max(whole, 1 << width) > _MOST
    return whole > kind.limits.hi >= _MOST
