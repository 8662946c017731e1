"""The passes on the integer graph, in order: same outputs on every input, less to build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Protocol

from bittrigger.ir.checks import verify
from bittrigger.ir.graph import Graph
from bittrigger.passes.drop_unread import DropUnread
from bittrigger.passes.fold_rounding import FoldRounding
from bittrigger.passes.hold import FoldHeld, Holding
from bittrigger.passes.join_layers import JoinLayers
from bittrigger.passes.move_biases import MoveBiases
from bittrigger.passes.one_queue import OneQueue
from bittrigger.passes.own_types import OwnTypes
from bittrigger.passes.round_first import RoundFirst


class Pass(Protocol):
    """A frozen dataclass whose fields are its options; a valid graph goes in, and a valid one with the same outputs comes out."""

    def apply(self, graph: Graph) -> Graph:
        """The graph after this pass."""


PASSES: tuple[Pass, ...] = (DropUnread(), MoveBiases(), FoldRounding(), OneQueue())
AT_ONCE: tuple[Pass, ...] = (
    DropUnread(),
    MoveBiases(),
    JoinLayers(),
    FoldRounding(),
    OwnTypes(),
    DropUnread(),
    RoundFirst(),
    FoldRounding(),
)
"""Where all layers are built side by side; one that is multiplied in time takes the same form whatever is added behind it."""


def pass_name(step: Pass) -> str:
    """Its name and options, such as ``FoldRounding`` or ``Fold(limit=3)``."""
    options = ", ".join(f"{item.name}={getattr(step, item.name)!r}" for item in fields(step))  # type: ignore[arg-type]
    return type(step).__name__ + (f"({options})" if options else "")


def nothing(_name: str, _graph: Graph) -> None:
    """Watch nothing."""


def simplify(
    graph: Graph,
    *,
    held: Holding | None = None,
    at_once: bool = False,
    watch: Callable[[str, Graph], None] = nothing,
) -> Graph:
    """``graph`` after all passes: equal on every output code; codes inside may be other ones.

    Args:
        held: which numbers are no constants.
        at_once: whether an event may come every clock, so that no layer is multiplied in time.
        watch: called with the graph as it comes (``lowered``) and after each pass, with that pass' name.

    Raises:
        InternalError: if a pass leaves a graph that is not well formed.
    """
    watch("lowered", graph)
    for step in (AT_ONCE if at_once else PASSES) if held is None else (held, *PASSES, FoldHeld()):
        graph = step.apply(graph)
        verify(graph)
        watch(pass_name(step), graph)
    return graph
