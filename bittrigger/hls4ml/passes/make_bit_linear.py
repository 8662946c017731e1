"""Pass: lower the graph, replace ternary and binary layers by ``BitLinear`` nodes and set the true types."""

from __future__ import annotations

from typing import Any

from hls4ml.model.optimizer import ModelOptimizerPass
from hls4ml.model.types import FixedPrecisionType, UnspecifiedPrecisionType

from bittrigger.frontend import attributes
from bittrigger.hls4ml.design import lowered
from bittrigger.hls4ml.layers import precision_of
from bittrigger.ir.graph import Linear

_COPIED = (attributes.KIND, attributes.KERNEL, attributes.BIAS, attributes.QUANTIZER, attributes.SCALE)


class MakeBitLinear(ModelOptimizerPass):  # type: ignore[misc]
    """Shows in hls4ml's graph what the lowering found: which layers are ternary, and the exact type of each tensor."""

    def __init__(self) -> None:
        self.name = "make_bit_linear"

    def transform(self, model: Any) -> bool:
        """Lower the graph and change the nodes.

        Raises:
            UnsupportedModelError: if something cannot be lowered exactly.
        """
        result = lowered(model)
        for node in list(model.get_layers()):
            if _is_left_out(model, node):
                model.remove_node(node)
        for node in list(model.get_layers()):
            if node.class_name == "Dense" and is_ternary(node):
                _replace(model, node)
        for node in model.get_layers():
            kind = result.types.get(node.outputs[0])
            if kind is not None:
                precision = FixedPrecisionType(kind.width, kind.integer, kind.signed)
                node.get_output_variable().type.precision = precision
            for weights in node.weights.values():  # for hls4ml's profiling
                if isinstance(weights.type.precision, UnspecifiedPrecisionType):
                    weights.update_precision(precision_of(weights.data))
        return False


def _is_left_out(model: Any, node: Any) -> bool:
    """Whether ``node`` is a softmax or sigmoid at the output, which is left out unless ``keep_activation`` builds it."""
    spec = node.get_attr(attributes.FUNCTION)
    at_end = node.outputs[0] in model.outputs
    kept = model.config.get_config_value("KeepActivation", False)
    return bool(at_end and not kept and spec and spec["class_name"] in attributes.PROBABILITIES)


def is_ternary(node: Any) -> bool:
    """Whether the kernel of a dense node is ternary up to a power of two for each output."""
    from bittrigger.frontend.kernels import MAX_SPREAD, NO_QUANTIZER, factor_kernel

    quantizer = str(node.get_attr(attributes.QUANTIZER))
    options = {"most": MAX_SPREAD} if quantizer == NO_QUANTIZER else {}  # it was lowered, as it stands
    found, scale = node.get_attr(attributes.KERNEL), node.get_attr(attributes.SCALE)
    kernel = factor_kernel(node.name, found, quantizer, scale, **options)
    zeros = kernel.values[0] * 0
    return Linear(node.name, (), kernel.values, zeros, kernel.frac).is_ternary


def _replace(model: Any, node: Any) -> None:
    facts = {key: node.get_attr(key) for key in ("n_in", "n_out", *_COPIED)}
    model.replace_node(node, model.make_node("BitLinear", node.name, facts, list(node.inputs), list(node.outputs)))
