"""From an ONNX graph to the integer graph: each node becomes layers of the one lowering that models of Keras go through too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend.lower import lower_with_map
from bittrigger.frontend.qonnx import elementwise, linear, positions, qcdq, quantisers
from bittrigger.frontend.qonnx.constants import MAX_VALUES, folded, shape_of
from bittrigger.frontend.qonnx.file import OnnxModel, OnnxNode, read_onnx
from bittrigger.frontend.qonnx.tensors import Codes, Constant, Layers, Tensor, Value, Walk, refused
from bittrigger.ir.basis import Reference
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.naming import Names, identifier
from bittrigger.settings import Settings

DOMAINS = ("", "ai.onnx", "qonnx.custom_op.general", "onnx.brevitas", linear.LAST)
"""Whose operators are known."""

_HANDLERS: Mapping[str, Callable[[Walk, OnnxNode], Value]] = {
    "Quant": quantisers.quant,
    "IntQuant": quantisers.quant,
    "BipolarQuant": quantisers.bipolar,
    "Trunc": quantisers.trunc,
    "Gemm": linear.gemm,
    "Conv": lambda walk, node: linear.channels_first(linear.convolution, walk, node),
    "BatchNormalization": linear.normalised,
    "MaxPool": lambda walk, node: linear.channels_first(positions.pooling, walk, node),
    "AveragePool": lambda walk, node: linear.channels_first(positions.pooling, walk, node),
    "Softmax": elementwise.softmax,
    "LogSoftmax": elementwise.softmax,
    "PRelu": elementwise.prelu,
    "Concat": positions.concatenated,
    **dict.fromkeys(elementwise.FUNCTIONS, elementwise.function),
    "Clip": qcdq.clip,
    "Resize": positions.resized,
    "QuantizeLinear": qcdq.quantize,
    "DequantizeLinear": qcdq.dequantize,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), elementwise.arithmetic),
    **dict.fromkeys(elementwise.MERGES, elementwise.merge),
    **dict.fromkeys(positions.REDUCTIONS, positions.reduced),
    **dict.fromkeys(positions.MOVING, positions.moving),
}

QUANTISERS = ("Quant", "IntQuant", "BipolarQuant", "Trunc", "QuantizeLinear", "DequantizeLinear")
"""What is not computed by numpy where it reads constants alone."""

KNOWN = (*_HANDLERS, "MatMul", "Shape", "Constant", *positions.PICKING[:-1])
"""Operators that convert."""


def read_qonnx(path: Path, name: str, settings: Settings, inputs: FloatArray | None = None) -> Graph:
    """The integer graph of the ONNX file in ``path``.

    Args:
        name: of the design, an identifier.
        settings: types of ports and outputs, and the grade.
        inputs: real events `(events, n_inputs)`, which type a port that nothing else does.

    Raises:
        UnsupportedModelError: if the file cannot be read, or the network cannot be computed in integers.
    """
    return lower_onnx(read_onnx(path), name, settings, inputs)


def lower_onnx(model: OnnxModel, name: str, settings: Settings, inputs: FloatArray | None = None) -> Graph:
    """The integer graph of a model; arguments and errors as in ``read_qonnx``."""
    with np.errstate(all="ignore"):  # what is not finite is refused
        layers = layers_of(model)
    try:
        return lower_with_map(layers, settings, name=identifier(name), inputs=inputs, reference=Reference.QONNX).graph
    except Float32RoundsError as error:
        raise Float32RoundsError(str(error).replace("Keras", "ONNX")) from error
    except UnsupportedModelError as error:
        raise UnsupportedModelError(str(error).replace("Keras", "ONNX").replace("a QActivation", "a Quant")) from error


def layers_of(model: OnnxModel) -> Layers:
    """The layers that stand for the nodes of a model."""
    layers = Layers(names=Names([]))
    readers = Counter(name for node in model.nodes for name in node.inputs)
    values: dict[str, Value] = {name: Constant(array) for name, array in model.constants.items()}
    walk = Walk(layers, values, readers, model.opset, frozenset(model.outputs))
    for name, shape in model.inputs.items():
        _start(walk, name, shape)
    made = 0
    for node in model.nodes:
        for output, value in zip(node.outputs, _tried(walk, node), strict=False):
            if output in walk.values:
                raise refused(node, f"two nodes make {output[:80]!r}", "allowed are valid graphs")
            walk.values[output] = value
            made += value.values.size if isinstance(value, Constant) else 0
        if made > 8 * MAX_VALUES:
            raise refused(node, f"more than {8 * MAX_VALUES:,} constants are made", "allowed are fewer")
    if not model.inputs or not model.outputs:
        raise UnsupportedModelError(
            f"ONNX graph with {len(model.inputs)} inputs and {len(model.outputs)} outputs; allowed are one of each and more; "
            "export the whole model"
        )
    for name in model.outputs:
        _end(walk, name)
    return layers


def _start(walk: Walk, name: str, shape: tuple[int | None, ...]) -> None:
    own = tuple(n for n in shape[1:] if n is not None)
    if len(own) != len(shape) - 1 or not own:
        raise UnsupportedModelError(
            f"input {name[:80]!r}: its shape is {shape}; allowed are a batch and axes of fixed length; fix them before export"
        )
    walk.batch = shape[0] or walk.batch
    made = walk.layers.add(name[:40], "input", [], own, {})
    walk.layers.inputs.append(made)
    walk.values[name] = Tensor(made, own, tuple(range(len(own))))


def _end(walk: Walk, name: str) -> None:
    value = walk.values.get(name)
    if not isinstance(value, Tensor):
        raise UnsupportedModelError(
            f"output {name[:80]!r}: {'it is a constant, or integers' if value else 'no node makes it'}; allowed are values of "
            "the event"
        )
    ending = OnnxNode(f"output_{name}"[:40], "Identity", "", (name,), (), {})
    done = walk.ordered(ending, walk.plain(ending, value))
    walk.layers.outputs.append(done.name)


def _tried(walk: Walk, node: OnnxNode) -> tuple[Value, ...]:
    """What a node delivers; operands and attributes that do not belong together are its error."""
    try:
        return _made(walk, node)
    except (ValueError, TypeError, IndexError, KeyError, ArithmeticError, MemoryError) as error:
        raise refused(node, f"its operands do not fit ({str(error)[:120]})", "allowed are valid graphs") from error


def _made(walk: Walk, node: OnnxNode) -> tuple[Value, ...]:
    """What a node delivers."""
    if not node.outputs:
        return ()
    if node.domain not in DOMAINS or node.kind not in KNOWN:
        where = f" of {node.domain[:60]}" if node.domain else ""
        raise refused(node, f"operator {node.kind[:60]!r}{where} is not read", f"allowed are {', '.join(KNOWN)}")
    given = _given(walk, node)
    if node.kind == "Shape" and isinstance(given[0], Tensor):
        return (Constant(shape_of(node, (1, *given[0].shape))),)
    constants = [value for value in given if isinstance(value, Constant)]
    quantiser = node.kind in QUANTISERS
    if len(constants) == len(given) and not quantiser:
        return (folded(node, constants),)
    if len(given) < _LEAST.get(node.kind, 1):
        raise refused(node, f"it has {len(given)} inputs", f"allowed are {_LEAST.get(node.kind, 1)} and more")
    if node.kind == "MatMul":
        both = len(constants) == 0
        return (positions.product(walk, node) if both else linear.matmul(walk, node),)
    if node.kind in positions.PICKING[:-1]:
        return positions.picked(walk, node)
    return (_HANDLERS[node.kind](walk, node),)


def _given(walk: Walk, node: OnnxNode) -> list[Value]:
    """What a node reads."""
    for name in node.inputs:
        if name and name not in walk.values:
            raise refused(node, f"it reads {name[:80]!r}, which nothing before it makes", "allowed are nodes in order")
    found = [walk.values[name] for name in node.inputs if name]
    if node.kind not in qcdq.READERS and any(isinstance(value, Codes) for value in found):
        raise refused(node, "it reads integers of a QuantizeLinear", "allowed is a DequantizeLinear before it")
    return found


_LEAST = {
    "Quant": 4,
    "IntQuant": 4,
    "BipolarQuant": 2,
    "Trunc": 5,
    **dict.fromkeys(("Gemm", "MatMul", "Conv", "Add", "Sub", "Mul", "Div", "PRelu", "Gather"), 2),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), 2),
    "BatchNormalization": 5,
}
"""Inputs that an operator has at least."""
