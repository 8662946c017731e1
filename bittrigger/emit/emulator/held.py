"""What the emulator holds in the place of constants: for each node the numbers of its weight file, as masks on its lanes."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.ir.graph import Graph
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.held.weight_file import columns_of, head
from bittrigger.ir.nodes.held import Held, Hold, Weigh, register_interval


@dataclass(frozen=True)
class HeldView:
    """A node that holds numbers, for the templates.

    Attributes:
        head: the line of the weight file before its columns.
        rows: operand codes that have weights; 0 where biases alone are held.
        pairs: sums of a column.
        operands: operand codes that are handed on.
        lane: bits of its lanes.
        lo: the lowest number that a register of a bias holds.
        hi: the highest.
        lines: the columns, as in the weight file.
        offsets: what is added to each bias.
    """

    node: str
    head: str
    rows: int
    columns: int
    pairs: int
    operands: int
    lane: int
    shift: int
    lo: int
    hi: int
    lines: tuple[str, ...]
    offsets: tuple[int, ...]


def held_views(graph: Graph, lanes: dict[str, int]) -> list[HeldView]:
    """All of them, in order."""
    return [_view(node, lanes[node.name]) for node in held_nodes(graph)]


def _view(node: Held, lane: int) -> HeldView:
    span = register_interval(node.bits)
    rows, pairs, shift = (node.weights.shape[0], node.pairs, node.shift) if isinstance(node, Weigh) else (0, 0, 0)
    return HeldView(
        node=node.name,
        head=head(node),
        rows=rows,
        columns=int(node.bias.size),
        pairs=pairs,
        operands=node.operands if isinstance(node, Hold) else 0,
        lane=lane,
        shift=shift,
        lo=span.lo,
        hi=span.hi,
        lines=tuple(columns_of(node)),
        offsets=tuple(node.offset.tolist()),
    )
