"""The integer graph as text: one node a line, in the order of evaluation; a test can pin it and two dumps can be compared.

::

    graph net
    x: input 3 x ap_fixed<8,4>, codes -128..127
    dense = linear(x): 3 x 2, weights [[1, 0, -1], [1, 1, 0]], bias [0, 3], frac 4, codes -256..257
    relu = requantize(dense): 2, code >> 2 rnd_conv, clip 0..63, frac 2, codes 0..63
    outputs relu
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

import numpy as np

from bittrigger.ir.nodes import Input, Intervals, Linear, Lookup, Node, Requantize
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import Wire

MAX_WEIGHTS = 64
"""Matrices of at most so many weights are written out."""


def graph_text(name: str, nodes: Iterable[Node], ranges: Mapping[str, Intervals], outputs: Iterable[str]) -> str:
    """Every node of a graph with what it computes and the range of its codes; ends in a line break."""
    lines = [f"graph {name}", *(_node_text(node, ranges[node.name]) for node in nodes)]
    return "\n".join([*lines, f"outputs {', '.join(outputs)}"]) + "\n"


def _node_text(node: Node, codes: Intervals) -> str:  # noqa: C901, PLR0912 - one case a kind
    each = node.size if isinstance(node, Input) else node.size // node.copies
    span = f"codes {min(c.lo for c in codes)}..{max(c.hi for c in codes)}"
    match node:
        case Input():
            return f"{node.name}: input {node.size} x {node.type}, {span}"
        case Linear():
            what = ["linear", _matrix_text(node)]
        case Requantize():
            shifted = f"{node.operand_text} {'>>' if node.shift >= 0 else '<<'} {abs(node.shift)}"
            what = ["requantize", f"{each}, {shifted} {node.rounding.name.lower()}, {node.word} {node.lo}..{node.hi}"]
        case Lookup():
            counts = sorted({len(starts) for starts in node.starts})
            summed = ", sums of tables" if node.sums else ""
            what = ["lookup", f"{each}, {'/'.join(map(str, counts))} segments{summed}"]
        case Wire():
            what = ["wire", f"{node.size} of {len(set(node.indices.tolist()))} codes"]
        case Extremum():
            what = [node.word, f"{node.copies}"]
        case Product():
            what = ["product", f"{node.copies}"]
        case Weigh():
            what = ["weigh", f"{node.weights.shape[0]} x {node.columns} held weights, held biases of {node.bits} bits"]
        case Hold():
            what = ["hold", f"{node.operands} codes, {node.bias.size} held biases of {node.bits} bits"]
        case MagnitudeOr():
            what = ["magnitude", f"drop {node.drop}"]
        case ShiftDown():
            what = ["shift_down", f"{each}, clip {node.lo}..{node.hi}"]
        case ShiftUp():
            what = ["shift_up", f"{each}"]
        case _:
            assert_never(node)
    copies = f"{node.copies} copies of " if node.copies > 1 else ""
    return f"{node.name} = {what[0]}({', '.join(node.inputs)}): {copies}{what[1]}, frac {node.frac}, {span}"


def _matrix_text(node: Linear) -> str:
    used = np.abs(node.weights[node.weights != 0])
    size = f"{node.weights.shape[0]} x {node.weights.shape[1]}"
    if node.weights.size <= MAX_WEIGHTS:
        return f"{size}, weights {node.weights.T.tolist()}, bias {node.bias.tolist()}"
    biased = int(np.count_nonzero(node.bias))
    largest = int(used.max(initial=0))
    return f"{size}, {used.size} weights of at most {largest}, {biased} biases"
