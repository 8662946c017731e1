"""Operators of FINN's streamlined graphs: windows written out, binary products, poolings of integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import THRESHOLDS
from bittrigger.frontend.kernels import common_fraction_bits
from bittrigger.frontend.qonnx import positions
from bittrigger.frontend.qonnx.constants import axes_of, check_size, whole
from bittrigger.frontend.qonnx.file import Attribute, OnnxNode
from bittrigger.frontend.qonnx.linear import LAST, channels_first, dense
from bittrigger.frontend.qonnx.quantisers import MAX_BITS
from bittrigger.frontend.qonnx.steps import CHOOSING
from bittrigger.frontend.qonnx.tensors import Array, Constant, Shape, Tensor, Walk, quant_spec, refused
from bittrigger.frontend.qonnx.windows import window_places
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.wire import ZERO

MAX_SUM = 1 << 20
"""Largest sum of a QuantAvgPool2d, which qonnx takes from a mean in float32."""


def named(node: OnnxNode, kind: str, domain: str, changes: Mapping[str, Attribute]) -> OnnxNode:
    """A node as another operator that does the same, with its attributes."""
    return replace(node, kind=kind, domain=domain, attributes=dict(changes))


def pool_last(walk: Walk, node: OnnxNode) -> Tensor:
    """A MaxPoolNHWC."""
    return channels_first(positions.pooling, walk, named(node, "MaxPool", LAST, node.attributes))


def windows_of_finn(node: OnnxNode, shape: tuple[int, int]) -> IntArray:
    """The positions under each tap of an Im2Col on an image of ``shape``."""
    size = axes_of(node, "kernel_size")
    pads = axes_of(node, "pad_amount") or [0] * 4
    if any(pads) and whole(node, "pad_value", 0):
        raise refused(node, f"pad_value {whole(node, 'pad_value', 0)}", "allowed is 0")
    like = {"kernel_shape": size, "strides": axes_of(node, "stride"), "pads": pads}
    own = {"dilations": axes_of(node, "dilations")} if "dilations" in node.attributes else {}
    if len(size) != 2 or min(size) < 1:
        raise refused(node, f"kernel_size {size[:8]}", "allowed are two numbers")
    return window_places(named(node, node.kind, "", {**like, **own}), shape, tuple(size))


def im2col(walk: Walk, node: OnnxNode) -> Tensor:
    """An Im2Col: the values under each window of an image with its channels last, side by side."""
    source = walk.operand(node)
    if len(source.shape) != 3:
        raise refused(node, f"a tensor of {len(source.shape) + 1} axes", "allowed are images with their channels last")
    said = _shape_said(node)
    if said[1:] != source.shape:
        raise refused(node, f"input_shape says {said[:5]}, its operand is {source.shape}", "allowed is its own shape")
    height, width, channels = source.shape
    places = windows_of_finn(node, (height, width))
    check_size([*places.shape, channels])
    rows = source.numbers.reshape(-1, channels)
    taken = np.where((places == ZERO)[..., None], ZERO, rows[places]).reshape(*places.shape[:2], -1)
    like = replace(source, shape=taken.shape, order=(0, 1, 2))
    return walk.made(node, "wire", [source], like, **{attributes.INDICES: taken})


def _shape_said(node: OnnxNode) -> Shape:
    """The shape that the text ``input_shape`` says, such as ``(1, 4, 4, 2)``; empty where there is none."""
    written = str(node.attributes.get("input_shape", "")).strip("()[] ")
    return tuple(int(part) for part in written.split(",") if part.strip())


def xnor(walk: Walk, node: OnnxNode) -> Tensor:
    """An XnorPopcountMatMul, whose 0 and 1 stand for -1 and 1: how many products are 1."""
    source, kernel = walk.plain(node, walk.operand(node)), walk.values[node.inputs[1]]
    if not isinstance(kernel, Constant) or kernel.values.ndim != 2 or not np.isin(kernel.values, (0, 1)).all():
        raise refused(node, "its second factor is no constant matrix of 0 and 1", "allowed is one")
    bits = kernel.values.astype(np.float32)
    return dense(walk, node, source, Constant(2 * bits - 1), np.asarray((1 - bits).sum(axis=0), dtype=np.float32))


def dropped_bits(node: OnnxNode) -> int:
    """How many bits a QuantAvgPool2d drops of its sums."""
    size, narrow, wide = (whole(node, name, 1) for name in ("kernel", "obits", "ibits"))
    if not (1 <= size <= 4096 and 1 <= narrow <= MAX_BITS and 1 <= wide <= MAX_BITS):
        raise refused(node, f"kernel {size}, ibits {wide}, obits {narrow}", f"allowed are 1 to {MAX_BITS} bits")
    largest = ((1 << wide) - 1) * size * size
    if largest > MAX_SUM:
        raise refused(node, f"sums up to {largest:,}", f"allowed are {MAX_SUM:,}")
    return max(largest.bit_length() - narrow, 0)


def windows_of_average(node: OnnxNode, shape: Shape) -> IntArray:
    """The positions under each tap of a QuantAvgPool2d on an image of ``shape``."""
    size, stride = whole(node, "kernel", 1), whole(node, "stride", 1)
    like = {"kernel_shape": [size] * 2, "strides": [stride] * 2}
    return window_places(named(node, node.kind, "", like), shape, (size, size))


def average_of_integers(walk: Walk, node: OnnxNode) -> Tensor:
    """A QuantAvgPool2d: sums of integers with their low bits cut off."""
    last = _channels_last(node)
    drop = dropped_bits(node)
    source = walk.plain(node, walk.operand(node))
    if len(source.shape) != 3 or not is_whole(walk, source):
        raise refused(node, "its operand is no image of integers", "allowed is one of integers of a quantiser")
    spatial = source.shape[:2] if last else source.shape[1:]
    places = windows_of_average(node, spatial)
    numbers = source.numbers if last else np.moveaxis(source.numbers, 0, -1)
    channels = numbers.shape[-1]
    check_size([*places.shape, channels])
    terms = np.moveaxis(numbers.reshape(-1, channels)[places], -1, 2)  # (*outputs, channels, taps)
    axes = (0, 1, 2) if last else (1, 2, 0)
    shape = (*places.shape[:2], channels) if last else (channels, *places.shape[:2])
    made = replace(source, shape=shape, order=axes)
    total = walk.made(node, "sum_over", [source], made, **{attributes.TERMS: terms.reshape(-1, places.shape[-1])})
    halved = walk.affine(node, total, 2.0**-drop, 0.0)
    return walk.function(node, halved, quant_spec(-(1 << MAX_BITS), 1 << MAX_BITS, rounding="FLOOR"))


def _channels_last(node: OnnxNode) -> bool:
    layout = str(node.attributes.get("data_layout", "NCHW"))
    if layout not in ("NCHW", "NHWC"):
        raise refused(node, f"data_layout {layout[:20]!r}", "allowed are NCHW and NHWC")
    return layout == "NHWC"


def is_whole(walk: Walk, tensor: Tensor) -> bool:
    """Whether the codes of a tensor are known to be whole numbers: made by counting or a quantiser, or sums of such."""
    if tensor.scale is not None:
        return False
    seen, open_ends = set[str](), [tensor.name]
    while open_ends:
        name = open_ends.pop()
        layer = walk.layers.graph[name]
        known = _keeps_whole(layer.facts)
        if known is Whole.NO:
            return False
        sources = [source for source in layer.inputs if source not in seen] if known is Whole.AS_OPERANDS else []
        seen |= set(sources)
        open_ends += sources
    return True


class Whole(Enum):
    """Whether a layer makes whole numbers."""

    YES = 1
    NO = 2
    AS_OPERANDS = 3


def _keeps_whole(facts: Mapping[str, Any]) -> Whole:
    match facts[attributes.KIND]:
        case "function":
            spec = facts[attributes.FUNCTION]
            if spec["class_name"] in ("Quant", "Bipolar"):
                return Whole.YES if int(spec["config"]["frac"]) <= 0 else Whole.NO
            keeps = spec["class_name"] in ("Relu", "Abs")
        case "parametric":
            return Whole.YES if facts[attributes.FUNCTION] == THRESHOLDS else Whole.NO
        case "dense" | "convolution":
            keeps = _all_whole(facts[attributes.KERNEL], facts[attributes.BIAS]) and attributes.SCALE not in facts
        case "batchnorm":
            keeps = _all_whole(facts[attributes.MULTIPLIER], facts[attributes.OFFSET])
        case kind:
            keeps = kind in _KEEPING
    return Whole.AS_OPERANDS if keeps else Whole.NO


_KEEPING = (*CHOOSING, "add", "subtract", "sum_over", "multiply", "contract")
"""Layers that make whole numbers of whole numbers."""


def _all_whole(*arrays: Array) -> bool:
    return all(common_fraction_bits(np.asarray(array, dtype=np.float64)) <= 0 for array in arrays)
