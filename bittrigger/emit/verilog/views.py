"""What the Verilog templates are given: precomputed names, widths and expressions, nothing to work out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bittrigger.ir.fixed import Interval


@dataclass(frozen=True)
class Wire:
    """``wire <type> <name> = <value>;``."""

    type: str
    name: str
    value: str


@dataclass(frozen=True)
class Sum:
    """A wire that an adder of the firmware library drives; its lowest bits may bypass the adder.

    Attributes:
        module: of the firmware library.
        parameters: of this instance, as Verilog has them.
        operands: by port, expressions as wide as the module's ports.
        driven: the wire, or its bits above the bypass.
        bypass: ``(bits of the wire, expression)``, or None.
        comment: the sum as a person would write it.
    """

    type: str
    name: str
    module: str
    parameters: str
    operands: dict[str, str]
    driven: str
    bypass: tuple[str, str] | None
    comment: str

    @property
    def pins(self) -> str:
        """The connections of the operands."""
        return ", ".join(f".{port}({operand})" for port, operand in self.operands.items())


@dataclass(frozen=True)
class Clip:
    """A wire that a ``bittrigger_clip`` of the firmware library drives; its top bit and its last may bypass the limiter.

    Attributes:
        width: bits of the limiter.
        code: the expression that is limited, ``width`` bits.
        zero: whether the result is all zeros.
        over: one or two bits; if one is set the result is all ones, unless it is all zeros.
        over_width: how many.
        driven: the wire, or its bits that do not bypass it.
        bypass: those that do, each ``(bits of the wire, expression)``.
    """

    type: str
    name: str
    width: int
    code: str
    zero: str
    over: str
    over_width: int
    driven: str
    bypass: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Register:
    """``reg <type> <name>;`` that takes ``<next>`` at each rising edge."""

    type: str
    name: str
    next: str


@dataclass(frozen=True)
class Stage:
    """The logic between two register ranks, and the rank in front of it."""

    number: int
    registers: tuple[Register, ...]
    wires: tuple[Wire | Sum | Clip, ...]


@dataclass(frozen=True)
class Body:
    """What a module holds between its ports.

    Attributes:
        summary: one line for the header comment.
        functions: SystemVerilog functions, each as lines.
        operands: elements cut out of the operand buses.
        stages: the logic, stage after stage.
        results: for each element of the result bus its expression, as wide as the element.
        unread: names of which some bits are read by nothing, and are meant to be.
    """

    summary: str
    functions: tuple[tuple[str, ...], ...]
    operands: tuple[Wire, ...]
    stages: tuple[Stage, ...]
    results: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def clocked(self) -> bool:
        """Whether the module holds a register, and so has a port ``clk``."""
        return any(stage.registers for stage in self.stages)


def bits_for(count: int) -> int:
    """Bits of a number below ``count``."""
    return max((count - 1).bit_length(), 1)


def joined(parts: Sequence[str]) -> str:
    """The parts, the lowest first, as one signal."""
    return parts[0] if len(parts) == 1 else "{" + ", ".join(reversed(parts)) + "}"


def vector(width: int, *, signed: bool) -> str:
    """The type of a wire in columns that line up: ``signed [11:0]``."""
    return f"{'signed ' if signed else '       '}[{width - 1:>2}:0]"


def vector_of(interval: Interval) -> str:
    """The type of the narrowest wire that holds ``interval``."""
    return vector(interval.width, signed=interval.signed)


def literal(value: int, width: int, *, signed: bool = False) -> str:
    """A sized decimal constant: ``8'd200`` or ``-8'sd5``."""
    sign = "-" if value < 0 else ""
    return f"{sign}{width}'{'s' if signed or value < 0 else ''}d{abs(value)}"
