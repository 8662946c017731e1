"""The operators that are read, each with the inputs and attributes that it may have: what else a node says is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bittrigger.frontend.qonnx import (
    elementwise,
    finn,
    integers,
    linear,
    positions,
    qcdq,
    quantisers,
    thresholds,
    turned,
)
from bittrigger.frontend.qonnx.constants import shape_of
from bittrigger.frontend.qonnx.einsum import einsum
from bittrigger.frontend.qonnx.file import OnnxNode
from bittrigger.frontend.qonnx.refusals import REFUSED
from bittrigger.frontend.qonnx.tensors import Constant, Tensor, Value, Walk, refused

Handler = Callable[[Walk, OnnxNode], "Value | tuple[Value, ...]"]

QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
"""Domains of the operators of QONNX, and what they were called before."""


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        handler: what it becomes.
        least: inputs at least.
        most: inputs at most.
        attributes: the names that it may have.
        folds: whether numpy computes it where it reads constants alone.
        integers: whether it may read integers of the file.
    """

    handler: Handler
    least: int = 1
    most: int = 1
    attributes: frozenset[str] = frozenset()
    folds: bool = True
    integers: bool = False


def _op(
    handler: Handler, least: int = 1, most: int | None = None, attributes: str = "", *, folds: bool = True
) -> Operator:
    return Operator(handler, least, least if most is None else most, frozenset(attributes.split()), folds)


def _with_integers(operator: Operator) -> Operator:
    return replace(operator, integers=True)


def _q(handler: Handler, least: int, most: int | None = None, attributes: str = "") -> Operator:
    return _with_integers(_op(handler, least, most, attributes, folds=False))


def _matmul(walk: Walk, node: OnnxNode) -> Tensor:
    both = all(isinstance(walk.values[name], Tensor) for name in node.inputs[:2])
    return positions.product(walk, node) if both else linear.matmul(walk, node)


def _convolution(walk: Walk, node: OnnxNode) -> Tensor:
    return linear.channels_first(linear.convolution, walk, node)


def _transposed(walk: Walk, node: OnnxNode) -> Tensor:
    return linear.channels_first(turned.transposed, walk, node)


def _pooling(walk: Walk, node: OnnxNode) -> Tensor:
    return linear.channels_first(positions.pooling, walk, node)


def _shape(walk: Walk, node: OnnxNode) -> Constant:
    return Constant(shape_of(node, (1, *walk.operand(node).shape)))


def _of_constants(_walk: Walk, node: OnnxNode) -> Value:
    raise refused(node, "it reads values of the event", "allowed are constants and shapes")


MANY = 1 << 16
"""Most inputs of an operator that takes any number."""

_WINDOWS = "auto_pad dilations kernel_shape pads strides"
_REDUCING = "axes keepdims noop_with_empty_axes"

_FUNCTIONS = {
    "LeakyRelu": "alpha",
    "HardSigmoid": "alpha beta",
    "Elu": "alpha",
    "Selu": "alpha gamma",
    "Celu": "alpha",
    "ThresholdedRelu": "alpha",
    "Gelu": "approximate",
    "Swish": "alpha",
    "Softplus": "threshold",
}

_MOVING = {
    "Identity": _op(positions.moving),
    "Dropout": _op(positions.moving, 1, 3, "ratio seed"),
    "Cast": _op(integers.cast, 1, 1, "to saturate round_mode"),
    "Transpose": _op(positions.moving, 1, 1, "perm"),
    "Reshape": _op(positions.moving, 1, 2, "allowzero shape"),
    "Flatten": _op(positions.moving, 1, 1, "axis"),
    "Squeeze": _op(positions.moving, 1, 2, "axes"),
    "Unsqueeze": _op(positions.moving, 1, 2, "axes"),
    "Slice": _op(positions.picked, 1, 5, "starts ends axes"),
    "Gather": _op(positions.picked, 2, 2, "axis"),
    "Split": _op(positions.picked, 1, 2, "axis split num_outputs"),
    "Pad": _op(positions.picked, 1, 4, "mode pads value"),
    "Concat": _op(integers.concatenated, 1, MANY, "axis"),
    "Resize": _op(
        positions.resized,
        1,
        4,
        "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
        "keep_aspect_ratio_policy mode nearest_mode",
    ),
}

_SUMS = {
    "MatMul": _op(_matmul, 2),
    "Gemm": _op(linear.gemm, 2, 3, "alpha beta transA transB"),
    "Conv": _op(_convolution, 2, 3, f"{_WINDOWS} group"),
    "ConvTranspose": _op(_transposed, 2, 3, f"{_WINDOWS} group output_padding output_shape"),
    "Einsum": _op(einsum, 2, 2, "equation", folds=False),
    "BatchNormalization": _op(linear.normalised, 5, 5, "epsilon momentum training_mode spatial"),
    "LayerNormalization": _op(linear.layer_normalised, 2, 3, "axis epsilon stash_type"),
    "RMSNormalization": _op(linear.layer_normalised, 2, 2, "axis epsilon stash_type"),
    "MaxPool": _op(_pooling, 1, 1, f"{_WINDOWS} ceil_mode storage_order"),
    "AveragePool": _op(_pooling, 1, 1, f"{_WINDOWS} ceil_mode count_include_pad"),
}

_ONNX: Mapping[str, Operator] = {
    **_SUMS,
    "MaxPool": _with_integers(_SUMS["MaxPool"]),
    **{name: operator if name in ("Pad", "Resize") else _with_integers(operator) for name, operator in _MOVING.items()},
    "QLinearMatMul": _q(integers.q_linear_matmul, 8),
    "QLinearConv": _q(integers.q_linear_conv, 8, 9, f"{_WINDOWS} group"),
    "MatMulInteger": _q(integers.matmul_integer, 2, 4),
    "ConvInteger": _q(integers.conv_integer, 2, 4, f"{_WINDOWS} group"),
    **{name: _op(elementwise.arithmetic, 2) for name in ("Add", "Sub", "Mul", "Div")},
    **{name: _op(elementwise.merge, 1, MANY) for name in elementwise.MERGES},
    **{name: _op(elementwise.function, 1, 1, _FUNCTIONS.get(name, "")) for name in elementwise.FUNCTIONS},
    "Clip": _with_integers(_op(qcdq.clip, 1, 3, "min max")),
    "Neg": _op(elementwise.negated),
    "Pow": _op(elementwise.power, 2),
    "PRelu": _op(elementwise.prelu, 2),
    **{name: _op(elementwise.softmax, 1, 1, "axis") for name in ("Softmax", "LogSoftmax")},
    **{name: _op(positions.reduced, 1, 2, _REDUCING) for name in positions.REDUCTIONS if name.startswith("Reduce")},
    **{name: _op(positions.reduced) for name in positions.REDUCTIONS if name.startswith("Global")},
    "Shape": _op(_shape, 1, 1, "start end"),
    "Constant": _op(_of_constants, 0, 0, "value value_float value_floats value_int value_ints"),
    "ConstantOfShape": _op(_of_constants, 1, 1, "value"),
    "QuantizeLinear": _op(qcdq.quantize, 2, 3, "axis block_size output_dtype saturate", folds=False),
    "DequantizeLinear": _q(qcdq.dequantize, 2, 3, "axis block_size"),
}

_MICROSOFT: Mapping[str, Operator] = {
    "QuantizeLinear": _ONNX["QuantizeLinear"],
    "DequantizeLinear": _ONNX["DequantizeLinear"],
    "QGemm": _q(integers.q_gemm, 6, 9, "alpha transA transB"),
    **{name: _q(integers.q_linear_of_two, 7, 8) for name in ("QLinearAdd", "QLinearMul")},
    "QLinearGlobalAveragePool": _q(integers.q_linear_global_average, 4, 5, "channels_last"),
    "QLinearAveragePool": _q(integers.q_linear_average, 4, 5, f"{_WINDOWS} ceil_mode count_include_pad channels_last"),
    "QLinearLeakyRelu": _q(integers.q_linear_function, 4, 5, "alpha"),
    "QLinearSigmoid": _q(integers.q_linear_function, 4, 5),
    "QLinearConcat": _q(integers.q_linear_concat, 5, MANY, "axis"),
}

_QUANTISERS: Mapping[str, Operator] = {
    **{name: _op(quantisers.quant, 4, 4, "signed narrow rounding_mode", folds=False) for name in ("Quant", "IntQuant")},
    "BipolarQuant": _op(quantisers.bipolar, 2, folds=False),
    "Trunc": _op(quantisers.trunc, 5, 6, "signed narrow rounding_mode", folds=False),
    "MultiThreshold": _op(thresholds.multi_threshold, 2, 2, "out_dtype out_scale out_bias data_layout"),
    "XnorPopcountMatMul": _op(finn.xnor, 2),
    "QuantAvgPool2d": _op(finn.average_of_integers, 1, 1, "stride kernel ibits obits signed data_layout"),
    "Im2Col": _op(finn.im2col, 1, 1, "stride kernel_size input_shape pad_amount pad_value depthwise dilations"),
    "MaxPoolNHWC": _op(finn.pool_last, 1, 1, "kernel_shape pads strides ceil_mode"),
    "DebugMarker": _op(positions.moving, 1, 1, "export_debug_name"),
}

_LAST = {name: _SUMS[name] for name in ("Conv", "BatchNormalization", "MaxPool", "AveragePool")}

DOMAINS: Mapping[str, Mapping[str, Operator]] = {
    "": _ONNX,
    "ai.onnx": _ONNX,
    **dict.fromkeys(QONNX, _QUANTISERS),
    linear.LAST: _LAST,
    "com.microsoft": _MICROSOFT,
}
"""The operators of each domain."""


def operator_of(node: OnnxNode) -> Operator:
    """What is known of the operator of a node.

    Raises:
        UnsupportedModelError: if it is not read, or the node has other inputs or attributes than the operator is known with.
    """
    known = DOMAINS.get(node.domain, {})
    operator = known.get(node.kind)
    if operator is None:
        raise _unknown(node, known)
    given = sum(bool(name) for name in node.inputs)
    if not operator.least <= given <= len(node.inputs) <= operator.most:
        most = "" if operator.most == operator.least else f" to {operator.most}"
        raise refused(node, f"it has {len(node.inputs)} inputs", f"allowed are {operator.least}{most}")
    strange = sorted(set(node.attributes) - operator.attributes)
    if strange:
        names = ", ".join(sorted(operator.attributes)) or "none"
        raise refused(node, f"its attribute {strange[0][:60]!r} is not read", f"allowed are {names}")
    return operator


def _unknown(node: OnnxNode, known: Mapping[str, Operator]) -> Exception:
    where = f" of {node.domain[:60]}" if node.domain else ""
    for names, fact, way_out in REFUSED:
        if node.kind in names.split() and (known or node.domain in OTHERS):
            return refused(node, f"operator {node.kind!r}{where}: {fact}", way_out)
    if not known:
        return refused(
            node,
            f"operator {node.kind[:60]!r}{where} is not read",
            f"allowed are operators of {', '.join(filter(None, DOMAINS))}",
        )
    return refused(node, f"operator {node.kind[:60]!r}{where} is not read", f"allowed are {', '.join(known)}")


OTHERS = ("ai.onnx.ml",)
"""Domains of which single operators are refused with a reason."""
