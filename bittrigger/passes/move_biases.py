"""The bias of a layer that layers alone read moves into theirs, where a constant is there anyway."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bittrigger.ir.fixed import MAX_WIDTH, IntArray
from bittrigger.ir.graph import Graph, Linear, Node, frozen_array
from bittrigger.passes.rewrite import readers, with_nodes

_MOST = 1 << MAX_WIDTH


@dataclass(frozen=True)
class MoveBiases:
    """Pass: what a layer adds is added behind the next matrix, wherever only ``Linear`` nodes read it, each it alone."""

    def apply(self, graph: Graph) -> Graph:
        """An equal graph; the codes of a layer whose bias has moved are not those of ``graph``."""
        read = readers(graph)
        changed: dict[str, Node] = {}
        for node in graph.nodes:
            mine = changed.get(node.name, node)
            if isinstance(mine, Linear) and mine.bias.any() and node.name not in graph.outputs:
                users = [changed.get(user.name, user) for user in read[node.name]]
                changed |= _moved(mine, users)
        return with_nodes(graph, changed)


def _moved(layer: Linear, users: list[Node]) -> dict[str, Node]:
    """``layer`` without its bias, and those that read it with theirs; nothing where that cannot be."""
    changed: dict[str, Node] = {}
    for user in users:
        added = _behind(layer, user)
        if added is None or not isinstance(user, Linear):
            return {}
        changed[user.name] = replace(user, bias=frozen_array(user.bias + added))
    if changed:
        changed[layer.name] = replace(layer, bias=frozen_array(np.zeros_like(layer.bias)))
    return changed


def _behind(layer: Linear, user: Node) -> IntArray | None:
    """What the bias of ``layer`` adds to every copy of ``user``; None where it is not the same for all, or too wide."""
    if not isinstance(user, Linear) or user.inputs != (layer.name,):
        return None
    rows = np.tile(layer.bias.astype(object), layer.copies).reshape(user.copies, -1)
    if (rows != rows[0]).any():
        return None
    added = rows[0] @ user.weights.astype(object)
    if max(map(abs, [*added, *(added + user.bias)])) >= _MOST:
        return None
    return np.asarray(added, dtype=np.int64)
