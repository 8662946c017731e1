"""Rounding without an adder: the half that it adds moves into the bias of the layer before, where it is free.

Rounding to nearest is the floor of the code plus a half. A layer adds a bias anyway, so the half costs nothing there, and
the requantiser only drops bits. Ties to even need one thing more: where the bits that are dropped are all zeros, the last
bit of the floor is cleared. Every code of every output stays what it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bittrigger.ir.fixed import MAX_WIDTH, Overflow, Rounding
from bittrigger.ir.graph import Graph, Linear, Node, Requantize, frozen_array
from bittrigger.passes.rewrite import private_layer, readers, with_nodes


@dataclass(frozen=True)
class FoldRounding:
    """Pass: what rounding adds becomes part of a bias, wherever a requantiser alone reads a ``Linear`` node."""

    def apply(self, graph: Graph) -> Graph:
        """An equal graph; the codes between such a layer and its requantiser are not those of ``graph``."""
        read = readers(graph)
        changed: dict[str, Node] = {}
        for node in graph.nodes:
            if isinstance(node, Requantize) and 0 < node.shift <= MAX_WIDTH:  # beyond, the half is wider than any bias
                layer = private_layer(graph, node, read)
                if layer is not None:
                    changed |= _folded(layer, _for_positive(node))
        return with_nodes(graph, changed)


def _for_positive(node: Requantize) -> Requantize:
    """``node`` in the simplest rounding mode that differs for negative codes alone, if these all become 0."""
    if node.lo < 0 or node.overflow is Overflow.WRAP:
        return node
    simpler = {
        Rounding.TRN_ZERO: Rounding.TRN,
        Rounding.RND_INF: Rounding.RND,
        Rounding.RND_ZERO: Rounding.RND_MIN_INF,
    }
    return replace(node, rounding=simpler.get(node.rounding, node.rounding))


def _folded(layer: Linear, node: Requantize) -> dict[str, Node]:
    """The two nodes that take the place of ``layer`` and ``node``."""
    half = 1 << (node.shift - 1)
    match node.rounding:
        case Rounding.RND:
            added, result = half, replace(node, rounding=Rounding.TRN, offset=0)
        case Rounding.RND_MIN_INF:
            added, result = half - 1, replace(node, rounding=Rounding.TRN, offset=0)
        case Rounding.RND_CONV:
            added, result = half, replace(node, offset=-half)
        case _:
            added, result = 0, replace(node, offset=0)
    moved = replace(layer, bias=frozen_array(layer.bias + added + node.offset))
    return {layer.name: moved, node.name: result}
