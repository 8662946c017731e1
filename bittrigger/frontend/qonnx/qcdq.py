"""QuantizeLinear, Clip and DequantizeLinear of ONNX, as Brevitas and onnxruntime write quantisers: one quantiser together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bittrigger.frontend.kernels import Float32Array
from bittrigger.frontend.qonnx.constants import on_axis, whole
from bittrigger.frontend.qonnx.elementwise import function, limits
from bittrigger.frontend.qonnx.file import OnnxNode
from bittrigger.frontend.qonnx.integers import dequantised, ends_of
from bittrigger.frontend.qonnx.quantisers import Quantiser, number, quantised
from bittrigger.frontend.qonnx.tensors import Array, Codes, Constant, Tensor, Value, Walk, refused

READERS = ("Clip", "DequantizeLinear")
"""What may stand behind a QuantizeLinear."""


def quantize(walk: Walk, node: OnnxNode) -> Codes:
    """The integers of a QuantizeLinear, which its zero point types: 8 or 16 bits, half to even, saturating."""
    source = walk.values[node.inputs[0]]
    if isinstance(source, Codes):
        raise refused(node, "it reads integers", "allowed are values")
    zero, kind = _zero(walk, node)
    if kind.kind not in "iu" or kind.itemsize > 2:
        raise refused(
            node, f"its zero point is of the type {kind}", "allowed are 4, 8 and 16 bits, with a sign or without"
        )
    lo, hi = ends_of(np.zeros(0, kind))
    return Codes(source, _scale(walk, node, source), zero, lo, hi, kind.name)


def clip(walk: Walk, node: OnnxNode) -> Value:
    """A Clip of values, or of integers, which get fewer bits."""
    source = walk.values[node.inputs[0]]
    if isinstance(source, Tensor) and source.integer is not None:
        raise refused(node, "it limits integers of no QuantizeLinear", "allowed are the limits of their type")
    if not isinstance(source, Codes):
        return function(walk, node)
    ends = limits(walk, node)
    lo, hi = max(source.lo, round(ends["min"])), min(source.hi, round(ends["max"]))
    if lo >= hi:
        raise refused(node, f"it leaves the integers {lo} to {hi}", "allowed are two and more")
    return replace(source, lo=lo, hi=hi)


def dequantize(walk: Walk, node: OnnxNode) -> Value:
    """A DequantizeLinear of what a QuantizeLinear has made, or of integers in the file."""
    source = walk.values[node.inputs[0]]
    zero, _ = _zero(walk, node)
    if isinstance(source, Constant):
        scale = _scale(walk, node, source)
        made = (source.values.astype(np.int64) - zero).astype(np.float32) * scale
        return Constant(made.astype(np.float32), np.broadcast_to(scale, made.shape).astype(np.float32))
    if isinstance(source, Tensor) and source.integer is not None:
        return dequantised(walk, node, source, zero, _scale(walk, node, source))
    if not isinstance(source, Codes):
        raise refused(node, "it reads values", "allowed are integers of a QuantizeLinear, or of the file")
    if zero != source.zero or not np.array_equal(_scale(walk, node, source.source), source.scale):
        raise refused(node, "its scale or zero point is another than that of its QuantizeLinear", "allowed is the same")
    # A QuantizeLinear rounds before it adds its zero point, which is thus in the limits alone.
    ends = (source.lo - zero, source.hi - zero)
    return quantised(walk, node, source.source, Quantiser(source.scale, np.zeros_like(source.scale), *ends))


def _zero(walk: Walk, node: OnnxNode) -> tuple[int, np.dtype[np.generic]]:
    """The zero point, and the type of the integers; of a QuantizeLinear without one the type is an option."""
    if len(node.inputs) < 3 or not node.inputs[2]:
        if node.kind == "QuantizeLinear" and whole(node, "output_dtype", 0):
            raise refused(
                node, "its integers are typed by output_dtype", "allowed is a zero point; write it as an input"
            )
        return 0, np.dtype(np.uint8)
    value = walk.values[node.inputs[2]]
    if not isinstance(value, Constant) or not value.values.size or (value.values != value.values.flat[0]).any():
        raise refused(
            node, "its zero point is no constant, or differs from channel to channel", "allowed is one number"
        )
    return int(value.values.flat[0]), value.values.dtype


def _scale(walk: Walk, node: OnnxNode, source: Tensor | Constant) -> Float32Array:
    """The scale, in a shape that fits the values of ``source``."""
    scale: Array = number(walk, node, 1)
    if whole(node, "block_size", 0):
        raise refused(node, "it has scales of blocks", "allowed is one scale, or one of each channel")
    if (scale < 0).any():
        raise refused(node, "its scale is negative", "allowed are positive scales; quantise the model again")
    if scale.size == 1:
        return scale.reshape(())
    if scale.ndim != 1:
        raise refused(node, f"its scales have the shape {scale.shape}", "allowed is one scale, or one of each channel")
    rank = source.values.ndim if isinstance(source, Constant) else len(source.shape) + 1
    return on_axis(scale, whole(node, "axis", 1), rank)
