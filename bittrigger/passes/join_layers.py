"""Two layers one behind the other, with nothing between them, are one matrix: a sum or a difference of codes costs no level then.

The product of both matrices takes the place of both where it has no more signed digits than they have together, less the sums
that need not be made: then it takes no more adders, and those of three operands and what columns share only make it fewer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bittrigger.ir.digits import signed_digits
from bittrigger.ir.fixed import MAX_WIDTH, IntArray
from bittrigger.ir.graph import Graph, Linear, frozen_array
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.passes.rewrite import readers, with_nodes


@dataclass(frozen=True)
class JoinLayers:
    """Pass: a layer that one other layer alone reads is multiplied into that one, where this takes no more adders."""

    def apply(self, graph: Graph) -> Graph:
        """An equal graph; a layer that was joined is none of its nodes."""
        while (joined := _one_joined(graph)) is not None:
            graph = joined
        return graph


def _one_joined(graph: Graph) -> Graph | None:
    read = readers(graph)
    for node in graph.nodes:
        if not isinstance(node, Linear) or node.name in graph.outputs or len(read[node.name]) != 1:
            continue
        (user,) = read[node.name]
        if (
            not isinstance(user, Linear)
            or any(isinstance(graph[name], Weigh | Hold) for name in node.inputs)
            or any(len(set(one.inputs)) < len(one.inputs) for one in (node, user))
        ):
            continue
        made = _joined(graph, node, user)
        if made is not None:
            return with_nodes(graph, {user.name: made}, gone={node.name})
    return None


def _joined(graph: Graph, layer: Linear, user: Linear) -> Linear | None:
    """Both as one; None where that takes more adders, is too wide, or the copies of both do not read each other alike."""
    if layer.copies != user.copies or (user.copies > 1 and len(user.inputs) > 1):
        return None
    sizes = [graph[name].size // user.copies for name in user.inputs]
    rows = dict(zip(user.inputs, np.split(user.weights.astype(object), np.cumsum(sizes)[:-1]), strict=True))
    read = rows.pop(layer.name)
    sizes = [graph[name].size // layer.copies for name in layer.inputs]
    own = np.split(layer.weights.astype(object), np.cumsum(sizes)[:-1])
    for name, part in zip(layer.inputs, own, strict=True):
        rows[name] = rows.get(name, 0) + part @ read
    weights, bias = np.concatenate(list(rows.values())), user.bias + layer.bias.astype(object) @ read
    if _bits(weights) >= MAX_WIDTH or _bits(bias) >= MAX_WIDTH:
        return None
    made = np.asarray(weights, dtype=np.int64)
    sums = int((layer.weights != 0).any(axis=0).sum())
    if _digits(made) > _digits(layer.weights) - sums + _digits(user.weights):
        return None
    return replace(
        user,
        inputs=tuple(rows),
        weights=frozen_array(made),
        bias=frozen_array(np.asarray(bias, dtype=np.int64)),
    )


def _bits(numbers: npt.NDArray[np.object_]) -> int:
    return max(abs(int(number)) for number in numbers.flat).bit_length()


def _digits(weights: IntArray) -> int:
    """Signed digits of all weights, which are as many operands."""
    values, counts = np.unique(weights, return_counts=True)
    return sum(int(count) * len(signed_digits(int(value))) for value, count in zip(values, counts, strict=True))
