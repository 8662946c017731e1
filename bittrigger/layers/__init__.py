"""BitLinear and its quantizers as Keras layers, and their export to stock QKeras layers.

Importing this package imports nothing else; its names import TensorFlow and QKeras the first time they are asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bittrigger.layers.activations import BitActivation, StaticQuantizer
    from bittrigger.layers.adder_cost import AdderCostReport, adder_bits, model_adder_bits
    from bittrigger.layers.attention import AttentionSettings, bit_attention
    from bittrigger.layers.bit_linear import BitConv1D, BitConv2D, BitLinear
    from bittrigger.layers.bithep import BitHepLinear
    from bittrigger.layers.dynamic import DynamicQuantizer
    from bittrigger.layers.export import export_stock
    from bittrigger.layers.input_scale import InputScale
    from bittrigger.layers.quantizers import KeepMagnitude, absmean_binary, absmean_ternary
    from bittrigger.layers.stock import stock_layers
    from bittrigger.layers.widths import model_widths

__all__ = [
    "AdderCostReport",
    "AttentionSettings",
    "BitActivation",
    "BitConv1D",
    "BitConv2D",
    "BitHepLinear",
    "BitLinear",
    "DynamicQuantizer",
    "InputScale",
    "KeepMagnitude",
    "StaticQuantizer",
    "absmean_binary",
    "absmean_ternary",
    "adder_bits",
    "bit_attention",
    "export_stock",
    "model_adder_bits",
    "model_widths",
    "stock_layers",
]

_LAZY = {
    "BitActivation": "bittrigger.layers.activations",
    "StaticQuantizer": "bittrigger.layers.activations",
    "AdderCostReport": "bittrigger.layers.adder_cost",
    "adder_bits": "bittrigger.layers.adder_cost",
    "model_adder_bits": "bittrigger.layers.adder_cost",
    "AttentionSettings": "bittrigger.layers.attention",
    "bit_attention": "bittrigger.layers.attention",
    "BitConv1D": "bittrigger.layers.bit_linear",
    "BitConv2D": "bittrigger.layers.bit_linear",
    "BitLinear": "bittrigger.layers.bit_linear",
    "BitHepLinear": "bittrigger.layers.bithep",
    "DynamicQuantizer": "bittrigger.layers.dynamic",
    "export_stock": "bittrigger.layers.export",
    "InputScale": "bittrigger.layers.input_scale",
    "KeepMagnitude": "bittrigger.layers.quantizers",
    "absmean_binary": "bittrigger.layers.quantizers",
    "absmean_ternary": "bittrigger.layers.quantizers",
    "stock_layers": "bittrigger.layers.stock",
    "model_widths": "bittrigger.layers.widths",
}
"""Names that need TensorFlow, and the modules that define them."""


def __getattr__(name: str) -> object:
    """Return a name of this package that needs TensorFlow, importing its module now.

    Raises:
        AttributeError: the package has no such name.
    """
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    attribute: object = getattr(importlib.import_module(module), name)
    return attribute
