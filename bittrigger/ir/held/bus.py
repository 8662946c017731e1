"""Where the numbers that a design holds lie on its bus of settings: words of 32 bits, one address a word.

Address 0 is the command: a 1 there makes all that was written count. From address 1 on come the nodes in the order of the graph,
column after column: the weights of a column, 16 a word, the first in the lowest bits, and then its bias, in two's complement. A
``Hold`` has a word for each bias.
"""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.ir.graph import Graph
from bittrigger.ir.nodes.held import Held, Hold, Weigh

WORD_BITS = 32
WEIGHTS_A_WORD = WORD_BITS // 2
APPLY = 0
"""The address of the command."""

SETTLING = 4
"""Cycles more than the latency, after which a command is in all layers, and after which nothing of power-up is on the bus."""


@dataclass(frozen=True)
class Place:
    """The words of one node.

    Attributes:
        first: address of the first one.
        stride: words of a column.
    """

    node: Held
    first: int
    stride: int

    @property
    def columns(self) -> int:
        """Columns of the node, each with its bias in its last word."""
        return int(self.node.bias.size)

    @property
    def words(self) -> int:
        """Words of the node."""
        return self.columns * self.stride

    def weight_bits(self, word: int) -> int:
        """Bits of a word of weights that hold some, 0 for that of the bias."""
        rows = self.node.weights.shape[0] if isinstance(self.node, Weigh) else 0
        return max(min(2 * rows - WORD_BITS * word, WORD_BITS), 0) if word < self.stride - 1 else 0

    @property
    def weight_total(self) -> int:
        """Bits of the weights of a column."""
        return sum(self.weight_bits(word) for word in range(self.stride - 1))

    @property
    def word_bits(self) -> list[int]:
        """Bits of each word of a column that hold something."""
        return [*(self.weight_bits(word) for word in range(self.stride - 1)), self.node.bits]

    def values(self) -> list[int]:
        """What the words hold in the beginning, unsigned."""
        found = []
        for column, bias in enumerate(self.node.held.tolist()):
            bits = 0
            if isinstance(self.node, Weigh):
                for row, weight in enumerate(self.node.weights[:, column].tolist()):
                    bits |= (weight & 3) << 2 * row
            found += [bits >> WORD_BITS * word & (1 << WORD_BITS) - 1 for word in range(self.stride - 1)]
            found.append(bias & (1 << self.node.bits) - 1)
        return found


def held_nodes(graph: Graph) -> tuple[Held, ...]:
    """The nodes that hold numbers, in order."""
    return tuple(node for node in graph.nodes if isinstance(node, Weigh | Hold))


def held_words(node: Held) -> int:
    """Words of a node on the bus."""
    return int(node.bias.size) * stride_of(node)


def stride_of(node: Held) -> int:
    """Words of a column."""
    rows = node.weights.shape[0] if isinstance(node, Weigh) else 0
    return -(-rows // WEIGHTS_A_WORD) + 1


def places(graph: Graph) -> tuple[Place, ...]:
    """The words of every node that holds numbers."""
    found, first = [], APPLY + 1
    for node in held_nodes(graph):
        found.append(Place(node, first, stride_of(node)))
        first += found[-1].words
    return tuple(found)


def address_bits(graph: Graph) -> int:
    """Bits of an address."""
    last = places(graph)[-1]
    return (last.first + last.words - 1).bit_length()


def writes(graph: Graph) -> list[tuple[int, int]]:
    """Every write, address and data, that brings what ``graph`` holds into a design, and the command in the end."""
    found = [(place.first + k, value) for place in places(graph) for k, value in enumerate(place.values())]
    return [*found, (APPLY, 1)] if found else []


def reader_ports(node: Held) -> dict[str, int]:
    """The inputs by which a module reads held numbers, and their widths."""
    if isinstance(node, Hold):
        return {"bias": node.bits * int(node.bias.size)}
    return {"weights": 2 * int(node.weights.shape[0]), "bias": node.bits}


def column_ports(place: Place) -> tuple[dict[str, int], dict[str, int]]:
    """Inputs and outputs of the registers of one column."""
    node = place.node
    weights = {"weights": 2 * int(node.weights.shape[0])} if isinstance(node, Weigh) else {}
    return {"turn": 1, "hits": place.stride, "data": WORD_BITS}, {**weights, "bias": node.bits}


def bus_ports(graph: Graph) -> dict[str, int]:
    """The inputs by which words are written, and their widths."""
    return {"write": 1, "address": address_bits(graph), "data": WORD_BITS}
