"""What is known of each tensor of an ONNX graph, and the layers that stand for its operators so far.

The layers carry the attributes that the lowering of Keras models reads too, so that there is one lowering. Codes of a tensor lie
in an order of its axes of their own: a transposition moves nothing, and images are kept channels last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.kernels import Float32Array, check_finite
from bittrigger.frontend.qonnx.file import OnnxNode
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.naming import Names

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Number = Array | np.floating[Any] | float

MAX_CODES = 1 << 20
"""Most elements of a tensor."""

MAX_NUMBERS = 1 << 27
"""Most elements of all tensors, and of all arrays that say how they are made."""


@dataclass(frozen=True, slots=True)
class Integer:
    """That a tensor of the file holds integers of a type such as ``uint8``: the codes, and ``zero`` on top."""

    kind: str
    zero: int = 0


@dataclass(frozen=True, eq=False)
class Tensor:
    """Values of an event: codes, times a scale.

    Attributes:
        name: of the layer whose codes they are.
        shape: as ONNX has it, without the batch.
        order: the axes of ``shape`` in the order in which the codes lie, the outermost first.
        scale: what they are still to be multiplied with, positive and no power of two; None for 1.
        integer: what integers of the file they are; None for floats.
    """

    name: str
    shape: Shape
    order: Shape
    scale: np.float32 | None = None
    integer: Integer | None = None

    @property
    def lying(self) -> Shape:
        """The shape of the codes as they lie."""
        return tuple(self.shape[axis] for axis in self.order)

    @property
    def numbers(self) -> IntArray:
        """The number of each code, in the shape of ONNX."""
        codes = np.arange(math.prod(self.shape), dtype=np.int64).reshape(self.lying)
        return codes.transpose([self.order.index(axis) for axis in range(len(self.order))])


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers that the file holds, or that are made of these alone.

    Attributes:
        scale: what a quantiser multiplied its integers with, of the same shape; None where none did.
    """

    values: Array
    scale: Float32Array | None = None


@dataclass(frozen=True, eq=False)
class Codes:
    """The integers that a QuantizeLinear makes of values, ``clip(round(source / scale) + zero, lo, hi)``; no layer has them.

    Attributes:
        source: the values.
        scale: of a shape that fits them.
        kind: their type, such as ``uint8``.
    """

    source: Tensor | Constant
    scale: Float32Array
    zero: int
    lo: int
    hi: int
    kind: str


Value = Tensor | Constant | Codes


@dataclass(eq=False)
class Layer:
    """A layer as the lowering reads it: its operands, and plain attributes."""

    name: str
    inputs: list[str]
    outputs: list[str]
    facts: dict[str, Any]
    shape: Shape

    def get_attr(self, key: str) -> Any:
        """An attribute, or None."""
        return self.facts.get(key)

    def get_output_variable(self) -> Layer:
        """What has the shape of the result."""
        return self


@dataclass(eq=False)
class Layers:
    """The layers so far, in order, and where the model begins and ends; what the lowering calls a ModelGraph."""

    graph: dict[str, Layer] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    names: Names = field(default_factory=lambda: Names([]))
    numbers: int = 0

    def get_layers(self) -> list[Layer]:
        """All of them."""
        return list(self.graph.values())

    def add(self, owner: str, kind: str, sources: Sequence[Tensor], lying: Shape, facts: Mapping[str, Any]) -> str:
        """A new layer.

        Args:
            owner: the name that is wanted for it.
            lying: the shape of its codes as they lie.

        Raises:
            UnsupportedModelError: if it has too many.
        """
        if math.prod(lying) > MAX_CODES or 0 in lying:
            raise UnsupportedModelError(
                f"layer {owner!r}: a tensor of {math.prod(lying):,} values; allowed are 1 to {MAX_CODES:,}; use a smaller one"
            )
        arrays = [value for value in facts.values() if isinstance(value, np.ndarray)]
        self.numbers += math.prod(lying) + sum(array.size for array in arrays)
        if self.numbers > MAX_NUMBERS:
            raise UnsupportedModelError(
                f"layer {owner!r}: with those before it it takes {self.numbers:,} numbers; allowed are {MAX_NUMBERS:,}; use a "
                "smaller model"
            )
        name = self.names.unique(owner)
        whole = {attributes.SHAPE: list(lying), **facts, attributes.KIND: kind}
        self.graph[name] = Layer(name, [source.name for source in sources], [name], whole, lying)
        return name


@dataclass(eq=False)
class Walk:
    """The state of one reading.

    Attributes:
        values: what stands behind each tensor name of the file.
        readers: how often each of them is read.
        opset: the version of ONNX' own operators.
        outputs: names of the file that leave the model.
        batch: events at a time, where the file fixes them.
        names: of the tensors that are the result of each layer.
        steps: what ``steps`` has found out about layers.
    """

    layers: Layers
    values: dict[str, Value]
    readers: Mapping[str, int]
    opset: int
    outputs: frozenset[str]
    batch: int = 1
    names: dict[str, list[str]] = field(default_factory=dict)
    steps: dict[str, Any] = field(default_factory=dict)

    def put(self, name: str, value: Value) -> None:
        """Let ``value`` stand behind a tensor name of the file."""
        self.values[name] = value
        if isinstance(value, Tensor):
            self.names.setdefault(value.name, []).append(name)

    def is_read_once(self, tensor: Tensor) -> bool:
        """Whether nothing but one node sees the result of a layer, under whichever name."""
        names = self.names.get(tensor.name, [])
        return bool(names) and all(self.readers.get(name, 0) == 1 and name not in self.outputs for name in names)

    def operand(self, node: OnnxNode) -> Tensor:
        """What a node reads first.

        Raises:
            UnsupportedModelError: if it is a constant.
        """
        value = self.values[node.inputs[0]]
        if not isinstance(value, Tensor):
            raise refused(node, "it reads a constant", "allowed are values of the event")
        return value

    def is_settled(self, tensor: Tensor) -> bool:
        """Whether a quantiser, or something that moves its codes, made the codes of a tensor."""
        layer = self.layers.graph[tensor.name]
        spec = layer.facts.get(attributes.FUNCTION)
        return isinstance(spec, dict) and spec.get("class_name") in ("Quant", "Bipolar")

    def name(self, node: OnnxNode) -> str:
        """What the layers of a node are called."""
        return (node.name or node.kind).strip("/").replace("/", "_")[:40]

    def made(self, node: OnnxNode, kind: str, sources: Sequence[Tensor], like: Tensor, **facts: Any) -> Tensor:
        """The result of a layer, of the shape, order and scale of ``like``."""
        return replace(like, name=self.layers.add(self.name(node), kind, sources, like.lying, facts))

    def ordered(self, node: OnnxNode, tensor: Tensor, order: Shape | None = None) -> Tensor:
        """The same tensor with its codes in another order; by default that of ONNX."""
        order = tuple(range(len(tensor.shape))) if order is None else order
        if order == tensor.order:
            return tensor
        moved = replace(tensor, order=order)
        return self.made(node, "wire", [tensor], moved, **{attributes.INDICES: tensor.numbers.transpose(order)})

    def affine(self, node: OnnxNode, tensor: Tensor, factor: Number, offset: Number, why: str | None = None) -> Tensor:
        """``tensor * factor + offset``, each rounded to float32; of arrays of the shape of ONNX, without the batch.

        Args:
            why: what float32 rounds so that its bits depend on the program; None where nothing does.
        """
        pair = [np.asarray(value, dtype=np.float32) for value in (factor, offset)]
        for what, values in zip(("a factor", "an offset"), pair, strict=True):
            check_finite(self.name(node), what, values.ravel())
        factors, offsets = _along(tensor, pair)
        facts = {attributes.MULTIPLIER: factors, attributes.OFFSET: offsets}
        return self.made(node, "batchnorm", [tensor], tensor, **facts, **_because(self.name(node), why))

    def divided(self, node: OnnxNode, tensor: Tensor, divisor: Number, why: str | None) -> Tensor:
        """``tensor / divisor``; arguments as for ``affine``."""
        values = np.asarray(divisor, dtype=np.float32)
        check_finite(self.name(node), "a divisor", values.ravel())
        if not values.all():
            raise UnsupportedModelError(f"layer {self.name(node)!r}: it divides by 0; allowed are other numbers")
        (divisors,) = _along(tensor, [values])
        facts = {attributes.FUNCTION: "normalise", attributes.PARAMETERS: [np.zeros_like(divisors), divisors]}
        return self.made(node, "parametric", [tensor], tensor, **facts, **_because(self.name(node), why))

    def plain(self, node: OnnxNode, tensor: Tensor) -> Tensor:
        """The same tensor with nothing left to be multiplied with."""
        if tensor.scale is None:
            return tensor
        why = f"it is multiplied by {float(tensor.scale):.6g}, which is no power of two"
        return replace(self.affine(node, tensor, tensor.scale, 0.0, why), scale=None)

    def function(self, node: OnnxNode, tensor: Tensor, spec: Mapping[str, Any], why: str | None = None) -> Tensor:
        """An elementwise function of a tensor; ``why`` as for ``affine``."""
        facts = {attributes.FUNCTION: dict(spec), **_because(self.name(node), why)}
        return self.made(node, "function", [tensor], tensor, **facts)


def quant_spec(lo: int, hi: int, frac: int = 0, rounding: str = "ROUND", kind: str = "Quant") -> dict[str, Any]:
    """The function that brings values to codes from ``lo`` to ``hi``, of ``frac`` bits behind the point."""
    return {
        "module": "onnx",
        "class_name": kind,
        "config": {"frac": frac, "lo": lo, "hi": hi, "rounding": rounding},
    }


def _because(name: str, why: str | None) -> dict[str, str]:
    if why is None:
        return {}
    return {attributes.IDEAL: f"layer {name!r}: {why}; allowed is exact arithmetic; leave out --require exact"}


def _along(tensor: Tensor, arrays: Sequence[Array]) -> list[Float32Array]:
    """Arrays of the shape of ONNX as one number for each code of the last axis that lies there, or for each code."""
    whole = [np.broadcast_to(array, tensor.shape).transpose(tensor.order) for array in arrays]
    rows = [np.ascontiguousarray(array).reshape(-1, tensor.lying[-1]) for array in whole]
    same = all((row == row[:1]).all() for row in rows)
    return [row[0] if same else row.ravel() for row in rows]


def refused(node: OnnxNode, fact: str, allowed: str) -> UnsupportedModelError:
    """The error for a node that has no meaning here."""
    return UnsupportedModelError(f"node {node.called[:80]!r} ({node.kind[:40]}): {fact}; {allowed}")


def is_power_of_two(values: Array) -> bool:
    """Whether all are powers of two."""
    return bool((np.frexp(np.abs(values))[0] == 0.5).all())
