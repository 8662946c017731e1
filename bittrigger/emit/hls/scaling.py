"""The nodes of ``bittrigger.ir.nodes.block_floating_point`` in C++."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.hls.cpp import Operands, code_type, literal
from bittrigger.ir.fixed import Interval, hull
from bittrigger.ir.graph import Intervals
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown


@dataclass(frozen=True)
class ScalingBody:
    """A node ready for its template.

    Attributes:
        operand_type: holds every code; for a ``ShiftDown`` with what rounding adds to it, too.
        exponent_type: holds every exponent; empty for a ``MagnitudeOr``.
        result_type: holds every result.
        mask_bits: bits of a mask of all places that are shifted out.
        signed: whether there are negative codes.
        lines: one assignment a channel.
    """

    operand_type: str
    exponent_type: str
    result_type: str
    mask_bits: int
    signed: bool
    lines: tuple[str, ...]


def scaling_body(node: Scaling, source: Intervals, result: Intervals, operands: Operands, name: str) -> ScalingBody:
    """``node`` in C++.

    Args:
        source: ranges of the operand codes.
        result: ranges of the output codes.
        name: the module's name; its helper function bears it.
    """
    if isinstance(node, MagnitudeOr):
        whole = hull(source)
        lines = [f"y[0] = {literal(result[0].lo)};"]
        if result[0].lo < result[0].hi:
            lines = [
                f"{code_type(result[0])} peak = 0;",
                *(f"peak |= {name}_magnitude({element});" for element in operands.elements),
                "y[0] = peak;",
            ]
        return ScalingBody(code_type(whole), "", code_type(result[0]), 0, whole.signed, tuple(lines))
    *codes, exponent = operands.elements
    highest = source[-1].hi
    lines = [
        f"y[{j}] = {literal(span.lo) if span.lo == span.hi else f'{name}_shift({code}, {exponent})'};"
        for j, (code, span) in enumerate(zip(codes, result, strict=True))
    ]
    whole, mask_bits = hull((*source[:-1], *result)), 0
    if isinstance(node, ShiftDown):
        mask_bits = node.base + highest + 1
        highest_code = max(0, *(span.hi for span in source[:-1]))
        whole = hull((*source[:-1], Interval(0, highest_code + (1 << mask_bits))))
    return ScalingBody(
        code_type(whole), code_type(source[-1]), code_type(hull(result)), mask_bits, whole.signed, tuple(lines)
    )
