"""The least of a linear objective under difference constraints, exactly: what retiming asks for.

``minimise c @ x`` for integers with ``x[later] >= x[earlier] + gap`` and ``0 <= x <= highest``. From the smallest point that
the constraints allow, whole sets of variables rise together by one, always the set that gains most: a closure of greatest
weight, which is a minimum cut. Where no set gains anything, the point is optimal.

Source: J.-C. Picard, "Maximal closure of a graph", Management Science 22 (1976); K. Murota and A. Shioura, "Exact bounds for
steepest descent algorithms of L-convex function minimization", Operations Research Letters 42 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.errors import InternalError
from bittrigger.ir.fixed import IntArray


@dataclass(frozen=True, eq=False)
class Constraints:
    """``x[later] >= x[earlier] + gap``, row by row, and ``x <= highest``.

    Attributes:
        later: `(rows,)` int64, as ``earlier`` and ``gap``; a gap is 0 or more.
        highest: `(variables,)` int64.
    """

    later: IntArray
    earlier: IntArray
    gap: IntArray
    highest: IntArray


def smallest(constraints: Constraints) -> IntArray | None:
    """The point that is smallest in every variable; None where the constraints allow none."""
    found = np.zeros(constraints.highest.size, dtype=np.int64)
    while True:
        before = found.copy()
        np.maximum.at(found, constraints.later, found[constraints.earlier] + constraints.gap)
        if (found > constraints.highest).any():
            return None
        if (found == before).all():
            return found


def minimise(objective: IntArray, constraints: Constraints) -> IntArray:
    """The point of least ``objective @ x``; among several the smallest, so that the same problem has one solution.

    Args:
        objective: `(variables,)` int64; the sum of their sizes is below ``2**31``.

    Raises:
        InternalError: if no point satisfies the constraints.
    """
    found = smallest(constraints)
    if found is None:
        raise InternalError("difference constraints contradict one another")
    while True:
        rising = _best_closure(objective, constraints, found)
        if int(objective[rising].sum()) >= 0:
            return found
        found = found + rising


def _best_closure(objective: IntArray, constraints: Constraints, point: IntArray) -> IntArray:
    """Which variables to raise by one, `(variables,)` bool: the set that lowers the objective most."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    size = objective.size
    source, sink = size, size + 1
    tight = point[constraints.later] == point[constraints.earlier] + constraints.gap
    gains, losses = np.flatnonzero(objective < 0), np.flatnonzero(objective > 0)
    stuck = np.flatnonzero(point == constraints.highest)
    endless = int(np.abs(objective).sum()) + 1
    tails = [np.full(gains.size, source), losses, stuck, constraints.earlier[tight]]
    heads = [gains, np.full(losses.size, sink), np.full(stuck.size, sink), constraints.later[tight]]
    sizes = [-objective[gains], objective[losses], np.full(stuck.size, endless), np.full(int(tight.sum()), endless)]
    # entries of the same place are added up, so endless ones must not leave 32 bits
    rows, columns, capacities = (np.concatenate(part) for part in (tails, heads, sizes))
    keys, places = np.unique(rows * (size + 2) + columns, return_inverse=True)
    merged = np.zeros(keys.size, dtype=np.int64)
    np.add.at(merged, places, capacities)
    merged = np.minimum(merged, endless).astype(np.int32)
    network = csr_matrix((merged, (keys // (size + 2), keys % (size + 2))), shape=(size + 2, size + 2))
    residual = network - maximum_flow(network, source, sink, method="dinic").flow
    residual.data[residual.data < 0] = 0
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, return_predecessors=False)
    rising = np.zeros(size + 2, dtype=bool)
    rising[reached] = True
    chosen: IntArray = rising[:size]
    return chosen
