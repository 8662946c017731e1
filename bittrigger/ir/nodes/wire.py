"""Wires: a node of the integer graph that computes nothing.

Flattening, permuting, concatenating, cropping, padding, repeating and the windows of a convolution are all one thing: a list
of the operand codes that are read, in order. A wire costs no logic and no time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import IntArray, Interval

ZERO = -1
"""The index of a code that is always 0, for padding."""


@dataclass(frozen=True, eq=False)
class Wire:
    """Code ``k`` is operand code ``indices[k]``, or 0 where that is ``ZERO``.

    Attributes:
        indices: `(size,)` int64, of the codes of ``inputs``, one node after the other.
        frac: fractional bits; those of every input.
    """

    name: str
    inputs: tuple[str, ...]
    indices: IntArray
    frac: int

    @property
    def size(self) -> int:
        """Number of codes."""
        return int(self.indices.size)

    @property
    def copies(self) -> int:
        """One; see ``graph.Linear``."""
        return 1


def evaluate_wire(node: Wire, codes: IntArray) -> IntArray:
    """The codes of ``node``, `(events, size)`, for operand codes `(events, n_in)`."""
    return np.where(node.indices == ZERO, 0, codes[:, node.indices])


def wire_intervals(node: Wire, source: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The range of each code of ``node``, given those of its operand."""
    zero = Interval(0, 0)
    return tuple(zero if index == ZERO else source[index] for index in node.indices.tolist())
