"""Nodes that read constants alone: computed once, by numpy, in float32 as ONNX does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bittrigger.frontend.qonnx.file import Array, OnnxNode
from bittrigger.frontend.qonnx.tensors import Constant, refused

MAX_VALUES = 1 << 24
"""Most elements of a constant that is made."""

_CAST = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
}


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Sign": np.sign,
    "Reciprocal": np.reciprocal,
}
"""Functions whose float32 is the same everywhere."""


def folded(node: OnnxNode, constants: Sequence[Constant]) -> Constant:
    """What a node makes of constants.

    Raises:
        UnsupportedModelError: if it is none that is known, or the constants do not fit.
    """
    try:
        return _folded(node, constants)
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise refused(node, f"its constants do not fit: {str(error)[:120]}", "allowed are valid graphs") from error


def _folded(node: OnnxNode, constants: Sequence[Constant]) -> Constant:  # noqa: C901, PLR0911, PLR0912 - one return a kind
    values = [constant.values for constant in constants]
    scale = constants[0].scale if constants else None
    match node.kind:
        case "Constant":
            return Constant(_given(node))
        case "Identity" | "Dropout" | "DebugMarker":
            return constants[0]
        case "Slice":
            return Constant(values[0][_slices(node, values)], None if scale is None else scale[_slices(node, values)])
        case kind if kind in _FUNCTIONS:
            return Constant(np.asarray(_FUNCTIONS[kind](values[0]), dtype=values[0].dtype))
        case "Transpose" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze":
            moved = [None if array is None else _moved(node, array, values[1:]) for array in (values[0], scale)]
            return Constant(np.asarray(moved[0]), moved[1])
        case "Cast":
            return Constant(values[0].astype(_CAST[int(node.attributes["to"])]), scale)  # type: ignore[arg-type]
        case "Shape":
            return Constant(shape_of(node, values[0].shape))
        case "Concat":
            check_size([sum(array.size for array in values)])
            return Constant(np.concatenate(values, axis=whole(node, "axis", 0)))
        case "Gather":
            check_size([values[1].size, values[0].size])
            return Constant(np.take(values[0], values[1].astype(np.int64), axis=whole(node, "axis", 0)))
        case "Add" | "Sub" | "Mul":
            check_size(np.broadcast_shapes(*(array.shape for array in values)))
            return Constant(_BINARY[node.kind](*values))
        case "Div":
            integer = values[0].dtype.kind in "iu"
            if not values[1].all():
                raise ValueError("a division by 0")
            check_size(np.broadcast_shapes(*(array.shape for array in values)))
            return Constant(values[0] // values[1] if integer else values[0] / values[1])
        case "ConstantOfShape":
            shape = [int(n) for n in values[0].ravel()]
            check_size(shape)
            filling = node.attributes.get("value", np.zeros(1, dtype=np.float32))
            return Constant(np.full(shape, np.asarray(filling).reshape(-1)[0]))
    raise refused(node, "it reads constants alone", "allowed are quantisers, shapes and sums there; simplify the graph")


def _slices(node: OnnxNode, values: Sequence[Array]) -> tuple[slice, ...]:
    if len(node.inputs) > 1 and not all(node.inputs):
        raise ValueError("a Slice with steps, but without axes")
    given = [array.ravel().tolist() for array in values[1:]]
    starts, ends, *rest = given or [axes_of(node, name) for name in ("starts", "ends", "axes")]
    axes = (rest and rest[0]) or list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    found = [slice(None)] * values[0].ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        found[axis] = slice_of(start, end, step, values[0].shape[axis])
    return tuple(found)


def slice_of(start: int, end: int, step: int, size: int) -> slice:
    """What a Slice takes of an axis of ``size``: backwards to its first value where it ends before that."""
    return slice(start, None if step < 0 and end < -size else end, step)


def _given(node: OnnxNode) -> Array:
    """The value of a Constant, of whatever kind."""
    for name, kind in (("value", None), ("value_float", "f4"), ("value_floats", "f4"), ("value_int", "i8")):
        if name in node.attributes:
            return np.asarray(node.attributes[name], dtype=kind)
    return np.asarray(node.attributes["value_ints"], dtype=np.int64)


def _moved(node: OnnxNode, array: Array, others: Sequence[Array]) -> Array:
    if node.kind == "Transpose":
        return array.transpose(axes_of(node, "perm") or None)
    if node.kind == "Reshape":
        shape = [int(n) for n in others[0].ravel()] if others else axes_of(node, "shape")
        if whole(node, "allowzero", 0) and 0 in shape:
            raise ValueError("allowzero, and an axis of no elements")
        return array.reshape([array.shape[k] if n == 0 else n for k, n in enumerate(shape)])
    if node.kind == "Flatten":
        axis = whole(node, "axis", 1)
        return array.reshape(math.prod(array.shape[:axis]), -1)
    axes = [int(n) for n in others[0].ravel()] if others else axes_of(node, "axes")
    if node.kind == "Unsqueeze":
        return np.expand_dims(array, tuple(axes))
    return np.squeeze(array, tuple(axes) if axes else None)


def shape_of(node: OnnxNode, shape: Sequence[int]) -> Array:
    """What a Shape gives, batch included: all of it, or the axes from ``start`` to ``end``."""
    return np.array(shape[whole(node, "start", 0) : whole(node, "end", len(shape))], dtype=np.int64)


def axes_of(node: OnnxNode, name: str) -> list[int]:
    """A list of numbers among the attributes, empty where there is none."""
    value = node.attributes.get(name, [])
    if not isinstance(value, list) or not all(isinstance(n, int) for n in value):
        raise refused(node, f"its attribute {name} is no list of whole numbers", "allowed are valid graphs")
    return [int(n) for n in value]


def whole(node: OnnxNode, name: str, default: int) -> int:
    """A whole number among the attributes."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int):
        raise refused(node, f"its attribute {name} is no whole number", "allowed are valid graphs")
    return value


def real(node: OnnxNode, name: str, default: float) -> float:
    """A number among the attributes."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise refused(node, f"its attribute {name} is no finite number", "allowed are valid graphs")
    return float(value)


def on_axis(numbers: Array, axis: int, rank: int) -> Array:
    """One number for each place of ``axis``, in a shape that fits an array of ``rank`` axes."""
    return numbers.reshape([-1 if place == axis % rank else 1 for place in range(rank)])


def check_size(shape: Sequence[int]) -> None:
    """Refuse an array of more than ``MAX_VALUES`` elements before memory is taken for it.

    Raises:
        ValueError: if it has, or an axis is negative.
    """
    if any(n < 0 for n in shape) or math.prod(shape) > MAX_VALUES:
        raise ValueError(f"an array of shape {list(shape)[:8]}; allowed are {MAX_VALUES:,} elements")
