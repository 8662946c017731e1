"""A network as a graph of ONNX' operators that never becomes a file: what PyTorch says is lowered by the one reader of ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bittrigger.frontend.qonnx.file import Array, OnnxModel, OnnxNode

OPSET = 23
"""The version of ONNX' operators that is written."""

QUANTISERS = "qonnx.custom_op.general"


@dataclass(eq=False)
class Writer:
    """The nodes so far, in order.

    Attributes:
        inputs: of each the shape, batch included.
        reserved: names of parts of the network, which no node takes that is called by a number.
    """

    inputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    nodes: list[OnnxNode] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    _called: set[str] = field(default_factory=set)

    def constant(self, values: Array | float) -> str:
        """The name of numbers."""
        name = f"constant {len(self.constants)}"
        array = np.asarray(values)
        self.constants[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
        return name

    def add(self, owner: str, kind: str, *reads: str, outputs: int = 1, **attributes: Any) -> tuple[str, ...]:
        """The names of what a node makes.

        Args:
            owner: what users call it; a second node of a name gets its number behind it.
        """
        number, called = 1, owner
        while called in self._called or (number > 1 and called in self.reserved):
            number += 1
            called = f"{owner}_{number}"
        self._called.add(called)
        made = tuple(f"{called} {k}" for k in range(outputs))
        domain = QUANTISERS if kind == "Quant" else ""
        self.nodes.append(OnnxNode(called, kind, domain, reads, made, attributes))
        return made

    def one(self, owner: str, kind: str, *reads: str, **attributes: Any) -> str:
        """The name of what a node of one result makes."""
        return self.add(owner, kind, *reads, **attributes)[0]

    def quant(self, owner: str, source: str, lo: int, hi: int, scale: Array | float = 1.0) -> str:
        """Values rounded half to even to multiples of ``scale``, from ``lo`` to ``hi`` of them."""
        signed = lo < 0
        bits = max(max(hi, -lo - 1).bit_length() + signed, 1 + signed)
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        narrow = int(signed and lo > least)
        if (lo, hi) != (
            least + narrow,
            most,
        ):  # a limit before the rounding, at whole numbers, is the same as behind it
            source = self.one(
                f"{owner}/limits", "Clip", source, min=float(lo * np.float32(scale)), max=float(hi * np.float32(scale))
            )
        parts = [self.constant(np.asarray(part, dtype=np.float32)) for part in (scale, 0.0, float(bits))]
        return self.one(owner, "Quant", source, *parts, signed=int(signed), narrow=narrow, rounding_mode="ROUND")

    def model(self, outputs: tuple[str, ...]) -> OnnxModel:
        """The graph that ends in ``outputs``, without what they do not need."""
        needed, kept = set(outputs), list[OnnxNode]()
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.outputs):
                kept.append(node)
                needed |= set(node.inputs)
        constants: Mapping[str, Array] = {name: array for name, array in self.constants.items() if name in needed}
        return OnnxModel(tuple(reversed(kept)), self.inputs, outputs, constants, OPSET)
