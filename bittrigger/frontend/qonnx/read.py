"""From an ONNX graph to the integer graph: each node becomes layers of the one lowering that models of Keras go through too."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend.lower import lower_with_map
from bittrigger.frontend.qonnx import qcdq
from bittrigger.frontend.qonnx.constants import MAX_VALUES, folded
from bittrigger.frontend.qonnx.file import OnnxModel, OnnxNode, read_onnx
from bittrigger.frontend.qonnx.integers import plain_integers, settled
from bittrigger.frontend.qonnx.operators import operator_of
from bittrigger.frontend.qonnx.ports import INTEGERS, port_grid
from bittrigger.frontend.qonnx.tensors import Codes, Constant, Integer, Layers, Tensor, Value, Walk, quant_spec, refused
from bittrigger.ir.basis import Reference
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.naming import Names, identifier
from bittrigger.settings import Settings


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


def lower_onnx(  # noqa: PLR0917
    model: OnnxModel,
    name: str,
    settings: Settings,
    inputs: FloatArray | None = None,
    chosen: tuple[str, ...] = (),
    reference: Reference = Reference.QONNX,
) -> Graph:
    """The integer graph of a model; arguments and errors as in ``read_qonnx``.

    Args:
        chosen: what was declared for it before.
        reference: whose bits an exact design gives, where no types are declared.
    """
    framework = reference.framework
    if settings.declared.is_any:
        reference = Reference.TYPED_PYTORCH if reference is Reference.PYTORCH else Reference.TYPED_QONNX
    with np.errstate(all="ignore"):  # what is not finite is refused
        layers = layers_of(model, typed=settings.input_precision is None)
    try:
        return lower_with_map(
            layers, settings, name=identifier(name), inputs=inputs, chosen=chosen, reference=reference
        ).graph
    except Float32RoundsError as error:
        raise Float32RoundsError(str(error).replace("Keras", framework)) from error
    except UnsupportedModelError as error:
        quantiser = "a Quant" if reference.framework == "ONNX" else "a quantiser"
        said = str(error).replace("Keras", framework).replace("a QActivation", quantiser)
        raise UnsupportedModelError(said) from error


def layers_of(model: OnnxModel, *, typed: bool = True) -> Layers:
    """The layers that stand for the nodes of a model.

    Args:
        typed: whether the file types the codes of its inputs, where it says integers.
    """
    layers = Layers(names=Names([]))
    readers = Counter(name for node in model.nodes for name in node.inputs)
    values: dict[str, Value] = {name: Constant(array) for name, array in model.constants.items()}
    walk = Walk(layers, values, readers, model.opset, frozenset(model.outputs))
    for name, shape in model.inputs.items():
        _start(walk, name, shape, model.types.get(name, "") if typed else "")
    made = 0
    for node in model.nodes:
        for output, value in zip(node.outputs, _tried(walk, node), strict=False):
            if output in walk.values:
                raise refused(node, f"two nodes make {output[:80]!r}", "allowed are valid graphs")
            walk.put(output, value)
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


def _start(walk: Walk, name: str, shape: tuple[int | None, ...], kind: str) -> None:
    own = tuple(n for n in shape[1:] if n is not None)
    if len(own) != len(shape) - 1 or not own:
        raise UnsupportedModelError(
            f"input {name[:80]!r}: its shape is {shape}; allowed are a batch and axes of fixed length; fix them before export"
        )
    walk.batch = shape[0] or walk.batch
    made = walk.layers.add(name[:40], "input", [], own, {})
    walk.layers.inputs.append(made)
    tensor = Tensor(made, own, tuple(range(len(own))))
    grid = port_grid(name, kind)
    if grid is not None:
        spec = quant_spec(grid.lo, grid.hi, grid.frac)
        tensor = walk.function(OnnxNode(f"{name}_type"[:40], "Quant", "", (), (name,), {}), tensor, spec)
    walk.put(name, replace(tensor, integer=Integer(kind)) if kind in INTEGERS else tensor)


def _end(walk: Walk, name: str) -> None:
    value = walk.values.get(name)
    ending = OnnxNode(f"output_{name}"[:40], "Identity", "", (name,), (), {})
    if isinstance(value, Codes):
        value = settled(walk, ending, value)
    if isinstance(value, Tensor):
        value = plain_integers(walk, ending, value)
    if not isinstance(value, Tensor):
        raise UnsupportedModelError(
            f"output {name[:80]!r}: {'it is a constant' if value else 'no node makes it'}; allowed are values of "
            "the event"
        )
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
    operator = operator_of(node)
    given = _given(walk, node, integers=operator.integers)
    constants = [value for value in given if isinstance(value, Constant)]
    if len(constants) == len(given) and operator.folds:
        return (folded(node, constants),)
    made = operator.handler(walk, node)
    return made if isinstance(made, tuple) else (made,)


def _given(walk: Walk, node: OnnxNode, *, integers: bool) -> list[Value]:
    """What a node reads, which may be integers of the file for some operators alone."""
    for name in node.inputs:
        if name and name not in walk.values:
            raise refused(node, f"it reads {name[:80]!r}, which nothing before it makes", "allowed are nodes in order")
    found = [walk.values[name] for name in node.inputs if name]
    if not integers and any(isinstance(value, Codes) or _is_integer(value) for value in found):
        raise refused(node, "it reads integers of a QuantizeLinear", "allowed is a DequantizeLinear before it")
    if node.kind in qcdq.READERS:
        return found
    for name in node.inputs:
        if isinstance(value := walk.values.get(name), Codes):
            walk.put(name, settled(walk, node, value))
    return [walk.values[name] for name in node.inputs if name]


def _is_integer(value: Value) -> bool:
    return isinstance(value, Tensor) and value.integer is not None
