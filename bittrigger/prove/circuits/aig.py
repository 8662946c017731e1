"""And-inverter graphs: netlists as ABC wants them for an equivalence check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

FALSE, TRUE = 0, 1
"""Literals; a literal is twice the number of a node, plus one if it is inverted."""

BoolArray = npt.NDArray[np.bool_]

Vector = list[int]
"""Literals of an integer, lowest bit first."""


class Aig:
    """A graph of two-input ANDs; equal ANDs are one node."""

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self._ands: list[tuple[int, int]] = []
        self._known: dict[tuple[int, int], int] = {}

    def input(self, index: int) -> int:
        """The literal of input ``index``."""
        return 2 * (index + 1)

    def both(self, a: int, b: int) -> int:
        """``a & b``."""
        a, b = (a, b) if a > b else (b, a)
        if b == FALSE or a == b ^ 1:
            return FALSE
        if b in (TRUE, a):
            return a
        literal = self._known.get((a, b))
        if literal is None:
            self._ands.append((a, b))
            literal = self._known[a, b] = 2 * (self.n_inputs + len(self._ands))
        return literal

    def either(self, a: int, b: int) -> int:
        """``a | b``."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def odd(self, a: int, b: int) -> int:
        """``a ^ b``."""
        return self.both(self.both(a, b) ^ 1, self.either(a, b))

    def choose(self, which: int, yes: int, no: int) -> int:
        """``which ? yes : no``."""
        return self.either(self.both(which, yes), self.both(which ^ 1, no)) if yes != no else yes

    def any(self, literals: Sequence[int]) -> int:
        """Whether one of ``literals`` is true."""
        total = FALSE
        for literal in literals:
            total = self.either(total, literal)
        return total

    def all(self, literals: Sequence[int]) -> int:
        """Whether all ``literals`` are true."""
        return self.any([literal ^ 1 for literal in literals]) ^ 1

    def add(self, a: Vector, b: Vector, carry: int = FALSE) -> Vector:
        """``a + b + carry`` modulo the width of ``a``."""
        total = []
        for x, y in zip(a, b, strict=True):
            half = self.odd(x, y)
            total.append(self.odd(half, carry))
            carry = self.either(self.both(x, y), self.both(half, carry))
        return total

    def negate(self, a: Vector) -> Vector:
        """``-a`` modulo its width."""
        return self.add([bit ^ 1 for bit in a], [FALSE] * len(a), TRUE)

    def mux(self, which: int, yes: Vector, no: Vector) -> Vector:
        """``which ? yes : no``."""
        return [self.choose(which, y, n) for y, n in zip(yes, no, strict=True)]

    def less(self, a: Vector, b: Vector, *, signed: bool) -> int:
        """``a < b``."""
        if signed:
            a, b = [*a[:-1], a[-1] ^ 1], [*b[:-1], b[-1] ^ 1]
        result = FALSE
        for x, y in zip(a, b, strict=True):
            result = self.choose(self.odd(x, y), y, result)
        return result

    def equal(self, a: Vector, b: Vector) -> int:
        """``a == b``."""
        return self.any([self.odd(x, y) for x, y in zip(a, b, strict=True)]) ^ 1

    def evaluate(self, inputs: Mapping[int, BoolArray], outputs: Sequence[int]) -> list[BoolArray]:
        """The values of the literals ``outputs``, of many patterns at a time.

        Args:
            inputs: the values of the literals of inputs that ``outputs`` depend on.
        """
        size = len(next(iter(inputs.values())))
        words = {literal >> 1: np.packbits(values) for literal, values in inputs.items()}
        words[0] = np.zeros(-(-size // 8), dtype=np.uint8)

        def value(literal: int) -> npt.NDArray[np.uint8]:
            word = words[literal >> 1]
            return ~word if literal & 1 else word

        for number, (a, b) in enumerate(self._ands, self.n_inputs + 1):
            if a >> 1 in words and b >> 1 in words:
                words[number] = value(a) & value(b)
        return [np.unpackbits(value(literal), count=size).astype(bool) for literal in outputs]

    def write(self, path: Path, outputs: Sequence[int]) -> None:
        """Write the graph in the binary AIGER format (Biere, FMV report 07/1)."""
        total = self.n_inputs + len(self._ands)
        head = f"aig {total} {self.n_inputs} 0 {len(outputs)} {len(self._ands)}\n"
        body = bytearray()
        for k, (a, b) in enumerate(self._ands):
            literal = 2 * (self.n_inputs + k + 1)
            for delta in (literal - a, a - b):
                while delta > 0x7F:
                    body.append(delta & 0x7F | 0x80)
                    delta >>= 7  # noqa: PLW2901
                body.append(delta)
        path.write_bytes(head.encode() + "".join(f"{literal}\n" for literal in outputs).encode() + bytes(body))


def constant(value: int, width: int) -> Vector:
    """``value`` in two's complement."""
    return [value >> k & 1 for k in range(width)]


def extended(bits: Vector, width: int, *, signed: bool) -> Vector:
    """``bits`` cut or extended to ``width``."""
    return bits[:width] + [bits[-1] if signed else FALSE] * (width - len(bits))
