"""Matrices and convolutions of constants, and normalisations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.keras_layers.weights import grouped_matrix
from bittrigger.frontend.kernels import Float32Array, common_fraction_bits
from bittrigger.frontend.qonnx.constants import check_size, real, whole
from bittrigger.frontend.qonnx.file import OnnxNode
from bittrigger.frontend.qonnx.tensors import (
    Array,
    Constant,
    Shape,
    Tensor,
    Walk,
    is_power_of_two,
    refused,
)
from bittrigger.frontend.qonnx.windows import window_places
from bittrigger.ir.fixed import FLOAT32_BITS

LAST = "qonnx.custom_op.channels_last"
"""The domain of operators whose channels come last."""

_ORDER_OF_SUMS = "its bias lies on another grid than its sums, which float32 rounds in the order of a program"
_PACK = "allowed are kernels and biases that are constants"


def matmul(walk: Walk, node: OnnxNode) -> Tensor:
    """A MatMul of a tensor and a constant, on either side."""
    left, right = (walk.values[name] for name in node.inputs[:2])
    if isinstance(left, Tensor) and isinstance(right, Constant):
        return dense(walk, node, left, right, None)
    if isinstance(right, Tensor) and isinstance(left, Constant) and len(right.shape) > 1:
        kernel = Constant(left.values.swapaxes(-1, -2), None if left.scale is None else left.scale.swapaxes(-1, -2))
        return _swapped(dense(walk, node, _swapped(right), kernel, None))
    raise refused(node, "no product of a tensor and a matrix", "allowed is a matrix behind the batch")


def _swapped(tensor: Tensor) -> Tensor:
    """The last two axes in the place of each other, which moves nothing."""
    last = len(tensor.shape) - 1
    places = {last: last - 1, last - 1: last}
    shape = (*tensor.shape[:-2], tensor.shape[-1], tensor.shape[-2])
    return replace(tensor, shape=shape, order=tuple(places.get(axis, axis) for axis in tensor.order))


def gemm(walk: Walk, node: OnnxNode) -> Tensor:
    """A Gemm of an event, a matrix and perhaps a bias."""
    source, kernel = (walk.values[name] for name in node.inputs[:2])
    if not isinstance(source, Tensor) or not isinstance(kernel, Constant) or whole(node, "transA", 0):
        raise refused(node, "no product of a tensor and a constant matrix", "allowed are transA = 0 and a constant B")
    if kernel.values.ndim != 2 or len(source.shape) != 1:
        raise refused(node, f"factors of {len(source.shape) + 1} and {kernel.values.ndim} axes", "allowed are matrices")
    alpha, beta = np.float32(real(node, "alpha", 1.0)), np.float32(real(node, "beta", 1.0))
    if whole(node, "transB", 0):
        kernel = Constant(kernel.values.T, None if kernel.scale is None else kernel.scale.T)
    if alpha != 1:
        kernel = Constant(kernel.values * alpha, None if kernel.scale is None else kernel.scale * np.abs(alpha))
    bias = _bias(walk, node, kernel.values.shape[1])
    return dense(walk, node, source, kernel, None if bias is None else bias * beta)


def dense(walk: Walk, node: OnnxNode, source: Tensor, kernel: Constant, bias: Float32Array | None) -> Tensor:
    """A matrix on the last axis of ``source``."""
    values = kernel.values
    if values.ndim != 2 or values.shape[0] != source.shape[-1] or 0 in values.shape:
        raise refused(node, f"a matrix of shape {values.shape} on {source.shape}", "allowed are matrices that fit")
    last = len(source.shape) - 1
    if source.order[-1] != last:
        source = walk.ordered(node, source)
    made = replace(source, shape=(*source.shape[:-1], values.shape[1]))
    return _summed(walk, node, "dense", source, made, (values, kernel.scale), bias, {})


def _summed(  # noqa: PLR0917
    walk: Walk,
    node: OnnxNode,
    kind: str,
    source: Tensor,
    made: Tensor,
    kernel: tuple[Array, Array | None],
    bias: Float32Array | None,
    facts: dict[str, Any],
) -> Tensor:
    """A layer with a matrix, and what its operand was still to be multiplied with behind it."""
    values, scale = np.asarray(kernel[0], dtype=np.float32), kernel[1]
    name = walk.name(node)
    if scale is None and (common_fraction_bits(values) + int(np.frexp(np.abs(values).max())[1])) >= FLOAT32_BITS - 1:
        raise refused(
            node,
            "its kernel is float",
            "allowed are kernels behind a Quant or BipolarQuant; round them with --weight-precision 'fixed<8,2>' and what nodes "
            "deliver with --layer-precision 'fixed<16,6>' (--inputs tell the loss), or quantise the model, for example by "
            "quantize_static of onnxruntime",
        )
    own = {attributes.KERNEL: values, attributes.QUANTIZER: "Quant", attributes.BIAS: np.zeros(values.shape[1], "f4")}
    if scale is not None and not is_power_of_two(scale):
        own[attributes.SCALE] = np.asarray(scale, dtype=np.float32)
    late = source.scale is not None
    if bias is not None and not late:
        own[attributes.BIAS] = bias
    if bias is not None and attributes.SCALE not in own and not late:
        own[attributes.IDEAL] = f"layer {name!r}: {_ORDER_OF_SUMS}; allowed is a bias on their grid; quantise it"
    result = walk.made(node, kind, [source], made, **own, **facts)
    if not late:
        return result
    why = f"its operand comes in steps of {float(source.scale or 0):.6g}, which is no power of two"
    offset = np.zeros(1, "f4") if bias is None else bias
    shape = (-1, *(1,) * (len(made.shape) - 1)) if kind == "convolution" else (-1,)
    scaled = walk.affine(node, result, source.scale or 1.0, offset.reshape(shape), why)
    return replace(scaled, scale=None)


def _bias(walk: Walk, node: OnnxNode, size: int) -> Float32Array | None:
    if len(node.inputs) < 3 or not node.inputs[2]:
        return None
    value = walk.values[node.inputs[2]]
    if not isinstance(value, Constant) or value.values.size not in (1, size):
        raise refused(node, "its bias is no constant that fits", _PACK)
    return np.broadcast_to(np.asarray(value.values, dtype=np.float32).reshape(-1), (size,))


def channels_first(work: Callable[[Walk, OnnxNode, Tensor], Tensor], walk: Walk, node: OnnxNode) -> Tensor:
    """``work`` on the first operand with its channels in front; in the domain of operators that have them last, it moves axes."""
    source = walk.values[node.inputs[0]]
    if not isinstance(source, Tensor) or len(source.shape) < 2:
        raise refused(node, "its operand is no image or sequence of an event", "allowed are channels and positions")
    if node.domain != LAST:
        return work(walk, node, source)
    rank = len(source.shape)
    made = work(walk, node, relabelled(source, (rank - 1, *range(rank - 1))))
    return relabelled(made, (*range(1, rank), 0))


def relabelled(tensor: Tensor, axes: Shape) -> Tensor:
    """A transposition, which moves no code."""
    order = tuple(axes.index(axis) for axis in tensor.order)
    return replace(tensor, shape=tuple(tensor.shape[axis] for axis in axes), order=order)


def convolution(walk: Walk, node: OnnxNode, source: Tensor) -> Tensor:
    """A Conv on `(channels, positions…)`."""
    kernel = walk.values[node.inputs[1]]
    if not isinstance(kernel, Constant):
        raise refused(node, "its kernel is no constant", _PACK)
    parts = [kernel.values, kernel.scale]
    if node.domain == LAST:
        parts = [None if part is None else np.moveaxis(part, -1, 1) for part in parts]
    values = np.asarray(parts[0])
    channels, positions = source.shape[0], source.shape[1:]
    groups = whole(node, "group", 1)
    filters, depth = values.shape[:2] if values.ndim == len(positions) + 2 else (0, 0)
    if groups < 1 or depth * groups != channels or not filters or filters % groups or 0 in values.shape:
        raise refused(node, f"a kernel of shape {values.shape} on {source.shape}", "allowed are kernels that fit")
    check_size([*values.shape[2:], channels, filters])
    places = window_places(node, positions, values.shape[2:])

    def matrix(part: Array | None) -> Array | None:
        if part is None:
            return None
        taps = np.asarray(part, dtype=np.float32).transpose((*range(2, part.ndim), 1, 0))
        return grouped_matrix(np.ascontiguousarray(taps), channels)

    last = (*range(1, len(source.shape)), 0)
    source = walk.ordered(node, source, last)
    made = replace(source, shape=(filters, *places.shape[:-1]))
    facts = {attributes.INDICES: places, attributes.SHAPE: [*places.shape[:-1], channels]}
    whole_kernel = matrix(values)
    scale = matrix(parts[1])
    if scale is not None:  # where groups do not meet, any scale will do
        scale = np.where(scale == 0, np.abs(scale).max(axis=0, keepdims=True), scale)
    bias = _bias(walk, node, filters)
    return _summed(walk, node, "convolution", source, made, (np.asarray(whole_kernel), scale), bias, facts)


def normalisation(walk: Walk, node: OnnxNode, source: Tensor) -> Tensor:
    """A BatchNormalization with the numbers that it has learnt: one factor and one offset of each channel, in float32."""
    numbers = [walk.values[name] for name in node.inputs[1:5]]
    if len(numbers) != 4 or any(not isinstance(number, Constant) for number in numbers):
        raise refused(node, "its parameters are no constants", "allowed are trained normalisations")
    arrays = [np.asarray(number.values, dtype=np.float64) for number in numbers if isinstance(number, Constant)]
    trains = whole(node, "training_mode", 0) or whole(node, "spatial", 1) != 1
    if any(array.shape != source.shape[:1] for array in arrays) or trains:
        raise refused(
            node, f"parameters of shape {arrays[0].shape} on {source.shape}", "allowed is one of each channel"
        )
    gamma, beta, mean, variance = arrays
    factor = (gamma / np.sqrt(variance + real(node, "epsilon", 1e-5))).astype(np.float32)
    offset = (beta - mean * factor.astype(np.float64)).astype(np.float32)
    shape = (-1, *(1,) * (len(source.shape) - 1))
    why = "it is a factor and an offset here, which a program rounds in an order of its own"
    return walk.affine(node, walk.plain(node, source), factor.reshape(shape), offset.reshape(shape), why)


def normalised(walk: Walk, node: OnnxNode) -> Tensor:
    """A BatchNormalization of an image, or of a vector."""
    source = walk.values[node.inputs[0]]
    if isinstance(source, Tensor) and len(source.shape) == 1:
        return normalisation(walk, node, source)
    return channels_first(normalisation, walk, node)


def layer_normalised(walk: Walk, node: OnnxNode) -> Tensor:
    """A LayerNormalization or RMSNormalization along the last axis, exactly rounded to the type behind it, or of the output."""
    source = walk.plain(node, walk.operand(node))
    axis, rank = whole(node, "axis", -1), len(source.shape) + 1
    size = source.shape[-1]
    arrays = [walk.values[name] for name in node.inputs[1:] if name]
    parts = [np.asarray(part.values, dtype=np.float32) for part in arrays if isinstance(part, Constant)]
    if axis not in (-1, rank - 1) or len(parts) < len(arrays) or any(part.shape != (size,) for part in parts):
        raise refused(node, f"axis {axis} of {rank} axes, or parameters of another shape", "allowed is the last axis")
    if whole(node, "stash_type", 1) != 1:
        raise refused(node, "its stash_type is no float", "allowed is 1")
    epsilon = float(np.float32(real(node, "epsilon", 1e-5)))
    if not epsilon > 0:
        raise refused(node, f"epsilon is {epsilon:g}, so that it may divide by 0", "allowed are positive numbers")
    source = walk.ordered(node, source)
    facts = {
        attributes.PARAMETERS: parts if len(parts) == 2 else [*parts, np.zeros(size, dtype=np.float32)],
        attributes.EPSILON: epsilon,
        attributes.CENTRED: node.kind == "LayerNormalization",
    }
    return walk.made(node, "lengths", [source], source, **facts)
