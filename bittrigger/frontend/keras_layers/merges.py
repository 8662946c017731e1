"""Layers of several tensors, and the operators of TensorFlow that stand for layers: which codes meet in each result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.flat.calls import Call, Operand, Shape
from bittrigger.frontend.keras_layers.positions import moved, numbers
from bittrigger.frontend.refusals import unsupported_operator
from bittrigger.ir.fixed import IntArray

Facts = dict[str, Any]

MOVING = (
    *("__operators__.getitem", "identity", "stop_gradient", "reshape", "transpose", "expand_dims", "squeeze", "tile"),
    *("repeat", "reverse", "roll", "gather", "concat", "stack", "pad", "broadcast_to", "linalg.matrix_transpose"),
)
"""Operators that only move codes."""

_RENAMED = {
    "__operators__.add": "math.add",
    "__operators__.sub": "math.subtract",
    "__operators__.mul": "math.multiply",
    "__operators__.truediv": "math.divide",
    "__operators__.neg": "math.negative",
    "math.truediv": "math.divide",
    "compat.v1.transpose": "transpose",
    "compat.v1.gather": "gather",
}
"""Operators of Python, and functions under other names."""

_MEET = {
    "math.add": "add",
    "math.subtract": "subtract",
    "math.multiply": "multiply",
    "math.maximum": "maximum",
    "math.minimum": "minimum",
}
"""Operators that join two tensors code by code; with a constant they are elementwise functions."""

_OVER = {
    "math.reduce_sum": "sum_over",
    "math.reduce_mean": "mean_over",
    "math.reduce_max": "max_over",
    "math.reduce_min": "min_over",
}
"""Operators that make one code of all along some axes."""

_EACH = (
    *(
        "math.abs",
        "math.negative",
        "math.square",
        "math.tanh",
        "math.sigmoid",
        "math.softplus",
        "math.sign",
        "sign",
        "abs",
    ),
    *(
        "nn.relu",
        "nn.relu6",
        "nn.elu",
        "nn.selu",
        "nn.silu",
        "nn.swish",
        "nn.gelu",
        "nn.leaky_relu",
        "nn.softplus",
        "tanh",
    ),
    *("clip_by_value", "math.exp", "exp", "square", "sigmoid", "nn.tanh", "nn.sigmoid", "math.divide"),
    *("math.round", "round", "math.floor", "floor", "math.ceil", "math.pow", "math.sqrt", "sqrt"),
    *("keras.activations.relu", "keras.activations.tanh", "keras.activations.sigmoid"),
)
"""Elementwise functions of one tensor; further arguments are constants."""

_SOFTMAX = {
    "nn.softmax": "softmax",
    "nn.log_softmax": "log_softmax",
    "keras.activations.softmax": "softmax",
}
"""Operators that divide by a sum of exponentials along the last axis."""

OPERATIONS = frozenset([*MOVING, *_RENAMED, *_MEET, *_OVER, *_EACH, *_SOFTMAX, "cast", "linalg.matmul"])
"""The operators of TensorFlow that a model may hold, by the names under which Keras saves them."""


def merge(call: Call) -> Facts:
    """A layer that joins tensors."""
    kind = {"Average": "average_of", "Dot": "contract"}.get(call.class_name, call.class_name.lower())
    facts: Facts = {attributes.KIND: kind, attributes.SHAPE: list(call.shape)}
    if kind == "concatenate":
        axis, rank = int(call.layer.axis), len(call.own_shape)
        facts[attributes.AXIS] = axis if axis < 0 else axis - rank - 1
    if kind == "contract":
        if call.layer.normalize:
            raise UnsupportedModelError(
                f"layer {call.name!r}: Dot with normalize=True divides by lengths; allowed is False; leave it out"
            )
        axes = call.layer.axes
        pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
        facts[attributes.TERMS] = _products(call.input_shapes, call.lead, pair)
    return facts


def _products(shapes: tuple[Shape, ...], lead: Shape, axes: tuple[int, ...]) -> IntArray:
    """The pairs of codes that a ``Dot`` multiplies: `(results, terms, 2)`, the second counted from 0 in its own tensor.

    Args:
        axes: along which each operand is summed, counting the batch.
    """
    rank = len(lead)
    left, right = (
        np.moveaxis(np.arange(math.prod(shape)).reshape(shape), axis - 1 + rank if axis > 0 else axis, -1)
        for shape, axis in zip(shapes, axes, strict=True)
    )
    a, b = (part.reshape(*lead, -1, part.shape[-1]) for part in (left, right))
    return _outer(a, b)


def _outer(left: IntArray, right: IntArray) -> IntArray:
    """The pairs of ``sum_k left[…, i, k] * right[…, j, k]`` for all ``i``, ``j``, in that order."""
    pairs = np.stack(np.broadcast_arrays(left[..., :, None, :], right[..., None, :, :]), axis=-1)
    return np.asarray(pairs.reshape(-1, *pairs.shape[-2:]))


def operator(call: Call) -> Facts:
    """An operator of TensorFlow.

    Raises:
        UnsupportedModelError: if it has no meaning here.
    """
    symbol = _RENAMED.get(str(call.layer.symbol), str(call.layer.symbol))
    facts: Facts = {attributes.SHAPE: list(call.shape)}
    if call.lead:
        raise _refused(call, symbol, "inside a TimeDistributed", "operators outside of it")
    if symbol == "cast":
        return facts | {attributes.KIND: "reshape"}
    if symbol in MOVING:
        places = moved(replayed(call)(*numbers(call.input_shapes)))
        return facts | {attributes.KIND: "wire", attributes.INDICES: places}
    if symbol in _OVER:
        return facts | {attributes.KIND: _OVER[symbol], attributes.TERMS: _terms_over(call, symbol)}
    if symbol == "linalg.matmul" and len(call.inputs) == 2:
        return facts | {attributes.KIND: "contract", attributes.TERMS: _matmul(call)}
    if symbol in _MEET and len(call.inputs) == 2:
        return facts | {attributes.KIND: _MEET[symbol]}
    if symbol in (*_MEET, *_EACH, *_SOFTMAX) and len(call.inputs) == 1:
        return facts | (_along_last_axis if symbol in _SOFTMAX else _elementwise)(call, symbol)
    if symbol not in OPERATIONS:
        raise unsupported_operator(f"layer {call.name!r}", symbol, OPERATIONS)
    raise _refused(call, symbol, f"of {len(call.inputs)} tensors", ", ".join(sorted(OPERATIONS)))


def _refused(call: Call, symbol: str, what: str, allowed: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"layer {call.name!r}: operator tf.{symbol} {what}; allowed are {allowed}; use a layer of Keras for it"
    )


def replayed(call: Call) -> Callable[..., Any]:
    """The operator with the arguments that it was called with, as a function of its tensors."""
    import tensorflow as tf

    args, kwargs = call.arguments

    def apply(*tensors: Any) -> Any:
        def given(value: Any) -> Any:
            return tensors[value.number] if isinstance(value, Operand) else value

        placed = tf.nest.map_structure(given, (args, kwargs))
        return call.layer.call(*placed[0], **placed[1])

    return apply


def _along_last_axis(call: Call, symbol: str) -> Facts:
    args, kwargs = call.arguments
    settings = dict(zip(("logits", "axis"), args, strict=False)) | kwargs
    axis, rank = settings.get("axis"), len(call.input_shapes[0]) + 1
    if axis is not None and int(axis) % rank != rank - 1:
        raise _refused(call, symbol, f"along axis {axis}", "the last axis; put a Permute around it")
    spec = {"module": "keras", "class_name": _SOFTMAX[symbol], "config": {}}
    return {attributes.KIND: "function", attributes.FUNCTION: spec}


def _elementwise(call: Call, symbol: str) -> Facts:
    """A function of one tensor, whose constants are part of its description; or a scale and an offset of each code."""
    args, kwargs = call.arguments
    constants = [value for value in (*args, *kwargs.values()) if isinstance(value, np.ndarray) and value.size > 1]
    if constants:
        return _with_array(call, symbol, np.asarray(constants[0], dtype=np.float32))
    plain = [
        [value.number, None]
        if isinstance(value, Operand)
        else [None, value.item() if hasattr(value, "item") else value]
        for value in args
    ]
    config = {"arguments": plain, "options": {k: v for k, v in kwargs.items() if not isinstance(v, Operand)}}
    config["named"] = [k for k, v in kwargs.items() if isinstance(v, Operand)]
    spec = {"module": "tensorflow", "class_name": symbol, "config": config}
    return {attributes.KIND: "function", attributes.FUNCTION: spec}


def _with_array(call: Call, symbol: str, values: Any) -> Facts:
    """A sum or product with constants that differ from code to code."""
    word, ones = _MEET.get(symbol), np.ones(call.own_shape, dtype=np.float32)
    if word not in ("add", "multiply") or call.own_shape != call.own_input_shape:
        raise _refused(
            call, symbol, "with an array of constants", "sums and products with arrays of the tensor's own shape"
        )
    whole = np.broadcast_to(values.reshape(values.shape[max(values.ndim - len(call.own_shape), 0) :]), call.own_shape)
    pair = (ones, whole) if word == "add" else (whole, np.zeros(call.own_shape, dtype=np.float32))
    return {attributes.KIND: "batchnorm", attributes.MULTIPLIER: pair[0].ravel(), attributes.OFFSET: pair[1].ravel()}


def _terms_over(call: Call, symbol: str) -> IntArray:
    """The numbers of the codes of each result of a reduction."""
    args, kwargs = call.arguments
    settings = dict(zip(("input_tensor", "axis", "keepdims"), args, strict=False)) | kwargs
    axes, rank = settings.get("axis"), len(call.input_shapes[0]) + 1
    listed = range(1, rank) if axes is None else [int(n) % rank for n in np.ravel(axes)]
    if axes is None or 0 in listed:
        raise _refused(call, symbol, "over the events of a batch", "axes of one event, from 1 on; set axis")
    codes = np.arange(math.prod(call.input_shapes[0])).reshape(call.input_shapes[0])
    last = [axis - 1 for axis in listed]
    count = math.prod(codes.shape[axis] for axis in last)
    return np.moveaxis(codes, last, range(-len(last), 0)).reshape(-1, count)


def _matmul(call: Call) -> IntArray:
    args, kwargs = call.arguments
    settings = dict(zip(("a", "b", "transpose_a", "transpose_b"), args, strict=False)) | kwargs
    left, right = (np.arange(math.prod(shape)).reshape(shape) for shape in call.input_shapes)
    if settings.get("transpose_a"):
        left = left.swapaxes(-1, -2)
    if not settings.get("transpose_b"):
        right = right.swapaxes(-1, -2)
    if left.ndim < 2 or left.shape[:-2] != right.shape[:-2]:
        raise _refused(call, "linalg.matmul", f"of shapes {call.input_shapes}", "matrices of one event")
    return _outer(left, right)
