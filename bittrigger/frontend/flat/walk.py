"""From a Keras model to its calls: models within are walked through, wrappers taken off, each use of a layer is one call.

Layers that do nothing at inference are left out, here and nowhere else.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import (
    BIDIRECTIONAL,
    HGQ_PACKAGE,
    INERT,
    MASKED,
    MODELS,
    OPERATORS,
    RECURRENT,
    WRAPPERS,
)
from bittrigger.frontend.flat.calls import Call, FlatModel, Operand, Shape
from bittrigger.frontend.refusals import MASK_WAY_OUT, SHOWN, unsupported_layer
from bittrigger.system.legacy_keras import keras_2_module

MAX_CODES = 1 << 22
"""Most values of one tensor of an event."""

ACTIVATIONS = (
    "Activation",
    "QActivation",
    "QAdaptiveActivation",
    *RECURRENT,
)
"""Layers whose ``activation`` is no function of their result alone, or is all that they are."""

_JOINED = {"concat": "Concatenate", "sum": "Add", "mul": "Multiply", "ave": "Average"}
"""What joins the two directions of a Bidirectional, by its ``merge_mode``."""

Config = Mapping[str, Any]


@dataclass(frozen=True)
class _Result:
    """A tensor of the model: the call that makes it, its shape, and whether a ``Masking`` stands before it."""

    call: str
    shape: Shape
    masked: bool = False


@dataclass(eq=False)
class _Walk:
    names: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)

    def model(
        self, model: Any, config: Config, sources: list[_Result] | None, lead: Shape, prefix: str
    ) -> list[_Result]:
        """Walk through ``model``, called with ``sources``, or with ports of its own where that is None; its results."""
        if not getattr(model, "_is_graph_network", False):
            raise UnsupportedModelError(
                f"model {model.name!r}: class {type(model).__name__} has no graph of layers; allowed are Sequential and "
                "Functional models; call the layers on a tf.keras.Input and make a tf.keras.Model of it"
            )
        configs = {entry["config"]["name"]: entry for entry in config["layers"]}
        order = {name: place for place, name in enumerate(configs)}
        results: dict[int, _Result] = {}
        for number, tensor in enumerate(model.inputs):
            results[id(tensor)] = self._port(tensor, configs) if sources is None else sources[number]
        for node in _nodes(model, order):
            read = [results[id(tensor)] for tensor in node.keras_inputs]
            made = self._visit(node, configs[node.layer.name], read, lead, prefix)
            results |= {id(tensor): result for tensor, result in zip(_tensors(node.outputs), made, strict=True)}
        return [results[id(tensor)] for tensor in _tensors(model.outputs)]

    def _port(self, tensor: Any, configs: Mapping[str, Config]) -> _Result:
        """A port of the whole model; a Sequential model does not list it among its layers."""
        layer, shape = tensor.node.layer, _shape(tensor)
        own = configs.get(layer.name, {"config": {}})["config"]
        name = self._unused(layer.name, "")
        config = {**own, "name": name, "batch_input_shape": [None, *shape]}
        self.calls.append(Call(name, layer, "InputLayer", config, (), (), shape))
        return _Result(name, shape)

    def _visit(self, node: Any, config: Config, read: list[_Result], lead: Shape, prefix: str) -> list[_Result]:
        """One use of a layer."""
        layer, kind, outer = node.layer, str(config["class_name"]).removeprefix(HGQ_PACKAGE), lead
        _check_arguments(node, kind)
        while kind in WRAPPERS:
            if kind == "TimeDistributed":
                lead = (*lead, read[0].shape[len(lead)])
            layer, config = layer.layer, config["config"]["layer"]
            kind = str(config["class_name"])
        if kind in MODELS:
            return self.model(layer, config["config"], read, lead, f"{prefix}{node.layer.name}_")
        masked = _check_mask(layer, kind, read)
        if kind in INERT or (kind == "Masking" and config["config"].get("mask_value", 0.0) == 0):
            return [_Result(read[0].call, read[0].shape, masked or kind == "Masking")]
        found = _Layer(layer, kind, config["config"])
        if kind in BIDIRECTIONAL:
            made = self._both_ways(found, read, lead, prefix)
            _check_single(layer, _tensors(node.outputs))
            return [made]
        return [self._call(node, found, read, (outer, lead), prefix, masked=masked)]

    def _both_ways(self, found: _Layer, read: list[_Result], lead: Shape, prefix: str) -> _Result:
        """A layer that goes forwards, its twin that goes backwards, and what joins them: a call each."""
        wrapper, config = found.layer, found.config
        if config.get("merge_mode") not in _JOINED:
            raise UnsupportedModelError(
                f"layer {wrapper.name!r}: merge_mode {config.get('merge_mode')!r} gives two tensors; allowed are "
                f"{', '.join(_JOINED)}; use two layers, one of them with go_backwards=True"
            )
        given = config["layer"]
        twin = config.get("backward_layer") or given
        names, shapes = tuple(result.call for result in read), tuple(result.shape for result in read)
        ends = []
        for side, layer, entry in (
            ("forward", wrapper.forward_layer, given),
            ("backward", wrapper.backward_layer, twin),
        ):
            steps, units = read[0].shape[-2], int(layer.units)
            shape = (steps, units) if layer.return_sequences else (units,)
            name = self._unused(f"{wrapper.name}_{side}", prefix)
            own = {**entry["config"], "name": name, "go_backwards": bool(layer.go_backwards)}
            kind = str(entry["class_name"])
            self.calls.append(Call(name, layer, kind, own, names, shapes, (*lead, *shape), lead))
            if side == "backward" and layer.return_sequences:  # its results come in the order of its steps
                name = self._reversed(name, shape, prefix)
            ends.append(_Result(name, shape))
        return self._joined(wrapper.name, str(config["merge_mode"]), ends, prefix)

    def _reversed(self, source: str, shape: Shape, prefix: str) -> str:
        """A sequence from its last step on."""
        import tensorflow as tf

        operator = keras_2_module("src.layers.core.tf_op_layer").TFOpLambda(tf.reverse)
        name = self._unused(f"{source}_reversed", prefix)
        arguments: tuple[Any, Any] = ((Operand(0), [1]), {})
        config = {"name": name, "function": "reverse"}
        self.calls.append(Call(name, operator, "TFOpLambda", config, (source,), (shape,), shape, arguments=arguments))
        return name

    def _joined(self, wanted: str, mode: str, ends: list[_Result], prefix: str) -> _Result:
        """Both directions in one tensor."""
        import tensorflow as tf

        kind = _JOINED[mode]
        layer = getattr(tf.keras.layers, kind)()
        first, second = (end.shape for end in ends)
        shape = (*first[:-1], first[-1] + second[-1]) if mode == "concat" else first
        name = self._unused(wanted, prefix)
        config = {**layer.get_config(), "name": name}
        names = tuple(end.call for end in ends)
        self.calls.append(Call(name, layer, kind, config, names, (first, second), shape))
        return _Result(name, shape)

    def _call(
        self, node: Any, found: _Layer, read: list[_Result], leads: tuple[Shape, Shape], prefix: str, *, masked: bool
    ) -> _Result:
        """A layer that computes something; ``leads`` are the axes in front of its model, and of the layer itself."""
        outputs = _tensors(node.outputs)
        _check_single(found.layer, outputs)
        if outputs[0].dtype.name != "float32":
            raise UnsupportedModelError(
                f"layer {found.layer.name!r}: it gives {outputs[0].dtype.name}; allowed is float32; cast to that"
            )
        outer, lead = leads
        shape = (*outer, *_shape(outputs[0]))
        if math.prod(shape) > MAX_CODES:
            raise UnsupportedModelError(
                f"layer {found.layer.name!r}: its result has {math.prod(shape)} values; allowed are {MAX_CODES}; build a "
                "smaller model"
            )
        name = self._unused(node.layer.name, prefix)
        given = _arguments(node) if found.kind in OPERATORS else ((), {})
        names, shapes = tuple(result.call for result in read), tuple(result.shape for result in read)
        config = {**found.config, "name": name}
        activation = None if found.kind in ACTIVATIONS else config.pop("activation", None)
        self.calls.append(Call(name, found.layer, found.kind, config, names, shapes, shape, lead, given))
        if activation not in (None, "linear"):
            name = self._activation(self.calls[-1], activation)
        return _Result(name, shape, masked)

    def _activation(self, call: Call, activation: Any) -> str:
        """The ``activation`` argument of a layer, as a call of its own."""
        quantiser = isinstance(activation, dict) and activation.get("class_name") != "function"
        if isinstance(activation, dict) and not quantiser:
            activation = activation["config"]
        word = activation["class_name"] if quantiser else str(activation).split("(", maxsplit=1)[0]
        name, kind = self._unused(f"{call.name}_{word}", ""), "QActivation" if quantiser else "Activation"
        config = {"name": name, "activation": activation}
        made = Call(
            name, call.layer, kind, config, (call.name,), (call.shape,), call.shape, call.lead, is_activation=True
        )
        self.calls.append(made)
        return name

    def _unused(self, name: str, prefix: str) -> str:
        """A name that no call has yet, and that hls4ml does not keep for itself: that of the layer, if it is free."""
        wanted = "inputs" if name == "input" else name
        if wanted in self.names:
            wanted = f"{prefix}{wanted}"
        number, found = 2, wanted
        while found in self.names:
            number, found = number + 1, f"{wanted}_{number}"
        self.names.add(found)
        return found


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer without wrappers, and its settings as JSON."""

    layer: Any
    kind: str
    config: Config


def _check_arguments(node: Any, kind: str) -> None:
    """Refuse a call with more than its tensors, which would change what a layer computes."""
    if kind in OPERATORS:
        return
    given = {key: value for key, value in node.call_kwargs.items() if value is not None and value is not False}
    if given or len(node.call_args) > 1:
        if kind not in (*SHOWN, *WRAPPERS, *MODELS, *BIDIRECTIONAL):
            raise unsupported_layer(node.layer.name, kind)
        what = ", ".join(sorted(given)) or "several arguments"
        raise UnsupportedModelError(
            f"layer {node.layer.name!r}: it is called with {what}, which no design can follow; allowed are plain calls; call it "
            "without arguments"
        )


def _check_single(layer: Any, outputs: list[Any]) -> None:
    """Refuse a layer of several results."""
    if len(outputs) != 1:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: it gives {len(outputs)} tensors; allowed is one; take slices, as in x[:, :4]"
        )


def _check_mask(layer: Any, kind: str, read: list[_Result]) -> bool:
    """Whether a mask comes with the operands; refuse a layer that looks at it."""
    masked = any(result.masked for result in read)
    if masked and kind in MASKED:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: {kind} leaves out the steps that a Masking before it marks, which differ from event to "
            f"event; {MASK_WAY_OUT}"
        )
    return masked


def _nodes(model: Any, order: Mapping[str, int]) -> Iterator[Any]:
    """The uses of layers, in the order in which Keras lists its layers wherever that can be."""
    # Keras keeps the calls of a functional model by depth; it has no public name for it.
    for depth in sorted(model._nodes_by_depth, reverse=True):
        nodes = [node for node in model._nodes_by_depth[depth] if not node.is_input]
        yield from sorted(nodes, key=lambda node: order[node.layer.name])


def _tensors(structure: Any) -> list[Any]:
    import tensorflow as tf

    return list(tf.nest.flatten(structure))


def _shape(tensor: Any) -> Shape:
    """The shape of a tensor without the batch.

    Raises:
        UnsupportedModelError: if an axis has no size.
    """
    shape = tuple(tensor.shape)[1:]
    if None in shape:
        raise UnsupportedModelError(
            f"input {tensor.name!r}: its shape {shape} has an open length, and a design takes a whole event every clock; allowed "
            "are fixed shapes; build the model for the most constituents, and fill up with zeros"
        )
    return tuple(int(n) for n in shape)


def _arguments(node: Any) -> tuple[Any, Any]:
    """The arguments of an operator, by position and by name, as plain values."""
    import tensorflow as tf

    operands = iter(range(len(node.keras_inputs)))

    def plain(value: Any) -> Any:
        if tf.is_tensor(value):
            return Operand(next(operands)) if hasattr(value, "node") else value.numpy()
        return value.name if isinstance(value, tf.DType) else value

    args, kwargs = tf.nest.map_structure(plain, (node.call_args, node.call_kwargs))
    return args, {key: value for key, value in kwargs.items() if key != "name"}


def flatten(model: Any) -> FlatModel:
    """The calls of a built Sequential or Functional model.

    Raises:
        UnsupportedModelError: if it has no graph of layers, an input has an open length, or a layer is called in a way that no
            design can follow.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of quantisers that QKeras saves in the place of constraints
        config = json.loads(model.to_json())["config"]
    walk = _Walk()
    results = walk.model(model, config, None, (), "")
    ports = {id(call.layer): call.name for call in walk.calls if call.class_name == "InputLayer"}
    inputs = tuple(ports[id(tensor.node.layer)] for tensor in model.inputs)
    return FlatModel(str(model.name), tuple(walk.calls), inputs, tuple(result.call for result in results))
