"""Expressions of the emitted SystemVerilog as VHDL: read by Verilog's rules of width and sign, written with both spelled out.

IEEE 1800-2017, 11.6 to 11.8: an operand that is not on its own takes the width of what it is part of, and is extended by its sign
only if all of that is signed. VHDL has no such rules, so every extension is a call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from bittrigger.errors import InternalError

_TOKEN = re.compile(
    r"\s*(?:(?P<literal>(?P<size>\d+)'(?P<sign>s?)(?P<base>[db])(?P<digits>\d+))|(?P<cast>\d+)'(?=\()"
    r"|(?P<number>\d+)|(?P<name>\$?[A-Za-z_]\w*)|(?P<mark>&&|\|\||~[&|^]|>>>|>>|<<|>=|<=|==|!=|\+:|[-+~!&|^?:<>()\[\]{},*]))"
)
_BINARY: tuple[tuple[str, ...], ...] = (
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", "<=", ">", ">="),
    ("<<", ">>", ">>>"),
    ("+", "-"),
    ("*",),
)
"""From the loosest to the tightest."""

_REDUCTIONS = {"&": "all_of", "|": "some", "^": "parity"}

_LONGEST = 32
"""Bits of a constant in one piece."""

_SHORT = 4
"""Bits of a zero that is written out."""


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
        return self.left.shape if self.mark in ("<<", ">>", ">>>") else _both(self.left, self.right)


@dataclass(frozen=True)
class Choice:
    """``condition ? yes : no``."""

    condition: Expression
    yes: Expression
    no: Expression

    @property
    def shape(self) -> Shape:
        """On its own."""
        return _both(self.yes, self.no)


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


def _both(left: Expression, right: Expression) -> Shape:
    return Shape(max(left.shape.width, right.shape.width), left.shape.signed and right.shape.signed)


@dataclass(frozen=True)
class Names:
    """What an expression may name.

    Attributes:
        nets: each with its shape.
        scalars: those of them that are a ``std_logic``.
        functions: the shape of the operand and that of the result.
        loops: the variables of the loops around.
        spelled: how VHDL has to spell a name.
    """

    nets: Mapping[str, Shape]
    spelled: Callable[[str], str]
    scalars: frozenset[str] = frozenset()
    functions: Mapping[str, tuple[Shape, Shape]] = field(default_factory=dict)
    loops: frozenset[str] = frozenset()


class _Reader:
    """Reads one expression from its tokens."""

    def __init__(self, text: str, names: Names) -> None:
        self._text, self._names, self._tokens, place = text, names, list[re.Match[str]](), 0
        text = text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise self.refuse()
            self._tokens.append(match)
            place = match.end()
        self._next = 0

    def refuse(self) -> InternalError:
        return InternalError(f"not an expression that can be written in VHDL: {' '.join(self._text.split())[:200]}")

    def whole(self) -> Expression:
        """The expression that all of the text is."""
        found = self.choice()
        if self._next != len(self._tokens):
            raise self.refuse()
        return found

    def _peek(self) -> str:
        return self._tokens[self._next][0].strip() if self._next < len(self._tokens) else ""

    def _take(self, *marks: str) -> str:
        """The next token, if it is one of ``marks``; else an empty text."""
        found = self._peek()
        if found not in marks:
            return ""
        self._next += 1
        return found

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self.refuse()

    def _any(self) -> re.Match[str]:
        if self._next >= len(self._tokens):
            raise self.refuse()
        self._next += 1
        return self._tokens[self._next - 1]

    def choice(self) -> Expression:
        condition = self._binary(0)
        if not self._take("?"):
            return condition
        yes = self.choice()
        self._expect(":")
        return Choice(condition, yes, self.choice())

    def _binary(self, level: int) -> Expression:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while mark := self._take(*_BINARY[level]):
            left = Binary(mark, left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        if mark := self._take("-", "+", "~", "!", "&", "|", "^"):
            return Unary(mark, self._unary())
        return self._primary()

    def _primary(self) -> Expression:
        token = self._any()
        if token["literal"]:
            value = int(token["digits"], 2 if token["base"] == "b" else 10)
            return Literal(value, Shape(int(token["size"]), bool(token["sign"])))
        if token["cast"]:
            operand = self._enclosed()
            return Cast(operand, Shape(int(token["cast"]), operand.shape.signed))
        if token["number"]:
            return Literal(int(token["number"]), Shape(32, signed=True))
        if token["name"]:
            return self._named(token["name"])
        if token["mark"] == "(":
            self._next -= 1
            return self._enclosed()
        if token["mark"] == "{":
            return self._concatenation()
        raise self.refuse()

    def _enclosed(self) -> Expression:
        self._expect("(")
        found = self.choice()
        self._expect(")")
        return found

    def _concatenation(self) -> Expression:
        start = self._next
        first = self._any()
        if first["number"] and self._take("{"):
            parts = self._listed()
            self._expect("}")
            return Concatenation(parts, int(first["number"]))
        self._next = start
        return Concatenation(self._listed())

    def _listed(self) -> tuple[Expression, ...]:
        parts = [self.choice()]
        while self._take(","):
            parts.append(self.choice())
        self._expect("}")
        return tuple(parts)

    def _named(self, name: str) -> Expression:
        if name in ("$signed", "$unsigned"):
            operand = self._enclosed()
            return Cast(operand, Shape(operand.shape.width, name == "$signed"))
        if name in self._names.functions:
            takes, gives = self._names.functions[name]
            return Cast(self._enclosed(), gives, name, takes)
        if name not in self._names.nets:
            raise self.refuse()
        if not self._take("["):
            return Name(name, self._names.nets[name])
        return self._part(name)

    def _part(self, name: str) -> Expression:
        if self._peek() in self._names.nets:
            index = self._any()[0].strip()
            self._expect("]")
            return Entry(name, index)
        terms = [self._index()]
        while self._take("+"):
            terms.append(self._index())
        low = " + ".join(terms)
        if self._take("+:"):
            size = self._index()
        elif self._take(":"):
            high, low = low, self._index()
            size = str(int(high) - int(low) + 1)
        else:
            size = "1"
        self._expect("]")
        return Part(name, low, int(size))

    def _index(self) -> str:
        """A number, a variable of a loop, or a product of both."""
        token = self._any()
        if token["number"] and self._take("*"):
            return f"{token['number']} * {self._loop(self._any())}"
        return token["number"] or self._loop(token)

    def _loop(self, token: re.Match[str]) -> str:
        if token["name"] not in self._names.loops:
            raise self.refuse()
        return token["name"]


def read_expression(text: str, names: Names) -> Expression:
    """The expression that ``text`` is.

    Raises:
        InternalError: if it is none of the emitted language, or names what is not there.
    """
    return _Reader(text, names).whole()


def assigned(text: str, target: Shape, names: Names) -> str:
    """The VHDL expression, ``target.width`` bits wide, of what ``text`` gives to a net of that shape."""
    found = read_expression(text, names)
    width = max(target.width, found.shape.width)
    return _cut(_Writer(names).in_context(found, Shape(width, found.shape.signed)), width, target.width)


def table(text: str, target: Shape) -> list[tuple[int, int, str]]:
    """A constant of more bits than a piece holds, piece by piece, the lowest first: last and first bit, and VHDL.

    GHDL 2.0 gives wrong digits for some constants of 33 to 64 bits when it writes Verilog, also for such that it joins.
    """
    match = _TOKEN.fullmatch(text)
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
        due = _both(found.left, found.right)
        left, right = self.in_context(found.left, due), self.in_context(found.right, due)
        if found.mark in ("==", "!="):
            text = f"equal({left}, {right})"
            return text if found.mark == "==" else f"(not {text})"
        first, second = (left, right) if found.mark in ("<", ">=") else (right, left)
        text = f"{'sign_' if due.signed else ''}less({first}, {second})"
        return f"(not {text})" if found.mark in (">=", "<=") else text
