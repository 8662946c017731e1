"""Operators of integers, as onnxruntime quantises networks: sums times one float32, rounded half to even."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bittrigger.frontend.kernels import Float32Array
from bittrigger.frontend.qonnx import elementwise, linear, positions
from bittrigger.frontend.qonnx.constants import on_axis, real, whole
from bittrigger.frontend.qonnx.file import Array, Attribute, OnnxNode, bits_of, unused
from bittrigger.frontend.qonnx.quantisers import Quantiser, codes_of, number, rescaled
from bittrigger.frontend.qonnx.tensors import (
    Codes,
    Constant,
    Integer,
    Tensor,
    Value,
    Walk,
    is_power_of_two,
    quant_spec,
    refused,
)

MAX_SUM = (1 << 31) - (1 << 24)
"""Largest sum of products, which an int32 holds with any bias that is read; beyond it programs wrap around."""

_ORDER = "programs round it in an order of their own"


def settled(walk: Walk, node: OnnxNode, codes: Codes) -> Tensor | Constant:
    """The integers of a QuantizeLinear as a tensor of their own."""
    lo, hi = codes.lo - codes.zero, codes.hi - codes.zero
    if isinstance(codes.source, Constant):
        scaled = np.divide(codes.source.values, codes.scale, dtype=np.float32)
        return Constant((np.clip(np.rint(scaled), lo, hi) + codes.zero).astype(codes.kind))
    kind = Quantiser(codes.scale, np.zeros_like(codes.scale), lo, hi)
    return replace(codes_of(walk, node, codes.source, kind), integer=Integer(codes.kind, codes.zero))


def plain_integers(walk: Walk, node: OnnxNode, tensor: Tensor, zero: int = 0) -> Tensor:
    """The integers of a tensor less ``zero``, as values."""
    more = (tensor.integer.zero if tensor.integer else 0) - zero
    bare = replace(tensor, integer=None)
    return walk.affine(node, bare, 1.0, float(more)) if more else bare


def _operand(walk: Walk, node: OnnxNode, place: int, zero_place: int) -> Tensor:
    """An operand of the event, less its zero point."""
    value = walk.values[node.inputs[place]]
    if not isinstance(value, Tensor) or value.integer is None or value.integer.kind == "int32":
        raise refused(node, f"its input {place} is no tensor of 8 bits", "allowed are integers of a QuantizeLinear")
    zero = _zero(walk, node, zero_place)
    if zero is not None and (zero.size != 1 or zero.dtype.name != value.integer.kind):
        raise refused(
            node,
            f"{zero.size} zero points of {zero.dtype} for values of {value.integer.kind}",
            "allowed is one, of their own type",
        )
    return plain_integers(walk, node, value, 0 if zero is None else int(zero.flat[0]))


def _zero(walk: Walk, node: OnnxNode, place: int) -> Array | None:
    if place >= len(node.inputs) or not node.inputs[place]:
        return None
    value = walk.values[node.inputs[place]]
    if not isinstance(value, Constant) or value.values.dtype.kind not in "iu" or not value.values.size:
        raise refused(node, f"its input {place} is no constant zero point", "allowed are fixed zero points")
    return value.values


def _kernel(walk: Walk, node: OnnxNode, place: int, zero_place: int, axis: int) -> Constant:
    """Integers of the file less their zero point, which may differ along ``axis``."""
    value = walk.values[node.inputs[place]]
    if not isinstance(value, Constant) or value.values.dtype.kind not in "iu" or value.values.dtype.itemsize > 2:
        raise refused(node, f"its input {place} is no constant of 8 bits", "allowed are quantised weights")
    zero = _zero(walk, node, zero_place)
    whole_numbers = value.values.astype(np.int64)
    if zero is not None:
        whole_numbers = whole_numbers - (zero.reshape(()) if zero.size == 1 else _along(node, zero, value.values, axis))
    return Constant(whole_numbers.astype(np.float32))


def _along(node: OnnxNode, numbers: Array, like: Array, axis: int) -> Array:
    """One number for each place of ``axis`` of an array, in a shape that fits it."""
    if numbers.ndim > 1 or numbers.size != like.shape[axis]:
        raise refused(
            node,
            f"parameters of shape {numbers.shape} on {like.shape}",
            "allowed is one number, or one of each channel",
        )
    return on_axis(numbers, axis, like.ndim)


def _single(walk: Walk, node: OnnxNode, place: int) -> np.float32:
    """A positive scale."""
    found = number(walk, node, place)
    if found.size != 1 or not (found > 0).all():
        raise refused(node, f"its input {place} is no single positive scale", "allowed are scales of whole tensors")
    return np.float32(found.flat[0])


def _scales(walk: Walk, node: OnnxNode, place: int, count: int) -> Float32Array:
    """One positive scale, or one of each result."""
    found = number(walk, node, place).reshape(-1)
    if found.size not in (1, count) or not (found > 0).all():
        raise refused(node, f"its input {place} holds {found.size} scales", f"allowed are 1 and {count}, all positive")
    return found


def _called(
    walk: Walk, node: OnnxNode, kind: str, values: list[Value], attributes: Mapping[str, Attribute]
) -> OnnxNode:
    """A node of another kind that reads ``values``."""
    names = [unused(f"{node.outputs[0]}#{k}", walk.values, walk.readers) for k in range(len(values))]
    walk.values |= dict(zip(names, values, strict=True))
    return OnnxNode(node.called, kind, "", tuple(names), node.outputs, attributes)


def requantised(walk: Walk, node: OnnxNode, sums: Tensor, factor: Array, zero: Array | None) -> Tensor:
    """Sums times a float32, rounded half to even; its zero point comes on top afterwards, as in onnxruntime."""
    kind, origin = ("uint8", 0) if zero is None else (zero.dtype.name, int(zero.flat[0]))
    if zero is not None and (zero.size != 1 or zero.dtype.itemsize > 2):
        raise refused(node, f"{zero.size} zero points of {zero.dtype}", "allowed is one, of 8 or 16 bits")
    lo, hi = ends_of(zero)
    scaled = walk.affine(node, sums, factor, 0.0)
    made = walk.function(node, scaled, quant_spec(lo - origin, hi - origin))
    return replace(made, integer=Integer(kind, origin))


def ends_of(zero: Array | None) -> tuple[int, int]:
    """The least and the largest integer of the type of a zero point; without one that is uint8."""
    if zero is None:
        return 0, 255
    bits = bits_of(zero)
    return (0, (1 << bits) - 1) if zero.dtype.kind == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)


def factor_of(x: np.float32, w: Float32Array, y: np.float32) -> Float32Array:
    """``x * w / y``, each rounded to float32, in onnxruntime's order."""
    return np.divide(np.multiply(x, w, dtype=np.float32), y, dtype=np.float32)


def _farthest(walk: Walk, node: OnnxNode, place: int) -> int:
    """How far a value of an operand of the event may be from its zero point."""
    value = walk.values[node.inputs[place]]
    kind = value.integer.kind if isinstance(value, Tensor) and value.integer else "uint8"
    return (1 << 8 * np.dtype(kind).itemsize) - 1


def _check_sums(node: OnnxNode, sizes: Array, farthest: int) -> None:
    """Refuse sums that an int32 could not hold: there programs wrap around.

    Args:
        sizes: of each sum its weights, the sizes of which are added, along the first axis.
        farthest: how large what they are multiplied with may be.
    """
    most = float(np.abs(sizes.astype(np.float64)).sum(axis=0).max(initial=0.0)) * farthest
    if most > MAX_SUM:
        raise refused(
            node,
            f"sums of {len(sizes):,} products, which reach {most:,.0f}, where an int32 wraps around",
            f"allowed are {MAX_SUM:,}; split it into several with an addition of floats behind",
        )


def _matrix(walk: Walk, node: OnnxNode, places: tuple[int, int, int, int]) -> Tensor:
    """A product of integers, less their zero points; ``places`` are those of the factors and of their zero points."""
    left, right, left_zero, right_zero = places
    sides: list[Value] = []
    for place, zero, axis in ((left, left_zero, -2), (right, right_zero, -1)):
        constant = isinstance(walk.values[node.inputs[place]], Constant)
        sides.append(_kernel(walk, node, place, zero, axis) if constant else _operand(walk, node, place, zero))
    like = _called(walk, node, "MatMul", sides, {})
    if isinstance(sides[1], Constant):
        _check_sums(node, sides[1].values, _farthest(walk, node, left))
    elif isinstance(sides[0], Constant):
        _check_sums(node, sides[0].values.swapaxes(0, -1), _farthest(walk, node, right))
    elif isinstance(sides[0], Tensor):
        _check_sums(node, np.full(sides[0].shape[-1], _farthest(walk, node, right)), _farthest(walk, node, left))
        return positions.product(walk, like)
    return linear.matmul(walk, like)


def q_linear_matmul(walk: Walk, node: OnnxNode) -> Tensor:
    """A QLinearMatMul."""
    sums = _matrix(walk, node, (0, 3, 2, 5))
    scales = _scales(walk, node, 4, sums.shape[-1])
    factor = factor_of(_single(walk, node, 1), scales, _single(walk, node, 6))
    return requantised(walk, node, sums, factor, _zero(walk, node, 7))


def matmul_integer(walk: Walk, node: OnnxNode) -> Tensor:
    """A MatMulInteger."""
    return replace(_matrix(walk, node, (0, 1, 2, 3)), integer=Integer("int32"))


def _convolved(walk: Walk, node: OnnxNode, kernel_place: int, zero_places: tuple[int, int], bias: int | None) -> Tensor:
    source = _operand(walk, node, 0, zero_places[0])
    kernel = _kernel(walk, node, kernel_place, zero_places[1], 0)
    values: list[Value] = [source, kernel]
    _check_sums(node, kernel.values.reshape(len(kernel.values), -1).T, _farthest(walk, node, 0))
    if bias is not None and bias < len(node.inputs) and node.inputs[bias]:
        values.append(_bias(walk, node, bias))
    like = _called(walk, node, "Conv", values, node.attributes)
    return linear.channels_first(linear.convolution, walk, like)


def _bias(walk: Walk, node: OnnxNode, place: int) -> Constant:
    value = walk.values[node.inputs[place]]
    whole_numbers = value.values if isinstance(value, Constant) and value.values.dtype.kind == "i" else None
    if whole_numbers is None or not (np.abs(whole_numbers.astype(np.float64)) < 1 << 24).all():
        raise refused(node, "its bias is no constant of integers", "allowed are integers below 16,777,216")
    return Constant(whole_numbers.astype(np.float32))


def q_linear_conv(walk: Walk, node: OnnxNode) -> Tensor:
    """A QLinearConv."""
    sums = _convolved(walk, node, 3, (2, 5), 8)
    scales = _scales(walk, node, 4, sums.shape[0])
    factor = factor_of(_single(walk, node, 1), scales, _single(walk, node, 6))
    return requantised(walk, node, sums, factor.reshape(-1, *(1,) * (len(sums.shape) - 1)), _zero(walk, node, 7))


def conv_integer(walk: Walk, node: OnnxNode) -> Tensor:
    """A ConvInteger."""
    return replace(_convolved(walk, node, 1, (2, 3), None), integer=Integer("int32"))


def q_gemm(walk: Walk, node: OnnxNode) -> Tensor:
    """A QGemm of onnxruntime: integers where it has a scale of its results, else floats."""
    if whole(node, "transA", 0):
        raise refused(node, "transA is 1", "allowed is 0")
    turned = bool(whole(node, "transB", 0))
    kernel = _kernel(walk, node, 3, 5, 0 if turned else 1)
    values: list[Value] = [_operand(walk, node, 0, 2), kernel]
    if len(node.inputs) > 6 and node.inputs[6]:
        values.append(_bias(walk, node, 6))
    _check_sums(node, kernel.values.T if turned else kernel.values, _farthest(walk, node, 0))
    sums = linear.gemm(walk, _called(walk, node, "Gemm", values, {"transB": int(turned)}))
    alpha = np.float32(real(node, "alpha", 1.0))
    scale = np.multiply(alpha, _single(walk, node, 1), dtype=np.float32)
    factor = np.multiply(scale, _scales(walk, node, 4, sums.shape[-1]), dtype=np.float32)
    if len(node.inputs) < 8 or not node.inputs[7]:
        return walk.affine(node, sums, factor, 0.0)
    factor = np.divide(factor, _single(walk, node, 7), dtype=np.float32)
    return requantised(walk, node, sums, factor, _zero(walk, node, 8))


def q_linear_global_average(walk: Walk, node: OnnxNode) -> Tensor:
    """A QLinearGlobalAveragePool of onnxruntime."""
    source = _operand(walk, node, 0, 2)
    last = bool(whole(node, "channels_last", 0))
    axes = list(range(1, len(source.shape))) if last else list(range(2, len(source.shape) + 1))
    sums = positions.reduced(walk, _called(walk, node, "ReduceSum", [source], {"axes": axes}))
    count = np.float32(np.prod([source.shape[axis - 1] for axis in axes]))
    divisor = np.multiply(_single(walk, node, 3), count, dtype=np.float32)
    factor = np.divide(_single(walk, node, 1), divisor, dtype=np.float32)
    return requantised(walk, node, sums, np.asarray(factor), _zero(walk, node, 4))


def _real(walk: Walk, node: OnnxNode, place: int) -> Tensor | Constant:
    """An operand, its scale and its zero point, which stand side by side, as values."""
    scale = _single(walk, node, place + 1)
    if isinstance(walk.values[node.inputs[place]], Constant):
        whole_numbers = _kernel(walk, node, place, place + 2, -1)
        return Constant(np.multiply(whole_numbers.values, scale, dtype=np.float32))
    return rescaled(walk, node, _operand(walk, node, place, place + 2), np.asarray(scale))


def _rounded(walk: Walk, node: OnnxNode, made: Tensor, place: int) -> Tensor:
    """Values in the scale and zero point of the result."""
    scale, zero = _single(walk, node, place), _zero(walk, node, place + 1)
    origin = 0 if zero is None else int(zero.flat[0])
    lo, hi = ends_of(zero)
    kind = Quantiser(np.asarray(scale), np.zeros((), np.float32), lo - origin, hi - origin)
    codes = codes_of(walk, node, made, kind, _ORDER)
    return replace(codes, integer=Integer("uint8" if zero is None else zero.dtype.name, origin))


def q_linear_of_two(walk: Walk, node: OnnxNode) -> Tensor:
    """A QLinearAdd or QLinearMul of onnxruntime."""
    names: list[Value] = [_real(walk, node, 0), _real(walk, node, 3)]
    kind = {"QLinearAdd": "Add", "QLinearMul": "Mul"}[node.kind]
    return _rounded(walk, node, elementwise.arithmetic(walk, _called(walk, node, kind, names, {})), 6)


def q_linear_function(walk: Walk, node: OnnxNode) -> Tensor:
    """A QLinearLeakyRelu or QLinearSigmoid of onnxruntime."""
    kind = node.kind.removeprefix("QLinear")
    options = {"alpha": real(node, "alpha", 0.01)} if kind == "LeakyRelu" else {}
    made = elementwise.function(
        walk, replace(_called(walk, node, kind, [_real(walk, node, 0)], options), outputs=("#",))
    )
    return _rounded(walk, node, made, 3)


def q_linear_average(walk: Walk, node: OnnxNode) -> Tensor:
    """A QLinearAveragePool of onnxruntime."""
    if whole(node, "channels_last", 0):
        raise refused(node, "channels_last is 1", "allowed is 0; quantise the model before it is optimised")
    options = {name: value for name, value in node.attributes.items() if name != "channels_last"}
    like = _called(walk, node, "AveragePool", [_real(walk, node, 0)], options)
    return _rounded(walk, node, linear.channels_first(positions.pooling, walk, like), 3)


def q_linear_concat(walk: Walk, node: OnnxNode) -> Tensor:
    """A QLinearConcat of onnxruntime: the scale and zero point of the result, and then three inputs for each tensor."""
    if len(node.inputs) % 3 != 2:
        raise refused(node, f"it has {len(node.inputs)} inputs", "allowed are 2, and 3 for each tensor")
    found = [_real(walk, node, place) for place in range(2, len(node.inputs), 3)]
    if any(isinstance(part, Constant) for part in found):
        raise refused(node, "it joins values of the event and constants", "allowed are the former")
    parts = [_rounded(walk, node, part, 0) for part in found if isinstance(part, Tensor)]
    like = _called(walk, node, "Concat", list(parts), {"axis": whole(node, "axis", 1)})
    return positions.concatenated(walk, like)


def concatenated(walk: Walk, node: OnnxNode) -> Tensor:
    """A Concat, of integers too: those of several zero points are brought to one."""
    tensors = [value for name in node.inputs if isinstance(value := walk.values[name], Tensor)]
    kinds = {tensor.integer.kind if tensor.integer else "float" for tensor in tensors}
    if len(kinds) > 1:
        raise refused(
            node, f"it joins {' and '.join(sorted(kinds))}", "allowed is one type; put a DequantizeLinear before it"
        )
    if len(tensors) < len(node.inputs) or len({tensor.integer for tensor in tensors}) == 1:
        return positions.concatenated(walk, node)
    values: list[Value] = [plain_integers(walk, node, tensor) for tensor in tensors]
    made = positions.concatenated(walk, _called(walk, node, "Concat", values, node.attributes))
    return replace(made, integer=Integer(next(iter(kinds))))


def cast(walk: Walk, node: OnnxNode) -> Any:
    """A Cast of values, which does nothing, or of integers to floats or to an int32."""
    source = walk.operand(node)
    if source.integer is None:
        return positions.moving(walk, node)
    to = whole(node, "to", 1)
    if to == 6:
        return replace(source, integer=Integer("int32", source.integer.zero))
    if to not in (1, 11):
        raise refused(node, f"it casts integers to the type {to}", "allowed are float, double and int32")
    return plain_integers(walk, node, source)


def dequantised(walk: Walk, node: OnnxNode, source: Tensor, zero: int, scale: Float32Array) -> Tensor:
    """Integers of a tensor less a zero point, times a scale."""
    if scale.ndim:
        scale = scale.reshape(scale.shape[-len(source.shape) :])
    codes = plain_integers(walk, node, source, zero)
    return codes if is_power_of_two(scale) and (scale == 1).all() else rescaled(walk, node, codes, scale)
