"""The multiply-accumulates of layers without a kernel of the usual form: attention, dot products, einsum, normalisations.

A layer that is not known here is not free: its operations are None. Importing this module needs no TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bittrigger.layers.keras_types import Layer

__all__ = ["ELEMENTWISE", "call_operations", "is_elementwise"]

Shape = tuple[int, ...]

LAYER_NORM_FLOPS = 7
"""An element: mean, difference, square, variance, scale, and the learned scale and offset."""

ELEMENTWISE = frozenset(
    [
        *(
            "InputLayer",
            "Activation",
            "QActivation",
            "BitActivation",
            "BitTable",
            "ReLU",
            "LeakyReLU",
            "ELU",
            "Softmax",
            "ThresholdedReLU",
        ),
        *("Flatten", "Reshape", "Permute", "RepeatVector", "Concatenate", "SlicingOpLambda", "Masking"),
        *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"),
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
        *("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D", "ZeroPadding1D", "ZeroPadding2D"),
        *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
        *("Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D"),
    ]
)
"""Layers that move values or work element by element, which is not counted."""

_FUNCTIONS = frozenset(
    [
        *(
            "add",
            "subtract",
            "multiply",
            "divide",
            "truediv",
            "sub",
            "mul",
            "neg",
            "negative",
            "square",
            "pow",
            "sqrt",
            "rsqrt",
        ),
        *(
            "exp",
            "log",
            "abs",
            "maximum",
            "minimum",
            "clip_by_value",
            "round",
            "floor",
            "sign",
            "cast",
            "where",
            "equal",
        ),
        *("softmax", "gelu", "relu", "sigmoid", "tanh", "silu", "leaky_relu", "softplus", "erf", "greater", "less"),
        *("reduce_mean", "reduce_sum", "reduce_max", "reduce_min", "top_k", "argsort", "sort", "argmax"),
        *("reshape", "transpose", "concat", "stack", "unstack", "split", "expand_dims", "squeeze", "getitem", "gather"),
        *(
            "tile",
            "pad",
            "slice",
            "broadcast_to",
            "resize",
            "ones_like",
            "zeros_like",
            "stop_gradient",
            "identity",
            "one_hot",
        ),
    ]
)
"""TensorFlow functions in a functional model that move values or work element by element."""


def is_elementwise(layer: Layer) -> bool:
    """Whether a layer has no operations that are counted, and no parameters but ranges of a quantizer."""
    kind = type(layer).__name__
    return kind in ELEMENTWISE or (kind == "TFOpLambda" and _function(layer) in _FUNCTIONS)


def call_operations(layer: Layer) -> tuple[int, int] | None:
    """Return the multiply-accumulates and the FLOPs of all calls of a layer; None if they are not known."""
    found = [_call(layer, node) for node in layer.inbound_nodes]
    known = [value for value in found if value is not None]
    if not found or len(known) < len(found):
        return None
    return sum(macs for macs, _ in known), sum(flops for _, flops in known)


def _call(layer: Layer, node: Any) -> tuple[int, int] | None:  # noqa: ANN401 - a node of Keras
    """The operations of one call."""
    inputs, output = _shapes([tuple(t.shape) for t in node.keras_inputs]), _shapes(node.output_shapes)
    if inputs is None or output is None or len(output) != 1:
        return None
    macs: int | None
    match type(layer).__name__:
        case "LayerNormalization":
            return 0, LAYER_NORM_FLOPS * math.prod(output[0])
        case "MultiHeadAttention":
            return _multi_head(layer, inputs[0], output[0])
        case "Attention":
            values, keys = inputs[1], inputs[-1]
            macs = inputs[0][-2] * keys[-2] * (inputs[0][-1] + values[-1])
        case "Dot":
            axes = layer.axes if isinstance(layer.axes, int) else layer.axes[0]
            macs = math.prod(output[0]) * inputs[0][axes - 1 if axes > 0 else axes]
        case "EinsumDense":
            macs = _einsum(layer.equation, [inputs[0], tuple(layer.kernel.shape)])
        case "TFOpLambda":
            macs = _tensorflow(_function(layer), node, inputs, output[0])
        case _:
            return None
    bias = math.prod(output[0]) if getattr(layer, "bias_axes", None) else 0
    return None if macs is None else (macs, 2 * macs + bias)


def _shapes(shapes: Any) -> list[Shape] | None:  # noqa: ANN401 - one shape or several, as Keras has them
    """Shapes without the batch; None if one is not known."""
    several = shapes if isinstance(shapes, list) else [shapes]
    if any(not isinstance(shape, tuple) or None in shape[1:] for shape in several):
        return None
    return [tuple(shape[1:]) for shape in several]


def _multi_head(layer: Layer, query: Shape, output: Shape) -> tuple[int, int] | None:
    """Projections, scores and weighted values; shapes `(tokens, features)`."""
    config = layer.get_config()
    keys, values = config.get("key_shape"), config.get("value_shape")
    if len(query) != 2 or keys is None or values is None or None in (*keys[1:], *values[1:]):
        return None
    heads, key_dim, value_dim = config["num_heads"], config["key_dim"], config["value_dim"] or config["key_dim"]
    tokens, others = query[0], keys[1]
    biases = tokens * (heads * key_dim + output[-1]) + others * heads * (key_dim + value_dim)
    macs = heads * key_dim * (tokens * query[1] + others * keys[2]) + heads * value_dim * others * values[2]
    macs += heads * tokens * others * (key_dim + value_dim) + tokens * heads * value_dim * output[-1]
    return macs, 2 * macs + (biases if config["use_bias"] else 0)


def _function(layer: Layer) -> str:
    """The last part of the name of a TensorFlow function, such as `matmul`."""
    return str(layer.get_config().get("function", "")).rsplit(".", maxsplit=1)[-1]


def _tensorflow(name: str, node: Any, inputs: Sequence[Shape], output: Shape) -> int | None:  # noqa: ANN401
    arguments = node.call_kwargs
    if name == "matmul":
        first = inputs[0]
        return math.prod(output) * first[-2 if arguments.get("transpose_a") else -1]
    if name == "einsum" and isinstance(node.call_args[0], str):
        return _einsum(node.call_args[0], [(1, *shape) for shape in inputs])
    return None


def _einsum(equation: str, operands: Sequence[Shape]) -> int | None:
    """The product of the sizes of all indices; that of the batch counts as one."""
    names = equation.replace(" ", "").split("->")[0].split(",")
    if "." in equation or len(names) != len(operands):
        return None
    sizes: dict[str, int] = {}
    for letters, shape in zip(names, operands, strict=True):
        sizes |= dict(zip(letters[-len(shape) :], shape, strict=False))
    return math.prod(sizes.values())
