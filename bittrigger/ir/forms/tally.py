"""Sums over positions that come some at a time: one sum a feature, to which the codes of each turn are added as they come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.ir.graph import Graph
from bittrigger.ir.nodes import Input, Linear
from bittrigger.ir.nodes.wire import Wire


@dataclass(frozen=True)
class Tally:
    """How a layer that adds up positions follows one that delivers them, ``lanes`` of them in each of ``turns`` cycles.

    Attributes:
        rows: the feature of a position that each column adds up; every feature is one's.
        bias: what each sum starts with.
    """

    lanes: int
    turns: int
    rows: tuple[int, ...]
    bias: int


def adds_positions(graph: Graph, node: Linear) -> bool:
    """Whether ``node`` adds up the positions of a layer that repeats, which is no matter of training."""
    before = graph[node.inputs[0]]
    copies = 1 if isinstance(before, Input | Wire) else before.copies
    return copies > 1 and tally_of(node, copies, 1) is not None


def tally_of(node: Linear, positions: int, lanes: int) -> Tally | None:
    """The tally that computes ``node`` where its operand is ``positions``, delivered ``lanes`` at a time; None if none does."""
    n_in, n_out = node.weights.shape
    if node.copies > 1 or len(node.inputs) > 1 or n_in % positions or positions % lanes or positions == lanes:
        return None
    blocks = node.weights.reshape(positions, n_in // positions, n_out)
    kernel = blocks[0]
    rows = tuple(int(row) for row in np.argmax(kernel, axis=0))
    picked = np.zeros_like(kernel)
    picked[list(rows), np.arange(n_out)] = 1
    if (blocks != kernel).any() or (kernel != picked).any() or len(set(node.bias.tolist())) > 1:
        return None
    return Tally(lanes, positions // lanes, rows, int(node.bias[0])) if sorted(rows) == list(range(n_out)) else None
