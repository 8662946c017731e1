"""Which operations may not share a stage, because the logic between them does not fit the clock period."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

MAX_STEPS = 5_000_000
"""Steps of the search after which it gives up: slow clocks, for which paths are long, on large networks."""


@dataclass(frozen=True)
class Operation:
    """One operation, placed in the stage that variable ``variable`` stands for.

    Attributes:
        delay_ns: of its logic, the net before it included.
        operands: the operations, by number, whose results it reads without more logic in between; each comes before it.
    """

    variable: int
    delay_ns: float
    operands: tuple[int, ...]


def period_constraints(operations: Sequence[Operation], budget_ns: float) -> list[tuple[int, int]] | None:
    """Pairs ``(first, last)`` of variables between which a register must lie; those that follow from others are left out.

    A path of operations in one stage must not take longer than ``budget_ns``; for each path that does, some pair of its
    operations is among these. An operation that takes longer on its own has a stage to itself.

    Returns:
        None if the search takes more than ``MAX_STEPS``.
    """
    pairs: set[tuple[int, int]] = set()
    steps = 0
    delays = [min(operation.delay_ns, budget_ns) for operation in operations]
    for number, operation in enumerate(operations):
        longest = {number: delays[number]}  # from the start of each operation to the end of this one
        pending = [-number]
        while pending:
            steps += 1
            current = -heapq.heappop(pending)
            if longest[current] > budget_ns:
                pairs.add((operations[current].variable, operation.variable))
                continue
            for operand in operations[current].operands:
                if operand not in longest:
                    longest[operand] = 0.0
                    heapq.heappush(pending, -operand)
                longest[operand] = max(longest[operand], longest[current] + delays[operand])
        if steps > MAX_STEPS:
            return None
    return sorted(pairs)
