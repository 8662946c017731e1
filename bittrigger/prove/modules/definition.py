"""Requantisers and tables as and-inverter graphs, written from their definitions and not from the emitted Verilog."""

from __future__ import annotations

from typing import assert_never

from bittrigger.ir.fixed import Interval, Overflow, Rounding
from bittrigger.ir.graph import Lookup, Requantize
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig, Vector, constant, extended


def define(aig: Aig, node: Requantize | Lookup, code: Vector, width: int, *, signed: bool) -> Vector:
    """``node`` (of one channel) of the integer ``code``, as ``width`` bits.

    Args:
        signed: whether ``code`` is.
    """
    match node:
        case Requantize():
            return _requantize(aig, node, extended(code, len(code) + 1, signed=signed), width)
        case Lookup():
            return _lookup(aig, node, extended(code, len(code) + 1, signed=signed), width)
        case _:
            assert_never(node)


def within(aig: Aig, code: Vector, span: Interval, *, signed: bool) -> int:
    """Whether the integer ``code`` lies in ``span``."""
    wide = extended(code, len(code) + 1, signed=signed)
    low, high = constant(span.lo, len(wide)), constant(span.hi, len(wide))
    return aig.both(aig.less(wide, low, signed=True) ^ 1, aig.less(high, wide, signed=True) ^ 1)


def _requantize(aig: Aig, node: Requantize, code: Vector, width: int) -> Vector:
    if node.offset:
        wide = extended(code, max(len(code), node.offset.bit_length() + 1) + 1, signed=True)
        code = aig.add(wide, constant(node.offset, len(wide)))
    if node.shift <= 0:
        rounded = [FALSE] * -node.shift + code
    else:
        deep = extended(code, max(len(code), node.shift + 1) + 1, signed=True)
        floor = deep[node.shift :]
        rounded = aig.add(floor, [FALSE] * len(floor), _up(aig, node, deep, floor))
    rounded = extended(
        rounded, max(len(rounded), width + 1, node.hi.bit_length() + 2, node.lo.bit_length() + 2), signed=True
    )
    if node.overflow is Overflow.WRAP:
        if node.rectified:
            rounded = aig.mux(rounded[-1], constant(0, len(rounded)), rounded)
        return extended(rounded[: (node.hi - node.lo).bit_length()], len(rounded), signed=node.lo < 0)[:width]
    low, high = constant(node.lo, len(rounded)), constant(node.hi, len(rounded))
    clipped = aig.mux(aig.less(rounded, low, signed=True), low, rounded)
    clipped = aig.mux(aig.less(high, rounded, signed=True), high, clipped)
    return clipped[:width]


def _up(aig: Aig, node: Requantize, code: Vector, floor: Vector) -> int:
    """Whether rounding adds one to the floor."""
    half, below = code[node.shift - 1], aig.any(code[: node.shift - 1])
    above_half = aig.both(half, below)
    tie = aig.both(half, below ^ 1)
    negative = code[-1]
    on_tie = {
        Rounding.RND: TRUE,
        Rounding.RND_MIN_INF: FALSE,
        Rounding.RND_ZERO: negative,
        Rounding.RND_INF: negative ^ 1,
        Rounding.RND_CONV: floor[0],
    }
    match node.rounding:
        case Rounding.TRN:
            return FALSE
        case Rounding.TRN_ZERO:
            return aig.both(negative, aig.either(half, below))
        case nearest:
            return aig.either(above_half, aig.both(tie, on_tie[nearest]))


def _lookup(aig: Aig, node: Lookup, code: Vector, width: int) -> Vector:
    starts, values = node.starts[0], node.values[0]
    result = constant(values[0], width)
    for start, value in zip(starts[1:], values[1:], strict=True):
        size = max(len(code), start.bit_length() + 1)
        wide = extended(code, size, signed=True)
        reached = aig.less(wide, constant(start, size), signed=True) ^ TRUE
        result = aig.mux(reached, constant(value, width), result)
    return result
