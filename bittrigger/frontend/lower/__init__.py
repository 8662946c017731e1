"""The lowering: hls4ml's ModelGraph to the integer graph, exact on every bit.

``walk`` holds what is known of each tensor; ``kernels``, ``sums`` and ``choices`` hold what a kind of layer becomes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.builder import Builder
from bittrigger.frontend.dynamic import DynamicSettings, lower_dynamic
from bittrigger.frontend.elementwise import Apply, Scale
from bittrigger.frontend.functions import function_from_spec
from bittrigger.frontend.input_ports import Port, find_port
from bittrigger.frontend.lower.choices import concatenate, max_pooling, maximum, minimum, reshape, wire
from bittrigger.frontend.lower.kernels import convolution, dense
from bittrigger.frontend.lower.sums import add, average, subtract
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.lower_elementwise import Signal
from bittrigger.frontend.positions import add_step, positions
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, parse_fixed
from bittrigger.ir.graph import Graph
from bittrigger.ir.naming import identifier

_log = logging.getLogger(__name__)

PROBABILITIES = ("softmax", "sigmoid")


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


def lower(
    model_graph: Any, *, input_precision: str | None = None, logits: bool = False, name: str | None = None
) -> Graph:
    """The integer graph that equals Keras' float32 inference of ``model_graph`` on every bit.

    Args:
        model_graph: hls4ml's ModelGraph, made by the BitTrigger backend from a Keras model object.
        input_precision: type of the input ports, for example ``fixed<16,6>``; by default the first quantiser sets it.
        logits: whether a softmax or sigmoid at the end is left out.
        name: name of the design; by default hls4ml's project name.

    Raises:
        UnsupportedModelError: if something has no exact integer form; the message names it and the way out.
        ConfigError: if ``input_precision`` is no fixed-point type.
    """
    return lower_with_map(model_graph, input_precision=input_precision, logits=logits, name=name).graph


def lower_with_map(
    model_graph: Any, *, input_precision: str | None = None, logits: bool = False, name: str | None = None
) -> Lowered:
    """As ``lower``, and also says which graph nodes carry which tensor."""
    project = name if name is not None else str(model_graph.config.get_project_name() or "model")
    kind = None if input_precision is None else parse_fixed(input_precision)
    walk = Walk(model_graph, Builder(identifier(project)), kind, logits=logits)
    ports = [model_graph.graph[tensor] for tensor in model_graph.inputs]
    for node in (*ports, *(node for node in model_graph.get_layers() if node not in ports)):
        _visit(walk, node)
    outputs, shapes = walk.outputs()
    graph = Graph(identifier(project), walk.builder.nodes, outputs)
    verify(graph)
    return Lowered(graph, walk.builder.made, walk.types, shapes)


def _visit(walk: Walk, node: Any) -> None:
    """Lower one ModelGraph node, whose operands have been lowered."""
    kind = str(attributes.read(node, attributes.KIND))
    handler = _HANDLERS.get(kind)
    if handler is None:
        raise attributes.unsupported_layer(node.name, kind)
    walk.keep(node, handler(walk, node))


def _input(walk: Walk, node: Any) -> Signal:
    shape = tuple(int(n) for n in node.get_output_variable().shape)
    port: Port = find_port(walk.model_graph, node, walk.input_type)
    return Signal((walk.builder.add_input(node.name, int(np.prod(shape)), port.type, port.interval),), shape)


def _batchnorm(walk: Walk, node: Any) -> Signal:
    multiplier = np.asarray(attributes.read(node, attributes.MULTIPLIER), dtype=np.float32)
    offset = np.asarray(attributes.read(node, attributes.OFFSET), dtype=np.float32)
    signal = walk.signals[node.inputs[0]]
    return add_step(signal, Scale(node.name, multiplier, offset), positions(signal.shape))


def _function(walk: Walk, node: Any) -> Signal:
    spec = attributes.read(node, attributes.FUNCTION)
    if spec["class_name"] == "linear" and spec["module"] == "keras":
        return walk.signals[node.inputs[0]]
    if (
        spec["class_name"] in PROBABILITIES
        and spec["module"] == "keras"
        and node.outputs[0] in walk.model_graph.outputs
    ):
        if not walk.logits:
            raise UnsupportedModelError(
                f"layer {node.name!r}: {spec['class_name']} at the output is not exact in integers; allowed are logits; "
                "remove it from the model, or leave it out with --logits (from Python: output_logits=True)"
            )
        _log.warning("layer %r: %s is left out; the design delivers the logits", node.name, spec["class_name"])
        return walk.signals[node.inputs[0]]
    return add_step(walk.signals[node.inputs[0]], Apply(node.name, function_from_spec(node.name, spec)))


def _dynamic(walk: Walk, node: Any) -> Signal:
    settings = DynamicSettings.of(attributes.read(node, attributes.DYNAMIC))
    return lower_dynamic(walk.builder, walk.signals[node.inputs[0]], node.name, settings)


_HANDLERS: dict[str, Callable[[Walk, Any], Signal]] = {
    "input": _input,
    "dense": dense,
    "convolution": convolution,
    "batchnorm": _batchnorm,
    "function": _function,
    "dynamic": _dynamic,
    "reshape": reshape,
    "wire": wire,
    "average": average,
    "maxpooling": max_pooling,
    "maximum": maximum,
    "minimum": minimum,
    "concatenate": concatenate,
    "add": add,
    "subtract": subtract,
}
