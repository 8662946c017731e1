"""Expressions of the emitted SystemVerilog as trees: the width and the sign that each part has on its own.

IEEE 1800-2017, 11.6 to 11.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Shape(NamedTuple):
    """Width in bits, and whether the value is two's complement."""

    width: int
    signed: bool


@dataclass(frozen=True)
class Literal:
    """A sized number."""

    value: int
    shape: Shape


@dataclass(frozen=True)
class Name:
    """A whole net."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Part:
    """Bits of a name, from ``low`` on; ``low`` is text in a loop."""

    name: str
    low: str
    size: int

    @property
    def shape(self) -> Shape:
        """On its own."""
        return Shape(self.size, signed=False)


@dataclass(frozen=True)
class Entry:
    """The bit of a net that another one names."""

    table: str
    index: str

    @property
    def shape(self) -> Shape:
        """On its own."""
        return Shape(1, signed=False)


@dataclass(frozen=True)
class Unary:
    """A sign, a negation, or a reduction to one bit."""

    mark: str
    operand: Expression

    @property
    def shape(self) -> Shape:
        """On its own."""
        return Shape(1, signed=False) if self.mark in "&|^!" else self.operand.shape


@dataclass(frozen=True)
class Binary:
    """Two operands."""

    mark: str
    left: Expression
    right: Expression

    @property
    def shape(self) -> Shape:
        """On its own."""
        if self.mark in ("==", "!=", "<", "<=", ">", ">="):
            return Shape(1, signed=False)
        return self.left.shape if self.mark in ("<<", ">>", ">>>") else both(self.left, self.right)


@dataclass(frozen=True)
class Choice:
    """``condition ? yes : no``."""

    condition: Expression
    yes: Expression
    no: Expression

    @property
    def shape(self) -> Shape:
        """On its own."""
        return both(self.yes, self.no)


@dataclass(frozen=True)
class Concatenation:
    """``count`` times ``parts``, the first highest."""

    parts: tuple[Expression, ...]
    count: int = 1

    @property
    def shape(self) -> Shape:
        """On its own."""
        return Shape(self.count * sum(part.shape.width for part in self.parts), signed=False)


@dataclass(frozen=True)
class Cast:
    """``N'(operand)``, ``$signed(operand)`` or a call of a function: the operand stands on its own."""

    operand: Expression
    shape: Shape
    function: str = ""
    takes: Shape | None = None


Expression = Literal | Name | Part | Entry | Unary | Binary | Choice | Concatenation | Cast


def both(left: Expression, right: Expression) -> Shape:
    """The shape of two operands that take each other's width."""
    return Shape(max(left.shape.width, right.shape.width), left.shape.signed and right.shape.signed)
