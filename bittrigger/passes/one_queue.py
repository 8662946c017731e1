"""Codes from which each token takes its scale wait in one queue, whoever reads them.

Where events come less often than every clock, copies of layers follow each other from a queue on. The magnitudes of the codes of
a port and the shifter of these very codes would have a queue each, and the second one wait for all exponents of an event.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Node, frozen_array
from bittrigger.ir.naming import Names
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr
from bittrigger.ir.nodes.wire import Wire


@dataclass(frozen=True)
class OneQueue:
    """Pass: a layer that changes nothing stands in front of magnitudes and shifters of tokens whose codes come all at once."""

    def apply(self, graph: Graph) -> Graph:
        """An equal graph."""
        names = Names(node.name for node in graph.nodes)
        nodes: list[Node] = []
        moved: dict[tuple[str, str], str] = {}
        peaks: dict[str, str] = {}
        for node in graph.nodes:
            match node:
                case MagnitudeOr() if node.copies > 1 and _is_whole(graph, node):
                    (source,) = node.inputs
                    codes = _passed(graph, node, names.unique(f"{node.name}_codes"))
                    peaks[node.name] = source
                    moved[source, node.name] = codes.name
                    nodes += [codes, replace(node, inputs=(codes.name,))]
                case Lookup() if node.inputs[0] in peaks:
                    moved[peaks[node.inputs[0]], node.name] = moved[peaks[node.inputs[0]], node.inputs[0]]
                    nodes.append(node)
                case Wire() if len(node.inputs) == 2 and node.inputs in moved:
                    nodes.append(replace(node, inputs=(moved[node.inputs], node.inputs[1])))
                case _:
                    nodes.append(node)
        return replace(graph, nodes=tuple(nodes)) if peaks else graph


def _is_whole(graph: Graph, node: MagnitudeOr) -> bool:
    """Whether the codes come all at once, and not token by token from a layer."""
    source = graph[node.inputs[0]]
    return isinstance(source, Input | Wire) or source.copies != node.copies


def _passed(graph: Graph, node: MagnitudeOr, name: str) -> Linear:
    """What hands on the codes of each token as they are."""
    source = graph[node.inputs[0]]
    size = source.size // node.copies
    weights, bias = np.eye(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    return Linear(name, node.inputs, frozen_array(weights), frozen_array(bias), source.frac, node.copies)
