"""The oracle as an executor."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, evaluate


@dataclass(frozen=True, eq=False)
class Oracle:
    """Evaluates the integer graph itself."""

    graph: Graph
    name: str = "oracle"

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`."""
        return evaluate(self.graph, codes)
