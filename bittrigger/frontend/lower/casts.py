"""Quantisers that give each code a type of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.casts import Cast, assigned
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import FixedPoint, Overflow, Rounding
from bittrigger.ir.wire import ZERO


def casts(walk: Walk, node: Any) -> Signal:
    """The codes, those of one type rounded and limited together; of a type without bits they are 0."""
    (source,) = walk.operands(node)
    signed, bits, integers = (np.asarray(array) for array in attributes.read(node, attributes.PARAMETERS))
    rounding, overflow = attributes.read(node, attributes.CAST)
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
        parts.append(assigned(walk.builder, node.name, picked, kind))
        order[places] = start + np.arange(len(places))
        start += len(places)
    if not parts:
        return Signal((walk.builder.wire(node.name, (part,), order),), source.shape)
    joined = walk.builder.joined(f"{node.name}_types", parts)
    return Signal((walk.builder.wire(node.name, (joined,), order),), source.shape)
