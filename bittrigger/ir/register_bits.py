"""Bits of the registers in front of an operation and within it: of what is read there, and of nothing else."""

from __future__ import annotations

from bittrigger.ir.fixed import Interval, Rounding
from bittrigger.ir.forms.table import level_bits
from bittrigger.ir.graph import Intervals, Lookup, Requantize, wraps
from bittrigger.ir.nodes.block_floating_point import Scaling, operand_bits
from bittrigger.ir.nodes.extremum import Extremum, tournament
from bittrigger.ir.nodes.product import Product, row_bits

BY_SIGN = (Rounding.TRN_ZERO, Rounding.RND_ZERO, Rounding.RND_INF)
"""Roundings that treat negative codes in another way."""


def kept_bits(node: Requantize | Lookup, source: Interval, result: Interval) -> int:
    """Bits of an operand code that a requantiser or a table reads; the others are never registered in front of it.

    Args:
        source: range of the code.
        result: range of what it becomes.
    """
    if result.lo == result.hi:
        return 0
    if not isinstance(node, Requantize):
        return source.width
    read = source.width
    if wraps(node, source) and not (
        node.rectified and source.signed
    ):  # nothing above the bits of the result, but a sign by which some roundings go
        signs = node.shift > 0 and source.signed and node.rounding in BY_SIGN
        read = min(read, node.shift + result.width + signs)
    return max(read - max(node.shift, 0) if node.rounding is Rounding.TRN else read, 1)


def vector_bits(codes: Intervals) -> int:
    """Bits of a register that holds codes of these ranges; what never changes needs none."""
    return sum(0 if span.lo == span.hi else span.width for span in codes)


def part_bits(node: Lookup | Scaling | Extremum | Product, source: Intervals, result: Intervals) -> tuple[int, ...]:
    """Bits of a register in front of each part of the logic of one copy of ``node``: what that part reads."""
    if isinstance(node, Lookup):
        return level_bits(node, source)
    if isinstance(node, Extremum):
        return tuple(vector_bits(left) for left in tournament(node, source)[:-1])
    if isinstance(node, Product):
        return row_bits(source)
    return operand_bits(node, source, result)
