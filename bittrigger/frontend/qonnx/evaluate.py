"""The nodes of an ONNX graph one after the other in floating point: what the integers are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from bittrigger.frontend.elementwise import onnx
from bittrigger.frontend.qonnx import einsum, elementwise, finn, finn_nodes, integer_nodes, integers, positions, turned
from bittrigger.frontend.qonnx.constants import axes_of, folded, real, shape_of, slice_of, whole
from bittrigger.frontend.qonnx.file import Array, OnnxModel, OnnxNode
from bittrigger.frontend.qonnx.linear import LAST
from bittrigger.frontend.qonnx.operators import operator_of
from bittrigger.frontend.qonnx.tensors import Constant
from bittrigger.frontend.qonnx.windows import window_places
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.nodes.wire import ZERO

Values = dict[str, Array]

_QUANTISERS = ("Quant", "IntQuant", "BipolarQuant", "Trunc")
_LINEAR = ("QuantizeLinear", "DequantizeLinear")
_SLICE = ("starts", "ends", "axes", "steps")
_ELSEWHERE: dict[str, Callable[[OnnxNode, Array, list[Array]], Array]] = {
    "ConvTranspose": turned.computed,
    "Einsum": einsum.computed,
}
_ENDINGS = ("Softmax", "Sigmoid")


def evaluate_onnx(model: OnnxModel, events: FloatArray, dtype: Any, *, endings: bool) -> FloatArray:
    """The outputs of real ``events`` `(events, n_inputs)`, side by side.

    Args:
        dtype: ``numpy.float32``, or ``numpy.float64`` with the very parameters of the file.
        endings: whether a softmax or sigmoid at an output is computed.
    """
    values: Values = {name: _typed(array, dtype) for name, array in model.constants.items()}
    constants, whole_ones = set(values), set[str]()
    start = 0
    for name, shape in model.inputs.items():
        size = math.prod(n or 1 for n in shape[1:])
        values[name] = events[:, start : start + size].astype(dtype).reshape(-1, *(n or 1 for n in shape[1:]))
        start += size
    for node in model.nodes:
        given = [name for name in node.inputs if name]
        fixed = bool(given) and not set(given) - constants - whole_ones
        if node.kind == "QuantizeLinear" or (node.kind == "Clip" and given[0] in whole_ones):
            made = _results(node, values, len(events), constants)
            whole_ones |= set(node.outputs) if fixed else set()
        elif not given or (not set(given) - constants and operator_of(node).folds):
            made = [folded(node, [Constant(values[name]) for name in given]).values]
            constants |= set(node.outputs)
        elif node.kind in _ENDINGS and not endings and node.outputs[0] in model.outputs:
            made = [values[given[0]]]
        else:
            made = _results(node, values, len(events), constants)
            constants |= set(node.outputs) if fixed else set()
        values |= {name: _typed(array, dtype) for name, array in zip(node.outputs, made, strict=False)}
    outputs = [values[name].reshape(len(events), -1) for name in model.outputs]
    return np.asarray(np.concatenate(outputs, axis=1), dtype=np.float64)


def _typed(array: Array, dtype: Any) -> Array:
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _results(node: OnnxNode, values: Values, events: int, constants: set[str]) -> list[Array]:  # noqa: PLR0911 - one return a kind
    x, *rest = (values[name] if name else np.zeros(0) for name in node.inputs)
    if node.kind in (*_QUANTISERS, *_LINEAR):
        given = x.astype(np.float32) if node.inputs[0] in constants else x
        return [(_linear if node.kind in _LINEAR else _quantised)(node, given, rest)]
    if node.kind == "Shape":
        return [shape_of(node, (1, *x.shape[1:]))]
    if node.kind in _OF_INTEGERS:
        return [_of_integers(node, x, rest)]
    if node.kind in finn_nodes.COMPUTED:
        return [finn_nodes.computed(node, x, rest)]
    if node.domain == LAST or node.kind == "MaxPoolNHWC":
        node = node if node.domain == LAST else finn.named(node, "MaxPool", LAST, node.attributes)
        first = np.moveaxis(x, -1, 1)
        if node.kind == "Conv":
            rest = [np.moveaxis(rest[0], -1, 1), *rest[1:]]
        return [np.moveaxis(_spatial(node, first, rest), 1, -1)]
    if node.kind in _ELSEWHERE:
        return [_ELSEWHERE[node.kind](node, x, rest)]
    if node.kind in ("Conv", "MaxPool", "AveragePool", "BatchNormalization"):
        return [_spatial(node, x, rest)]
    if node.kind == "Split":
        axis = whole(node, "axis", 0)
        sizes = _numbers(node, rest, 0, "split") or positions.even(node, x.shape[axis])
        return np.split(x, np.cumsum(sizes)[:-1].astype(int), axis=axis)
    return [_plain(node, x, rest, events)]


_OF_INTEGERS = (
    *integer_nodes.MATRICES,
    *integer_nodes.CONVOLUTIONS,
    *integer_nodes.COMPOSED,
    "QLinearGlobalAveragePool",
)


def _of_integers(node: OnnxNode, x: Array, rest: list[Array]) -> Array:
    """An operator of integers, which stay floating-point numbers; where none of them depends on the event, it is refused."""
    dtype = next(part.dtype for part in (x, *rest) if part.dtype.kind == "f")
    if node.kind in integer_nodes.MATRICES:
        return integer_nodes.finished(node, integer_nodes.matrix(node, x, rest), rest, dtype)
    if node.kind in integer_nodes.CONVOLUTIONS:
        image, others = integer_nodes.convolved(node, x, rest)
        return integer_nodes.finished(node, _spatial(replace(node, kind="Conv"), image, others), rest, dtype)
    if node.kind == "QLinearGlobalAveragePool":
        return integer_nodes.average(node, x, rest, dtype)
    return _composed(node, [x, *rest], dtype)


def _composed(node: OnnxNode, given: list[Array], dtype: Any) -> Array:
    """Values of integers, an operator of floats, and a quantiser; for a concatenation, a quantiser of each operand."""

    def values(place: int) -> Array:
        zero = given[place + 2] if place + 2 < len(given) else np.zeros(0)
        return integer_nodes.real_values(given[place], given[place + 1], zero, dtype)

    def quantised(made: Array, place: int) -> Array:
        zero = given[place + 1] if place + 1 < len(given) and given[place + 1].size else None
        return integer_nodes.quantised_values(made, given[place], zero, dtype)

    kind = node.kind.removeprefix("QLinear")
    if kind == "Concat":
        return np.concatenate([quantised(values(k), 0) for k in range(2, len(given), 3)], axis=whole(node, "axis", 1))
    if kind in ("Add", "Mul"):
        return quantised(_ARITHMETIC[kind](values(0), values(3)), 6)
    like = replace(node, kind=kind)
    made = _spatial(like, values(0), []) if kind == "AveragePool" else _plain(like, values(0), [], len(given[0]))
    return quantised(made, 3)


def _linear(node: OnnxNode, x: Array, rest: list[Array]) -> Any:
    """A QuantizeLinear, whose integers stay floating-point numbers, or a DequantizeLinear."""
    scale, zero = rest[0], rest[1] if len(rest) > 1 and rest[1].size else np.zeros(1, np.uint8)
    if scale.size > 1:
        scale = np.moveaxis(scale.reshape(-1, *(1,) * (x.ndim - 1)), 0, whole(node, "axis", 1))
    if node.kind == "DequantizeLinear":
        return (x.astype(scale.dtype) - zero.flat[0].astype(scale.dtype)) * scale
    return np.clip(np.rint(x / scale.astype(x.dtype)) + int(zero.flat[0]), *integers.ends_of(zero))


def _quantised(node: OnnxNode, x: Array, rest: list[Array]) -> Any:
    scale = rest[0]
    if node.kind == "BipolarQuant":
        return np.where(x >= 0, 1, -1).astype(scale.dtype) * scale
    zero, bits = rest[1], int(rest[2].reshape(-1)[0])
    signed, narrow = bool(node.attributes.get("signed", 0)), bool(node.attributes.get("narrow", 0))
    scaled = x / scale.astype(x.dtype) + zero.astype(x.dtype)
    kind = scale.dtype  # weights are rounded in float32, and then as precise as the rest
    mode = str(node.attributes.get("rounding_mode", "FLOOR" if node.kind == "Trunc" else "ROUND")).upper()
    mode = "ROUND" if mode == "HALF_EVEN" else mode
    if node.kind == "Trunc":
        given = [np.asarray(part).reshape(-1)[0] for part in rest]
        wide = 2.0 ** (float(given[2]) - float(given[3])) if len(rest) == 4 else round_power(given[3] / given[0])
        cut = np.rint(scaled) / wide
        if len(rest) == 4:
            return onnx.rounded(cut, mode) * scale
        signed = bool(node.attributes.get("signed", 1))
        lo, hi = _limits(int(given[4]), signed=signed, narrow=narrow)
        return onnx.rounded(np.clip(cut, lo, hi), mode) * rest[3]
    if bits == 1 and signed:
        return (np.where(scaled >= 0, 1, -1).astype(kind) - zero) * scale
    lo, hi = _limits(bits, signed=signed, narrow=narrow)
    return (onnx.rounded(np.clip(scaled, lo, hi), mode).astype(kind) - zero) * scale


def round_power(ratio: Any) -> float:
    """The power of two next to a ratio of scales."""
    return float(2.0 ** np.round(np.log2(float(ratio))))


def _limits(bits: int, *, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(1 << bits - 1) + narrow, (1 << bits - 1) - 1
    return 0, (1 << bits) - 1 - narrow


def _spatial(node: OnnxNode, x: Array, rest: list[Array]) -> Any:
    """Operators with the channels in front: convolutions, poolings and normalisations."""
    if node.kind == "BatchNormalization":
        gamma, beta, mean, variance = (part.astype(np.float64) for part in rest)
        factor = np.float32(gamma / np.sqrt(variance + real(node, "epsilon", 1e-5)))
        offset = np.float32(beta - mean * np.float64(factor))
        shape = (1, -1, *(1,) * (x.ndim - 2))
        return x * factor.reshape(shape).astype(x.dtype) + offset.reshape(shape).astype(x.dtype)
    kernel = rest[0] if node.kind == "Conv" else None
    size = tuple(axes_of(node, "kernel_shape")) if kernel is None else kernel.shape[2:]
    places = window_places(node, x.shape[2:], size)
    flat = x.reshape(*x.shape[:2], -1)
    outside = -np.inf if node.kind == "MaxPool" else 0
    padded = np.concatenate([flat, np.full((*flat.shape[:2], 1), outside, dtype=x.dtype)], axis=2)
    windows = padded[:, :, np.where(places == ZERO, flat.shape[2], places)]
    if kernel is None:
        there = (places != ZERO) | bool(whole(node, "count_include_pad", 0))
        return windows.max(-1) if node.kind == "MaxPool" else windows.sum(-1) / there.sum(-1).astype(x.dtype)
    groups = whole(node, "group", 1)
    parts = [
        np.tensordot(part, weights.reshape(*weights.shape[:2], -1), axes=([1, part.ndim - 1], [1, 2]))
        for part, weights in zip(np.split(windows, groups, axis=1), np.split(kernel, groups), strict=True)
    ]
    made = np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)
    return made if len(rest) < 2 else made + rest[1].reshape(1, -1, *(1,) * (made.ndim - 2))


def _plain(node: OnnxNode, x: Array, rest: list[Array], events: int) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case a kind
    match node.kind:
        case "MatMul":
            return x @ rest[0]
        case "Gemm":
            matrix = rest[0].T if whole(node, "transB", 0) else rest[0]
            made = x @ (matrix * x.dtype.type(real(node, "alpha", 1.0)))
            return made if len(rest) < 2 else made + rest[1].reshape(1, -1) * x.dtype.type(real(node, "beta", 1.0))
        case "Add" | "Sub" | "Mul" | "Div":
            return _ARITHMETIC[node.kind](x, rest[0])
        case "Sum" | "Max" | "Min" | "Mean":
            total = reduce(_ARITHMETIC[node.kind], [x, *rest])
            return total / x.dtype.type(len(rest) + 1) if node.kind == "Mean" else total
        case "Cast":
            return x
        case "LayerNormalization" | "RMSNormalization":
            apart = x.astype(np.float64)
            if node.kind == "LayerNormalization":
                apart = apart - apart.mean(axis=-1, keepdims=True)
            deviation = np.sqrt((apart**2).mean(axis=-1, keepdims=True) + np.float32(real(node, "epsilon", 1e-5)))
            return (apart / deviation * rest[0] + (rest[1] if len(rest) > 1 else 0)).astype(x.dtype)
        case "Neg":
            return -x
        case "Pow":
            return x if rest[0].flat[0] == 1 else x * x
        case "PRelu":
            return np.where(x < 0, x * rest[0], x)
        case "Concat":
            return np.concatenate([x, *rest], axis=whole(node, "axis", 1))
        case "Softmax" | "LogSoftmax":
            powers = np.exp(x - x.max(axis=-1, keepdims=True))
            shares = powers / powers.sum(axis=-1, keepdims=True)
            return shares if node.kind == "Softmax" else np.log(shares)
        case "Reshape":
            numbers = [x.shape[k] if n == 0 else int(n) for k, n in enumerate(rest[0].ravel().tolist())]
            return x.reshape(events, *numbers[1:])
        case "Flatten":
            return x.reshape(events, -1)
        case "Slice":
            starts, ends, axes, steps = (_numbers(node, rest, k, name) for k, name in enumerate(_SLICE))
            found = [slice(None)] * x.ndim
            axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
            for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
                if axis % x.ndim:
                    found[axis % x.ndim] = slice_of(start, end, step, x.shape[axis])
            return x[tuple(found)]
        case "Gather":
            return np.take(x, rest[0], axis=whole(node, "axis", 0))
        case "Resize":
            sizes = rest[2].ravel() if len(rest) > 2 and rest[2].size else np.array(x.shape) * rest[1].ravel()
            for axis in range(1, x.ndim):
                factor, half = float(sizes[axis]) / x.shape[axis], 0.5
                if node.attributes.get("coordinate_transformation_mode", "half_pixel") == "asymmetric":
                    half = 0.0
                at = [(k + half) / factor - half for k in range(round(x.shape[axis] * factor))]
                mode = str(node.attributes.get("nearest_mode", "round_prefer_floor"))
                places = [positions.NEAREST[mode](Fraction(place).limit_denominator(1 << 20)) for place in at]
                x = np.take(x, np.clip(places, 0, x.shape[axis] - 1), axis=axis)
            return x
        case "Pad":
            pads = _numbers(node, rest, 0, "pads")
            widths = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
            return positions.padded(x, widths, str(node.attributes.get("mode", "constant")), 0)
        case kind if kind in positions.REDUCTIONS:
            everywhere = kind.startswith("Global")
            axes = list(range(2, x.ndim)) if everywhere else _numbers(node, rest, 0, "axes")
            return np.asarray(
                _REDUCTIONS[positions.REDUCTIONS[kind]](
                    x, axis=tuple(axes), keepdims=everywhere or bool(whole(node, "keepdims", 1))
                )
            )
        case kind if kind in positions.MOVING:
            return folded(node, [Constant(x), *(Constant(part) for part in rest)]).values
        case kind if kind in onnx.EVEN:
            return np.asarray(onnx.even(kind, x, _settings(node, rest)))
        case kind:
            return onnx.IN_DOUBLE[kind](x.astype(np.float64), _settings(node, rest)).astype(x.dtype)


def _numbers(node: OnnxNode, rest: list[Array], place: int, name: str) -> list[int]:
    """Whole numbers of an operand, or, as older versions have it, of an attribute."""
    given = rest[place].ravel().tolist() if place < len(rest) else []
    return given or axes_of(node, name)


def _settings(node: OnnxNode, rest: list[Array]) -> dict[str, float]:
    found = {k: float(np.float32(real(node, k, v))) for k, v in elementwise.DEFAULTS.get(node.kind, {}).items()}
    if node.kind == "Gelu":
        return elementwise.config_of_gelu(node)
    if node.kind == "Clip":
        found = {end: real(node, end, default) for end, default in elementwise.UNLIMITED.items()}
        found |= {
            key: float(part.reshape(-1)[0]) for key, part in zip(elementwise.UNLIMITED, rest, strict=False) if part.size
        }
    return found


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Sum": np.add,
    "Mean": np.add,
    "Max": np.maximum,
    "Min": np.minimum,
}
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum_over": np.sum,
    "mean_over": np.mean,
    "max_over": np.max,
    "min_over": np.min,
}
