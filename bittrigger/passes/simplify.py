"""The passes on the integer graph, in order: same outputs on every input, less to build."""

from __future__ import annotations

from bittrigger.ir.graph import Graph
from bittrigger.passes.drop_unread import DropUnread
from bittrigger.passes.fold_rounding import FoldRounding

PASSES = (DropUnread(), FoldRounding())


def simplify(graph: Graph) -> Graph:
    """``graph`` after all passes: equal on every output code; codes inside may be other ones."""
    for step in PASSES:
        graph = step.apply(graph)
    return graph
