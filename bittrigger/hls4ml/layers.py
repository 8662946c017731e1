"""Layers of ours in hls4ml's ModelGraph."""

from __future__ import annotations

from hls4ml.model.attributes import Attribute
from hls4ml.model.layers import Layer, layer_map, register_layer


class BitLinear(Layer):  # type: ignore[misc]
    """A ternary or binary layer. It has no weight variables: its weights are adders, not data."""

    _expected_attributes = (Attribute("n_in"), Attribute("n_out"))

    def initialize(self) -> None:
        """Declare the output variable; its type is set by the pass that makes the node."""
        shape = list(self.get_input_variable().shape)
        shape[-1] = self.attributes["n_out"]
        self.add_output_variable(shape)


def register_bit_linear() -> None:
    """Make ``BitLinear`` known to hls4ml; a second call does nothing."""
    if "BitLinear" not in layer_map:
        register_layer("BitLinear", BitLinear)
