"""A limit at zero in front of several types is rounded to each of them first: what is dropped is neither limited nor carried on.

A rectifier keeps every bit of a sum, and the types behind it drop most of them. Rounding is monotone, and 0 stays 0, so that the
sum may be rounded first and limited then; and rounding next to the sum is a constant in its bias (``fold_rounding``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bittrigger.ir.fixed import Overflow, Rounding, shift_round
from bittrigger.ir.graph import Graph, Input, Node, Requantize, before_clip, frozen_array, intervals, operand
from bittrigger.ir.naming import Names
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.routes import Route, route
from bittrigger.passes.rewrite import without_unread

_FLOORS = (Rounding.TRN, Rounding.RND)
"""Roundings that give the same whether or not a floor comes before them."""


@dataclass(frozen=True)
class RoundFirst:
    """Pass: requantisers that read nothing but one limit at zero read what is in front of it, rounded and then limited."""

    def apply(self, graph: Graph) -> Graph:
        """An equal graph; limits that nothing reads any more are none of its nodes."""
        routes = {node.name: route(graph, node.inputs) for node in graph.nodes if not isinstance(node, Input | Wire)}
        readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
        for node in graph.nodes:
            for name in routes[node.name].nodes if node.name in routes else ():
                readers[name].append(node)
        leaving = set(route(graph, graph.outputs).nodes)
        limits = {
            node.name: node
            for node in graph.nodes
            if isinstance(node, Requantize)
            and _is_limit(node)
            and node.name not in leaving
            and all(_follows(node, reader, routes[reader.name]) for reader in readers[node.name])
            and any(isinstance(reader, Requantize) and reader.shift for reader in readers[node.name])
        }
        if not limits:
            return graph
        made = replace(graph, nodes=tuple(_placed(graph, limits, routes)))
        return without_unread(made)


def _is_limit(node: Requantize) -> bool:
    """Whether it drops bits, if any, and is never negative."""
    return (
        node.lo == 0
        and node.shift >= 0
        and node.rounding is Rounding.TRN
        and not node.offset
        and node.overflow is Overflow.SAT
    )


def _follows(limit: Requantize, node: Node, found: Route) -> bool:
    """Whether ``node`` reads ``limit`` alone, and rounds what it reads."""
    return (
        isinstance(node, Requantize)
        and node.shift >= 0
        and not node.offset
        and found.nodes == (limit.name,)
        and bool((found.sources == 0).all())
        and (node.rounding in _FLOORS or not limit.shift or not node.shift)
    )


def _placed(graph: Graph, limits: dict[str, Requantize], routes: dict[str, Route]) -> list[Node]:
    nodes: list[Node] = []
    names, ranges = Names(node.name for node in graph.nodes), intervals(graph)
    for node in graph.nodes:
        source = routes[node.name].nodes[0] if node.name in routes and routes[node.name].nodes else ""
        if source not in limits or not isinstance(node, Requantize):
            nodes.append(node)
            continue
        limit = limits[source]
        wire = Wire(
            names.unique(f"{node.name}_sums"), limit.inputs, frozen_array(routes[node.name].elements), limit.frac
        )
        mode = node.rounding if node.shift else Rounding.TRN
        top = int(shift_round(np.array([limit.hi]), node.shift, mode)[0])
        first = replace(
            node, name=names.unique(f"{node.name}_limit"), inputs=(wire.name,), shift=limit.shift + node.shift, copies=1
        )
        nodes.append(replace(wire, frac=graph[limit.inputs[0]].frac))
        sums = operand(limit, ranges)
        highest = max(before_clip(limit, sums[code]).hi for code in routes[node.name].elements.tolist())
        if node.overflow is Overflow.WRAP and node.lo == 0 and highest <= limit.hi:
            nodes.append(replace(first, name=node.name, rounding=mode, rectified=True))
        else:
            nodes.append(replace(first, rounding=mode, lo=0, hi=max(top, 0), overflow=Overflow.SAT))
            nodes.append(replace(node, inputs=(first.name,), shift=0, rounding=Rounding.TRN, copies=1))
    return nodes
