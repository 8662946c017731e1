"""Functions of SystemVerilog that are tables over the bits of their argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bittrigger.emit.verilog.views import literal, vector, vector_of
from bittrigger.ir.fixed import Interval

_INDENT = "    "


def selected(name: str, values: Sequence[str]) -> list[str]:
    """The value with the number that the bits of ``name`` are: nested conditionals, two values a line; every bit is named.

    Args:
        values: as many as the bits have patterns.
    """
    lines = _selected(name, values, 2, set())
    bits = {bit for bit in range((len(values) - 1).bit_length()) if not any(f"[{bit}]" in line for line in lines)}
    return _selected(name, values, 2, bits) if bits else lines


def _selected(name: str, values: Sequence[str], depth: int, unread: set[int]) -> list[str]:
    """Those of some values, from ``depth`` on; bits in ``unread``, on which nothing depends, are named at the first chance."""
    pad = _INDENT * depth
    half = len(values) // 2
    bit = half.bit_length() - 1
    if len(set(values)) == 1 and not any(other <= bit for other in unread):
        return [pad + values[0]]
    unread.discard(bit)
    test = f"{name}[{bit}]"
    upper, lower = (_selected(name, part, depth + 1, unread) for part in (values[half:], values[:half]))
    if len(upper) == len(lower) == 1 and "?" not in upper[0] + lower[0]:
        return [f"{pad}({test} ? {upper[0].strip()} : {lower[0].strip()})"]
    upper[0] = f"{_INDENT * (depth + 1)}? {upper[0].lstrip()}"
    lower[0] = f"{_INDENT * (depth + 1)}: {lower[0].lstrip()}"
    return [f"{pad}({test}", *upper, *lower, f"{pad})"]


def function(name: str, kind: str, argument: str, lines: Sequence[str]) -> tuple[str, ...]:
    """A function that gives the expression of ``lines``.

    Args:
        kind: type of the result.
        argument: its declaration.
    """
    *first, last = lines
    return (
        f"function automatic logic {kind.strip()} {name}({argument});",
        f"{_INDENT}{name} =",
        *first,
        f"{last};",
        "endfunction",
    )


@dataclass
class Tables:
    """The tables of a module, by what they hold."""

    names: dict[tuple[tuple[int, ...], Interval], str] = field(default_factory=dict)

    def read(self, entries: tuple[int, ...], kind: Interval, number: str) -> str:
        """The entry of that number, an expression of as many bits as it takes; entries are as wide and as signed as ``kind``."""
        if len(set(entries)) == 1:
            return literal(entries[0], kind.width, signed=kind.signed)
        return f"{self.names.setdefault((entries, kind), f'table{len(self.names)}')}({number})"

    def functions(self) -> tuple[tuple[str, ...], ...]:
        """All of them."""
        return tuple(_table(name, entries, kind) for (entries, kind), name in self.names.items())


def _table(name: str, entries: tuple[int, ...], kind: Interval) -> tuple[str, ...]:
    values = [literal(entry, kind.width, signed=kind.signed) for entry in entries]
    bits = (len(entries) - 1).bit_length()
    argument = f"input logic {vector(bits, signed=False).strip()} code"
    return function(name, vector_of(kind), argument, selected("code", values))
