"""Copies of a layer whose operands have types of their own become layers of their own, as narrow as those are.

A layer with copies is one module, wide enough for each of them. Where an event may come every clock all copies are built side by
side, so that a copy with narrower operands may as well be a narrower module. A power of two in front of an operand, by which
codes of several steps are brought to a common one, goes into the matrix, which tells the adders which low bits are zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from bittrigger.ir.digits import signed_digits
from bittrigger.ir.fixed import MAX_WIDTH, Interval
from bittrigger.ir.graph import (
    Graph,
    Intervals,
    Linear,
    Lookup,
    Node,
    Requantize,
    frozen_array,
    node_intervals,
    of_one_copy,
)
from bittrigger.ir.naming import Names
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.passes.rewrite import without_unread

LEAST_GAIN = 0.03
"""Share of operand bits that own types save, below which copies stay one layer: each layer takes time to solve and to prove."""

MOST_WEIGHTS = 1 << 18
"""Weights of all copies of a layer, beyond which they stay one."""


class _Origin(NamedTuple):
    """A code that is ``factor`` times code ``element`` of node ``name``; a name that is empty stands for 0."""

    name: str
    element: int
    factor: int = 1


_NOTHING = _Origin("", 0)


@dataclass(frozen=True)
class OwnTypes:
    """Pass: layers, requantisers and tables are built for the types of each copy where these differ."""

    def apply(self, graph: Graph) -> Graph:
        """An equal graph; what is read is there by its name still, perhaps as a wire that joins what took its place."""
        made = _Made(Names(node.name for node in graph.nodes))
        for node in graph.nodes:
            made.add(node, is_output=node.name in graph.outputs)
        if made.unchanged:
            return graph
        return without_unread(replace(graph, nodes=tuple(made.nodes)))


@dataclass
class _Made:
    """The nodes so far, with the ranges and the origins of their codes, and the names that are taken."""

    names: Names
    nodes: list[Node] = field(default_factory=list)
    ranges: dict[str, Intervals] = field(default_factory=dict)
    origins: dict[str, list[_Origin]] = field(default_factory=dict)
    fracs: dict[str, int] = field(default_factory=dict)
    unchanged: bool = True

    def add(self, node: Node, *, is_output: bool) -> None:
        """Append ``node``, or what takes its place."""
        source = [span for name in node.inputs for span in self.ranges[name]]
        for new in self._own(node, source, is_output):
            self.unchanged = self.unchanged and new is node
            self.nodes.append(new)
            operand = tuple(span for name in new.inputs for span in self.ranges[name])
            self.ranges[new.name] = node_intervals(new, operand)
            self.origins[new.name] = self._origins_of(new)
            self.fracs[new.name] = new.frac

    def _own(self, node: Node, source: Sequence[Interval], is_output: bool) -> list[Node]:
        match node:
            case Linear():
                return self._layers(node, is_output)
            case Requantize() if _differ(source, node.copies):
                return [replace(node, copies=1)]
            case Lookup() if _differ(source, node.copies):
                n = node.copies
                return [replace(node, starts=node.starts * n, values=node.values * n, sums=node.sums * n, copies=1)]
            case _:
                return [node]

    def _layers(self, node: Linear, is_output: bool) -> list[Node]:
        """A layer for each set of operand types; ``node`` itself where that saves too little."""
        codes = [origin for name in node.inputs for origin in self.origins[name]]
        n_in = len(codes) // node.copies
        parts = [tuple(codes[k * n_in : (k + 1) * n_in]) for k in range(node.copies)]
        if is_output or any(all(code is _NOTHING for code in part) for part in parts) or not self._gains(node, parts):
            return [node]
        if node.is_diagonal:
            return self._side_by_side(node, codes)
        groups: dict[tuple[object, ...], list[int]] = {}
        for copy, part in enumerate(parts):
            groups.setdefault(tuple((self._span(code), code.factor) for code in part), []).append(copy)
        made: list[Node] = []
        n_out = node.weights.shape[1]
        place = np.empty((node.copies, n_out), dtype=np.int64)
        for number, copies in enumerate(groups.values()):
            name = node.name if len(groups) == 1 else self.names.unique(f"{node.name}_of{number}")
            wire = self._wire(self.names.unique(f"{name}_codes"), [code for copy in copies for code in parts[copy]])
            factors = np.array([code.factor for code in parts[copies[0]]], dtype=np.int64)
            weights = frozen_array(node.weights * factors[:, None])
            start = sum(one.size for one in made if isinstance(one, Linear))
            place[copies] = start + np.arange(len(copies) * n_out).reshape(len(copies), n_out)
            made += [wire, replace(node, name=name, inputs=(wire.name,), weights=weights, copies=len(copies))]
        if len(groups) > 1:
            layers = tuple(one.name for one in made if isinstance(one, Linear))
            made.append(Wire(node.name, layers, frozen_array(place.ravel()), node.frac))
        return made

    def _side_by_side(self, node: Linear, codes: Sequence[_Origin]) -> list[Node]:
        """A diagonal layer with its copies in one matrix, so that it stays one node in front of its requantiser."""
        if node.size**2 > MOST_WEIGHTS << 2:
            return [node]
        wire = self._wire(self.names.unique(f"{node.name}_codes"), codes)
        factors = np.array([code.factor for code in codes], dtype=np.int64)
        scales = frozen_array(np.diag(np.tile(np.diagonal(node.weights), node.copies) * factors))
        bias = frozen_array(np.tile(node.bias, node.copies))
        return [wire, replace(node, inputs=(wire.name,), weights=scales, bias=bias, copies=1)]

    def _gains(self, node: Linear, parts: Sequence[tuple[_Origin, ...]]) -> bool:
        """Whether layers of own types read so much fewer bits, over all signed digits of all copies."""
        if np.count_nonzero(node.weights) * node.copies > MOST_WEIGHTS:
            return False
        worst = max((abs(code.factor) for part in parts for code in part), default=1)
        if int(np.abs(node.weights).max(initial=0)) * worst >= 1 << MAX_WIDTH:
            return False
        source = tuple(span for name in node.inputs for span in self.ranges[name])
        digits = [sum(len(signed_digits(int(weight))) for weight in row) for row in node.weights]
        whole = node.copies * sum(
            map(int.__mul__, digits, map(_bits, of_one_copy(source, node.copies))),
        )
        own = sum(count * _bits(self._span(code)) for part in parts for count, code in zip(digits, part, strict=True))
        return own < (1 - LEAST_GAIN) * whole

    def _wire(self, name: str, codes: Sequence[_Origin]) -> Wire:
        """The codes as they are before they are multiplied."""
        names = tuple(dict.fromkeys(code.name for code in codes if code.name))
        starts = dict(zip(names, np.cumsum([0, *(len(self.ranges[one]) for one in names)]).tolist(), strict=False))
        indices = [starts[code.name] + code.element if code.name else ZERO for code in codes]
        return Wire(name, names, frozen_array(np.array(indices)), self.fracs[names[0]])

    def _span(self, code: _Origin) -> Interval:
        return self.ranges[code.name][code.element] if code.name else Interval(0, 0)

    def _origins_of(self, node: Node) -> list[_Origin]:
        own = [_Origin(node.name, k) for k in range(node.size)]
        if isinstance(node, Wire):
            codes = [origin for name in node.inputs for origin in self.origins[name]]
            return [_NOTHING if index == ZERO else codes[index] for index in node.indices.tolist()]
        if isinstance(node, Linear):
            codes = [origin for name in node.inputs for origin in self.origins[name]]
            n_in, n_out = node.weights.shape
            for column in np.flatnonzero(((node.weights != 0).sum(axis=0) == 1) & (node.bias == 0)).tolist():
                row = int(np.flatnonzero(node.weights[:, column])[0])
                weight = int(node.weights[row, column])
                if abs(weight).bit_count() == 1:
                    for copy in range(node.copies):
                        code = codes[copy * n_in + row]
                        own[copy * n_out + column] = code._replace(factor=code.factor * weight) if code.name else code
        return own


def _bits(span: Interval) -> int:
    return 0 if span.lo == span.hi else span.width


def _differ(source: Sequence[Interval], copies: int) -> bool:
    """Whether the operands of the copies have not all the same ranges."""
    size = len(source) // copies
    return tuple(source) != tuple(source[:size]) * copies
