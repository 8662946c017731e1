"""A requantiser in C++: drop bits, round, clip or wrap around, and of these only what the range of an operand asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bittrigger.emit.hls.cpp import Operands, code_type, literal
from bittrigger.ir.fixed import Interval, Rounding, hull
from bittrigger.ir.graph import Intervals, Requantize, before_clip, requantized, wraps


@dataclass(frozen=True)
class Rounder:
    """How a code is brought to the scale of the result.

    Attributes:
        operand_type: holds every operand code, and has at least one bit more than are dropped.
        floor_type: holds ``floor(code / 2**shift)``.
        type: holds the rounded code.
        up: the condition under which the floor is raised by one, or None.
        uses: names among ``half``, ``sticky``, ``rest``, ``odd`` and ``negative`` that ``up`` reads.
        offset: ``+ c`` or ``- c`` that is added to the code first, or empty.
        clears_ties: whether the last bit of the floor is cleared where only zeros are dropped, instead of all else.
    """

    shift: int
    operand_type: str
    floor_type: str
    type: str
    up: str | None
    uses: tuple[str, ...]
    offset: str
    clears_ties: bool


@dataclass(frozen=True)
class RequantizeBody:
    """A requantiser ready for its template.

    Attributes:
        clips: for each kind of clip that occurs, whether it compares with ``lo`` and with ``hi``.
        wrap: the type in which codes wrap around, or None where none does.
        rectified: whether codes below 0 become 0 before they wrap around.
        lines: one assignment a channel.
    """

    rounder: Rounder
    rounding: Rounding
    lo: str
    hi: str
    clips: tuple[tuple[str, bool, bool], ...]
    wrap: str | None
    rectified: bool
    lines: tuple[str, ...]


def _round_up(rounding: Rounding, *, signed: bool, sticky: bool) -> tuple[str, ...]:
    """The condition of rounding up: a bit that must be set and others of which one must be; empty if it never holds.

    Args:
        signed: whether negative codes occur.
        sticky: whether bits are dropped below the half bit.
    """
    above_half = ("sticky",) if sticky else ()
    match rounding:
        case Rounding.TRN:
            condition: tuple[str, ...] = ()
        case Rounding.TRN_ZERO:
            condition = ("rest", "negative") if signed else ()
        case Rounding.RND:
            condition = ("half",)
        case Rounding.RND_MIN_INF:
            condition = ("half", *above_half) if sticky else ()
        case Rounding.RND_ZERO:
            condition = ("half", *above_half, *(("negative",) if signed else ())) if signed or sticky else ()
        case Rounding.RND_INF:
            condition = ("half", *above_half, "!negative") if signed else ("half",)
        case Rounding.RND_CONV:
            condition = ("half", *above_half, "odd")
        case _:
            assert_never(rounding)
    return condition


def _expression(condition: tuple[str, ...]) -> str | None:
    """``condition`` in C++."""
    if not condition:
        return None
    first, *others = condition
    if not others:
        return first
    return f"{first} && {others[0]}" if len(others) == 1 else f"{first} && ({' || '.join(others)})"


def _rounder(node: Requantize, source: Intervals) -> Rounder:
    reach = hull(source)
    whole = reach.union(reach + Interval(node.offset, node.offset))
    rounded = code_type(before_clip(node, reach))
    offset = f" {'-' if node.offset < 0 else '+'} {abs(node.offset)}" if node.offset and not node.clears_ties else ""
    if node.shift <= 0:
        return Rounder(node.shift, code_type(whole), rounded, rounded, None, (), offset, clears_ties=False)
    width = max(whole.width, node.shift + 1)
    floors = before_clip(node, reach, Rounding.TRN)
    condition = _round_up(node.rounding, signed=whole.signed, sticky=node.shift > 1)
    uses = tuple(name.removeprefix("!") for name in condition)
    operand_type = f"ap_{'' if whole.signed else 'u'}int<{width}>"
    if node.clears_ties:  # the code comes with half added to it, so that its own floor is the rounded one
        floors = floors.union(Interval(reach.lo >> node.shift, reach.hi >> node.shift))
        return Rounder(node.shift, operand_type, code_type(floors), rounded, None, ("rest",), "", clears_ties=True)
    up = _expression(condition)
    return Rounder(node.shift, operand_type, code_type(floors), rounded, up, uses, offset, clears_ties=False)


def requantize_body(node: Requantize, source: Intervals, operands: Operands, name: str) -> RequantizeBody:
    """``node`` in C++.

    Args:
        source: ranges of the operand codes.
        name: the module's name; its helper functions bear it.
    """
    kinds: dict[str, tuple[bool, bool]] = {}
    lines = []
    wrap, rectified = None, False
    for j, (element, read) in enumerate(zip(operands.elements, source, strict=True)):
        span = before_clip(node, read)
        low, high = span.lo < node.lo, span.hi > node.hi
        result = requantized(node, read)
        if result.lo == result.hi:
            lines.append(f"y[{j}] = {literal(result.lo)};")
            continue
        code = f"{name}_round({element})"
        if wraps(node, read):
            wrap = code_type(Interval(node.lo, node.hi))
            rectified = rectified or (node.rectified and low)
            code = f"{name}_wrap({code})"
        elif low or high:
            kind = "clip" if low and high else "clip_low" if low else "clip_high"
            kinds[kind] = (low, high)
            code = f"{name}_{kind}({code})"
        lines.append(f"y[{j}] = {code};")
    clips = tuple((kind, low, high) for kind, (low, high) in sorted(kinds.items()))
    rounder = _rounder(node, source)
    return RequantizeBody(
        rounder, node.rounding, literal(node.lo), literal(node.hi), clips, wrap, rectified, tuple(lines)
    )
