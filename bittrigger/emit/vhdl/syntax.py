"""Reads the expressions of the emitted SystemVerilog. What the emitter does not write is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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
)
from bittrigger.errors import InternalError

TOKEN = re.compile(
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
            match = TOKEN.match(text, place)
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
