"""A requantiser on vectors: add what makes the right neighbour the floor, shift, then limit or wrap around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bittrigger.emit.emulator.lanes import signed_literal, unsigned_literal
from bittrigger.ir.fixed import Rounding, hull
from bittrigger.ir.graph import Intervals, Requantize, before_clip, wraps


@dataclass(frozen=True)
class Rounder:
    """A requantiser ready for its template.

    Attributes:
        expression: the rounded quotient of the unsigned vector ``v``, as a signed vector.
        lo: lower limit, or None where no code falls below it.
        hi: upper limit, or None where no code exceeds it.
        wrapped: the lowest bits of ``code``, or None where none wraps around.
    """

    expression: str
    lo: str | None
    hi: str | None
    wrapped: str | None


def _addend(word: str, rounding: Rounding, shift: int, bits: int) -> str:
    """What is added to ``word`` before the floor is taken: at least 0 and less than ``2**shift``."""
    half = 1 << (shift - 1)
    negative = f"({word} >> {bits - 1})"
    below = unsigned_literal(half - 1, bits)
    match rounding:
        case Rounding.TRN:
            addend = ""
        case Rounding.TRN_ZERO:
            addend = f" + (-{negative} & {(1 << shift) - 1})"
        case Rounding.RND:
            addend = unsigned_literal(half, bits)
        case Rounding.RND_MIN_INF:
            addend = below
        case Rounding.RND_ZERO:
            addend = f"{below} + {negative}"
        case Rounding.RND_INF:
            addend = f"{unsigned_literal(half, bits)} - {negative}"
        case Rounding.RND_CONV:
            addend = f"{below} + (({word} >> {shift}) & 1)"
        case _:
            assert_never(rounding)
    return addend


def rounder(node: Requantize, source: Intervals, bits: int) -> Rounder:
    """``node`` on lanes of ``bits`` bits, for operand codes within ``source``."""
    reached = before_clip(node, hull(source))
    word = f"(v{unsigned_literal(node.offset, bits)})" if node.offset else "v"
    if node.shift > 0:
        expression = f"Code{bits}({word}{_addend(word, node.rounding, node.shift, bits)}) >> {node.shift}"
    elif node.shift < 0:
        expression = f"Code{bits}({word} << {-node.shift})"
    else:
        expression = f"Code{bits}({word})"
    if wraps(node, hull(source)):
        floor = signed_literal(0) if node.rectified and reached.lo < 0 else None
        return Rounder(expression, floor, None, _wrapped(node, bits))
    return Rounder(
        expression,
        signed_literal(node.lo) if reached.lo < node.lo else None,
        signed_literal(node.hi) if reached.hi > node.hi else None,
        None,
    )


def _wrapped(node: Requantize, bits: int) -> str:
    """The bits of ``code`` that the type of the result has."""
    if not node.lo:
        return f"code & {signed_literal(node.hi)}"
    above = bits - 1 - node.hi.bit_length()
    return f"Code{bits}(Word{bits}(code) << {above}) >> {above}"
