"""Nodes of the integer graph as they are made, with the exact range and spacing of every code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np

from bittrigger.frontend.elementwise.chains import StridedInterval, reach_of_one_copy
from bittrigger.frontend.kernels import lowest_bit
from bittrigger.frontend.nodes.account import Account
from bittrigger.ir.fixed import FixedPoint, IntArray, Interval, Overflow, Rounding
from bittrigger.ir.graph import (
    Input,
    Intervals,
    Linear,
    Lookup,
    Node,
    Operation,
    Requantize,
    copy_intervals,
    frozen_array,
    node_intervals,
)
from bittrigger.ir.naming import Names
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire

Reaches = tuple[StridedInterval, ...]


@dataclass(frozen=True, eq=False)
class Kept:
    """The state of a ``Builder``, which takes it back as its own."""

    names: Names
    nodes: dict[str, Node]
    reach: dict[str, Reaches]
    made: dict[str, list[str]]
    ideal: tuple[str, ...]


class Builder:
    """Collects nodes in topological order under unique names.

    Attributes:
        account: why the design is of the ideal grade, and what was chosen.
    """

    def __init__(self, graph_name: str, account: Account | None = None) -> None:
        self.account = account or Account()
        self._names = Names([graph_name])
        self._nodes: dict[str, Node] = {}
        self._reach: dict[str, Reaches] = {}
        self._made: dict[str, list[str]] = {}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes so far."""
        return tuple(self._nodes.values())

    def kept(self) -> Kept:
        """What there is now, to come back to."""
        made = {name: list(nodes) for name, nodes in self._made.items()}
        return Kept(deepcopy(self._names), dict(self._nodes), dict(self._reach), made, tuple(self.account.ideal))

    def restore(self, kept: Kept) -> None:
        """Come back to what was there."""
        self._names, self._nodes, self._reach, self._made = kept.names, kept.nodes, kept.reach, kept.made
        self.account.ideal[:] = kept.ideal

    def __getitem__(self, name: str) -> Node:
        return self._nodes[name]

    def reach(self, name: str) -> Reaches:
        """The codes that each element of a node can take."""
        return self._reach[name]

    def operand(self, names: Sequence[str]) -> Reaches:
        """The codes of several nodes, one after the other."""
        return tuple(span for name in names for span in self._reach[name])

    def fracs(self, names: Sequence[str]) -> IntArray:
        """Fractional bits of each element of several nodes."""
        return np.repeat(
            np.array([self._nodes[name].frac for name in names], dtype=np.int64),
            [self._nodes[name].size for name in names],
        )

    def preview(self, node: Node) -> Reaches:
        """The codes that ``node`` would deliver."""
        source = self.operand(node.inputs)
        if isinstance(node, Wire):
            return tuple(
                StridedInterval(0, 0, 0) if index == ZERO else source[index] for index in node.indices.tolist()
            )
        if isinstance(node, Input):
            return _reaches(node_intervals(node, ()), 1)
        return self._preview_copy(node, reach_of_one_copy(source, node.copies)) * node.copies

    def _preview_copy(self, node: Operation, source: Reaches) -> Reaches:
        ranges = copy_intervals(node, tuple(span.interval for span in source))
        return tuple(
            map(StridedInterval, (r.lo for r in ranges), (r.hi for r in ranges), _strides(node, source, ranges))
        )

    def add(self, node: Node) -> str:
        """Append ``node`` under an identifier made from its name, and return that."""
        name = self._names.unique(node.name)
        named = replace(node, name=name)
        self._reach[name] = self.preview(named)
        self._nodes[name] = named
        self._made.setdefault(node.name, []).append(name)
        return name

    @property
    def made(self) -> dict[str, tuple[str, ...]]:
        """The nodes that were made under each name that was asked for."""
        return {wanted: tuple(names) for wanted, names in self._made.items()}

    def add_input(self, name: str, size: int, kind: FixedPoint, interval: Interval) -> str:
        """Append a port."""
        return self.add(Input(name, size, kind, interval))

    def linear(  # noqa: PLR0917
        self, name: str, sources: Sequence[str], weights: IntArray, bias: IntArray, frac: int, copies: int = 1
    ) -> Linear:
        """A ``Linear`` node, not yet appended, that reads each of ``sources`` once; rows of repeated sources are added.

        Args:
            copies: more than one for a single source.
        """
        distinct = tuple(dict.fromkeys(sources))
        if len(sources) == 1:
            return Linear(name, distinct, frozen_array(weights), frozen_array(bias), frac, copies)
        sizes = [self._nodes[source].size for source in sources]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        blocks = {source: np.zeros((self._nodes[source].size, weights.shape[1]), dtype=np.int64) for source in distinct}
        for source, start, size in zip(sources, starts, sizes, strict=False):
            blocks[source] += weights[start : start + size]
        return Linear(name, distinct, frozen_array(np.concatenate(list(blocks.values()))), frozen_array(bias), frac)

    def wire(self, name: str, sources: Sequence[str], indices: IntArray) -> str:
        """A node that delivers the codes of ``sources`` with the numbers ``indices``; a new one only where it is needed.

        Args:
            sources: nodes of the same number of fractional bits, one after the other.
            indices: of any shape; ``wire.ZERO`` stands for a 0.
        """
        distinct = tuple(dict.fromkeys(sources))
        sizes = {source: self._nodes[source].size for source in distinct}
        firsts = dict(zip(distinct, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
        place = np.concatenate([firsts[source] + np.arange(sizes[source]) for source in sources] + [[ZERO]])
        taken = frozen_array(place[indices.ravel()])
        if len(distinct) == 1 and np.array_equal(taken, np.arange(sizes[distinct[0]])):
            return distinct[0]
        return self.add(Wire(name, distinct, taken, self._nodes[distinct[0]].frac))

    def joined(self, name: str, sources: Sequence[str]) -> str:
        """One node that delivers the codes of ``sources``, one node after the other, on the finest of their grids."""
        frac = max(self._nodes[source].frac for source in sources)
        aligned = [self._shifted(source, frac - self._nodes[source].frac) for source in sources]
        return self.wire(name, aligned, np.arange(sum(self._nodes[source].size for source in aligned)))

    def _shifted(self, source: str, places: int) -> str:
        """A node that delivers the codes of ``source`` with ``places`` more fractional bits."""
        if not places:
            return source
        node = self._nodes[source]
        alike = len(set(self._reach[source])) == 1
        weights = np.eye(1 if alike else node.size, dtype=np.int64) << places
        bias = np.zeros(weights.shape[0], dtype=np.int64)
        copies = node.size if alike else 1
        return self.add(self.linear(f"{source}_align", (source,), weights, bias, node.frac + places, copies))


def _reaches(ranges: Intervals, stride: int) -> Reaches:
    return tuple(StridedInterval(span.lo, span.hi, stride if span.lo < span.hi else 0) for span in ranges)


def units(reach: Sequence[StridedInterval]) -> IntArray:
    """Powers of two that divide every code of each element; 0 for a code that is always 0."""
    return lowest_bit(np.array([math.gcd(span.lo, span.stride) for span in reach], dtype=np.int64))


def _strides(node: Operation, source: Reaches, ranges: Intervals) -> list[int]:  # noqa: PLR0911 - one return a kind
    match node:
        case Linear():
            steps = np.array([span.stride for span in source], dtype=np.int64)
            return [int(step) for step in np.gcd.reduce(np.abs(node.weights) * steps[:, None], axis=0)]
        case Requantize():
            return [_requantized_stride(node, *pair) for pair in zip(source, ranges, strict=True)]
        case Lookup():
            return [
                int(np.gcd.reduce(np.array(values, dtype=np.int64) - interval.lo)) if interval.lo < interval.hi else 0
                for values, interval in zip(node.values, ranges, strict=True)
            ]
        case ShiftUp():
            pairs = zip(source[:-1], ranges, strict=True)
            return [math.gcd(span.lo, span.stride) << source[-1].lo if r.lo < r.hi else 0 for span, r in pairs]
        case Extremum():
            stride = math.gcd(*(span.stride for span in source), *(span.lo - source[0].lo for span in source))
            return [stride if ranges[0].lo < ranges[0].hi else 0]
        case Product():
            a, b, (out,) = source[0], source[-1], ranges
            crossed = (2 * a.lo * a.stride,) if len(source) == 1 else (a.lo * b.stride, b.lo * a.stride)
            return [math.gcd(*crossed, a.stride * b.stride, a.lo * b.lo - out.lo) if out.lo < out.hi else 0]
        case MagnitudeOr() | ShiftDown() | Weigh() | Hold():
            return [1 if interval.lo < interval.hi else 0 for interval in ranges]


def _requantized_stride(node: Requantize, source: StridedInterval, result: Interval) -> int:
    if result.lo == result.hi:
        return 0
    if node.offset and node.overflow is Overflow.WRAP:  # they may come around to the same ends, others between them
        return 1
    exact = node.shift <= 0 or source.lo % (1 << node.shift) == source.stride % (1 << node.shift) == 0
    if node.rounding is not Rounding.TRN and node.shift > 0 and not exact:
        return 1
    if exact:
        lo, hi = (_shifted(end, node.shift) for end in (source.lo, source.hi))
        if (lo, hi) == (result.lo, result.hi):
            return _shifted(source.stride, node.shift)
    return 1


def _shifted(code: int, shift: int) -> int:
    return code >> shift if shift > 0 else code << -shift
