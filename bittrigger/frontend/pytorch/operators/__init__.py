"""The operators of PyTorch that are read, each as nodes of ONNX."""

from __future__ import annotations

from collections.abc import Mapping

from bittrigger.frontend.pytorch.operators.arithmetic import added, dropped, multiplied, negated, reversed_, subtracted
from bittrigger.frontend.pytorch.operators.convolutions import convolution
from bittrigger.frontend.pytorch.operators.functions import (
    elu,
    function,
    gelu,
    hard_sigmoid,
    powered,
    prelu,
    softmax,
    softplus,
    squared,
)
from bittrigger.frontend.pytorch.operators.matrices import addmm, einsum, linear, matmul
from bittrigger.frontend.pytorch.operators.normalisations import batch_norm, layer_norm, rms_norm
from bittrigger.frontend.pytorch.operators.parts import (
    chunked,
    indexed,
    joined,
    selected,
    sliced,
    split,
    stacked,
    unbound,
)
from bittrigger.frontend.pytorch.operators.pooling import adaptive_average, adaptive_max, average_pool, max_pool
from bittrigger.frontend.pytorch.operators.quantising import chosen, clamp, compared, fake_quantised, rounding
from bittrigger.frontend.pytorch.operators.reductions import extreme, reduced
from bittrigger.frontend.pytorch.operators.shapes import (
    padded,
    padded_with,
    permuted,
    repeated,
    reshaped,
    same,
    transposed,
    turned,
)
from bittrigger.frontend.pytorch.values import Handler

_RANKS = (1, 2, 3)

_OF_ONE_NAME = (
    *("Sigmoid", "Tanh", "Mish", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Sin", "Cos", "Atan"),
    *("Sinh", "Cosh", "Asinh", "Abs", "Sign", "Floor", "Ceil"),
)
"""Functions that ONNX calls as PyTorch does, but for the capital."""

_NOTHING = (
    *("detach", "detach_", "alias", "clone", "contiguous", "to", "_to_copy"),
    *("lift_fresh_copy", "identity", "type_as"),
)

_MATRICES: Mapping[str, Handler] = {
    "linear": linear,
    "addmm": addmm,
    **dict.fromkeys(("matmul", "mm", "bmm"), matmul),
    "einsum": einsum,
    **{f"conv{rank}d": convolution(rank) for rank in _RANKS},
    **{f"conv_transpose{rank}d": convolution(rank, turned=True) for rank in _RANKS},
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
}

_OF_EACH_VALUE: Mapping[str, Handler] = {
    **dict.fromkeys(_NOTHING, same),
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_dropout", "dropout_"), dropped),
    "add": added,
    "sub": subtracted,
    "mul": multiplied("Mul"),
    "div": multiplied("Div"),
    "rsub": reversed_,
    "neg": negated,
    **dict.fromkeys(("clamp", "clip", "clamp_min", "hardtanh", "relu6"), clamp),
    **dict.fromkeys(("gt", "ge", "lt", "le"), compared),
    "where": chosen,
    "round": rounding,
    "fake_quantize_per_tensor_affine": fake_quantised,
    **{name.lower(): function(name) for name in _OF_ONE_NAME},
    "relu": function("Relu"),
    "leaky_relu": function("LeakyRelu", "alpha", alpha=0.01),
    "prelu": prelu,
    "elu": elu,
    "celu": function("Celu", "alpha", alpha=1.0),
    "selu": function("Selu"),
    "gelu": gelu,
    "silu": function("Swish", alpha=1.0),
    "softplus": softplus,
    "hardsigmoid": hard_sigmoid,
    "hardswish": function("HardSwish"),
    "pow": powered,
    "square": squared,
}

_OVER_AXES: Mapping[str, Handler] = {
    **dict.fromkeys(("softmax", "_softmax"), softmax("Softmax")),
    **dict.fromkeys(("log_softmax", "_log_softmax"), softmax("LogSoftmax")),
    "mean": reduced("ReduceMean"),
    "sum": reduced("ReduceSum"),
    "amax": reduced("ReduceMax"),
    "amin": reduced("ReduceMin"),
    **dict.fromkeys(("max", "maximum"), extreme("Max")),
    **dict.fromkeys(("min", "minimum"), extreme("Min")),
    **{f"max_pool{rank}d": max_pool(rank) for rank in _RANKS},
    **{f"avg_pool{rank}d": average_pool(rank) for rank in _RANKS},
    **{f"adaptive_avg_pool{rank}d": adaptive_average(rank) for rank in _RANKS},
    **{f"adaptive_max_pool{rank}d": adaptive_max(rank) for rank in _RANKS},
}

_MOVES: Mapping[str, Handler] = {
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "view_as", "reshape_as"), reshaped),
    **dict.fromkeys(("flatten", "unflatten", "squeeze", "unsqueeze"), reshaped),
    "permute": permuted,
    "transpose": transposed,
    "t": turned,
    **dict.fromkeys(("expand", "repeat", "expand_as"), repeated),
    "pad": padded,
    "constant_pad_nd": padded_with,
    "slice": sliced,
    **dict.fromkeys(("select", "index_select"), selected),
    "index": indexed,
    **dict.fromkeys(("cat", "concat"), joined),
    "stack": stacked,
    **dict.fromkeys(("split", "split_with_sizes"), split),
    "chunk": chunked,
    "unbind": unbound,
}

OPERATORS: Mapping[str, Handler] = {**_MATRICES, **_OF_EACH_VALUE, **_OVER_AXES, **_MOVES}
"""By the name of the operator."""
