"""The largest or least of several codes: max and min poolings, Maximum and Minimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import IntArray, Interval

Ranges = tuple[Interval, ...]


@dataclass(frozen=True, eq=False)
class Extremum:
    """The largest operand code, or the least if ``least``: one code, of each of ``copies`` parts of the operand."""

    name: str
    inputs: tuple[str, ...]
    frac: int
    least: bool = False
    copies: int = 1

    @property
    def size(self) -> int:
        """One code a copy."""
        return self.copies

    @property
    def word(self) -> str:
        """What it is, for names and comments."""
        return "minimum" if self.least else "maximum"


def evaluate_extremum(node: Extremum, codes: IntArray) -> IntArray:
    """The output code of one copy, `(events, 1)`, for operand codes `(events, n_in)`."""
    found: IntArray = (np.min if node.least else np.max)(codes, axis=1, keepdims=True)
    return found


def extremum_interval(node: Extremum, source: Ranges) -> Interval:
    """The exact range of the output code, given those of the operand."""
    choose = min if node.least else max
    return Interval(choose(span.lo for span in source), choose(span.hi for span in source))


def tournament(node: Extremum, source: Ranges) -> list[Ranges]:
    """The ranges of the codes that are left before each round, and of the last one; neighbours meet, an odd one waits."""
    rounds = [source]
    while len(rounds[-1]) > 1:
        left = rounds[-1]
        pairs = [left[k : k + 2] for k in range(0, len(left), 2)]
        rounds.append(tuple(extremum_interval(node, pair) for pair in pairs))
    return rounds
