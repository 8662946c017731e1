"""Nodes that hold numbers, in C++: arrays that a C-simulation may write, and loops over them."""

from __future__ import annotations

from typing import Any

from bittrigger.emit.hls.cpp import Operands, code_type
from bittrigger.ir.fixed import hull
from bittrigger.ir.nodes.held import Held, Weigh
from bittrigger.ir.pipeline import Module


def held_body(module: Module, node: Held, operands: Operands) -> dict[str, Any]:
    """What the template is given."""
    copies, rows = node.copies, len(operands.elements)
    elements = []
    for copy in range(copies):
        for element in operands.elements:
            name, place = element.rstrip("]").split("[")
            size = next(array.size for array in operands.arrays if array.name == name)
            elements.append(f"{name}[{copy * size + int(place)}]")
    return {
        "rows": rows,
        "columns": int(node.bias.size),
        "pairs": node.pairs if isinstance(node, Weigh) else 0,
        "bits": node.bits,
        "weights": node.weights.T.tolist() if isinstance(node, Weigh) else [],
        "biases": node.held.tolist(),
        "type": code_type(hull(module.source)),
        "elements": elements,
    }
