"""How a matrix is multiplied step by step: lanes that accumulate, fed with a few operand codes and their weights each clock.

The results of a layer come in groups of ``lanes`` columns, one group every ``period`` cycles: a cycle that clears the sums, one a
step, each of which adds ``terms`` operand codes times their weights, and one that adds the biases. A weight is two bits, the
lower one whether it counts, the upper one whether it subtracts; what is subtracted enters as its complement, and the ones that
are missing then are in the bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes import Linear

CLEARING = 1
"""Cycles of a group before its first step."""

SETTLING = 1
"""Cycles of a group after its last step."""

FEEDING = 2
"""Cycles from the one in which the operands are there to that in which the first group is cleared."""

WEIGHT_BITS = 2

MAX_TERMS = 8
"""Most operand codes that a lane adds in a cycle."""

MAX_SEARCHED = 1 << 18
"""Non-zero weights above which no adder graph is searched for at all: that would take hours."""

MAX_UNROLLED = 1 << 16
"""Non-zero weights above which a layer gets no adder graph where it can be multiplied step by step."""


@dataclass(frozen=True)
class Engine:
    """A plan for a layer of ``n_in`` operand codes and ``n_out`` columns.

    Attributes:
        lanes: accumulators, one for each column of a group.
        terms: operand codes that a lane adds in a cycle.
        chain: adders that a lane has one behind the other; where there are more terms than that, they are summed up on their own
            first, as many a cycle, and the sum of a step is added later.
    """

    n_in: int
    n_out: int
    lanes: int
    terms: int
    chain: int

    @property
    def delay(self) -> int:
        """Cycles in which the terms of a step are summed up before their sum is added."""
        return 0 if self.terms <= self.chain else -(-self.terms // self.chain)

    def lag(self, term: int) -> int:
        """Cycles after the first terms of a step in which ``term`` is handed out."""
        return term // self.chain if self.delay else 0

    def term_bits(self, own: int, *, signed: bool, shift: int, width: int) -> list[int]:
        """Bits of the sums of the first terms of a step, in two's complement.

        Args:
            own: bits of an operand code.
            shift: zeros below it.
            width: bits of the sum of a column, which are enough.
        """
        return [min(own + (not signed) + k.bit_length() + shift, width) for k in range(self.terms)]

    @property
    def steps(self) -> int:
        """Cycles in which operand codes are added."""
        return -(-self.n_in // self.terms)

    @property
    def period(self) -> int:
        """Cycles from one group of columns to the next."""
        return CLEARING + self.steps + SETTLING

    @property
    def groups(self) -> int:
        """Groups of columns, one after the other."""
        return -(-self.n_out // self.lanes)

    @property
    def cycles(self) -> int:
        """Cycles that an event keeps the lanes busy."""
        return self.groups * self.period


def busy_percent(engine: Engine, ii: int) -> float:
    """The share of the lanes' terms, over ``ii`` cycles, that multiply a weight of the matrix, in per cent."""
    return round(100 * engine.n_in * engine.n_out / (ii * engine.lanes * engine.terms), 2)


def common_shift(node: Linear) -> int | None:
    """The power of two that every weight of ``node`` is 0 or plus or minus; None if there is no such."""
    peak = int(np.abs(node.weights).max(initial=0))
    same = np.isin(node.weights, (0, peak, -peak)).all()
    return peak.bit_length() - 1 if peak and same and peak & (peak - 1) == 0 else None


def may_go_without_adders(node: Linear) -> bool:
    """Whether a layer is so large that no adder graph is searched for where it is multiplied step by step."""
    return common_shift(node) is not None and int(np.count_nonzero(node.weights)) > MAX_UNROLLED


def least_interval(node: Linear) -> int:
    """The fewest cycles between events in which a layer can be multiplied step by step."""
    return CLEARING + -(-int(node.weights.shape[0]) // MAX_TERMS) + SETTLING


def weight_table(node: Linear, engine: Engine) -> IntArray:
    """The weights as -1, 0 and 1, `(groups, steps, lanes, terms)`; zeros where there are no more rows or columns."""
    padded = np.zeros((engine.steps * engine.terms, engine.groups * engine.lanes), dtype=np.int64)
    padded[: engine.n_in, : engine.n_out] = np.sign(node.weights)
    return padded.reshape(engine.steps, engine.terms, engine.groups, engine.lanes).transpose(2, 0, 3, 1)


def bias_table(node: Linear, engine: Engine) -> IntArray:
    """What each lane adds at the end of each group, `(groups, lanes)`: the bias, and one for each weight that subtracts."""
    padded = np.zeros(engine.groups * engine.lanes, dtype=np.int64)
    padded[: engine.n_out] = node.bias + (node.weights < 0).sum(axis=0)
    return padded.reshape(engine.groups, engine.lanes)
