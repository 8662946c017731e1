"""Layers of ours in hls4ml's ModelGraph."""

from __future__ import annotations

from typing import Any

import numpy as np
from hls4ml.model.attributes import Attribute
from hls4ml.model.layers import Layer, layer_map, register_layer
from hls4ml.model.types import FixedPrecisionType

from bittrigger.frontend.attributes import BIT_ACTIVATION, KERNEL
from bittrigger.frontend.check_model import check_model
from bittrigger.frontend.kernels import common_fraction_bits
from bittrigger.system.legacy_keras import is_model_of_keras_2


class BitLinear(Layer):  # type: ignore[misc]
    """A ternary or binary layer. Its weights are adders; their values are there for hls4ml's profiling alone."""

    _expected_attributes = (Attribute("n_in"), Attribute("n_out"))

    def initialize(self) -> None:
        """Declare the weights, and the output variable, whose type is set by the pass that makes the node."""
        kernel = np.asarray(self.attributes[KERNEL])
        frac = common_fraction_bits(kernel)
        width = int(np.ldexp(np.abs(kernel).max(initial=0.0), frac)).bit_length() + 1
        precision = FixedPrecisionType(width, width - frac, signed=True)
        self.add_weights_variable(name="weight", var_name="w{index}", precision=precision, data=kernel)
        shape = list(self.get_input_variable().shape)
        shape[-1] = self.attributes["n_out"]
        self.add_output_variable(shape)


def register_bit_linear() -> None:
    """Make ``BitLinear`` known to hls4ml; a second call does nothing."""
    if "BitLinear" not in layer_map:
        register_layer("BitLinear", BitLinear)


def register_bit_activation() -> None:
    """Let hls4ml's parser read layers that it does not know; only once it is imported as a whole, its parts need each other."""
    from hls4ml.converters.keras_v2_to_hls import get_layer_handlers

    get_layer_handlers().setdefault(BIT_ACTIVATION, _parse_bit_activation)
    get_layer_handlers().setdefault("RepeatVector", _parse_repeat)


def check_before_parsing() -> None:
    """Have the next model that hls4ml parses checked first: of what its parser does not read it says so in bare exceptions."""
    from importlib import import_module

    parser: Any = import_module("hls4ml.converters.keras_v2_to_hls")  # a function of that name hides the module
    parse = getattr(parser.parse_keras_model, "unchecked", parser.parse_keras_model)

    def checked(architecture: Any, reader: Any) -> Any:
        parser.parse_keras_model = parse  # the next one may be for another backend
        if hasattr(reader, "model"):
            check_model(reader.model)
        return parse(architecture, reader)

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


def _parse_bit_activation(
    layer: dict[str, Any], inputs: list[str] | None, shapes: list[list[int]], _: Any
) -> tuple[dict[str, Any], list[int]]:
    """hls4ml's description of the layer, and its output shape; what it computes is attached from the layer itself."""
    from hls4ml.converters.keras_v2_to_hls import parse_default_keras_layer

    described = parse_default_keras_layer(layer, inputs)
    return {**described, "class_name": "Activation", "activation": "linear"}, list(shapes[0])


def _parse_repeat(
    layer: dict[str, Any], inputs: list[str] | None, shapes: list[list[int]], _: Any
) -> tuple[dict[str, Any], list[int]]:
    """A RepeatVector in hls4ml's terms: a Reshape to the shape that it gives; what it does is attached from the layer itself."""
    from hls4ml.converters.keras_v2_to_hls import parse_default_keras_layer

    (batch, size), count = shapes[0], int(layer["config"]["n"])
    described = parse_default_keras_layer(layer, inputs)
    return {**described, "class_name": "Reshape", "target_shape": [count, size]}, [batch, count, size]
