"""Operators on each value: functions, and sums and products of tensors with each other and with constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.onnx import EVEN, IN_DOUBLE
from bittrigger.frontend.qonnx import positions
from bittrigger.frontend.qonnx.constants import real, whole
from bittrigger.frontend.qonnx.file import OnnxNode
from bittrigger.frontend.qonnx.tensors import Array, Constant, Shape, Tensor, Value, Walk, is_power_of_two, refused

DEFAULTS = {
    "LeakyRelu": {"alpha": 0.01},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "Elu": {"alpha": 1.0},
    "Celu": {"alpha": 1.0},
    "Swish": {"alpha": 1.0},
    "ThresholdedRelu": {"alpha": 1.0},
    "Softplus": {"threshold": 3.4e38},
    "Selu": {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
}
"""The attributes of functions, and what they are where a node has none; PyTorch's softplus is the identity above a threshold."""

UNLIMITED = {"min": -3.4e38, "max": 3.4e38}
"""The ends of a Clip that has none."""

FUNCTIONS = (*EVEN, *IN_DOUBLE)
MERGES = {"Sum": "add", "Max": "maximum", "Min": "minimum", "Mean": "average_of"}


def function(walk: Walk, node: OnnxNode) -> Tensor:
    """A function of each value."""
    source = walk.operand(node)
    spec = {"module": "onnx", "class_name": node.kind, "config": _config(walk, node)}
    if node.kind in ("Relu", "LeakyRelu", "Abs") and source.scale is not None and node.kind != "LeakyRelu":
        return walk.function(node, source, spec)  # a positive factor passes
    source = walk.plain(node, source)
    if node.kind == "Sigmoid" and node.outputs[0] in walk.outputs:
        return walk.function(node, source, {"module": "keras", "class_name": "sigmoid", "config": {}})
    why = f"{node.kind} has last bits that depend on the program" if node.kind in IN_DOUBLE else None
    return walk.function(node, source, spec, why)


def _config(walk: Walk, node: OnnxNode) -> dict[str, float]:
    if node.kind == "Gelu":
        return config_of_gelu(node)
    if node.kind != "Clip":
        return {name: float(np.float32(real(node, name, value))) for name, value in DEFAULTS.get(node.kind, {}).items()}
    return limits(walk, node)


def config_of_gelu(node: OnnxNode) -> dict[str, float]:
    """Whether a Gelu takes a tanh for the error function."""
    kind = node.attributes.get("approximate", "none")
    if kind not in ("none", "tanh"):
        raise refused(node, f"approximate is {str(kind)[:20]!r}", "allowed are none and tanh")
    return {"approximate": float(kind == "tanh")}


def negated(walk: Walk, node: OnnxNode) -> Tensor:
    """A Neg."""
    return walk.affine(node, walk.plain(node, walk.operand(node)), -1.0, 0.0)


def power(walk: Walk, node: OnnxNode) -> Tensor:
    """A Pow with the exponent 1 or 2."""
    source, exponent = walk.operand(node), walk.values[node.inputs[1]]
    if not isinstance(exponent, Constant) or exponent.values.size != 1 or exponent.values.flat[0] not in (1, 2):
        raise refused(node, "its exponent is no constant 1 or 2", "allowed are these; a function takes its place")
    return source if exponent.values.flat[0] == 1 else _product(walk, node, source, source)


def limits(walk: Walk, node: OnnxNode) -> dict[str, float]:
    """The ends of a Clip, ``min`` and ``max``."""
    ends = {}
    for place, (name, default) in enumerate(UNLIMITED.items(), start=1):
        ends[name] = real(node, name, default)
        given = node.inputs[place] if place < len(node.inputs) else ""
        if given:
            value = walk.values[given]
            if not isinstance(value, Constant) or value.values.size != 1:
                raise refused(node, "its limits are no constants", "allowed are fixed limits")
            ends[name] = float(value.values.reshape(-1)[0])
    return ends


def prelu(walk: Walk, node: OnnxNode) -> Tensor:
    """A PRelu: values below zero times a slope of each channel."""
    source, slope = walk.plain(node, walk.operand(node)), walk.values[node.inputs[1]]
    if not isinstance(slope, Constant):
        raise refused(node, "its slope is no constant", "allowed is a trained slope")
    values = _fitting(node, slope, source.shape).astype(np.float32)
    one = walk.layers
    factors = np.broadcast_to(values, source.shape).transpose(source.order).ravel()
    facts = {attributes.FUNCTION: "prelu", attributes.PARAMETERS: [factors]}
    return replace(source, name=one.add(walk.name(node), "parametric", [source], source.lying, facts))


def _fitting(node: OnnxNode, constant: Constant, shape: Shape) -> Array:
    """The values of a constant without the axis of the batch, which may not be there."""
    values = constant.values
    if len(values.shape) > len(shape) + 1 or np.broadcast_shapes(values.shape, (1, *shape)) != (1, *shape):
        raise refused(
            node, f"a constant of shape {values.shape} with values of shape {shape}", "allowed are ones that fit"
        )
    return values.reshape(values.shape[-len(shape) :]) if values.ndim > len(shape) else values


def softmax(walk: Walk, node: OnnxNode) -> Tensor:
    """A Softmax or LogSoftmax along the last axis."""
    source = walk.operand(node)
    axis = whole(node, "axis", 1 if walk.opset < 13 else -1)
    if axis not in (-1, len(source.shape)):
        raise refused(node, f"it goes along axis {axis} of {len(source.shape) + 1}", "allowed is the last")
    name = "softmax" if node.kind == "Softmax" else "log_softmax"
    source = walk.ordered(node, walk.plain(node, source))
    return walk.function(node, source, {"module": "keras", "class_name": name, "config": {}})


def arithmetic(walk: Walk, node: OnnxNode) -> Tensor:
    """Add, Sub, Mul or Div of two tensors, or of a tensor and a constant."""
    left, right = (walk.values[name] for name in node.inputs[:2])
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return _of_tensors(walk, node, left, right)
    return _with_constant(walk, node, left, right)


def _with_constant(walk: Walk, node: OnnxNode, left: Value, right: Value) -> Tensor:  # noqa: PLR0911 - one return a kind
    source, constant = (left, right) if isinstance(left, Tensor) else (right, left)
    if not isinstance(source, Tensor) or not isinstance(constant, Constant):
        raise refused(node, "it reads constants alone", "allowed are values of the event")
    values = np.asarray(_fitting(node, constant, source.shape), dtype=np.float32)
    single = values.size == 1 and values.flat[0] > 0 and source.scale is None and not is_power_of_two(values)
    match node.kind, source is left:
        case "Add", _:
            return _added(walk, node, source, values)
        case "Sub", True:
            return _added(walk, node, source, -values)
        case "Sub", False:
            return walk.affine(node, walk.plain(node, source), -1.0, values)
        case "Mul", _ if single and walk.is_settled(source):  # left for later, as the scale of a quantiser is
            return replace(source, scale=np.float32(values.flat[0]))
        case "Mul", _:
            return walk.affine(node, walk.plain(node, source), values, 0.0)
        case "Div", True if is_power_of_two(values):
            return walk.affine(node, walk.plain(node, source), 1 / values, 0.0)
        case "Div", True:
            return walk.divided(node, walk.plain(node, source), values, None)
    raise refused(node, "it divides by a value of the event", "allowed are constant divisors")


def _added(walk: Walk, node: OnnxNode, source: Tensor, values: Array) -> Tensor:
    """A constant on top; behind a matrix without a bias it is that."""
    layer = walk.layers.graph[source.name]
    bias = layer.facts.get(attributes.BIAS)
    if bias is not None and walk.is_read_once(source) and source.scale is None and not np.any(bias):
        channel = source.order[-1]
        whole_bias = np.broadcast_to(values, source.shape)
        row = np.moveaxis(whole_bias, channel, -1).reshape(-1, source.shape[channel])
        if len(row) and (row == row[:1]).all() and row.shape[1] == len(bias):
            layer.facts[attributes.BIAS] = np.array(row[0], dtype=np.float32)
            return source
    return walk.affine(node, walk.plain(node, source), 1.0, values)


def _of_tensors(walk: Walk, node: OnnxNode, left: Tensor, right: Tensor) -> Tensor:
    if node.kind == "Div":
        raise refused(
            node,
            "it divides by a value of the event",
            "allowed are constant divisors; a LayerNormalization is one node from opset 17 on",
        )
    if node.kind != "Mul":
        kind = {"Add": "add", "Sub": "subtract"}[node.kind]
        return _met(walk, node, kind, [left, right])
    return _product(walk, node, left, right)


def _product(walk: Walk, node: OnnxNode, left: Tensor, right: Tensor) -> Tensor:
    scales = [tensor.scale for tensor in (left, right) if tensor.scale is not None]
    made = _met(walk, node, "multiply", [replace(tensor, scale=None) for tensor in (left, right)])
    for scale in scales:
        made = walk.affine(node, made, scale, 0.0, f"a factor comes in steps of {float(scale):.6g}, no power of two")
    return made


def merge(walk: Walk, node: OnnxNode) -> Tensor:
    """Sum, Mean, Max or Min of tensors, and a Max or Min with numbers."""
    values = [walk.values[name] for name in node.inputs]
    tensors = [value for value in values if isinstance(value, Tensor)]
    numbers = [value.values for value in values if isinstance(value, Constant)]
    if (node.kind in ("Sum", "Mean") and numbers) or any(number.size != 1 for number in numbers):
        raise refused(
            node, "it reads a constant", "allowed are values of the event, and for Max and Min single numbers"
        )
    facts = positions.division(walk, node, MERGES[node.kind], len(tensors))
    made = _met(walk, node, MERGES[node.kind], tensors, **facts)
    for number in numbers:
        limit = {**UNLIMITED, {"Max": "min", "Min": "max"}[node.kind]: float(np.float32(number.flat[0]))}
        made = walk.function(node, walk.plain(node, made), {"module": "onnx", "class_name": "Clip", "config": limit})
    return made


def _met(walk: Walk, node: OnnxNode, kind: str, tensors: list[Tensor], **facts: str) -> Tensor:
    """Tensors joined value by value, axes of one element repeated."""
    if len(tensors) == 1:
        return tensors[0]
    if len({None if t.scale is None else float(t.scale) for t in tensors}) > 1:
        tensors = [walk.plain(node, tensor) for tensor in tensors]
    try:
        shape = np.broadcast_shapes(*(tensor.shape for tensor in tensors))
    except ValueError as error:
        raise refused(
            node, f"shapes {[tensor.shape for tensor in tensors][:4]}", "allowed are ones that fit"
        ) from error
    if any(len(tensor.shape) != len(shape) for tensor in tensors):
        raise refused(node, "tensors of different numbers of axes", "allowed is one number; put an Unsqueeze before it")
    if len({tensor.order for tensor in tensors}) > 1:
        tensors = [walk.ordered(node, tensor) for tensor in tensors]
    like = replace(tensors[0], shape=tuple(shape))
    return walk.made(node, kind, tensors, like, **facts)
