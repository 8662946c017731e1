"""Operators of integers in floating point, as onnxruntime computes them: sums in integers, one factor of float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.frontend.qonnx.constants import on_axis, real, whole
from bittrigger.frontend.qonnx.file import Array, OnnxNode
from bittrigger.frontend.qonnx.integers import ends_of, factor_of

MATRICES = ("QLinearMatMul", "MatMulInteger", "QGemm")
CONVOLUTIONS = ("QLinearConv", "ConvInteger")

COMPOSED = ("QLinearAdd", "QLinearMul", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearAveragePool", "QLinearConcat")
"""What is values, an operator of floats and a quantiser, in an order that depends on the program."""


def less_zero(x: Array, zero: Array | None, axis: int = -1) -> Array:
    """Integers less their zero point, or that of each place of ``axis``, in double precision, which holds them."""
    if zero is None or not zero.size:
        return x.astype(np.float64)
    return x.astype(np.float64) - (on_axis(zero, axis, x.ndim) if zero.size > 1 else zero.reshape(())).astype(
        np.float64
    )


def _at(rest: list[Array], place: int) -> Array | None:
    """Input number ``place``, or None where it is left out."""
    return rest[place - 1] if place <= len(rest) and rest[place - 1].size else None


def _needed(rest: list[Array], place: int) -> Array:
    return rest[place - 1]


def _rounded(made: Array, zero: Array | None) -> Array:
    lo, hi = ends_of(zero)
    origin = 0 if zero is None else int(zero.flat[0])
    return np.asarray(np.clip(np.rint(made), lo - origin, hi - origin) + origin)


def _factor(node: OnnxNode, rest: list[Array]) -> tuple[Any, Array | None]:
    """What the sums are multiplied with, and the zero point of the results."""
    single = [np.float32(part.flat[0]) if part.size else np.float32(0) for part in rest]
    scales = np.asarray(_needed(rest, 4), dtype=np.float32).reshape(-1)
    if node.kind == "QGemm":
        alpha = np.multiply(np.float32(real(node, "alpha", 1.0)), single[0], dtype=np.float32)
        return np.multiply(alpha, scales, dtype=np.float32), _at(rest, 8)
    return factor_of(single[0], scales, single[5]), _at(rest, 7)


def finished(node: OnnxNode, sums: Array, rest: list[Array], dtype: Any) -> Array:
    """The results of sums of integers, which are given in double precision."""
    if node.kind in ("MatMulInteger", "ConvInteger"):
        return sums.astype(dtype)
    factor, zero = _factor(node, rest)
    if node.kind == "QLinearConv":
        factor = factor.reshape(1, -1, *(1,) * (sums.ndim - 2))
    if node.kind == "QGemm" and _at(rest, 7) is None:
        return np.asarray(sums.astype(dtype) * factor.astype(dtype))
    if node.kind == "QGemm":
        factor = np.divide(factor, _needed(rest, 7).reshape(()), dtype=np.float32)
    return _rounded(_scaled(sums, factor, dtype), zero).astype(dtype)


def _scaled(sums: Array, factor: Array, dtype: Any) -> Array:
    """Sums times a float32 as the operator means it, in float32, while that holds them."""
    own = np.float32 if np.abs(sums).max(initial=0) < 1 << 24 else dtype
    return np.asarray(sums.astype(own) * factor.astype(own))


def matrix(node: OnnxNode, x: Array, rest: list[Array]) -> Array:
    """The sums of a QLinearMatMul, MatMulInteger or QGemm."""
    right, left_zero, right_zero = (1, 2, 3) if node.kind == "MatMulInteger" else (3, 2, 5)
    a = less_zero(x, _at(rest, left_zero), -2)
    turned = node.kind == "QGemm" and bool(whole(node, "transB", 0))
    b = less_zero(_needed(rest, right), _at(rest, right_zero), 0 if turned else -1)
    made = np.matmul(a, b.T if turned else b)
    bias = _at(rest, 6) if node.kind == "QGemm" else None
    return np.asarray(made if bias is None else made + bias.astype(np.float64).reshape(1, -1))


def convolved(node: OnnxNode, x: Array, rest: list[Array]) -> tuple[Array, list[Array]]:
    """The operands of the convolution within a QLinearConv or ConvInteger: the image, and the kernel and perhaps a bias."""
    quantised = node.kind == "QLinearConv"
    kernel, zeros = (3, (2, 5)) if quantised else (1, (2, 3))
    image = less_zero(x, _at(rest, zeros[0]))
    taps = less_zero(_needed(rest, kernel), _at(rest, zeros[1]), 0)
    bias = _at(rest, 8) if quantised else None
    return image, [taps] if bias is None else [taps, bias.astype(np.float64)]


def average(node: OnnxNode, x: Array, rest: list[Array], dtype: Any) -> Array:
    """A QLinearGlobalAveragePool."""
    last = bool(whole(node, "channels_last", 0))
    axes = tuple(range(1, x.ndim - 1) if last else range(2, x.ndim))
    sums = less_zero(x, _at(rest, 2)).sum(axis=axes, keepdims=True)
    count = np.float32(np.prod([x.shape[axis] for axis in axes]))
    divisor = np.multiply(_needed(rest, 3).reshape(()), count, dtype=np.float32)
    factor = np.divide(_needed(rest, 1).reshape(()), divisor, dtype=np.float32)
    return _rounded(_scaled(sums, factor, dtype), _at(rest, 4)).astype(dtype)


def real_values(x: Array, scale: Array, zero: Array | None, dtype: Any) -> Array:
    """Integers as the values that they stand for."""
    return np.asarray(less_zero(x, zero).astype(dtype) * scale.reshape(()).astype(dtype))


def quantised_values(made: Array, scale: Array, zero: Array | None, dtype: Any) -> Array:
    """The integers next to values."""
    return _rounded(made / scale.reshape(()).astype(dtype), zero).astype(dtype)
