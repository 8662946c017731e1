"""The lowering: hls4ml's ModelGraph to the integer graph, exact on every bit, or ideal where float32 itself rounds.

``walk`` holds what is known of each tensor; ``kernels``, ``sums`` and ``choices`` hold what a kind of layer becomes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import Apply, Parametric, Scale
from bittrigger.frontend.elementwise.functions import function_from_spec, is_softmax
from bittrigger.frontend.elementwise.functions.qkeras import internal_sigmoid
from bittrigger.frontend.elementwise.grids import Spec
from bittrigger.frontend.lower import casts, choices, kernels, lengths, products, recurrent, sums
from bittrigger.frontend.lower.input_ports import Port, find_port
from bittrigger.frontend.lower.softmax import softmax
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.account import Account
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.dynamic import DynamicSettings, lower_dynamic
from bittrigger.frontend.nodes.positions import add_step
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.frontend.refusals import unsupported_layer
from bittrigger.ir.basis import Reference
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.naming import identifier
from bittrigger.settings import Settings


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network in integers, and where each tensor of the ModelGraph went.

    Attributes:
        graph: the integers.
        made: for each layer the graph nodes that bear its name.
        types: for each tensor of the ModelGraph that lies on a grid in Keras the type that just holds it.
        shapes: shape of each model output in Keras, without the batch.
    """

    graph: Graph
    made: dict[str, tuple[str, ...]]
    types: dict[str, FixedPoint]
    shapes: tuple[tuple[int, ...], ...]


def lower(model_graph: Any, *, name: str | None = None, **settings: Any) -> Graph:
    """The integer graph of ``model_graph``.

    Args:
        model_graph: hls4ml's ModelGraph, made by the BitTrigger backend from a Keras model object.
        name: name of the design; by default hls4ml's project name.
        settings: fields of ``Settings``, such as ``input_precision``.

    Raises:
        UnsupportedModelError: if something has no integer form of the required grade; the message names it and the way out.
        ConfigError: if a setting is unknown or out of range.
    """
    return lower_with_map(model_graph, Settings(**settings), name=name).graph


def lower_with_map(
    model_graph: Any,
    settings: Settings,
    *,
    name: str | None = None,
    inputs: FloatArray | None = None,
    chosen: tuple[str, ...] = (),
    reference: Reference | None = None,
) -> Lowered:
    """As ``lower``, and also says which graph nodes carry which tensor.

    Args:
        inputs: real events `(events, n_inputs)`, which type a port that nothing else does.
        chosen: what was chosen for the model before.
        reference: whose bits an exact design gives; by default those of Keras.
    """
    project = name if name is not None else str(model_graph.config.get_project_name() or "model")
    reference = reference or (Reference.TYPED if settings.declared.is_any else Reference.KERAS)
    account = Account(settings.require == "exact", reference.framework)
    for sentence in chosen:
        account.choose(sentence)
    walk = Walk(model_graph, Builder(identifier(project), account), settings, inputs)
    ports = [model_graph.graph[tensor] for tensor in model_graph.inputs]
    for node in (*ports, *(node for node in model_graph.get_layers() if node not in ports)):
        _visit(walk, node)
    outputs, shapes, rounded = walk.outputs()
    basis = replace(account.basis(rounded), reference=reference)
    graph = Graph(identifier(project), walk.builder.nodes, outputs, basis)
    verify(graph)
    return Lowered(graph, walk.builder.made, walk.types, shapes)


def _visit(walk: Walk, node: Any) -> None:
    """Lower one ModelGraph node, whose operands have been lowered."""
    kind = str(attributes.read(node, attributes.KIND))
    handler = _HANDLERS.get(kind)
    if handler is None:
        raise unsupported_layer(node.name, kind)
    signal = handler(walk, node)
    left_open = node.get_attr(attributes.OPEN)
    if left_open is not None:
        walk.builder.account.rounds(Float32RoundsError(left_open))
    why = node.get_attr(attributes.IDEAL)
    if why is not None and signal.steps:
        walk.builder.account.rounds(Float32RoundsError(why))
        signal = replace(signal, ideal=True)
    walk.keep(node, signal)


def _input(walk: Walk, node: Any) -> Signal:
    shape = tuple(int(n) for n in node.get_output_variable().shape)
    size = int(np.prod(shape))
    events = walk.take_inputs(size)
    port: Port = find_port(walk.model_graph, node, walk.settings, walk.builder.account, events)
    return Signal((walk.builder.add_input(node.name, size, port.type, port.interval),), shape)


def _batchnorm(walk: Walk, node: Any) -> Signal:
    multiplier = np.asarray(attributes.read(node, attributes.MULTIPLIER), dtype=np.float32)
    offset = np.asarray(attributes.read(node, attributes.OFFSET), dtype=np.float32)
    signal = walk.signals[node.inputs[0]]
    return add_step(signal, Scale(node.name, multiplier, offset), math.prod(signal.shape) // multiplier.size)


def _parametric(walk: Walk, node: Any) -> Signal:
    signal = walk.signals[node.inputs[0]]
    parameters = tuple(np.asarray(p, dtype=np.float32) for p in attributes.read(node, attributes.PARAMETERS))
    step = Parametric(node.name, str(attributes.read(node, attributes.FUNCTION)), parameters)
    return add_step(signal, step, math.prod(signal.shape) // parameters[0].shape[-1])


def _embedding(walk: Walk, node: Any) -> Signal:
    (source,) = walk.operands(node)
    (table,) = (np.asarray(p, dtype=np.float32) for p in attributes.read(node, attributes.PARAMETERS))
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    if walk.builder[part].frac > 0 or any(
        not 0 <= span.lo <= span.hi < len(table) for span in walk.builder.reach(part)
    ):
        raise UnsupportedModelError(
            f"layer {node.name!r}: it reads codes that are no whole numbers from 0 to {len(table) - 1}, for which it has values; "
            f"set input_precision, for example to 'ufixed<{(len(table) - 1).bit_length()},{(len(table) - 1).bit_length()}>'"
        )
    places = np.repeat(np.arange(math.prod(source.shape)), table.shape[1])
    wired = walk.builder.wire(f"{node.name}_operand", (part,), places)
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    return add_step(Signal((wired,), shape), Parametric(node.name, "gather", (table,)), math.prod(source.shape))


def _function(walk: Walk, node: Any) -> Signal:
    spec = attributes.read(node, attributes.FUNCTION)
    if spec["class_name"] == "linear" and spec["module"] == "keras":
        return walk.signals[node.inputs[0]]
    if (
        spec["class_name"] in attributes.PROBABILITIES
        and spec["module"] == "keras"
        and node.outputs[0] in walk.model_graph.outputs
    ):
        return _ending(walk, node, str(spec["class_name"]))
    if is_softmax(spec):
        return softmax(walk, node, str(spec["class_name"]))
    _note_switch(walk, node, spec)
    return add_step(walk.signals[node.inputs[0]], Apply(node.name, function_from_spec(node.name, spec)))


def _note_switch(walk: Walk, node: Any, spec: Spec) -> None:
    """Note a function that hangs on a switch of the process, where that does not stand as it does at first."""
    name, config = spec["class_name"], spec["config"]
    real = config.get("use_real_tanh") or config.get("use_real_sigmoid")
    follows = name in ("quantized_tanh", "quantized_sigmoid") or (
        name == "quantized_relu" and config.get("use_sigmoid")
    )
    if spec["module"] == "qkeras" and follows and not real and (mode := internal_sigmoid()) != "hard_sigmoid":
        walk.builder.account.choose(
            f"layer {node.name!r}: {name} follows qkeras.set_internal_sigmoid, which no file keeps; here it is {mode}, and "
            "another process gives other bits; use use_real_tanh or use_real_sigmoid, or leave the switch alone"
        )


def _ending(walk: Walk, node: Any, name: str) -> Signal:
    """A softmax or sigmoid at the output, which keeps the order of its arguments: left out, unless it is wanted."""
    signal = walk.signals[node.inputs[0]]
    if not walk.settings.keep_activation:
        if not walk.settings.logits:
            same = "the argmax is the same" if name == "softmax" else "the order is the same, and 0.5 becomes 0"
            walk.builder.account.choose(
                f"layer {node.name!r}: {name} is left out, the design delivers what goes into it; {same}; "
                "to build it, --keep-activation"
            )
        return signal
    if name == "softmax":
        return softmax(walk, node, name)
    spec = {"module": "keras", "class_name": name, "config": {}}
    return add_step(signal, Apply(node.name, function_from_spec(node.name, spec)))


def _dynamic(walk: Walk, node: Any) -> Signal:
    settings = DynamicSettings.of(attributes.read(node, attributes.DYNAMIC))
    return lower_dynamic(walk.builder, walk.signals[node.inputs[0]], node.name, settings)


_HANDLERS: dict[str, Callable[[Walk, Any], Signal]] = {
    "input": _input,
    "dense": kernels.dense,
    "convolution": kernels.convolution,
    "separable": kernels.separable,
    "einsum": kernels.einsum,
    "recurrent": recurrent.recurrent,
    "lengths": lengths.lengths,
    "casts": casts.casts,
    "batchnorm": _batchnorm,
    "function": _function,
    "parametric": _parametric,
    "embedding": _embedding,
    "dynamic": _dynamic,
    "reshape": choices.reshape,
    "wire": choices.wire,
    "maxpooling": choices.max_pooling,
    "maximum": choices.maximum,
    "minimum": choices.minimum,
    "max_over": choices.max_over,
    "min_over": choices.min_over,
    "concatenate": choices.concatenate,
    "average": sums.average,
    "mean_over": sums.mean_over,
    "sum_over": sums.sum_over,
    "add": sums.add,
    "subtract": sums.subtract,
    "multiply": products.multiply,
    "contract": products.contract,
    "average_of": sums.average_of,
}
