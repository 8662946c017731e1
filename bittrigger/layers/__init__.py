"""BitLinear and its quantizers as Keras layers, and their export to stock QKeras layers.

Importing this package imports no other library; its names import TensorFlow and QKeras the first time they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bittrigger.system.lazily import attributes

if TYPE_CHECKING:
    from bittrigger.layers.activations import BitActivation, StaticQuantizer
    from bittrigger.layers.adder_cost import AdderCostReport, adder_bits, model_adder_bits
    from bittrigger.layers.attention import AttentionSettings, PairSettings, SoftmaxSettings, bit_attention, bit_softmax
    from bittrigger.layers.bit_linear import BitConv1D, BitConv2D, BitLinear
    from bittrigger.layers.bithep import BitHepLinear
    from bittrigger.layers.dynamic import DynamicQuantizer
    from bittrigger.layers.export import export_stock
    from bittrigger.layers.input_scale import InputScale
    from bittrigger.layers.quantizers import KeepMagnitude, absmean_binary, absmean_ternary
    from bittrigger.layers.stock import stock_layers
    from bittrigger.layers.tables import BitTable
    from bittrigger.layers.widths import model_widths

__all__ = [
    "AdderCostReport",
    "AttentionSettings",
    "BitActivation",
    "BitConv1D",
    "BitConv2D",
    "BitHepLinear",
    "BitLinear",
    "BitTable",
    "DynamicQuantizer",
    "InputScale",
    "KeepMagnitude",
    "PairSettings",
    "SoftmaxSettings",
    "StaticQuantizer",
    "absmean_binary",
    "absmean_ternary",
    "adder_bits",
    "bit_attention",
    "bit_softmax",
    "export_stock",
    "model_adder_bits",
    "model_widths",
    "stock_layers",
]

__getattr__ = attributes(
    __name__,
    {
        "activations": ("BitActivation", "StaticQuantizer"),
        "adder_cost": ("AdderCostReport", "adder_bits", "model_adder_bits"),
        "attention": ("AttentionSettings", "PairSettings", "SoftmaxSettings", "bit_attention", "bit_softmax"),
        "bit_linear": ("BitConv1D", "BitConv2D", "BitLinear"),
        "bithep": ("BitHepLinear",),
        "dynamic": ("DynamicQuantizer",),
        "export": ("export_stock",),
        "input_scale": ("InputScale",),
        "quantizers": ("KeepMagnitude", "absmean_binary", "absmean_ternary"),
        "stock": ("stock_layers",),
        "tables": ("BitTable",),
        "widths": ("model_widths",),
    },
)
