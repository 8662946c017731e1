"""Weights and biases out of the matrix and into registers: what the settings say may change without a new bitstream.

It comes before all other passes, so that no pass takes for a constant what is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import IntArray, Interval
from bittrigger.ir.forms.engine import common_shift
from bittrigger.ir.forms.tally import adds_positions
from bittrigger.ir.graph import (
    Graph,
    Intervals,
    Linear,
    Lookup,
    Node,
    frozen_array,
    node_intervals,
    of_one_copy,
    operand,
)
from bittrigger.ir.nodes.held import HOLD_SUFFIX, MAX_HELD_BITS, WEIGH_SUFFIX, Held, Hold, Weigh, register_interval
from bittrigger.passes.rewrite import with_nodes

SPARE_BITS = 1
"""Bits of a register beyond those that the biases of the model need."""


@dataclass(frozen=True)
class Holding:
    """What is held.

    Attributes:
        weights: whether those weights are that are ternary up to one power of two, of layers that are there one time and
            do not add up positions.
        bias: whether the biases of all other layers are.
        bits: of the register of a bias; None for as many as a layer needs, and a spare one.
        given: those of layers whose registers are there already, by name.
    """

    weights: bool
    bias: bool
    bits: int | None = None
    given: Mapping[str, int] = field(default_factory=dict)

    def apply(self, graph: Graph) -> Graph:
        """``graph`` with the same results, and held numbers in it.

        Raises:
            UnsupportedModelError: if there is nothing to hold, or a bias does not fit.
        """
        if not (self.weights or self.bias):
            return graph
        nodes: list[Node] = []
        for node in graph.nodes:
            held = self._held(graph, node) if isinstance(node, Linear) else None
            nodes += [node] if held is None else held
        if len(nodes) == len(graph.nodes):
            raise UnsupportedModelError(
                f"model {graph.name!r}: no layer can be reloaded; allowed are layers that are there one time and whose weights "
                "are -1, 0 and 1 times one power of two; leave out --reloadable, or hold biases alone with --tunable bias"
            )
        made = with_tables(Graph(graph.name, tuple(nodes), graph.outputs, graph.basis))
        verify(made)
        return made

    def _held(self, graph: Graph, node: Linear) -> list[Node] | None:
        """The two nodes that take the place of a layer, or None if it stays as it is."""
        shift = common_shift(node)
        if self.weights and node.copies == 1 and shift is not None and not adds_positions(graph, node):
            return self._reloadable(node, shift)
        return self._tunable(node) if self.bias else None

    def _reloadable(self, node: Linear, shift: int) -> list[Node]:
        rows = node.weights.shape[0]
        bits = self._bits(node, Interval(0, rows << shift))
        zeros = np.zeros_like(node.bias)
        name, signs = node.name + WEIGH_SUFFIX, frozen_array(np.sign(node.weights))
        weigh = Weigh(name, node.inputs, signs, node.bias, frozen_array(zeros), bits, shift, node.frac)
        ones = np.full((weigh.pairs + 1, 1), 1 << shift, dtype=np.int64)
        ones[-1] = 1
        summed = Linear(node.name, (name,), frozen_array(ones), frozen_array(zeros[:1]), node.frac, weigh.columns)
        return [weigh, summed]

    def _tunable(self, node: Linear) -> list[Node]:
        rows, columns = node.weights.shape
        bits = self._bits(node, Interval(0, 0))
        zeros = frozen_array(np.zeros_like(node.bias))
        name = node.name + HOLD_SUFFIX
        hold = Hold(name, node.inputs, node.bias, zeros, bits, rows, node.frac, node.copies)
        weights: IntArray = np.concatenate([node.weights, np.eye(columns, dtype=np.int64)])
        return [hold, Linear(node.name, (name,), frozen_array(weights), zeros, node.frac, node.copies)]

    def _bits(self, node: Linear, more: Interval) -> int:
        """Bits of the register of a bias, to which a number in ``more`` is added."""
        span = Interval(min(int(node.bias.min()), 0) + more.lo, max(int(node.bias.max()), 0) + more.hi)
        least = span.width + (not span.signed)
        bits = self.given.get(node.name, least + SPARE_BITS if self.bits is None else self.bits)
        if not least <= bits <= MAX_HELD_BITS:
            raise UnsupportedModelError(
                f"layer {node.name!r}: its biases need registers of {least} bits; {bits} are given, and at most "
                f"{MAX_HELD_BITS} are allowed; choose another number with --bias-bits"
            )
        return bits


def with_tables(graph: Graph) -> Graph:
    """``graph`` with tables for every code that other held numbers bring: below their first segment they keep its value."""
    ranges: dict[str, Intervals] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        made, source = node, operand(node, ranges)
        if isinstance(node, Lookup):
            lows = (span.lo for span in of_one_copy(source, node.copies))
            starts = tuple((min(low, rows[0]), *rows[1:]) for low, rows in zip(lows, node.starts, strict=True))
            made = replace(node, starts=starts)
        ranges[node.name] = node_intervals(made, source)
        nodes.append(made)
    return replace(graph, nodes=tuple(nodes))


@dataclass(frozen=True)
class FoldHeld:
    """Pass: what is added to all sums of a layer whose biases are held becomes part of these, where their registers have room."""

    def apply(self, graph: Graph) -> Graph:
        """An equal graph with fewer constants to add."""
        changed: dict[str, Node] = {}
        for node in graph.nodes:
            before = graph[node.inputs[0]] if isinstance(node, Linear) else None
            if not isinstance(node, Linear) or not isinstance(before, Weigh | Hold) or not node.bias.any():
                continue
            offset = before.offset + (node.bias if isinstance(before, Hold) else node.bias[0])
            moved = replace(before, offset=frozen_array(offset))
            if fits(moved):
                zeros = frozen_array(np.zeros_like(node.bias))
                changed |= {moved.name: moved, node.name: replace(node, bias=zeros)}
        return with_nodes(graph, changed)


def fits(node: Held) -> bool:
    """Whether its registers hold the biases of ``node``."""
    span = register_interval(node.bits)
    return span.lo <= int(node.held.min()) and int(node.held.max()) <= span.hi
