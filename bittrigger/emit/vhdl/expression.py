"""Expressions of the emitted SystemVerilog as VHDL: read by Verilog's rules of width and sign, written with both spelled out.

IEEE 1800-2017, 11.6 to 11.8: an operand that is not on its own takes the width of what it is part of, and is extended by its sign
only if all of that is signed. VHDL has no such rules, so every extension is a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bittrigger.emit.vhdl.syntax import TOKEN, Names, read_expression
from bittrigger.emit.vhdl.terms import (
    Binary,
    Cast,
    Choice,
    Concatenation,
    Entry,
    Expression,
    Literal,
    Name,
    Part,
    Shape,
    Unary,
    both,
)
from bittrigger.errors import InternalError

_REDUCTIONS = {"&": "all_of", "|": "some", "^": "parity"}

_LONGEST = 32
"""Bits of a constant in one piece."""

_SHORT = 4
"""Bits of a zero that is written out."""


def assigned(text: str, target: Shape, names: Names) -> str:
    """The VHDL expression, ``target.width`` bits wide, of what ``text`` gives to a net of that shape."""
    found = read_expression(text, names)
    width = max(target.width, found.shape.width)
    return _cut(_Writer(names).in_context(found, Shape(width, found.shape.signed)), width, target.width)


def table(text: str, target: Shape) -> list[tuple[int, int, str]]:
    """A constant of more bits than a piece holds, piece by piece, the lowest first: last and first bit, and VHDL.

    GHDL 2.0 gives wrong digits for some constants of 33 to 64 bits when it writes Verilog, also for such that it joins.
    """
    match = TOKEN.fullmatch(text)
    if match is None or not match["literal"] or target.width <= _LONGEST:
        return []
    value = int(match["digits"], 2 if match["base"] == "b" else 10)
    lows = range(0, target.width, _LONGEST)
    ends = [(low, min(low + _LONGEST, target.width)) for low in lows]
    return [(high - 1, low, constant(value >> low, high - low)) for low, high in ends]


def alone(text: str, names: Names) -> tuple[int, str]:
    """The width of the expression ``text`` on its own, and its VHDL."""
    found = read_expression(text, names)
    return found.shape.width, _Writer(names).own(found)


def scalar(text: str, names: Names) -> str:
    """The VHDL expression of one bit, as a ``std_logic``."""
    found = read_expression(text, names)
    if isinstance(found, Name) and found.name in names.scalars:
        return names.spelled(found.name)
    if isinstance(found, Name) and found.shape.width == 1:
        return f"{names.spelled(found.name)}(0)"
    if isinstance(found, Part) and found.size == 1:
        return f"{names.spelled(found.name)}({found.low})"
    if isinstance(found, Literal) and found.shape.width == 1:
        return f"'{found.value}'"
    raise InternalError(f"not one bit of a net: {text}")


def constant(value: int, width: int) -> str:
    """A constant of ``width`` bits, in pieces that fit a line."""
    value %= 1 << width
    if value == 0 and width > _SHORT:
        return f"zeros({width})"
    digits = f"{value:0{width}b}"
    first = width % _LONGEST or _LONGEST
    pieces = [digits[:first], *(digits[k : k + _LONGEST] for k in range(first, width, _LONGEST))]
    text = " & ".join(f'"{piece}"' for piece in pieces)
    return f"({text})" if len(pieces) > 1 else text


def _cut(text: str, width: int, target: int) -> str:
    return text if width == target else f"extended({text}, {target})"


@dataclass(frozen=True)
class _Writer:
    names: Names

    def own(self, found: Expression) -> str:
        """An expression on its own."""
        return self.in_context(found, found.shape)

    def in_context(self, found: Expression, due: Shape) -> str:
        """An expression as a part of one of the shape ``due``: as wide, and extended by its sign where all of it is signed."""
        match found:
            case Literal():
                signed = found.shape.signed and due.signed and found.value >> (found.shape.width - 1)
                return constant(found.value - (signed << found.shape.width), due.width)
            case Unary("-" | "+" | "~"):
                return self._unary(found, due)
            case Binary("+" | "-" | "*" | "&" | "|" | "^" as mark):
                return self._joined(mark, self.in_context(found.left, due), self.in_context(found.right, due))
            case Binary("<<" | ">>" | ">>>" as mark):
                return self._shifted(mark, self.in_context(found.left, due), found.right, due)
            case Choice():
                yes, no = self.in_context(found.yes, due), self.in_context(found.no, due)
                return f"choice({self._condition(found.condition)}, {yes}, {no})"
            case _:
                return self._extended(self._alone(found), found.shape, due)

    def _unary(self, found: Unary, due: Shape) -> str:
        if found.mark == "-" and isinstance(found.operand, Literal):
            return constant(-found.operand.value, due.width)
        operand = self.in_context(found.operand, due)
        return {"-": f"minus({operand})", "+": operand, "~": f"(not {operand})"}[found.mark]

    @staticmethod
    def _extended(text: str, own: Shape, due: Shape) -> str:
        if own.width == due.width:
            return text
        return f"{'sign_' if due.signed else ''}extended({text}, {due.width})"

    @staticmethod
    def _joined(mark: str, left: str, right: str) -> str:
        word = {"+": "add", "-": "subtract", "*": "multiply"}.get(mark)
        if word:
            return f"{word}({left}, {right})"
        return f"({left} { ({'&': 'and', '|': 'or', '^': 'xor'}[mark]) } {right})"

    @staticmethod
    def _shifted(mark: str, left: str, places: Expression, due: Shape) -> str:
        if not isinstance(places, Literal):
            raise InternalError("a shift by what is no constant")
        word = (
            "shifted_left"
            if mark == "<<"
            else "sign_shifted_right"
            if mark == ">>>" and due.signed
            else "shifted_right"
        )
        return f"{word}({left}, {places.value})"

    def _condition(self, found: Expression) -> str:
        text = self.own(found)
        return text if found.shape.width == 1 else f"some({text})"

    def _alone(self, found: Expression) -> str:
        """What stands on its own whatever is around it."""
        match found:
            case Name():
                text = self.names.spelled(found.name)
                return f"bit_of({text})" if found.name in self.names.scalars else text
            case Part():
                return self._part(found)
            case Entry():
                return f"bit_at({self.names.spelled(found.table)}, {self.names.spelled(found.index)})"
            case Concatenation():
                return self._concatenated(found)
            case Cast():
                return self._cast(found)
            case Unary() | Binary():
                return self._one_bit(found)
            case Literal() | Choice():
                raise InternalError("an operand that takes the width of what is around it")
            case _:
                assert_never(found)

    def _part(self, found: Part) -> str:
        high = str(int(found.low) + found.size - 1) if found.low.isdigit() else f"{found.low} + {found.size - 1}"
        return f"{self.names.spelled(found.name)}({high} downto {found.low})"

    def _concatenated(self, found: Concatenation) -> str:
        text = " & ".join(self.own(part) for part in found.parts)
        text = f"({text})" if len(found.parts) > 1 else text
        return text if found.count == 1 else f"copies({found.count}, {text})"

    def _one_bit(self, found: Unary | Binary) -> str:
        """A comparison, a reduction, or a negated condition."""
        if isinstance(found, Binary):
            return self._compared(found)
        if found.mark == "!":
            return f"(not {self._condition(found.operand)})"
        return f"{_REDUCTIONS[found.mark]}({self.own(found.operand)})"

    def _cast(self, found: Cast) -> str:
        own = found.operand.shape
        if found.takes is not None:
            width = max(own.width, found.takes.width)
            operand = self.in_context(found.operand, Shape(width, own.signed))
            return f"{self.names.spelled(found.function)}({_cut(operand, width, found.takes.width)})"
        return self._extended(self.own(found.operand), own, Shape(found.shape.width, own.signed))

    def _compared(self, found: Binary) -> str:
        due = both(found.left, found.right)
        left, right = self.in_context(found.left, due), self.in_context(found.right, due)
        if found.mark in ("==", "!="):
            text = f"equal({left}, {right})"
            return text if found.mark == "==" else f"(not {text})"
        first, second = (left, right) if found.mark in ("<", ">=") else (right, left)
        text = f"{'sign_' if due.signed else ''}less({first}, {second})"
        return f"(not {text})" if found.mark in (">=", "<=") else text
