"""Layers of ours in hls4ml's ModelGraph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hls4ml.model.attributes import Attribute
from hls4ml.model.layers import Layer, layer_map, register_layer
from hls4ml.model.types import FixedPrecisionType

from bittrigger.compile.convert import read_inputs
from bittrigger.errors import ConfigError
from bittrigger.frontend.attributes import BIT_ACTIVATION, GENERIC, KERNEL
from bittrigger.frontend.flat.architecture import Weights
from bittrigger.frontend.flat.architecture import architecture as flat_architecture
from bittrigger.frontend.keras_model.check import check_model
from bittrigger.frontend.kernels import common_fraction_bits
from bittrigger.system.legacy_keras import is_model_of_keras_2


class BitLinear(Layer):  # type: ignore[misc]
    """A ternary or binary layer. Its weights are adders; their values are there for hls4ml's profiling alone."""

    _expected_attributes = (Attribute("n_in"), Attribute("n_out"))

    def initialize(self) -> None:
        """Declare the weights, and the output variable, whose type is set by the pass that makes the node."""
        kernel = np.asarray(self.attributes[KERNEL])
        self.add_weights_variable(name="weight", var_name="w{index}", precision=precision_of(kernel), data=kernel)
        shape = list(self.get_input_variable().shape)
        shape[-1] = self.attributes["n_out"]
        self.add_output_variable(shape)


def precision_of(weights: Any) -> FixedPrecisionType:
    """The narrowest type that holds every number of an array."""
    values = np.asarray(weights, dtype=np.float64)
    frac = common_fraction_bits(values)
    width = int(np.ldexp(np.abs(values).max(initial=0.0), frac)).bit_length() + 1
    return FixedPrecisionType(width, width - frac, signed=True)


class GenericLayer(Layer):  # type: ignore[misc]
    """A layer of Keras that hls4ml does not read: operands and a shape; what it computes is attached to it."""

    _expected_attributes = (Attribute("shape", value_type=list),)

    def initialize(self) -> None:
        """Declare the output variable."""
        self.add_output_variable([int(n) for n in self.attributes["shape"]])


def register_layers() -> None:
    """Make our layers known to hls4ml; a second call does nothing."""
    for name, kind in (("BitLinear", BitLinear), (GENERIC, GenericLayer)):
        if name not in layer_map:
            register_layer(name, kind)


def register_handlers() -> None:
    """Let hls4ml's parser read layers that it does not know; only once it is imported as a whole, its parts need each other."""
    from hls4ml.converters.keras_v2_to_hls import get_layer_handlers

    get_layer_handlers().setdefault(BIT_ACTIVATION, _parse_bit_activation)
    get_layer_handlers().setdefault(GENERIC, _parse_generic)
    get_layer_handlers().setdefault("RepeatVector", _parse_repeat)


def flatten_before_parsing() -> None:
    """Have the next model that hls4ml parses checked and taken apart first: its parser drops structure, or fails bare."""
    from importlib import import_module

    parser: Any = import_module("hls4ml.converters.keras_v2_to_hls")  # a function of that name hides the module
    parse = getattr(parser.parse_keras_model, "unchecked", parser.parse_keras_model)

    def checked(architecture: Any, reader: Any) -> Any:
        parser.parse_keras_model = parse  # the next one may be for another backend
        if not hasattr(reader, "model"):
            return parse(architecture, reader)
        model = check_model(reader.model)
        return parse(flat_architecture(model), Weights(model))

    checked.unchecked = parse  # type: ignore[attr-defined]
    parser.parse_keras_model = checked


def read_keras_2_as_such() -> None:
    """Have the next model that hls4ml takes for one of Keras 3, by the version of ``keras``, read by its own kind."""
    from importlib import import_module

    converters: Any = import_module("hls4ml.converters")
    read = getattr(converters.keras_v3_to_hls, "unchanged", converters.keras_v3_to_hls)

    def chosen(config: dict[str, Any], *arguments: Any) -> Any:
        converters.keras_v3_to_hls = read  # the next one may be for another backend
        if is_model_of_keras_2(config["KerasModel"]):
            return converters.keras_v2_to_hls(config)
        return read(config, *arguments)

    chosen.unchanged = read  # type: ignore[attr-defined]
    converters.keras_v3_to_hls = chosen


def declare_types() -> None:
    """Have the models of ours that hls4ml converts from now on rounded as their configurations say; others are left alone.

    A graph may be converted anew without another look at the backend, as hls4ml's profiling does.
    """
    from importlib import import_module

    converters: Any = import_module("hls4ml.converters")
    convert = converters.keras_v2_to_hls
    if hasattr(convert, "undeclared"):
        return

    def declared(config: dict[str, Any]) -> Any:
        if config.get("Backend") != "BitTrigger":
            return convert(config)
        flatten_before_parsing()
        return convert(with_declared(config))

    declared.undeclared = convert  # type: ignore[attr-defined]
    converters.keras_v2_to_hls = declared


def with_declared(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a conversion with the model of its types in the place of the one that was given."""
    from bittrigger.frontend.keras_model.check import check_model
    from bittrigger.frontend.keras_model.typed import as_declared, distance_text
    from bittrigger.hls4ml.declared import declared_of

    model, hls_config = config["KerasModel"], config.get("HLSConfig") or {}
    if (
        isinstance(model, str | dict) or "Flows" in hls_config or "Declared" in config
    ):  # as from the command line, or anew
        return config
    check_model(model)
    declared = declared_of(hls_config, model)
    if not declared.is_any:
        return config
    made, said = as_declared(model, declared)
    told = distance_text(model, made, _events(config.get("InputData"), model), option="input_data_tb")
    kept = {"Weights": dict(declared.weight_precision), "Results": dict(declared.layer_precision)}
    return {**config, "KerasModel": made, "Declared": {**kept, "Chosen": f"{'; '.join(said)}; {told}"}}


def _events(path: object, model: Any) -> Any:
    """The events in a file for test benches, `(events, inputs)`; None where there is none for a model of one input."""
    if not isinstance(path, str) or not path.endswith(".npy") or len(model.inputs) > 1:
        return None
    return read_inputs(Path(path))


def refuse_to_split() -> None:
    """Have hls4ml refuse to cut a graph of ours into several before it takes it apart; those of others are cut as ever."""
    from hls4ml.model.graph import MultiModelGraph

    split = MultiModelGraph.from_model_graph
    if hasattr(split, "unguarded"):
        return

    def guarded(base_model: Any, split_before_layers: list[str]) -> Any:
        if getattr(base_model.config.backend, "name", "") == "BitTrigger":
            raise ConfigError(
                "to_multi_model_graph is not supported by BitTrigger; a model is one design, whose layers are modules of their "
                "own; convert the parts of the model one by one if they are wanted as designs"
            )
        return split(base_model, split_before_layers)

    guarded.unguarded = split  # type: ignore[attr-defined]
    MultiModelGraph.from_model_graph = staticmethod(guarded)


def _parse_bit_activation(
    layer: dict[str, Any], inputs: list[str] | None, shapes: list[list[int]], _: Any
) -> tuple[dict[str, Any], list[int]]:
    """hls4ml's description of the layer, and its output shape; what it computes is attached from the layer itself."""
    from hls4ml.converters.keras_v2_to_hls import parse_default_keras_layer

    described = parse_default_keras_layer(layer, inputs)
    return {**described, "class_name": "Activation", "activation": "linear"}, list(shapes[0])


def _parse_generic(
    layer: dict[str, Any], inputs: list[str] | None, _shapes: list[list[int]], _: Any
) -> tuple[dict[str, Any], list[int]]:
    """A layer that hls4ml does not read: its operands, and the shape that Keras gives."""
    config = layer["config"]
    described = {"name": config["name"], "class_name": GENERIC, "inputs": inputs, "shape": config["shape"]}
    return described, [None, *config["shape"]]  # the batch is open


def _parse_repeat(
    layer: dict[str, Any], inputs: list[str] | None, shapes: list[list[int]], _: Any
) -> tuple[dict[str, Any], list[int]]:
    """A RepeatVector in hls4ml's terms: a Reshape to the shape that it gives; what it does is attached from the layer itself."""
    from hls4ml.converters.keras_v2_to_hls import parse_default_keras_layer

    (batch, size), count = shapes[0], int(layer["config"]["n"])
    described = parse_default_keras_layer(layer, inputs)
    return {**described, "class_name": "Reshape", "target_shape": [count, size]}, [batch, count, size]
