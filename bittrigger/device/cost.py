"""What a part of a design is estimated to take."""

from __future__ import annotations

from dataclasses import dataclass

LUT_INPUTS = 6
"""Inputs of an UltraScale+ LUT."""


@dataclass(frozen=True)
class Cost:
    """Estimated LUTs, flip-flops and halves of block RAMs."""

    lut: int
    ff: int
    bram18: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.lut + other.lut, self.ff + other.ff, self.bram18 + other.bram18)

    def times(self, copies: int) -> Cost:
        """That of as many copies."""
        return Cost(copies * self.lut, copies * self.ff, copies * self.bram18)
