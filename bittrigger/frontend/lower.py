"""The lowering: hls4ml's ModelGraph to the integer graph, exact on every bit."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.builder import Builder, units
from bittrigger.frontend.dynamic import DynamicSettings, lower_dynamic
from bittrigger.frontend.elementwise import AddBias, Apply, Divide, Scale, Step, reach_of_one_copy
from bittrigger.frontend.functions import function_from_spec
from bittrigger.frontend.input_ports import Port, find_port
from bittrigger.frontend.kernels import (
    Float32Array,
    check_exact_sums,
    check_finite,
    common_fraction_bits,
    factor_kernel,
    sum_bits,
    to_integers,
)
from bittrigger.frontend.lower_elementwise import Signal, lower_elementwise, unscaled
from bittrigger.frontend.positions import add_step, positions
from bittrigger.frontend.windows import elements
from bittrigger.ir.extremum import Extremum
from bittrigger.ir.fixed import FLOAT32_BITS, FixedPoint, IntArray, Interval, Rounding, parse_fixed
from bittrigger.ir.graph import Graph, Intervals, Requantize, verify
from bittrigger.ir.naming import identifier
from bittrigger.ir.wire import ZERO

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
    walk = _Walk(model_graph, Builder(identifier(project)), kind, logits=logits)
    ports = [model_graph.graph[tensor] for tensor in model_graph.inputs]
    for node in (*ports, *(node for node in model_graph.get_layers() if node not in ports)):
        walk.visit(node)
    outputs, shapes = walk.outputs()
    graph = Graph(identifier(project), walk.builder.nodes, outputs)
    verify(graph)
    return Lowered(graph, walk.builder.made, walk.types, shapes)


@dataclass(eq=False)
class _Walk:
    """The state of one lowering: the signal behind each tensor name of the ModelGraph."""

    model_graph: Any
    builder: Builder
    input_type: FixedPoint | None
    logits: bool = field(kw_only=True)
    signals: dict[str, Signal] = field(default_factory=dict)
    types: dict[str, FixedPoint] = field(default_factory=dict)

    def visit(self, node: Any) -> None:
        """Lower one ModelGraph node, whose operands have been lowered."""
        kind = str(attributes.read(node, attributes.KIND))
        handler = _HANDLERS.get(kind)
        if handler is None:
            raise attributes.unsupported_layer(node.name, kind)
        signal = handler(self, node)
        tensor = node.outputs[0]
        readers = sum(list(other.inputs).count(tensor) for other in self.model_graph.get_layers())
        if tensor in self.model_graph.outputs:
            signal = lower_elementwise(self.builder, signal)
        elif readers > 1 and signal.linear is not None:
            signal = replace(signal, parts=(self.builder.add(signal.linear),), linear=None)
        self.signals[tensor] = signal
        self._note_type(tensor)

    def _note_type(self, tensor: str) -> None:
        """Remember the type of a tensor that is exact as it stands."""
        signal = self.signals[tensor]
        if signal.steps or signal.exponent is not None or len(signal.parts) != 1:
            return
        if signal.linear is not None:
            spans, frac = self.builder.preview(signal.linear), signal.linear.frac
        else:
            spans, frac = self.builder.operand(signal.parts), self.builder[signal.parts[0]].frac
        hull = Interval(min(span.lo for span in spans), max(span.hi for span in spans))
        self.types[tensor] = FixedPoint.holding(hull, frac)

    def operands(self, node: Any, *, scaled: bool = False) -> list[Signal]:
        """The operands of a node as codes; if ``scaled``, they may have an exponent."""
        for tensor in node.inputs:
            self.signals[tensor] = lower_elementwise(self.builder, self.signals[tensor], scaled=scaled)
            self._note_type(tensor)
        return [self.signals[tensor] for tensor in node.inputs]

    def outputs(self) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
        """The nodes that leave the design, each one time and none of them a port, and the shapes of the outputs."""
        names: list[str] = []
        shapes = []
        for tensor in self.model_graph.outputs:
            signal = self.signals[tensor]
            shapes.append(signal.shape)
            ports = {node.name for node in self.builder.nodes if not node.inputs}
            for part in signal.parts:
                names.append(self._copy(part) if part in ports or part in names else part)
        return tuple(names), tuple(shapes)

    def _copy(self, part: str) -> str:
        """A node that repeats ``part``, for an output that must not be it."""
        spans = self.builder.reach(part)
        lo, hi = min(span.lo for span in spans), max(span.hi for span in spans)
        frac = self.builder[part].frac
        return self.builder.add(Requantize(f"{part}_copy", (part,), len(spans), 0, Rounding.TRN, lo, hi, frac))


def _input(walk: _Walk, node: Any) -> Signal:
    shape = tuple(int(n) for n in node.get_output_variable().shape)
    port: Port = find_port(walk.model_graph, node, walk.input_type)
    return Signal((walk.builder.add_input(node.name, int(np.prod(shape)), port.type, port.interval),), shape)


def _dense(walk: _Walk, node: Any) -> Signal:
    (source,) = walk.operands(node, scaled=True)
    return _kernel(walk, node, source)


def _convolution(walk: _Walk, node: Any) -> Signal:
    """What each window covers, by a wire, and then a dense layer on it."""
    (source,) = walk.operands(node)
    windows = elements(np.asarray(attributes.read(node, attributes.INDICES)), source.shape[-1])
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    wire = walk.builder.wire(f"{node.name}_windows", (part,), windows)
    return _kernel(walk, node, Signal((wire,), windows.shape))


def _kernel(walk: _Walk, node: Any, source: Signal) -> Signal:
    """``source @ kernel + bias`` along its last axis."""
    kernel = np.asarray(attributes.read(node, attributes.KERNEL), dtype=np.float32)
    bias = np.asarray(attributes.read(node, attributes.BIAS), dtype=np.float32)
    factored = factor_kernel(node.name, kernel, str(attributes.read(node, attributes.QUANTIZER)))
    check_finite(node.name, "bias", bias)
    copies = positions(source.shape)
    if copies > 1:
        source = replace(source, parts=(walk.builder.joined(f"{node.name}_operand", source.parts),))
    fracs = walk.builder.fracs(source.parts)[: kernel.shape[0]]
    weights = factored.values << (fracs.max() - fracs)[:, None]
    frac = factored.frac + int(fracs.max())
    none = np.zeros(len(bias), dtype=np.int64)
    operand = _operand(walk.builder, source, copies)
    check_exact_sums(node.name, weights, none, *operand)
    shape = (*source.shape[:-1], kernel.shape[1])
    if source.exponent is not None:
        linear = walk.builder.linear(node.name, source.parts, weights, none, frac, copies)
        return _scaled_dense(walk, node, replace(source, shape=shape, linear=linear, copies=copies), bias)
    steps: tuple[Step, ...] = ()
    added = none
    if common_fraction_bits(bias) <= frac and _fits(operand, weights, to_integers(bias, frac)):
        added = to_integers(bias, frac)
    else:
        steps = (AddBias(node.name, bias),)
    linear = walk.builder.linear(node.name, source.parts, weights, added, frac, copies)
    return Signal(source.parts, shape, linear, steps, copies=copies)


def _scaled_dense(walk: _Walk, node: Any, sums: Signal, bias: Float32Array) -> Signal:
    """Sums of codes with an exponent; for a bias they are multiplied back first."""
    if not bias.any():
        return sums
    source = unscaled(walk.builder, sums)
    own = walk.builder[source.parts[0]].frac
    frac = max(own, common_fraction_bits(bias))
    weights = np.eye(len(bias), dtype=np.int64) << (frac - own)
    added = to_integers(bias, frac)
    bits = sum_bits(weights, added, *_operand(walk.builder, source, source.copies))
    if (bits > FLOAT32_BITS).any():
        raise UnsupportedModelError(
            f"layer {node.name!r}: output {int(bits.argmax())} can need {int(bits.max())} bits with its bias at the greatest "
            f"scale of an event, and Keras' float32 holds {FLOAT32_BITS}; bound the ranges of the DynamicQuantizer before it by "
            "least and most, or set use_bias=False"
        )
    linear = walk.builder.linear(f"{node.name}_bias", source.parts, weights, added, frac, source.copies)
    return replace(source, linear=linear)


def _operand(builder: Builder, source: Signal, copies: int = 1) -> tuple[Intervals, IntArray]:
    """The ranges of the codes that each of ``copies`` parts may have, and the powers of two that divide them."""
    reach = reach_of_one_copy(builder.operand(source.parts), copies)
    return tuple(span.interval for span in reach), units(reach)


def _fits(operand: tuple[Intervals, IntArray], weights: IntArray, bias: IntArray) -> bool:
    """Whether Keras adds the bias without rounding."""
    return bool((sum_bits(weights, bias, *operand) <= FLOAT32_BITS).all())


def _batchnorm(walk: _Walk, node: Any) -> Signal:
    multiplier = np.asarray(attributes.read(node, attributes.MULTIPLIER), dtype=np.float32)
    offset = np.asarray(attributes.read(node, attributes.OFFSET), dtype=np.float32)
    signal = walk.signals[node.inputs[0]]
    return add_step(signal, Scale(node.name, multiplier, offset), positions(signal.shape))


def _function(walk: _Walk, node: Any) -> Signal:
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


def _dynamic(walk: _Walk, node: Any) -> Signal:
    settings = DynamicSettings.of(attributes.read(node, attributes.DYNAMIC))
    return lower_dynamic(walk.builder, walk.signals[node.inputs[0]], node.name, settings)


def _reshape(walk: _Walk, node: Any) -> Signal:
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    return replace(walk.signals[node.inputs[0]], shape=shape)


def _wire(walk: _Walk, node: Any) -> Signal:
    (source,) = walk.operands(node)
    indices = np.asarray(attributes.read(node, attributes.INDICES))
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    return Signal((walk.builder.wire(node.name, (part,), indices),), indices.shape)


def _average(walk: _Walk, node: Any) -> Signal:
    (source,) = walk.operands(node)
    windows, channels = np.asarray(attributes.read(node, attributes.INDICES)), source.shape[-1]
    if (windows == ZERO).any():
        raise UnsupportedModelError(
            f"layer {node.name!r}: windows that reach over the border, where Keras divides by the number of positions inside; "
            "allowed are windows of one size; use padding='valid', or a ZeroPadding before it"
        )
    count, outputs = windows.shape[-1], math.prod(windows.shape[:-1])
    places = windows.reshape(outputs, 1, count) * channels + np.arange(channels)[None, :, None]
    shape = (*windows.shape[:-1], channels)
    shift = count.bit_length() - 1
    if count == 1 << shift:
        return _sums(walk, node.name, source, places.reshape(-1, count), shape, shift=shift)
    total = _sums(walk, node.name, source, places.reshape(-1, count), shape)
    return add_step(total, Divide(node.name, count))


def _sums(walk: _Walk, name: str, source: Signal, terms: IntArray, shape: tuple[int, ...], *, shift: int = 0) -> Signal:
    """Sums of codes of ``source``, divided by ``2**shift``: one for each row of ``terms``, the numbers of its codes.

    One sum, repeated, where all read codes of the same ranges; else one matrix.
    """
    reach = walk.builder.operand(source.parts)
    rows, size = terms.shape
    alike = all(tuple(reach[k] for k in row) == tuple(reach[k] for k in terms[0]) for row in terms)
    if alike and rows > 1:
        part = walk.builder.joined(f"{name}_operand", source.parts)
        read = Signal((walk.builder.wire(f"{name}_operand", (part,), terms),), shape)
        weights, copies = np.ones((size, 1), dtype=np.int64), rows
    else:
        read, copies = source, 1
        weights = np.zeros((len(reach), rows), dtype=np.int64)
        for column, row in enumerate(terms):
            weights[row, column] = 1
    fracs = walk.builder.fracs(read.parts)[: weights.shape[0]]
    weights = weights << (fracs.max() - fracs)[:, None]
    bias = np.zeros(weights.shape[1], dtype=np.int64)
    check_exact_sums(name, weights, bias, *_operand(walk.builder, read, copies))
    linear = walk.builder.linear(name, read.parts, weights, bias, int(fracs.max()) + shift, copies)
    return Signal(read.parts, shape, linear, copies=copies)


def _max_pooling(walk: _Walk, node: Any) -> Signal:
    (source,) = walk.operands(node)
    windows, channels = np.asarray(attributes.read(node, attributes.INDICES)), source.shape[-1]
    outputs, taps = math.prod(windows.shape[:-1]), windows.shape[-1]
    windows = windows.reshape(outputs, taps)
    inside = windows[
        np.arange(outputs), (windows != ZERO).argmax(axis=1)
    ]  # one that is there, in place of those that are not
    windows = np.where(windows == ZERO, inside[:, None], windows)
    terms = windows[:, None, :] * channels + np.arange(channels)[None, :, None]
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    return _extremum(walk, node.name, part, terms.reshape(-1, taps), shape)


def _extremum(
    walk: _Walk, name: str, part: str, terms: IntArray, shape: tuple[int, ...], *, least: bool = False
) -> Signal:
    """The largest or least of the codes of ``part`` in each row of ``terms``."""
    wire = walk.builder.wire(f"{name}_operand", (part,), terms)
    if terms.shape[1] == 1:
        return Signal((wire,), shape)
    made = Extremum(name, (wire,), walk.builder[wire].frac, least, terms.shape[0])
    return Signal((walk.builder.add(made),), shape)


def _pick(walk: _Walk, node: Any, *, least: bool) -> Signal:
    operands = walk.operands(node)
    shape = operands[0].shape
    _check_shapes(node, operands)
    part = walk.builder.joined(f"{node.name}_operand", [part for operand in operands for part in operand.parts])
    terms = np.arange(len(operands) * math.prod(shape)).reshape(len(operands), -1).T
    return _extremum(walk, node.name, part, terms, shape, least=least)


def _maximum(walk: _Walk, node: Any) -> Signal:
    return _pick(walk, node, least=False)


def _minimum(walk: _Walk, node: Any) -> Signal:
    return _pick(walk, node, least=True)


def _concatenate(walk: _Walk, node: Any) -> Signal:
    operands = walk.operands(node)
    axis, rank = int(node.get_attr("axis", -1)), len(operands[0].shape)
    axis = axis if axis < 0 else axis - rank - 1
    parts = tuple(part for operand in operands for part in operand.parts)
    firsts = np.cumsum([0, *(math.prod(operand.shape) for operand in operands)])
    numbers = [
        first + np.arange(math.prod(operand.shape)).reshape(operand.shape)
        for first, operand in zip(firsts, operands, strict=False)
    ]
    order = np.concatenate(numbers, axis=axis)
    if axis == -rank and len(set(parts)) == len(parts):
        return Signal(parts, order.shape)
    part = walk.builder.joined(f"{node.name}_operand", parts)
    return Signal((walk.builder.wire(node.name, (part,), order),), order.shape)


def _check_shapes(node: Any, operands: Sequence[Signal]) -> None:
    if len({operand.shape for operand in operands}) != 1:
        raise UnsupportedModelError(
            f"layer {node.name!r}: its operands have the shapes {[operand.shape for operand in operands]}; allowed are equal "
            "shapes; reshape them"
        )


def _sum(walk: _Walk, node: Any, signs: Sequence[int]) -> Signal:
    operands = walk.operands(node)
    _check_shapes(node, operands)
    parts = tuple(part for operand in operands for part in operand.parts)
    copies = positions(operands[0].shape)
    size = math.prod(operands[0].shape) // copies
    if copies > 1:
        part = walk.builder.joined(f"{node.name}_operand", parts)
        places = np.arange(len(signs) * copies * size).reshape(len(signs), copies, size).swapaxes(0, 1)
        parts = (walk.builder.wire(f"{node.name}_operand", (part,), places),)
    fracs = walk.builder.fracs(parts)[: len(signs) * size]
    rows = np.concatenate([sign * np.eye(size, dtype=np.int64) for sign in signs])
    weights = rows << (fracs.max() - fracs)[:, None]
    bias = np.zeros(size, dtype=np.int64)
    joined = Signal(parts, operands[0].shape, copies=copies)
    check_exact_sums(node.name, weights, bias, *_operand(walk.builder, joined, copies))
    return replace(joined, linear=walk.builder.linear(node.name, parts, weights, bias, int(fracs.max()), copies))


def _add(walk: _Walk, node: Any) -> Signal:
    return _sum(walk, node, [1] * len(node.inputs))


def _subtract(walk: _Walk, node: Any) -> Signal:
    return _sum(walk, node, (1, -1))


_HANDLERS: dict[str, Callable[[_Walk, Any], Signal]] = {
    "input": _input,
    "dense": _dense,
    "convolution": _convolution,
    "batchnorm": _batchnorm,
    "function": _function,
    "dynamic": _dynamic,
    "reshape": _reshape,
    "wire": _wire,
    "average": _average,
    "maxpooling": _max_pooling,
    "maximum": _maximum,
    "minimum": _minimum,
    "concatenate": _concatenate,
    "add": _add,
    "subtract": _subtract,
}
